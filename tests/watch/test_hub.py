"""One watcher per task, shared by all who wait, closed a little after the last."""

from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.errors import NotFoundError
from neo_mcp.simulator import Fault, Simulator
from neo_mcp.watch import EventLog, Hub, Reader, Until, Watcher, wait
from neo_mcp.watch.hub import LINGER_SECONDS
from neo_mcp.watch.wait import until_true
from neo_mcp.wire import AssistantMessage, Event, UserMessage
from tests.support.clocks import ShiftedClock

ORG = "acme"


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[NeoClient]:
    async with NeoClient(token="pul-sim-alice", api_url=simulator.url, organization=ORG) as client:
        yield client


def say(simulator: Simulator, task_id: str, text: str, *, final: bool = False) -> None:
    body = {"type": "assistant_message", "content": text, "is_final": final}
    simulator.append_event(ORG, task_id, body, kind="agentResponse")


def streams_opened(simulator: Simulator) -> int:
    return sum(request.path.endswith("/stream") for request in simulator.requests)


def closers() -> int:
    """Tasks that wait to close a watcher."""
    return sum("_close_later" in (task.name or "") for task in anyio.get_running_tasks())


async def until(condition: Callable[[], object]) -> None:
    """Give the tasks of the hub and the simulator the time they need."""
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - nothing announces it
            await anyio.sleep(0.002)


async def caught_up(watcher: Watcher) -> None:
    with anyio.fail_after(10):
        await until_true([watcher], lambda: watcher.caught_up)


class TestHub:
    async def test_all_followers_get_the_same_watcher(self, client: NeoClient, simulator: Simulator) -> None:
        task_id = simulator.add_task(ORG)
        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            async with hub.follow(ORG, task_id) as one, hub.follow(ORG, task_id) as two:
                await caught_up(one)
                assert one is two
                assert hub.peek(ORG, task_id) is one
            group.cancel_scope.cancel()

    async def test_one_that_has_not_caught_up_is_not_shown(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        task_id = simulator.add_task(ORG)
        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            assert hub.peek(ORG, task_id) is None
            async with hub.follow(ORG, task_id):
                assert hub.peek(ORG, task_id) is None
            group.cancel_scope.cancel()

    async def test_of_too_many_that_linger_the_one_left_first_is_closed(
        self, client: NeoClient, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("neo_mcp.watch.hub.MAX_LINGERING", 2)
        tasks = [simulator.add_task(ORG, status="running") for _ in range(5)]
        async with anyio.create_task_group() as group:
            hub = Hub(client, group, linger=60)
            async with hub.follow(ORG, tasks[0]) as used:
                for task_id in tasks[1:]:
                    async with hub.follow(ORG, task_id) as watcher:
                        await caught_up(watcher)
                await until(lambda: simulator.open_streams == 3)
                await caught_up(used)
                assert [bool(hub.peek(ORG, task_id)) for task_id in tasks] == [True, False, False, True, True]
            group.cancel_scope.cancel()

    async def test_a_watcher_that_is_being_closed_is_never_handed_out(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        """Whoever comes while a stream is being closed gets a watcher that still watches."""
        task_id = simulator.add_task(ORG, status="running")
        async with anyio.create_task_group() as group:
            hub = Hub(client, group, linger=0.0)
            for number in range(30):
                async with hub.follow(ORG, task_id) as watcher:
                    await caught_up(watcher)
                for _ in range(number % 10):
                    await anyio.lowlevel.checkpoint()
                async with hub.follow(ORG, task_id) as watcher:
                    await caught_up(watcher)
                    say(simulator, task_id, f"Message {number}")
                    with anyio.fail_after(10):
                        await until_true([watcher], lambda: len(watcher.log) == number + 1)  # noqa: B023 - used at once
            group.cancel_scope.cancel()

    async def test_coming_back_in_time_keeps_the_watcher(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        task_id = simulator.add_task(ORG)
        async with anyio.create_task_group() as group:
            hub = Hub(client, group, linger=60)
            async with hub.follow(ORG, task_id) as one:
                await caught_up(one)
            async with hub.follow(ORG, task_id) as two:
                assert two is one
            group.cancel_scope.cancel()
        assert streams_opened(simulator) <= 1

    async def test_a_new_follower_opens_the_ended_stream_of_an_idle_task_at_once(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        task_id = simulator.add_task(ORG)
        simulator.faults.add(Fault("clean_end", path="/stream", after_events=0, times=2))
        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            async with hub.follow(ORG, task_id) as watcher:
                with anyio.fail_after(10):
                    await until_true([watcher], lambda: bool(watcher.at_rest))
                say(simulator, task_id, "From the console")
                async with hub.follow(ORG, task_id):
                    with anyio.fail_after(10):
                        await until_true([watcher], lambda: len(watcher.log) == 1)
                assert not watcher.at_rest
            group.cancel_scope.cancel()

    async def test_a_failed_watcher_is_replaced(self, client: NeoClient) -> None:
        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            watchers: list[Watcher] = []
            for _ in range(2):
                async with hub.follow(ORG, "no-such-task") as watcher:
                    with anyio.fail_after(10):
                        await wait([Reader(watcher, "")], until=Until.ANY, seconds=10)
                    assert isinstance(watcher.failure, NotFoundError)
                    watchers.append(watcher)
            assert watchers[0] is not watchers[1]
            group.cancel_scope.cancel()

    async def test_a_failure_holds_nothing_of_those_that_it_was_raised_to(self, client: NeoClient) -> None:
        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            async with hub.follow(ORG, "no-such-task") as watcher:
                with anyio.fail_after(10):
                    await wait([Reader(watcher, "")], until=Until.ANY, seconds=10)
                for _ in range(2):
                    assert watcher.failure is not None
                    with pytest.raises(NotFoundError) as caught:
                        raise watcher.failure
                    assert caught.value.status == 404
                    assert len(caught.traceback) == 1
                assert watcher.failure is not None
                assert watcher.failure.__traceback__ is None
            group.cancel_scope.cancel()

    async def test_however_many_come_and_go_one_task_waits_to_close(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        task_id = simulator.add_task(ORG, status="running")
        async with anyio.create_task_group() as group:
            hub = Hub(client, group, linger=60)
            for _ in range(50):
                async with hub.follow(ORG, task_id), hub.follow(ORG, task_id):
                    pass
                await anyio.lowlevel.checkpoint()
                assert closers() <= 1
            async with hub.follow(ORG, task_id) as watcher:
                await caught_up(watcher)
                assert closers() == 1
            group.cancel_scope.cancel()

    async def test_the_time_to_close_counts_from_the_last_who_left(self, simulator: Simulator) -> None:
        task_id, clock = simulator.add_task(ORG, status="running"), ShiftedClock()
        async with (
            NeoClient(token="pul-sim-alice", api_url=simulator.url, clock=clock) as client,
            anyio.create_task_group() as group,
        ):
            hub = Hub(client, group)
            async with hub.follow(ORG, task_id) as first:
                await caught_up(first)
            async with hub.follow(ORG, task_id) as again:
                clock.shift(LINGER_SECONDS)
                await until(lambda: not closers())
                assert again is first
                assert hub.peek(ORG, task_id) is first
            clock.shift(LINGER_SECONDS)
            await until(lambda: hub.peek(ORG, task_id) is None and not closers())
            await until(lambda: simulator.open_streams == 0)
            group.cancel_scope.cancel()

    async def test_many_waiters_of_whom_most_are_cancelled_share_one_stream_a_task(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        tasks = [simulator.add_task(ORG, status="running") for _ in range(5)]
        found: list[str] = []
        async with anyio.create_task_group() as group:
            hub = Hub(client, group, linger=0.05)

            async def waiting(task_id: str, scope: anyio.CancelScope) -> None:
                with scope:
                    async with hub.follow(ORG, task_id) as watcher:
                        await wait([Reader(watcher, "")], until=Until.TURN_END, seconds=30)
                        found.append(watcher.attention()[0].message)

            scopes = [anyio.CancelScope() for _ in range(50)]
            async with anyio.create_task_group() as waiters:
                for number, scope in enumerate(scopes):
                    waiters.start_soon(waiting, tasks[number % 5], scope)
                await until(lambda: simulator.open_streams == 5)
                for scope in scopes[5:]:
                    scope.cancel()
                for task_id in tasks:
                    say(simulator, task_id, "Done.", final=True)
            assert found == ["Done."] * 5
            assert streams_opened(simulator) == 5
            await until(lambda: simulator.open_streams == 0)
            assert hub._followed == {}
            await until(lambda: not closers())
            group.cancel_scope.cancel()

    async def test_a_waiter_that_is_cancelled_is_forgotten_by_the_watcher(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        task_id = simulator.add_task(ORG, status="running")
        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            async with hub.follow(ORG, task_id) as watcher:
                await caught_up(watcher)
                for _ in range(20):
                    with anyio.move_on_after(0):
                        await wait([Reader(watcher, "")], until=Until.TURN_END, seconds=30)
                assert not watcher.changed._waiting
            group.cancel_scope.cancel()


class TestWait:
    async def test_what_was_found_before_a_failure_is_told_first(
        self, client: NeoClient, simulator: Simulator
    ) -> None:
        task_id = simulator.add_task(ORG, status="running")
        say(simulator, task_id, "Hm.")
        simulator.faults.add(Fault("status", status=401, path="/stream", times=0))
        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            async with hub.follow(ORG, task_id) as watcher:
                with anyio.fail_after(10):
                    await until_true([watcher], lambda: False)
                reader = Reader(watcher, "")
                await wait([reader], until=Until.ANY, seconds=10)
                assert reader.matches(Until.ANY)
                assert len(reader.read().since.events) == 1
            group.cancel_scope.cancel()

    async def test_progress_tells_of_a_lost_connection(self, client: NeoClient, simulator: Simulator) -> None:
        task_id = simulator.add_task(ORG, status="running")
        told: list[str] = []
        heard = anyio.Event()

        async def note(text: str) -> None:
            told.append(text)
            if "connection lost" in text:
                heard.set()

        async with anyio.create_task_group() as group:
            hub = Hub(client, group)
            async with hub.follow(ORG, task_id) as watcher:
                await caught_up(watcher)
                with anyio.fail_after(10):
                    while not simulator.open_streams:  # noqa: ASYNC110 - the stream opens in a task of the hub
                        await anyio.sleep(0.002)

                async def waiting() -> None:
                    await wait([Reader(watcher, "")], until=Until.TURN_END, seconds=30, on_progress=note)

                group.start_soon(waiting)
                simulator.faults.add(Fault("status", status=503, path="/stream", times=0))
                await simulator.drop_streams()
                with anyio.fail_after(10):
                    await heard.wait()
            group.cancel_scope.cancel()
        assert told


class TestLog:
    def test_an_event_counts_once(self) -> None:
        log = EventLog()
        first = Event(id="e1", body=UserMessage(content="Go"))
        assert log.extend([first])
        assert not log.extend([Event(id="e1", body=UserMessage(content="Again"))])
        assert list(log.since("").events) == [first]
        assert log.state.turns == 1

    def test_readers_get_what_came_after_their_cursor(self) -> None:
        log = EventLog()
        events = [Event(id=f"e{n}", body=AssistantMessage(content=str(n))) for n in range(4)]
        for event in events:
            log.extend([event])
        assert list(log.since("e1").events) == events[2:]
        assert list(log.since("e3").events) == []
        assert list(log.since("unknown").events) == events
        assert (log.knows("e1"), log.knows(""), log.knows("unknown")) == (True, True, False)
        assert log.last_id == "e3"
