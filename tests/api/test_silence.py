"""Silence: noticed within three keep-alives, and never suspected of a stream that is only quiet."""

import random
from collections.abc import Iterator
from contextlib import aclosing

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neo_mcp.api import NeoClient, StreamState, StreamStatus, Timeouts
from neo_mcp.api.rhythm import Rhythm
from neo_mcp.simulator import Fault, SimulatorConfig, running_simulator
from tests.api.playing import KEEP_ALIVE, Api, below_http, frames, wire
from tests.api.support import TASK, FakeClock, client_for
from tests.api.test_every_byte import NOWHERE
from tests.conftest import Scorecard
from tests.support.examples import examples

pytestmark = pytest.mark.scorecard("a dead stream is told from a quiet one")

PLAYED = frames(40)
PRESUMED = Timeouts().stream_silence


class Listener:
    """Reads a stream to its end, and notes when a connection was given up."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.given_up: list[float] = []

    def note(self, status: StreamStatus) -> None:
        if status.state is StreamState.RETRYING:
            self.given_up.append(self._clock.monotonic())

    async def read(self, client: NeoClient, count: int) -> None:
        seen = 0
        async with aclosing(client.stream_events(TASK, on_connection=self.note)) as events:
            async for _ in events:
                seen += 1
                if seen == count:
                    return


class Server:
    """Plays these chunks on one connection after the other, then is silent; at last it sends an event."""

    def __init__(self, api: Api, *connections: Iterator[bytes | float]) -> None:
        self._api = api
        self._connections = list(connections)
        self.silent_at: list[float] = []
        api.stream = lambda _: api.body(self._play(), "silence")

    def _play(self) -> Iterator[bytes | float]:
        if not self._connections:
            yield wire(PLAYED)
            return
        yield from self._connections.pop(0)
        self.silent_at.append(self._api.clock.monotonic())


def beats(period: float, count: int, *, held_up: float = 0.0, seed: int = 0) -> Iterator[bytes | float]:
    """Keep-alives so many seconds apart, each of which may be held up for a part of that."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    late = 0.0
    for _ in range(count):
        before, late = late, period * held_up * chance.random()
        yield period - before + late
        yield KEEP_ALIVE


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(jitter=0.0)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Api:
    return below_http(monkeypatch, clock)


async def listen(clock: FakeClock) -> Listener:
    listener = Listener(clock)
    async with client_for(NOWHERE, clock) as client:
        await listener.read(client, 1)
    return listener


@pytest.mark.parametrize("period", [0.1, 1.0, 5.0, 14.0])
async def test_silence_is_noticed_within_three_keep_alives(period: float, api: Api, clock: FakeClock) -> None:
    server = Server(api, beats(period, 1000))
    listener = await listen(clock)
    (given_up,), (silent_at,) = listener.given_up, server.silent_at
    assert 2 * period < given_up - silent_at <= 3 * period


async def test_silence_from_the_start_is_noticed_too(api: Api, clock: FakeClock) -> None:
    Server(api, iter([]))
    assert (await listen(clock)).given_up == [PRESUMED]


async def test_what_one_stream_learned_holds_for_the_next(api: Api, clock: FakeClock) -> None:
    listener = Listener(clock)
    async with client_for(NOWHERE, clock) as client:
        Server(api, beats(2.0, 10))
        await listener.read(client, 1)
        began = clock.monotonic()
        Server(api, iter([PLAYED[0].wire]))
        await listener.read(client, 2)
    assert listener.given_up[1] - began <= 3 * 2.0


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    period=st.floats(0.05, PRESUMED * 0.7),
    held_up=st.floats(0, 0.4),
    count=st.integers(1, 60),
    seed=st.integers(0, 2**32),
)
def test_a_quiet_stream_whose_keep_alives_are_held_up_is_alive(
    period: float, held_up: float, count: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        server = Server(below_http(monkeypatch, clock), beats(period, count, held_up=held_up, seed=seed))
        listener = await listen(clock)
        assert len(listener.given_up) == len(server.silent_at) == 1
        assert listener.given_up[0] >= server.silent_at[0]

    anyio.run(scenario)


async def test_a_busy_stream_that_pauses_is_alive(api: Api, clock: FakeClock) -> None:
    """A server whose keep-alives come at fixed times, however shortly after an event."""

    def busy_then_quiet() -> Iterator[bytes | float]:
        for each in PLAYED[:30]:
            yield from (4.9, each.wire, 0.1, KEEP_ALIVE)
        yield from beats(5.0, 10)

    server = Server(api, busy_then_quiet())
    listener = Listener(clock)
    async with client_for(NOWHERE, clock) as client:
        await listener.read(client, 31)
    assert len(listener.given_up) == 1
    assert listener.given_up[0] - server.silent_at[0] <= 3 * 5.0


async def test_a_reader_that_takes_its_time_learns_nothing_wrong(api: Api, clock: FakeClock) -> None:
    """What piled up meanwhile comes all at once."""

    def piled_up() -> Iterator[bytes | float]:
        yield PLAYED[0].wire
        yield from [KEEP_ALIVE] * 20
        yield 2.0
        yield KEEP_ALIVE
        yield from beats(5.0, 10)

    server = Server(api, piled_up())
    listener = Listener(clock)
    async with client_for(NOWHERE, clock) as client:
        await listener.read(client, 2)
    assert len(listener.given_up) == 1
    assert listener.given_up[0] - server.silent_at[0] <= 3 * 5.0


@pytest.mark.parametrize("period", [16.0, 25.0, 50.0, 100.0])
async def test_a_server_with_rare_keep_alives_is_soon_understood(
    period: float, api: Api, clock: FakeClock
) -> None:
    server = Server(api, *(beats(period, 100) for _ in range(9)))
    listener = Listener(clock)
    async with client_for(NOWHERE, clock) as client:
        await listener.read(client, 1)
    mistaken = len(listener.given_up) - len(server.silent_at)
    assert mistaken <= 5
    # The last ones were all given up for a reason.
    pairs = zip(listener.given_up[-9 + mistaken :], server.silent_at[mistaken - 9 :], strict=True)
    assert all(0 < given_up - silent_at <= 3 * period for given_up, silent_at in pairs)


def test_a_machine_that_slept_does_not_wait_for_hours() -> None:
    rhythm = Rhythm(15.0)
    for _ in range(3):
        rhythm.note(5.0)
    rhythm.note(3 * 3600.0)
    assert rhythm.max_silence <= 60.0
    for _ in range(3):
        rhythm.note(5.0)
    assert rhythm.max_silence == 12.5


async def until_given_up(period: float) -> float:
    """Seconds for which a real connection was silent before it was given up."""
    gone: list[float] = []
    stream = 5 * len(KEEP_ALIVE) + 1
    config = SimulatorConfig(
        keep_alive_seconds=period, faults=(Fault("silence", path="/stream", at=stream, times=1),)
    )

    def note(status: StreamStatus) -> None:
        if status.state is StreamState.RETRYING:
            gone.append(anyio.current_time())

    async with running_simulator(config) as simulator:
        task_id = simulator.add_task("acme", status="running")
        async with (
            NeoClient(token="pul-sim-alice", api_url=simulator.url, organization="acme") as client,
            aclosing(client.stream_events(task_id, on_connection=note)) as events,
        ):
            began = anyio.current_time()
            async with anyio.create_task_group() as group:
                group.start_soon(anext, events)
                while not gone:  # noqa: ASYNC110 - the connection reports to a plain function
                    await anyio.sleep(period / 50)
                body = {"type": "warning", "message": "back"}
                simulator.append_event("acme", task_id, body, kind="agentResponse")
    # The last byte came with the sixth keep-alive.
    return gone[0] - began - 6 * period


async def test_silence_on_a_real_connection_is_noticed_by_its_own_keep_alives() -> None:
    with anyio.fail_after(PRESUMED - 5):
        await until_given_up(0.05)


@pytest.mark.scorecard
@pytest.mark.long
async def test_silence_on_a_real_connection_is_noticed_within_three_keep_alives(scorecard: Scorecard) -> None:
    period = 1.0
    waited = await until_given_up(period) / period
    scorecard("silence is noticed after", f"{waited:.2f} keep-alives", "≤ 3", ok=waited <= 3)
    assert waited <= 3
