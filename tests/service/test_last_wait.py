"""Waits for the same thing share their result, and no others do."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

import anyio
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.config import Settings
from neo_mcp.core.reported import Pending, Reported
from neo_mcp.hints import Hint
from neo_mcp.service.commands.wait import wait_for_events
from neo_mcp.service.inputs import WaitInput
from neo_mcp.service.last_wait import Basis, LastWait
from neo_mcp.service.results import WaitResult
from neo_mcp.service.tasks import TaskService, open_tasks
from neo_mcp.service.writes.local_results import Progress
from neo_mcp.watch import News, Since, Until, Watcher
from tests.support.host import ORG, TOKEN, World, until

NEWS = News(Since(()), Pending(), activity="", last_event_id="e", cursor_known=True)
BASIS = Basis(
    args=WaitInput(task_id="t"),
    matched=True,
    event_id="e",
    reported=Reported(),
    news=NEWS,
    events=1,
    may_go_on=True,
    announced_here=frozenset(),
    progress=Progress(),
    second=1,
)
OTHERS: Mapping[str, Any] = {
    "args": WaitInput(task_id="t", budget_tokens=500),
    "matched": False,
    "event_id": "",
    "reported": Reported((b"1234",)),
    "news": replace(NEWS, activity="runs"),
    "events": 2,
    "may_go_on": False,
    "announced_here": frozenset({"call"}),
    "progress": Progress(sent=True),
    "second": 2,
}
RESULT = WaitResult(matched=True, cursor="c", next=Hint.WAIT)


@pytest.fixture
async def tasks(world: World) -> AsyncIterator[TaskService]:
    url = world.simulator.url
    async with (
        NeoClient(token=TOKEN, api_url=url, organization=ORG) as client,
        open_tasks(client, Settings(api_url=url)) as tasks,
    ):
        yield tasks


def say(world: World, task_id: str, text: str) -> None:
    body = {"type": "assistant_message", "content": text, "is_final": False}
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def watcher_of(tasks: TaskService) -> Watcher | None:
    """The only one there is."""
    return next((followed.watcher for followed in tasks.hub._followed.values()), None)


def holds(tasks: TaskService, count: int) -> bool:
    """True if so many waits are held."""
    watcher = watcher_of(tasks)
    return watcher is not None and watcher.caught_up and len(watcher.changed._waiting) == count


async def wait_together(
    world: World, tasks: TaskService, task_id: str, *waits: Mapping[str, Any]
) -> list[WaitResult]:
    """The results of waits that one event ends."""
    results: dict[int, WaitResult] = {}

    async def wait(number: int, arguments: Mapping[str, Any]) -> None:
        given = {"task_id": task_id, "until": Until.ANY, "timeout_seconds": 30, **arguments}
        results[number] = await wait_for_events(tasks, WaitInput(**given))

    async with anyio.create_task_group() as group:
        for number, arguments in enumerate(waits):
            group.start_soon(wait, number, arguments)
        await until(partial(holds, tasks, len(waits)))
        say(world, task_id, "Step 1 is done.")
    return [results[number] for number in range(len(waits))]


async def test_those_that_wait_for_the_same_get_one_result(world: World, tasks: TaskService) -> None:
    task_id = world.simulator.add_task(ORG, status="running")
    first, *others = await wait_together(world, tasks, task_id, *[{}] * 20)
    assert "Step 1 is done." in str(first.events)
    # The first one may have been made in the second before.
    assert len({id(result) for result in (first, *others)}) <= 2
    assert all(other == first for other in others)


@pytest.mark.parametrize("other", [{"budget_tokens": 500}, {"kinds": ["assistant_message"]}])
async def test_those_that_ask_for_another_result_get_their_own(
    world: World, tasks: TaskService, other: dict[str, Any]
) -> None:
    task_id = world.simulator.add_task(ORG, status="running")
    one, another = await wait_together(world, tasks, task_id, {}, other)
    assert one is not another


async def test_a_later_wait_reports_what_has_come_since(world: World, tasks: TaskService) -> None:
    task_id = world.simulator.add_task(ORG, status="running")
    (first,) = await wait_together(world, tasks, task_id, {})
    watcher = watcher_of(tasks)
    assert watcher is not None
    say(world, task_id, "Step 2 is done.")
    await until(lambda: len(watcher.log) == 2)
    later = await wait_for_events(tasks, WaitInput(task_id=task_id, until=Until.ANY, timeout_seconds=30))
    assert len(first.events or ()) == 1
    assert len(later.events or ()) == 2


def test_a_result_is_shared_only_where_all_that_it_depends_on_is_the_same() -> None:
    last = LastWait()
    assert last.get(BASIS) is None
    last.put(BASIS, RESULT)
    assert last.get(replace(BASIS)) is RESULT
    assert OTHERS.keys() == {field.name for field in fields(Basis)}
    for name, value in OTHERS.items():
        assert last.get(replace(BASIS, **{name: value})) is None, name
