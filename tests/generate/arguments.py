"""The table of what is read as what in the arguments of tools, made by reading it."""

import json
from collections.abc import Iterator
from typing import Any

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.server.tools import TOOLS
from neo_mcp.service.schema import Arguments, read_arguments
from neo_mcp.service.task_names import with_ids
from tests.generate.readme import table

_REQUIRED = {"create_task": {"prompt": "x"}, "list_tasks": {}}
_TASK = "8b1c3a52-5a51-4f0e-9f43-1d1e7b7a6a10"
_ROWS: tuple[tuple[str, str, Any], ...] = (
    ("list_tasks", "cursor", None),
    ("create_task", "role", " "),
    ("update_task", "name", "\u200b"),
    ("list_tasks", "organization", "'acme/'"),
    ("list_tasks", "page_size", "20"),
    ("list_tasks", "page_size", 20.0),
    ("list_tasks", "page_size", "20 tasks"),
    ("wait_for_events", "timeout_seconds", "5"),
    ("wait_for_events", "timeout_seconds", "5s"),
    ("create_task", "wait", "true"),
    ("create_task", "wait", "yes"),
    ("update_task", "name", 2026),
    ("create_task", "permission_mode", "Read_Only"),
    ("create_task", "integrations", "datadog"),
    ("create_task", "integrations", "datadog, github"),
    ("create_task", "integrations", '["datadog"]'),
    ("create_task", "integrations", []),
    ("create_task", "integrations", ["datadog", ""]),
    ("create_task", "commands", ["/fix", ""]),
    ("wait_for_events", "kinds", ["toolResponse"]),
    ("get_task", "task_id", f"https://app.pulumi.com/acme/neo/tasks/{_TASK}"),
    ("get_task", "task_id", f"neo://acme/tasks/{_TASK}/transcript"),
    ("get_task", "task_id", f'"acme/{_TASK}"'),
    ("get_task", "toolCallId", "call_1"),
    ("get_task", "dry_run", True),
    ("update_task", "dry_run", True),
)


def arguments_section() -> Iterator[str]:
    """Lines on how arguments are read, with the table."""
    yield "### How arguments are read"
    yield ""
    yield "A value is converted where its meaning is exact; the error for any other shows the form that is."
    yield "All of the arguments may also come as one text that is a JSON object."
    yield ""
    rows = [
        (f"`{tool}`", f"`{json.dumps({field: value})}`", _read(tool, field, value))
        for tool, field, value in _ROWS
    ]
    yield from table(("tool", "argument", "read as"), rows)


def _page_of(organization: str, task_id: str) -> str:
    return f"https://app.pulumi.com/{organization}/neo/tasks/{task_id}"


def _read(name: str, field: str, value: Any) -> str:  # noqa: ANN401 - any JSON
    tool = TOOLS[name]
    given = {**_REQUIRED.get(name, {"task_id": "t"}), field: value}
    try:
        read = read_arguments(tool.input_model, given, ignores_unknown=tool.read_only)
    except InvalidArgumentError as error:
        return f"refused: {error.problem.removeprefix('Invalid arguments: ')}"
    return _shown(with_ids(read, _page_of), field)


def _shown(read: Arguments, field: str) -> str:
    if field not in type(read).model_fields:
        return "ignored"
    value = getattr(read, field)
    if value is None:
        return "absent"
    organization = getattr(read, "organization", None)
    where = f", organization `{organization}`" if field == "task_id" and organization else ""
    return f"`{json.dumps(value)}`{where}"
