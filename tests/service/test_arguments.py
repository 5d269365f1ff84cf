"""What a model gets wrong about arguments, and how it is told."""

import pytest

from tests.support.host import World

ID = {"task_id": "t1"}


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("get_task", {}, "`task_id` is required"),
        ("get_task", {"taskid": 1}, "did you mean `task_id`?"),
        ("get_task", {"verbose": True}, "unknown argument `verbose`. The arguments are: task_id"),
        (
            "get_task",
            {"task_id": True},
            '`task_id` takes text, such as "0b5a1c9e-0000-4000-8000-000000000001", but not true',
        ),
        ("update_task", {**ID, "dry_run": True}, "unknown argument `dry_run`"),
        ("update_task", {**ID, "approvalMode": "auto"}, "did you mean `approval_mode`?"),
        ("update_task", {**ID, "explain": True}, "unknown argument `explain`. The"),
        ("get_task", {"task_id": "../../user"}, "task id"),
        ("get_task", {"task_id": ""}, "`task_id` is required"),
        (
            "list_tasks",
            {"page_size": "20 tasks"},
            "whole number from 1 to 100, such as 20, but not '20 tasks'",
        ),
        ("list_tasks", {"page_size": 4000.5}, "`page_size`"),
        ("list_tasks", {"page_size": 0}, "`page_size`"),
        ("list_tasks", {"page_size": 1000}, "`page_size`"),
        ("list_tasks", {"sort_by": "magic"}, "lastEvent"),
        ("update_task", {**ID, "shared": "yes"}, "`shared`"),
        ("update_task", {**ID, "name": "n" * 256}, "`name`"),
        ("respond", {**ID, "action": "shout"}, "approve"),
        ("respond", {**ID, "action": "message", "text": "\ud800"}, "surrogate"),
        ("respond", {**ID, "action": "tool_results", "tool_results": [{"tool_call_id": "c"}]}, "content"),
        ("respond", {**ID, "action": "tool_results", "tool_results": {}}, "`tool_results.0.tool_call_id`"),
        ("respond", {**ID, "action": "tool_results", "tool_results": "done"}, "a list, each item an object"),
        ("create_task", {"prompt": None}, "`prompt`"),
        ("create_task", {"prompt": " \n"}, "`prompt` is required"),
        ("create_task", {"prompt": "x", "integrations": {"a": 1}}, "`integrations` takes a list"),
        ("create_task", {"prompt": "x", "integrations": ["datadog", " "]}, "`integrations` has a blank item"),
        ("create_task", {"prompt": "x", "cli_integrations": [None]}, "`cli_integrations` has a blank item"),
        ("create_task", {"prompt": "x", "tool_execution_mode": "worker"}, "cloud"),
        ("wait_for_events", {**ID, "timeout_seconds": -1}, "`timeout_seconds`"),
        ("wait_for_events", {**ID, "timeout_seconds": "5s"}, "a number from 0 to 3600, such as 50"),
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
