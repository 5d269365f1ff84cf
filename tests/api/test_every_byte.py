"""A stream that ends at any byte, in any way, loses nothing and doubles nothing."""

import random
from collections.abc import Sequence
from contextlib import aclosing

import httpx
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.wire import Event
from tests.api.playing import WAYS, Api, Frame, Way, below_http, frames, last_complete, pieces, wire
from tests.api.support import TASK, FakeClock, client_for
from tests.conftest import Scorecard

NOWHERE = "http://127.0.0.1:9"


async def read(client: NeoClient, count: int) -> list[Event]:
    """The first so many events of a stream, then no more of it."""
    events: list[Event] = []
    async with aclosing(client.stream_events(TASK)) as stream:
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
        self._all = wire(played)
        self._place = {each.event.id: number for number, each in enumerate(played)}
        self._truth = [each.event for each in played]

    @property
    def places(self) -> int:
        return len(self._all) + 1

    async def check(self, client: NeoClient, offset: int, way: Way, *, following: int) -> None:
        """End after ``offset`` bytes, and read so many events more."""
        api, clock = self._api, self._api.clock
        chance = random.Random(offset)  # noqa: S311 - repeatable on purpose
        last = last_complete(self._played, offset)
        start = 0 if last is None else self._place[last] + 1
        wanted = self._truth[: start + following]

        def answer(after: str | None) -> httpx.Response:
            if len(api.resumed_after) == 1:
                return api.body(pieces(self._all[:offset], chance), way)
            rest = self._played[0 if after is None else self._place[after] + 1 : len(wanted)]
            return api.body(pieces(wire(rest), chance), "clean end")

        api.resumed_after.clear()
        api.stream = answer
        began = clock.monotonic()
        assert await read(client, len(wanted)) == wanted, (offset, way)
        assert api.resumed_after == [None] + [last] * (start < len(wanted)), (offset, way)
        assert clock.monotonic() - began <= 15 + 1.25, (offset, way)


@pytest.mark.parametrize(("way", "every"), [("reset", 1), ("cut", 5), ("clean end", 5), ("silence", 5)])
async def test_a_stream_that_ends_at_any_byte_goes_on_after_the_last_whole_event(
    way: Way, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    ends = EndsAt(below_http(monkeypatch, clock), frames(12, large=40))
    async with client_for(NOWHERE, clock) as client:
        for offset in range(0, ends.places, every):
            await ends.check(client, offset, way, following=12)


@pytest.mark.scorecard
@pytest.mark.parametrize("way", WAYS)
async def test_a_long_stream_that_ends_at_any_byte_goes_on_after_the_last_whole_event(
    way: Way, monkeypatch: pytest.MonkeyPatch, scorecard: Scorecard
) -> None:
    clock = FakeClock()
    ends = EndsAt(below_http(monkeypatch, clock), frames(200, large=300))
    wrong: list[AssertionError] = []
    async with client_for(NOWHERE, clock) as client:
        for offset in range(ends.places):
            try:
                # What follows is the same from all bytes of an event: to the end of it every now and then.
                await ends.check(client, offset, way, following=200 if offset % 50 == 0 else 12)
            except AssertionError as error:
                wrong.append(error)
    scorecard(
        f"200 events, {way} at every byte: lost, doubled, or the id moved over a cut event",
        f"{len(wrong)} of {ends.places:,}",
        "0",
        ok=not wrong,
    )
    assert not wrong, wrong[0]
