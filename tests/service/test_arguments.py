"""What a model gets wrong about arguments, and how it is told."""

import pytest

from tests.support.host import World

ID = {"task_id": "t1"}


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("get_task", {}, "`task_id` is required"),
        ("get_task", {**ID, "taskid": 1}, "did you mean `task_id`?"),
        ("get_task", {**ID, "verbose": True}, "unknown argument `verbose`"),
        ("get_task", {"task_id": 7}, "`task_id`"),
        ("get_task", {"task_id": "../../user"}, "task id"),
        ("get_task", {"task_id": ""}, "task id"),
        ("list_tasks", {"page_size": "20"}, "`page_size`"),
        ("list_tasks", {"page_size": 0}, "`page_size`"),
        ("list_tasks", {"page_size": 1000}, "`page_size`"),
        ("list_tasks", {"sort_by": "magic"}, "lastEvent"),
        ("update_task", {**ID, "shared": "yes"}, "`shared`"),
        ("update_task", {**ID, "name": "n" * 256}, "`name`"),
        ("respond", {**ID, "action": "shout"}, "approve"),
        ("respond", {**ID, "action": "message", "text": "\ud800"}, "surrogate"),
        ("respond", {**ID, "action": "tool_results", "tool_results": [{"tool_call_id": "c"}]}, "content"),
        ("respond", {**ID, "action": "tool_results", "tool_results": {}}, "`tool_results`"),
        ("create_task", {"prompt": None}, "`prompt`"),
        ("create_task", {"prompt": "x", "integrations": "datadog"}, "`integrations`"),
        ("create_task", {"prompt": "x", "tool_execution_mode": "worker"}, "cloud"),
        ("wait_for_events", {**ID, "timeout_seconds": 0}, "`timeout_seconds`"),
        ("wait_for_events", {**ID, "timeout_seconds": 1e9}, "`timeout_seconds`"),
        ("wait_for_events", {**ID, "budget_tokens": 10}, "`budget_tokens`"),
        ("wait_for_events", {**ID, "until": "done"}, "attention"),
        ("wait_for_events", {**ID, "cursor": "garbage!"}, "not a cursor"),
    ],
)
async def test_a_wrong_argument_is_named_and_nothing_is_requested(
    world: World, tool: str, arguments: dict[str, object], says: str
) -> None:
    async with world.host() as host:
        text = await host.refused(tool, **arguments)
    assert says in text
    assert world.simulator.requests == []


async def test_an_absent_optional_may_also_be_null(world: World) -> None:
    async with world.host() as host:
        page = await host.call("list_tasks", organization=None, cursor=None, sort_by=None)
    assert page["tasks"] == []


async def test_whole_numbers_may_be_written_as_such(world: World) -> None:
    task_id = world.simulator.add_task("acme", status="running")
    async with world.host() as host:
        await host.call("wait_for_events", task_id=task_id, timeout_seconds=1)


async def test_an_unknown_tool_is_an_error_that_names_the_tools(world: World, era: str) -> None:
    async with world.host(mode=era) as host:
        text = await host.refused("neo_create")
    assert "create_task" in text
