"""A stream that ends at any byte, in any way, loses nothing and doubles nothing."""

import random
from collections.abc import Sequence
from contextlib import aclosing

import httpx
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.wire import Event
from tests.api.playing import BOM, WAYS, Api, Frame, Way, below_http, frames, last_complete, pieces, wire
from tests.api.support import TASK, FakeClock, client_for
from tests.conftest import Scorecard

pytestmark = pytest.mark.scorecard("a stream may end anywhere, in any way: nothing lost, nothing doubled")

NOWHERE = "http://127.0.0.1:9"
_COUNT = 110
"""So many events as have every kind of body in every spelling."""


async def read(client: NeoClient, count: int, after: str | None = None) -> list[Event]:
    """The first so many events of a stream, then no more of it."""
    events: list[Event] = []
    async with aclosing(client.stream_events(TASK, last_event_id=after)) as stream:
        async for event in stream:
            events.append(event)
            if len(events) == count:
                break
    return events


class EndsAt:
    """Ends the first connection after so many bytes, and sends what follows when it is resumed."""

    def __init__(self, api: Api, played: Sequence[Frame]) -> None:
        self._api = api
        self._played = played
        self._truth = [each.event for each in played]
        self._place: dict[str | None, int] = {None: 0}
        self._place.update({event.id: number for number, event in enumerate(self._truth, 1)})
        self.places = len(wire(played)) + 1

    async def check(self, client: NeoClient, offset: int, way: Way, *, before: int, following: int) -> None:
        """End after ``offset`` bytes of the whole stream, of which only so many events are read."""
        api, clock = self._api, self._api.clock
        chance = random.Random(offset)  # noqa: S311 - repeatable on purpose
        last = last_complete(self._played, offset)
        start, end = max(self._place[last] - before, 0), self._place[last] + following
        offset -= len(wire(self._played[:start])) - len(BOM)

        def answer(after: str | None) -> httpx.Response:
            rest = wire(self._played[self._place[after] : end])
            if len(api.resumed_after) == 1:
                rest = wire(self._played[self._place[after] :])[:offset]
                return api.body(pieces(rest, chance), way)
            return api.body(pieces(rest, chance), "clean end")

        api.resumed_after.clear()
        api.stream = answer
        began = clock.monotonic()
        first = self._truth[start - 1].id if start else None
        wanted = self._truth[start:end]
        assert await read(client, len(wanted), first) == wanted, (offset, way)
        again = [] if last == self._truth[-1].id else [last]
        assert api.resumed_after == [first, *again], (offset, way)
        assert clock.monotonic() - began <= 15 + 1.25, (offset, way)


@pytest.mark.parametrize(("way", "every"), [("reset", 1), ("cut", 31), ("clean end", 31), ("silence", 31)])
async def test_a_stream_that_ends_at_any_byte_goes_on_after_the_last_whole_event(
    way: Way, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    ends = EndsAt(below_http(monkeypatch, clock), frames(8, large=40))
    async with client_for(NOWHERE, clock) as client:
        for offset in range(0, ends.places, every):
            await ends.check(client, offset, way, before=8, following=8)


@pytest.mark.scorecard
@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
async def test_a_long_stream_that_ends_at_any_byte_goes_on_after_the_last_whole_event(
    way: Way, monkeypatch: pytest.MonkeyPatch, scorecard: Scorecard
) -> None:
    clock = FakeClock()
    ends = EndsAt(below_http(monkeypatch, clock), frames(_COUNT, large=300))
    wrong: list[AssertionError] = []
    async with client_for(NOWHERE, clock) as client:
        for offset in range(ends.places):
            # Of the whole stream every now and then, else of a few events around.
            count = _COUNT if offset % 100 == WAYS.index(way) else 3
            try:
                await ends.check(client, offset, way, before=count, following=count)
            except AssertionError as error:
                wrong.append(error)
    scorecard(
        f"{_COUNT} events, {way} at every byte: lost, doubled, or the id moved over a cut event",
        f"{len(wrong)} of {ends.places:,}",
        "0",
        ok=not wrong,
    )
    assert not wrong, wrong[0]
