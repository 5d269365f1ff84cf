"""Who asks for the same gets the same result, as long as nothing that it depends on has changed."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import anyio
import pytest

from neo_mcp.api import NeoClient, StreamState, StreamStatus
from neo_mcp.config import Settings
from neo_mcp.core.cursor import encode_cursor
from neo_mcp.hints import Hint, NextStep
from neo_mcp.service.commands.query import get_task
from neo_mcp.service.commands.wait import wait_for_events
from neo_mcp.service.inputs import GetTaskInput, WaitInput
from neo_mcp.service.last_result import LastResult
from neo_mcp.service.results import TaskResult, WaitResult
from neo_mcp.service.tasks import TaskService, open_tasks
from neo_mcp.simulator import Fault
from neo_mcp.watch import Until, Watcher
from neo_mcp.wire import UpdateTask
from tests.support.host import ORG, TOKEN, World, until

MIB = 2**20


@pytest.fixture
async def tasks(world: World) -> AsyncIterator[TaskService]:
    url = world.simulator.url
    async with (
        NeoClient(token=TOKEN, api_url=url, organization=ORG) as client,
        open_tasks(client, Settings(api_url=url)) as tasks,
    ):
        yield tasks


def said(text: str) -> dict[str, Any]:
    return {"type": "assistant_message", "content": text, "is_final": False}


def asked(request_id: str, message: str = "Deploy?") -> dict[str, Any]:
    return {"type": "user_approval_request", "id": request_id, "message": message}


def add(world: World, *bodies: dict[str, Any]) -> str:
    events = [("agentResponse", body) for body in bodies]
    return world.simulator.add_task(ORG, status="running", events=events)


def watcher_of(tasks: TaskService) -> Watcher | None:
    """The only one there is."""
    return next((followed.watcher for followed in tasks.hub._followed.values()), None)


async def append(world: World, tasks: TaskService, task_id: str, body: dict[str, Any]) -> None:
    """Add an event, and wait until it has come."""
    watcher = watcher_of(tasks)
    assert watcher is not None
    due = len(watcher.log) + 1
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
    await until(lambda: len(watcher.log) == due)


def holds(tasks: TaskService, count: int) -> bool:
    """True if so many waits are held."""
    watcher = watcher_of(tasks)
    return watcher is not None and watcher.caught_up and len(watcher.changed._waiting) == count


async def connected(tasks: TaskService, task_id: str) -> Watcher:
    """The task's watcher, once it has all events and a live stream."""
    await get_task(tasks, GetTaskInput(task_id=task_id))
    watcher = watcher_of(tasks)
    assert watcher is not None
    await until(lambda: watcher.connection == StreamStatus(StreamState.OPEN))
    return watcher


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
        await append(world, tasks, task_id, said("Step 1 is done."))
    return [results[number] for number in range(len(waits))]


async def test_those_that_wait_for_the_same_get_one_result(world: World, tasks: TaskService) -> None:
    first, *others = await wait_together(world, tasks, add(world), *[{}] * 20)
    assert "Step 1 is done." in str(first.events)
    assert all(other is first for other in others)


@pytest.mark.parametrize("other", [{"budget_tokens": 500}, {"kinds": ["assistant_message"]}])
async def test_those_that_ask_for_another_result_get_their_own(
    world: World, tasks: TaskService, other: dict[str, Any]
) -> None:
    one, another = await wait_together(world, tasks, add(world), {}, other)
    assert one is not another


async def test_a_later_wait_reports_what_has_come_since(world: World, tasks: TaskService) -> None:
    task_id = add(world)
    (first,) = await wait_together(world, tasks, task_id, {})
    args = WaitInput(task_id=task_id, until=Until.ANY, timeout_seconds=30)
    again = await wait_for_events(tasks, args)
    await append(world, tasks, task_id, said("Step 2 is done."))
    later = await wait_for_events(tasks, args)
    assert [len(each.events or ()) for each in (first, again, later)] == [1, 1, 2]


async def test_an_answer_resolves_nothing_for_the_one_who_gave_it(world: World, tasks: TaskService) -> None:
    task_id = add(world, asked("one"))
    cursor = (await wait_for_events(tasks, WaitInput(task_id=task_id))).cursor
    args = WaitInput(task_id=task_id, until=Until.ANY, timeout_seconds=30, cursor=cursor)
    steps: dict[str, NextStep] = {}

    async def wait(who: str) -> None:
        steps[who] = (await wait_for_events(tasks, args)).next

    async with anyio.create_task_group() as group:
        group.start_soon(wait, "other")
        await until(partial(holds, tasks, 1))
        watcher = watcher_of(tasks)
        assert watcher is not None
        watcher.note_answered(watcher.needs.due)
        group.start_soon(wait, "answerer")
        await until(partial(holds, tasks, 2))
        confirmed = {"type": "user_confirmation", "approval_request_id": "one", "ok": True}
        world.simulator.append_event(ORG, task_id, confirmed, kind="userInput")
    assert steps == {"other": Hint.RESOLVED, "answerer": Hint.STILL_WORKING}


async def test_the_end_of_a_turn_without_an_event_ends_a_wait(world: World, tasks: TaskService) -> None:
    task_id = add(world, said("Step 1 is done."))
    args = WaitInput(task_id=task_id, timeout_seconds=0.1)
    await connected(tasks, task_id)
    first = await wait_for_events(tasks, args)
    world.simulator.store.get(ORG, task_id).end_turn()
    later = await wait_for_events(tasks, args)
    assert (first.matched, later.matched) == (False, True)
    assert first.next is Hint.STILL_WORKING
    assert "has stopped" in str(later.next)


async def test_a_connection_that_is_lost_is_reported(world: World, tasks: TaskService) -> None:
    task_id = add(world, said("Step 1 is done."))
    args = WaitInput(task_id=task_id, timeout_seconds=0.1)
    watcher = await connected(tasks, task_id)
    first = await wait_for_events(tasks, args)
    watcher.connection = StreamStatus(StreamState.PAGING)
    later = await wait_for_events(tasks, args)
    assert "no live stream" in (later.activity or "")
    assert "no live stream" not in (first.activity or "")


async def test_a_cursor_whose_event_is_gone_shares_no_result(world: World, tasks: TaskService) -> None:
    task_id = add(world, said("Step 1 is done."))
    cursor = encode_cursor(ORG, task_id, "gone")
    args = WaitInput(task_id=task_id, until=Until.ANY, cursor=cursor)
    first = await wait_for_events(tasks, args)
    assert "no longer exists" in (first.note or "")
    assert await wait_for_events(tasks, args) is not first


class TestTheTaskItself:
    async def show(self, tasks: TaskService, task_id: str, **arguments: Any) -> TaskResult:  # noqa: ANN401 - any JSON
        return await get_task(tasks, GetTaskInput(task_id=task_id, **arguments))

    async def test_it_is_the_same_result_while_nothing_changes(
        self, world: World, tasks: TaskService
    ) -> None:
        task_id = add(world, said("Step 1 is done."))
        first = await self.show(tasks, task_id)
        assert await self.show(tasks, task_id) is first
        assert await self.show(tasks, task_id, budget_tokens=500) is not first

    async def test_an_event_changes_it(self, world: World, tasks: TaskService) -> None:
        task_id = add(world, said("Step 1 is done."))
        await self.show(tasks, task_id)
        await append(world, tasks, task_id, said("Step 2 is done."))
        assert (await self.show(tasks, task_id)).last_message == "Step 2 is done."

    async def test_a_setting_changes_it(self, world: World, tasks: TaskService) -> None:
        task_id = add(world, said("Step 1 is done."))
        await self.show(tasks, task_id)
        await tasks.client.update_task(task_id, UpdateTask(name="Other"))
        assert "Other" in (await self.show(tasks, task_id)).text()

    async def test_so_does_the_end_of_a_turn_without_an_event(self, world: World, tasks: TaskService) -> None:
        task_id = add(world, said("Step 1 is done."))
        assert (await self.show(tasks, task_id)).needs == []
        world.simulator.store.get(ORG, task_id).end_turn()
        (need,) = (await self.show(tasks, task_id)).needs
        assert need.kind == "stalled"

    async def test_each_of_two_requests_may_come_first(self, world: World, tasks: TaskService) -> None:
        task_id = add(world, asked("one"), asked("two"))
        for first in ("two", "one", "two"):
            result = await self.show(tasks, task_id, request_id=first)
            assert result.needs[0].request_id == first

    async def test_a_body_that_could_not_be_read_is_read_the_next_time(
        self, world: World, tasks: TaskService
    ) -> None:
        bodies = [asked(str(number), f"{number}" * MIB + "the end") for number in range(4)]
        task_id = add(world, *bodies)
        await self.show(tasks, task_id)

        async def shortest() -> int:
            first = [await self.show(tasks, task_id, request_id=str(number)) for number in range(4)]
            return min(len(result.needs[0].message) for result in first)

        world.simulator.faults.add(Fault("status", path="/events$", status=403))
        lacking = await shortest()
        world.simulator.faults.clear()
        assert lacking < await shortest()


def test_results_are_those_of_their_basis() -> None:
    last = LastResult[str]()
    assert last.get((1, "a")) is None
    last.put((1, "a"), "one")
    assert last.get((1, "a")) == "one"
    assert last.get((1, "b")) is None
    last.put((1, "b"), "other")
    assert last.get((1, "a")) is None
