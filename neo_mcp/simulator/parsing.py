"""Reading what people send: bodies and parameters checked against the documented shapes.

Owns: every 400 that depends on the request alone, and the refusal of unknown roles. Bodies come out as plain
dictionaries; a JSON null counts as absent.
Not here: whether a well-formed request makes sense now (`conversation`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from neo_mcp.simulator.config import CLI_INTEGRATIONS, INTEGRATIONS, ROLES
from neo_mcp.simulator.errors import ApiError, bad_request
from neo_mcp.simulator.store import SORT_KEYS
from neo_mcp.simulator.task import Body, Task, TaskOptions

MAXIMUM_PAGE: Final = 1000
MAX_NUMBER: Final = 18
MAXIMUM_NAME: Final = 255
APPROVAL_MODES: Final = ("manual", "auto", "balanced")
PERMISSION_MODES: Final = ("default", "read-only")
EXECUTION_MODES: Final = ("cloud", "cli", "worker")
SOURCES: Final = ("api", "console", "cli", "slack", "schedule", "github", "code-review")
UNKNOWN_PREFIX: Final = "no-such-"
"""An entity with a name, project or id that starts like this does not exist."""

_ENTITY_FIELDS: Final[dict[str, dict[str, type]]] = {
    "stack": {"name": str, "project": str},
    "repository": {"name": str, "org": str},
    "pull_request": {"number": int, "merged": bool, "repo": dict},
    "policy_issue": {"id": str},
}
_OPTIONAL_FIELDS: Final = {"repository": ("forge", "host"), "policy_issue": ("name",)}


def read_object(raw: bytes) -> Body:
    """The JSON object in a request body."""
    try:
        value = json.loads(raw, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise bad_request("request body is not valid JSON") from None
    if not isinstance(value, dict):
        raise bad_request("request body must be a JSON object")
    return value


def _reject_constant(name: str) -> None:
    raise ValueError(name)


def _field(body: Body, name: str, kind: type | tuple[type, ...], *, required: bool = False) -> Any:  # noqa: ANN401 - the type is `kind`
    value = body.get(name)
    if value is None:
        if required:
            raise bad_request(f"{name} is required")
        return None
    wrong_number = isinstance(value, bool) and kind is int
    if not isinstance(value, kind) or wrong_number:
        raise bad_request(f"{name} has the wrong type")
    return value


def _choice(body: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    value = body.get(name)
    if value is not None and value not in allowed:
        raise bad_request(f"{name} must be one of {', '.join(allowed)}")
    return value


def page_size(query: Mapping[str, str], default: int) -> int:
    """`pageSize`, or the default."""
    text = query.get("pageSize")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER and 1 <= int(text) <= MAXIMUM_PAGE):
        raise bad_request(f"pageSize must be between 1 and {MAXIMUM_PAGE}")
    return int(text)


def list_parameters(query: Mapping[str, str]) -> tuple[str, str]:
    """`sortBy` and `sortDirection` of a list of tasks."""
    sort_by = _choice(query, "sortBy", tuple(SORT_KEYS)) or "lastEvent"
    return sort_by, _choice(query, "sortDirection", ("asc", "desc")) or "desc"


def list_filter(query: Mapping[str, str], excluded: Sequence[str]) -> Callable[[Task], bool]:
    """The tasks that a list is limited to; `excluded` are the values of `excludeSources`."""
    for source in excluded:
        _choice({"excludeSources": source}, "excludeSources", SOURCES)
    expected = {
        "task_type": _choice(query, "taskType", ("sync", "async")),
        "status": _choice(query, "status", ("running", "idle")),
        "agent_definition_id": query.get("agentDefinitionId"),
    }
    text, issue = query.get("query", "").casefold(), query.get("policyIssueId")

    def matches(task: Task) -> bool:
        return (
            all(value in (None, getattr(task, name)) for name, value in expected.items())
            and task.source not in excluded
            and text in task.name.casefold()
            and (issue is None or any(_is_issue(entity, issue) for entity in task.entities))
        )

    return matches


def _is_issue(entity: Body, issue: str) -> bool:
    return entity.get("type") == "policy_issue" and entity.get("id") == issue


def create_task(body: Body) -> tuple[Body, TaskOptions]:
    """The first message and the settings of a new task."""
    message = _field(body, "message", dict)
    if message is None:
        raise bad_request("prompt is required")
    if message.get("type") != "user_message":
        raise bad_request('message.type must be "user_message"')
    options: TaskOptions = {
        "enabled_integrations": _integrations(body),
        "cli_integrations": _cli_integrations(body),
        "plan_mode": bool(_field(body, "planMode", bool)),
        "role": _role(body),
        "agent_definition_id": _field(body, "agentDefinitionId", str),
    }
    if approval := _choice(body, "approvalMode", APPROVAL_MODES):
        options["approval_mode"] = approval
    if permission := _choice(body, "permissionMode", PERMISSION_MODES):
        options["permission_mode"] = permission
    if execution := _choice(body, "toolExecutionMode", EXECUTION_MODES):
        options["tool_execution_mode"] = execution
    if source := _choice(body, "source", SOURCES):
        options["source"] = source
    return user_event(message), options


def _role(body: Body) -> str | None:
    role: str | None = _field(body, "role", str)
    if role is not None and role not in ROLES:
        raise ApiError(403, f"role {role!r} cannot be assumed")
    return role


def _integrations(body: Body) -> list[str] | None:
    references = _field(body, "enabledIntegrations", list)
    if references is None:
        return None
    chosen = [_field(_object(item), "id", str, required=True) for item in references]
    if unknown := set(chosen) - INTEGRATIONS:
        raise bad_request(f"unknown integration: {', '.join(sorted(unknown))}")
    return chosen


def _cli_integrations(body: Body) -> list[tuple[str, str]] | None:
    references = _field(body, "cliIntegrations", list)
    if references is None:
        return None
    chosen = [
        (_field(_object(item), "catalogId", str, required=True), _field(item, "name", str, required=True))
        for item in references
    ]
    if unknown := set(chosen) - CLI_INTEGRATIONS:
        raise bad_request(f"unknown CLI integration: {', '.join('/'.join(pair) for pair in sorted(unknown))}")
    return chosen


def _object(value: object) -> Body:
    if not isinstance(value, dict):
        raise bad_request("a list item must be an object")
    return value


def update_task(body: Body) -> Body:
    """The changes of a PATCH, without those that change nothing."""
    changes = {
        "name": _field(body, "name", str),
        "isShared": _field(body, "isShared", bool),
        "approvalMode": _choice(body, "approvalMode", APPROVAL_MODES),
        "permissionMode": _choice(body, "permissionMode", PERMISSION_MODES),
        "role": _role(body),
    }
    if changes["name"] is not None:
        changes["name"] = changes["name"].strip()
        if not 1 <= len(changes["name"]) <= MAXIMUM_NAME:
            raise bad_request(f"name must be between 1 and {MAXIMUM_NAME} characters")
    return {name: value for name, value in changes.items() if value is not None}


def user_event(event: object) -> Body:
    """An `AgentUserEvent`: known type, complete, sensible entities; its time may be left out."""
    if not isinstance(event, dict):
        raise bad_request("event field is required")
    check = _EVENT_CHECKS.get(str(event.get("type")))
    if check is None:
        raise bad_request(f"unsupported event type {event.get('type')!r}")
    if event.get("timestamp") is not None:
        timestamp(event)
    check(event)
    _check_entities(_field(event, "entity_diff", dict) or {})
    _check_page_context(_field(event, "pageContext", dict) or {})
    return {name: value for name, value in event.items() if value is not None}


def timestamp(body: Body) -> str:
    """The body's `timestamp`, which must be RFC 3339."""
    text: str = _field(body, "timestamp", str, required=True)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or text[10:11] not in ("T", "t"):
        raise bad_request("timestamp must be an RFC 3339 date and time")
    return text


def _check_message(event: Body) -> None:
    if not _field(event, "content", str, required=True).strip():
        raise bad_request("content must not be empty")
    for command in (_field(event, "commands", dict) or {}).values():
        for name in ("name", "description", "prompt", "tag", "modifiedAt"):
            _field(_object(command), name, str, required=True)
        _field(command, "builtIn", bool, required=True)
        timestamp({"timestamp": command["modifiedAt"]})


def _check_confirmation(event: Body) -> None:
    _field(event, "approval_request_id", str, required=True)
    _field(event, "ok", bool, required=True)
    _field(event, "instructions", str)


def _check_exec(event: Body) -> None:
    _field(event, "tool_call_id", str, required=True)
    _field(event, "name", str, required=True)


def _check_results(event: Body) -> None:
    results = _field(event, "tool_results", list, required=True)
    if not results:
        raise bad_request("tool_results must not be empty")
    for item in results:
        _check_exec(_object(item))
        if "content" not in item:
            raise bad_request("content is required")
        _field(item, "is_error", bool)


_EVENT_CHECKS: Final[dict[str, Callable[[Body], None]]] = {
    "user_message": _check_message,
    "user_confirmation": _check_confirmation,
    "user_cancel": lambda _event: None,
    "exec_tool_call": _check_exec,
    "tool_result": _check_results,
}


def _check_page_context(context: Body) -> None:
    _field(context, "kind", str)
    _field(context, "path", str)
    if not all(isinstance(value, str) for value in (_field(context, "params", dict) or {}).values()):
        raise bad_request("params of pageContext must be strings")


def _check_entities(diff: Body) -> None:
    for side in ("add", "remove"):
        for entity in _field(diff, side, list) or []:
            _check_entity(entity)


def _check_entity(entity: object) -> None:
    if not isinstance(entity, dict) or entity.get("type") not in _ENTITY_FIELDS:
        raise bad_request("invalid entity: unknown type")
    for name, kind in _ENTITY_FIELDS[entity["type"]].items():
        value = entity.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or value == "":
            raise bad_request(f"invalid entity: {entity['type']} needs a proper {name!r}")
        if isinstance(value, str) and value.startswith(UNKNOWN_PREFIX):
            raise bad_request(f"invalid entity: {entity['type']} {value!r} does not exist")
    for name in _OPTIONAL_FIELDS.get(entity["type"], ()):
        if not isinstance(entity.get(name) or "", str):
            raise bad_request(f"invalid entity: {name!r} must be a string")
    if entity["type"] == "pull_request":
        _check_entity({"type": "repository", **entity["repo"]})
