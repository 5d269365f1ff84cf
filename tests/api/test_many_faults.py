"""Ten thousand faults of any kind at any place, in one run, while events are added."""

import random
from collections.abc import Iterator
from contextlib import aclosing

import httpx
import pytest

from neo_mcp.watch import EventLog
from neo_mcp.wire import Event, Task
from tests.api.playing import BOM, KEEP_ALIVE, WAYS, Api, Frame, below_http, frame, pieces, wire
from tests.api.support import TASK, FakeClock, client_for
from tests.api.test_every_byte import NOWHERE
from tests.api.test_reopening import PASSING
from tests.conftest import Scorecard

pytestmark = pytest.mark.scorecard("a stream may end anywhere, in any way: nothing lost, nothing doubled")

_MAX_IN_A_ROW = 5
"""Faults without progress, so that the patience of five minutes is never at its end."""


class Troubled:
    """A task whose stream meets a fault with every request, until there have been enough of them."""

    def __init__(self, api: Api, faults: int, seed: int) -> None:
        self.api = api
        self.frames: list[Frame] = []
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._place: dict[str | None, int] = {None: 0}
        self._left = faults
        self._in_a_row = 0
        api.stream = self.stream
        api.status = "running"

    @property
    def truth(self) -> list[Event]:
        return [each.event for each in self.frames]

    def stream(self, after: str | None) -> httpx.Response:
        chance, start = self._chance, self._place[after]
        if not self._left:
            self.api.status = "idle"
            return self.api.body(pieces(wire(self.frames[start:]), chance), "clean end")
        self._grow(4)
        self._left -= 1
        self._in_a_row += 1
        # The first opening is told of at once if it fails: whoever asked is still there to hear it.
        is_first = len(self.api.resumed_after) == 1
        if not is_first and self._in_a_row < _MAX_IN_A_ROW and chance.random() < 0.2:
            return chance.choice(list(PASSING.values()))()
        return self.api.body(self._broken(start), chance.choice(WAYS))

    def task(self) -> httpx.Response:
        if self._left and self._chance.random() < 0.2:
            return httpx.Response(self._chance.choice((429, 500, 503)))
        return httpx.Response(200, json={"id": TASK, "status": self.api.status})

    def _broken(self, start: int) -> Iterator[bytes | float]:
        """Events from there on or from before, some of them twice, cut off anywhere."""
        chance = self._chance
        if chance.random() < 0.3:
            everything = chance.random() < 0.01
            start = 0 if everything else max(0, start - chance.randrange(30))
        sent = [each for each in self.frames[start:] for _ in range(1 + (chance.random() < 0.05))]
        data = b"".join(each.wire for each in sent)
        yield BOM
        if self._in_a_row >= _MAX_IN_A_ROW or chance.random() < 0.2:
            self._in_a_row = 0
            yield KEEP_ALIVE
        if chance.random() < 0.5:
            yield from pieces(data[: chance.randrange(len(data) + 1)], chance)
            return
        yield from pieces(data, chance)
        for _ in range(chance.randrange(4)):
            yield chance.random() * 4
            before = len(self.frames)
            self._grow(3)
            live = b"".join(each.wire for each in self.frames[before:])
            cut = chance.random() < 0.5
            yield from pieces(live[: chance.randrange(len(live) + 1)] if cut else live, chance)
            if cut:
                return

    def _grow(self, most: int) -> None:
        for _ in range(self._chance.randrange(most)):
            self.frames.append(frame(len(self.frames)))
            self._place[self.frames[-1].event.id] = len(self.frames)


def _runs(task: Task) -> bool:
    return task.is_running


async def follow(clock: FakeClock, log: EventLog, *, remembers: bool) -> None:
    """Read to the end, into a log, as a watcher does."""
    known = log.knows if remembers else None
    async with (
        client_for(NOWHERE, clock) as client,
        aclosing(client.stream_events(TASK, is_known=known, keep_open=_runs)) as events,
    ):
        async for event in events:
            assert log.extend([event]), f"{event.id} came twice"


def check(log: EventLog, troubled: Troubled) -> None:
    truth = EventLog(max_events=len(troubled.frames), max_bytes=10**9)
    for event in troubled.truth:
        truth.extend([event])
    assert [event.id for event in log.since("").events] == [event.id for event in troubled.truth]
    assert log.since("").events == truth.since("").events
    assert log.state == truth.state


async def run(monkeypatch: pytest.MonkeyPatch, faults: int, seed: int, *, remembers: bool) -> Troubled:
    clock = FakeClock()
    api = below_http(monkeypatch, clock)
    troubled = Troubled(api, faults, seed)
    monkeypatch.setattr(api, "answer_task", troubled.task)
    log = EventLog(max_events=10**6, max_bytes=10**9)
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    await follow(clock, log, remembers=remembers)
    check(log, troubled)
    return troubled


@pytest.mark.parametrize("remembers", [True, False])
async def test_hundreds_of_faults_in_one_run_lose_and_double_nothing(
    monkeypatch: pytest.MonkeyPatch, *, remembers: bool
) -> None:
    await run(monkeypatch, 200, random.SystemRandom().randrange(2**32), remembers=remembers)


@pytest.mark.scorecard
@pytest.mark.long
async def test_ten_thousand_faults_in_one_run_lose_and_double_nothing(
    monkeypatch: pytest.MonkeyPatch, scorecard: Scorecard
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    wrong = "it did not end"
    try:
        troubled = await run(monkeypatch, 10_000, seed, remembers=True)
        wrong = ""
        figure = f"{len(troubled.frames):,} events: 0 lost, 0 doubled, the same fold"
    finally:
        scorecard(
            f"10,000 random faults in one run (seed {seed})",
            wrong or figure,
            "0 lost, 0 doubled, the same fold",
            ok=not wrong,
        )
