"""What is promised of a stream holds for the log that it feeds, and for all who wait for it."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from neo_mcp.api import NeoClient, StreamState, Timeouts
from neo_mcp.errors import AuthenticationError
from neo_mcp.simulator import Fault, Simulator, SimulatorConfig, running_simulator
from neo_mcp.watch import EventLog, Hub, Reader, Until, Watcher, until_true, wait
from neo_mcp.wire import parse_event
from tests.api.support import FakeClock
from tests.conftest import Scorecard

pytestmark = pytest.mark.scorecard("a stream may end anywhere, in any way: nothing lost, nothing doubled")

ORG = "acme"
STREAM = "/events/stream"
PATIENCE = 30


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(SimulatorConfig(time_scale=0, keep_alive_seconds=0.02)) as simulator:
        yield simulator


@asynccontextmanager
async def following(
    simulator: Simulator,
    task_id: str,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> AsyncIterator[Watcher]:
    """A watcher with a stream; its waits between attempts take no time."""
    client = NeoClient(
        token="pul-sim-alice",
        api_url=simulator.url,
        organization=ORG,
        timeouts=timeouts,
        clock=FakeClock(),
    )
    async with client, anyio.create_task_group() as group:
        async with Hub(client, group).follow(ORG, task_id) as watcher:
            await until(
                watcher,
                lambda: watcher.connection is not None and watcher.connection.state is StreamState.OPEN,
            )
            yield watcher
        group.cancel_scope.cancel()


async def until(watcher: Watcher, holds: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        await until_true([watcher], holds)
    assert holds(), watcher.failure


def say(simulator: Simulator, task_id: str, text: str, *, final: bool = False) -> str:
    body = {"type": "assistant_message", "content": text, "is_final": final}
    return simulator.append_event(ORG, task_id, body, kind="agentResponse")


def truth(simulator: Simulator, task_id: str) -> EventLog:
    log = EventLog(max_events=10**6, max_bytes=10**9)
    for event in simulator.store.get(ORG, task_id).events:
        log.extend([parse_event(event.raw)])
    return log


def ids(log: EventLog) -> list[str]:
    return [event.id for event in log.since("").events]


@pytest.mark.parametrize("left_out", [1, 3, 5])
async def test_what_a_server_leaves_out_that_resumes_too_late_is_read_from_the_pages(
    left_out: int, simulator: Simulator
) -> None:
    task_id = simulator.add_task(ORG, status="running")
    async with following(simulator, task_id) as watcher:
        say(simulator, task_id, "Before")
        await until(watcher, lambda: len(watcher.log) == 1)
        simulator.faults.add(Fault("gap", path=STREAM, after_events=left_out))
        simulator.faults.add(Fault("latency", path=STREAM, seconds=0.05))
        await simulator.drop_streams()
        for number in range(left_out + 1):
            say(simulator, task_id, f"During {number}")
        await until(watcher, lambda: len(watcher.log) == left_out + 2)
        assert ids(watcher.log) == ids(truth(simulator, task_id))


async def test_a_resumed_stream_goes_on_though_the_pages_are_not_to_be_had(simulator: Simulator) -> None:
    task_id = simulator.add_task(ORG, status="running")
    async with following(simulator, task_id) as watcher:
        simulator.faults.add(Fault("status", path="/events$", times=0))
        await simulator.drop_streams()
        say(simulator, task_id, "After")
        await until(watcher, lambda: len(watcher.log) == 1)


async def test_a_cursor_of_a_replica_that_is_ahead_is_known(simulator: Simulator) -> None:
    task_id = simulator.add_task(ORG, status="running")
    simulator.faults.add(Fault("silence", path=STREAM, after_events=0, times=0))
    async with following(simulator, task_id) as watcher:
        reader = Reader(watcher, say(simulator, task_id, "Heard elsewhere"))
        assert not reader.matches(Until.ANY)
        assert not reader.read().since.events
        assert reader.read().last_event_id == reader.event_id
        new = say(simulator, task_id, "News")
        with anyio.fail_after(PATIENCE):
            await wait([reader], until=Until.ANY, seconds=2 * PATIENCE)
        news = reader.read()
    assert news.cursor_known
    assert [event.id for event in news.since.events] == [new]


async def test_a_cursor_that_nobody_can_place_gets_everything_only_when_the_api_says_so(
    simulator: Simulator,
) -> None:
    task_id = simulator.add_task(ORG, status="running")
    async with following(simulator, task_id) as watcher:
        say(simulator, task_id, "Something")
        await until(watcher, lambda: len(watcher.log) == 1)
        reader = Reader(watcher, "gone")
        simulator.faults.add(Fault("status", path="/events$", times=0))
        await wait([reader], until=Until.ANY, seconds=0.3)
        assert (len(reader.read().since.events), reader.read().last_event_id) == (0, "gone")
        simulator.faults.clear()
        with anyio.fail_after(PATIENCE):
            await wait([reader], until=Until.ANY, seconds=2 * PATIENCE)
        assert (len(reader.read().since.events), reader.read().cursor_known) == (1, False)


async def test_after_asking_for_pages_for_a_while_the_stream_is_opened_at_once(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that runs must not go unheard meanwhile: nobody comes by to say that they still wait."""
    monkeypatch.setattr("neo_mcp.watch.watcher._PAGING_SECONDS", 0.05)
    monkeypatch.setattr("neo_mcp.watch.watcher._REOPEN_SECONDS", 3600.0)
    task_id = simulator.add_task(ORG, status="running")
    simulator.faults.add(Fault("status", status=501, path=STREAM))
    async with following(simulator, task_id) as watcher:
        say(simulator, task_id, "Live")
        await until(watcher, lambda: len(watcher.log) == 1)


async def test_a_token_that_goes_bad_is_told_to_every_waiter_at_once(simulator: Simulator) -> None:
    task_id = simulator.add_task(ORG, status="running")
    told: list[str] = []
    async with following(simulator, task_id) as watcher:

        async def waiting() -> None:
            await wait([Reader(watcher, "")], until=Until.TURN_END, seconds=PATIENCE)
            told.append(str(watcher.failure))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(waiting)
            await anyio.wait_all_tasks_blocked()
            simulator.faults.add(Fault("status", status=401, times=0))
            await simulator.drop_streams()
        assert isinstance(watcher.failure, AuthenticationError)
    assert len(told) == 20
    assert all("pulumi login" in text for text in told)
    assert sum(request.status == 401 for request in simulator.requests) == 1


class Trouble:
    """Makes connections end anywhere and in any way, and adds events meanwhile."""

    def __init__(self, simulator: Simulator, task_id: str, seed: int) -> None:
        self._simulator = simulator
        self._task_id = task_id
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose

    async def make(self, watcher: Watcher, number: int) -> None:
        chance, simulator = self._chance, self._simulator
        self._say(number, 3)
        for kind in ("duplicate", "replay", "gap", "status", "reset_before_response"):
            if chance.random() < 0.1:
                status = chance.choice((429, 500, 503))
                simulator.faults.add(Fault(kind, path=STREAM, after_events=1, status=status))
        kind = chance.choice(("reset", "cut", "clean_end", "silence"))
        simulator.faults.add(Fault(kind, path=STREAM, at=chance.randrange(1200)))
        await simulator.drop_streams()
        await until(watcher, lambda: not simulator.faults.list())
        seen = len(simulator.requests)
        self._say(number, 6)
        if chance.random() < 0.7:
            await until(watcher, lambda: len(simulator.requests) > seen)

    def _say(self, number: int, most: int) -> None:
        for _ in range(self._chance.randrange(most)):
            say(self._simulator, self._task_id, f"{number} " + "ä" * self._chance.randrange(300))


async def endure(simulator: Simulator, faults: int, seed: int) -> int:
    """Follow a task through so many faults; how many events it had."""
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    task_id = simulator.add_task(ORG, status="running")
    trouble = Trouble(simulator, task_id, seed)
    async with following(simulator, task_id, Timeouts(stream_silence=0.05)) as watcher:
        log = watcher.log = EventLog(max_events=10**6, max_bytes=10**9)
        for number in range(faults):
            await trouble.make(watcher, number)
        last = say(simulator, task_id, "Done.", final=True)
        await until(watcher, lambda: log.last_id == last)
    expected = truth(simulator, task_id)
    assert ids(log) == ids(expected)
    assert log.state == expected.state
    return len(log)


async def test_many_faults_on_real_connections_lose_and_double_nothing(simulator: Simulator) -> None:
    await endure(simulator, 20, random.SystemRandom().randrange(2**32))


@pytest.mark.scorecard
@pytest.mark.long
async def test_a_thousand_faults_on_real_connections_lose_and_double_nothing(
    simulator: Simulator, scorecard: Scorecard
) -> None:
    failure: AssertionError | None = None
    figure = ""
    try:
        figure = f"{await endure(simulator, 1000, random.SystemRandom().randrange(2**32)):,} events: 0, 0"
    except AssertionError as error:
        failure, figure = error, str(error)
    check = "1,000 random faults on real connections: lost, doubled"
    scorecard(check, figure, "0, 0, the same fold", ok=failure is None)
    assert failure is None
