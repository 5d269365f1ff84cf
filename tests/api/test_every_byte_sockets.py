"""A stream on a real socket that ends at any byte: closed or reset, in the middle of whatever it is."""

from collections.abc import Callable, Sequence

import pytest
from anyio.abc import SocketStream

from neo_mcp.api import Timeouts
from tests.api.playing import frames, last_complete, wire
from tests.api.support import Request, answer, client_for, reset, serving, task
from tests.api.test_every_byte import read
from tests.api.test_stream import CHUNKED, HEAD, OPEN, chunk
from tests.conftest import Scorecard

PLAYED = frames(10)
TRUTH = [each.event for each in PLAYED]
PLACES = len(wire(PLAYED)) + 1
_EVERY = 4

Framing = Callable[[bytes, int], bytes]


def in_chunks(data: bytes, offset: int) -> bytes:
    """Chunks of 100 bytes, of which the last is cut off in the middle: its size is that of the whole."""
    whole = b"".join(chunk(data[start : start + 100]) for start in range(0, offset - offset % 100, 100))
    rest = data[offset - offset % 100 : offset]
    return CHUNKED + whole + (b"64\r\n" + rest if rest else b"")


def in_ended_chunks(data: bytes, offset: int) -> bytes:
    return CHUNKED + (chunk(data[:offset]) if offset else b"") + b"0\r\n\r\n"


def of_known_length(data: bytes, offset: int) -> bytes:
    return HEAD + f"Content-Length: {len(data) + 1}\r\n\r\n".encode() + data[:offset]


def until_closed(data: bytes, offset: int) -> bytes:
    return OPEN + data[:offset]


CASES: dict[str, tuple[Framing, str]] = {
    "chunks, closed": (in_chunks, "closed"),
    "chunks, reset": (in_chunks, "reset"),
    "chunks, ended": (in_ended_chunks, "closed"),
    "chunks, silent": (in_chunks, "silent"),
    "of known length, closed": (of_known_length, "closed"),
    "of known length, reset": (of_known_length, "reset"),
    "until closed, closed": (until_closed, "closed"),
    "until closed, reset": (until_closed, "reset"),
}


class Ends:
    """A server of one task whose first connection ends after so many bytes, and whose next sends the rest."""

    def __init__(self, framing: Framing, ending: str) -> None:
        self._framing = framing
        self._ending = ending
        self._place = {each.event.id: number for number, each in enumerate(PLAYED, 1)}
        self.offset = 0
        self.resumed_after: list[str | None] = []

    async def __call__(self, request: Request, connection: SocketStream) -> None:
        if not request.path.endswith("/stream"):
            await connection.send(answer(200, task("running")))
            return
        after = request.headers.get("last-event-id")
        self.resumed_after.append(after)
        if len(self.resumed_after) > 1:
            await connection.send(OPEN + wire(PLAYED[self._place[after] if after else 0 :]))
            return
        await connection.send(self._framing(wire(PLAYED), self.offset))
        if self._ending == "reset":
            await reset(connection)
        elif self._ending == "silent":
            await connection.receive()


async def check(case: str, offsets: Sequence[int]) -> None:
    framing, ending = CASES[case]
    ends = Ends(framing, ending)
    ids = [event.id for event in TRUTH]
    quick = Timeouts(stream_silence=0.01) if ending == "silent" else Timeouts()
    async with serving(ends) as server, client_for(server, timeouts=quick) as client:
        for offset in offsets:
            ends.offset, ends.resumed_after = offset, []
            assert await read(client, len(ids)) == TRUTH, (case, offset)
            last = last_complete(PLAYED, offset)
            whole = ids[: ids.index(last) + 1] if last else []
            # A reset may overtake what was sent before it, and a slow machine seem silent.
            assert set(ends.resumed_after) <= {None, *whole}, (case, offset)
            if ending == "closed" and len(whole) < len(ids):
                assert ends.resumed_after == [None, last], (case, offset)


@pytest.mark.parametrize("case", CASES)
async def test_a_connection_that_ends_at_many_places_loses_and_doubles_nothing(case: str) -> None:
    await check(case, range(0, PLACES, 61))


@pytest.mark.scorecard
@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
async def test_a_connection_that_ends_at_any_byte_loses_and_doubles_nothing(
    case: str, scorecard: Scorecard
) -> None:
    # Every byte is an end in two of the cases.
    offsets = range(list(CASES).index(case) % _EVERY, PLACES, _EVERY)
    failure: AssertionError | None = None
    try:
        await check(case, offsets)
    except AssertionError as error:
        failure = error
    figure = str(failure) if failure else f"0 of {len(offsets):,} lost or doubled"
    scorecard(f"10 events on a real socket, {case} anywhere", figure, "0", ok=failure is None)
    assert failure is None
