"""The tool surface is public API: what every host pays for and every model reads.

After a change that is meant, write the golden files anew with ``NEO_MCP_WRITE_GOLDEN=1``.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from neo_mcp.server.tools import TOOLS, instructions
from tests.support.host import World

GOLDEN = Path(__file__).parent / "golden"
NAMES = ["create_task", "respond", "get_task", "list_tasks", "update_task", "wait_for_events"]
HOSTILE_TO_SOME_PROVIDERS = {"anyOf", "oneOf", "allOf", "not", "$ref", "$defs", "definitions"}
MAX_BYTES = 8_600


def definition(name: str) -> dict[str, Any]:
    return TOOLS[name].definition.model_dump(mode="json", by_alias=True, exclude_none=True)


def nodes(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (node for node in nodes(schema) if isinstance(node.get("properties"), dict))


@pytest.mark.parametrize("name", NAMES)
def test_the_definition_is_the_golden_one(name: str) -> None:
    text = json.dumps(definition(name), indent=2, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("NEO_MCP_WRITE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def test_there_are_these_tools_and_no_other() -> None:
    assert list(TOOLS) == NAMES
    assert {path.stem for path in GOLDEN.iterdir()} == set(NAMES)


async def test_a_host_lists_exactly_these_definitions(world: World, era: str) -> None:
    async with world.host(mode=era) as host:
        listed = await host.client.list_tools()
    dumped = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]
    assert dumped == [definition(name) for name in NAMES]
    assert listed.next_cursor is None


@pytest.mark.parametrize("name", NAMES)
class TestEveryTool:
    def test_its_input_schema_is_plain(self, name: str) -> None:
        for node in nodes(definition(name)["inputSchema"]):
            assert not HOSTILE_TO_SOME_PROVIDERS & set(node)
            assert isinstance(node.get("type", "string"), str | dict)
            assert node.get("type") != "null"
            assert None not in node.get("enum", [])

    def test_it_takes_nothing_but_the_declared_arguments(self, name: str) -> None:
        for node in objects(definition(name)["inputSchema"]):
            assert node["additionalProperties"] is False

    def test_its_schemas_are_valid_and_of_objects(self, name: str) -> None:
        for key in ("inputSchema", "outputSchema"):
            schema = definition(name)[key]
            assert schema["type"] == "object"
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_it_has_a_title_and_tells_hosts_what_it_does(self, name: str) -> None:
        tool = definition(name)
        assert tool["title"]
        hints = tool["annotations"]
        # That the world is open is what hosts assume of a tool that does not say.
        assert set(hints) == {"readOnlyHint", "destructiveHint", "idempotentHint"}
        assert hints["readOnlyHint"] == (name in {"get_task", "list_tasks", "wait_for_events"})
        assert hints["destructiveHint"] == (name == "respond")

    def test_its_description_is_short(self, name: str) -> None:
        assert 40 < len(definition(name)["description"]) <= 400

    def test_arguments_that_do_not_explain_themselves_are_described(self, name: str) -> None:
        plain = {"name", "task_id", "organization", "remove_entities", "approval_mode", "permission_mode"}
        plain |= {"page_size", "sort_by", "sort_direction", "budget_tokens", "other_client_gone"}
        plain |= {"request_id"}
        for argument, schema in definition(name)["inputSchema"]["properties"].items():
            assert schema.get("description") or argument in plain


def test_the_whole_surface_is_small() -> None:
    sizes = {n: len(json.dumps(definition(n), separators=(",", ":"), ensure_ascii=False)) for n in NAMES}
    total = sum(sizes.values())
    print(f"{total} bytes: {sizes}")  # noqa: T201 - the figure is the point
    assert total < MAX_BYTES
    assert len(instructions(read_only=False)) < 1500
