"""A server that only looks."""

import pytest

from neo_mcp.config import ApprovalPolicy
from tests.support.host import LEGACY, ORG, Person, World

LOOKING = ["create_task", "get_task", "list_tasks", "wait_for_events"]


async def test_no_tool_is_left_that_changes_a_task(world: World, era: str) -> None:
    async with world.host(Person(), mode=era, read_only=True) as host:
        tools = await host.client.list_tools()
        for tool in ("respond", "update_task"):
            text = await host.refused(tool, task_id="t", action="message", text="x")
            assert "is read-only" in text
    assert [tool.name for tool in tools.tools] == LOOKING
    assert world.simulator.requests == []


@pytest.mark.parametrize("mode", [None, "default", "read-only"])
async def test_every_task_is_read_only(world: World, era: str, mode: str | None) -> None:
    arguments = {} if mode is None else {"permission_mode": mode}
    async with world.host(mode=era, read_only=True) as host:
        created = await host.call("create_task", prompt="Look (scenario:hello)", **arguments)
    (body,) = world.bodies("/tasks")
    assert body["permissionMode"] == "read-only"
    assert bool(created.get("warnings")) is (mode == "default")


async def test_who_has_to_reply_does_so_on_the_tasks_page(world: World, era: str) -> None:
    async with world.host(mode=era, read_only=True, approvals=ApprovalPolicy.HOST) as host:
        task_id, cursor = await host.create("question")
        waited = await host.wait(task_id, cursor)
        looked = await host.call("get_task", task_id=task_id)
    for result in (waited, looked):
        (need,) = result["needs"]
        assert need["kind"] == "question"
        assert f"/{ORG}/neo/tasks/{task_id}" in need["reply"]
        assert "respond" not in need["reply"]
        assert "respond" not in result["next"]


async def test_the_instructions_name_no_tool_that_is_not_there(world: World) -> None:
    async with world.host(mode=LEGACY, read_only=True) as host, world.host(mode=LEGACY) as other:
        looking, whole = host.client.instructions or "", other.client.instructions or ""
    assert "is read-only" in looking
    assert "respond:" not in looking
    assert "respond:" in whole
