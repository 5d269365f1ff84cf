"""What a request may hold is bounded for every tool, whatever transport it came by."""

from typing import Any, cast

import pytest
from mcp.shared.exceptions import MCPError

from tests.support.host import ORG, Host, World

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

MIB = 2**20
MANY = ["x"] * 600
LONG = "x" * 70_000


@pytest.mark.parametrize("large", [MANY, LONG, {"a": [LONG]}, {LONG: 1}])
@pytest.mark.parametrize("tool", ["get_task", "list_tasks", "update_task", "wait_for_events"])
async def test_a_tool_that_takes_no_documents_takes_little(
    world: World,
    era: str,
    tool: str,
    large: Any,  # noqa: ANN401 - any JSON
) -> None:
    async with world.host(mode=era) as host:
        text = await host.refused(tool, task_id="t1", organization=ORG, kinds=large)
    assert f"'{tool}' takes 64 KiB of text in 500 values at most" in text
    assert len(text) < 500
    assert not world.simulator.requests


async def test_texts_are_bounded_one_by_one_and_together(world: World, era: str) -> None:
    task_id = world.simulator.add_task(ORG, status="idle")
    async with world.host(mode=era) as host:
        long = {"task_id": task_id, "action": "message", "text": "x" * (4 * MIB + 1)}
        assert "at most 5.0 MiB together, and 4.0 in one" in await host.refused("respond", **long)
        results = [{"tool_call_id": str(number), "content": "x" * (3 * MIB)} for number in range(3)]
        many = {"task_id": task_id, "action": "tool_results", "tool_results": results}
        assert "9.0 MiB of text" in await host.refused("respond", **many)
        assert "4.0 in one" in await host.refused("create_task", prompt="x" * (4 * MIB + 1))
    assert not world.bodies()


async def test_a_long_prompt_is_served(world: World, era: str) -> None:
    prompt = "word [{ " * 60_000
    async with world.host(mode=era) as host:
        await host.call("create_task", prompt=prompt)
    assert prompt.strip() in world.bodies("/tasks")[0]["message"]["content"]


@pytest.mark.parametrize("junk", [MANY, LONG])
async def test_what_goes_along_with_arguments_is_small(
    world: World,
    era: str,
    junk: Any,  # noqa: ANN401 - any JSON
) -> None:
    async with world.host(mode=era) as host:
        result = await host.client.call_tool(
            "respond", {"task_id": "t1", "action": "cancel"}, meta=cast("Any", {"junk": junk})
        )
        assert result.is_error
        assert "Besides its arguments, respond takes" in str(result.content)
        with pytest.raises(MCPError, match="A request takes 64 KiB"):
            await host.client.get_prompt("delegate", {"goal": LONG})
    assert not world.bodies()


async def test_problems_with_arguments_are_told_in_few_words(world: World, era: str) -> None:
    async with world.host(mode=era) as host:
        wrong = [{"tool_call_id": [1], "content": {}}] * 2000
        text = await host.refused("respond", task_id="t1", action="tool_results", tool_results=wrong)
        assert len(text) < 2000
        assert "more" in text
        text = await _unknown(host, {"task_id": "t1", "action": "message", "text_" * 200_000: 1})
        assert len(text) < 500


async def _unknown(host: Host, arguments: dict[str, Any]) -> str:
    return str((await host.raw("respond", arguments)).content)
