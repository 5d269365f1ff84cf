"""Events that come together are read together, with the same result as one by one."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neo_mcp.api import NeoClient, Subscription
from neo_mcp.api.oversized import oversized_event
from neo_mcp.secret import SecretStr
from neo_mcp.token_guard import TokenGuard
from neo_mcp.wire import AssistantMessage, Event, parse_event
from tests.api.playing import Api, below_http
from tests.api.support import TASK, TOKEN, FakeClock, client_for

NOWHERE = "http://127.0.0.1:9"
LIMIT = 3000


def message(event_id: str, content: str) -> bytes:
    body = {"type": "assistant_message", "content": content}
    return json.dumps({"id": event_id, "eventBody": body}).encode()


def frame(frame_id: str, data: bytes) -> bytes:
    return b"id: %s\ndata: %s\n\n" % (frame_id.encode(), data)


@asynccontextmanager
async def playing() -> AsyncIterator[tuple[NeoClient, Api]]:
    """A client, and the API that it gets to."""
    clock = FakeClock()
    with pytest.MonkeyPatch.context() as patch:
        api = below_http(patch, clock)
        api.status = "idle"
        async with client_for(NOWHERE, clock, max_event_bytes=LIMIT) as client:
            yield client, api


async def batches(client: NeoClient, api: Api, chunks: Sequence[bytes], known: set[str]) -> list[list[Event]]:
    """Every batch of a stream of ``chunks``; the reader knows an event once it has its batch."""
    api.stream = lambda _: api.body(iter(chunks), "clean end")
    read: list[list[Event]] = []
    async with aclosing(client.stream_batches(Subscription(TASK, is_known=known.__contains__))) as stream:
        async for events in stream:
            known.update(event.id for event in events)
            read.append(events)
    return read


def ids(read: Sequence[Sequence[Event]]) -> list[list[str]]:
    return [[event.id for event in events] for events in read]


async def test_what_comes_together_is_yielded_together_and_an_id_in_it_twice_counts_once() -> None:
    a, b, c = (frame(each, message(each, "x")) for each in "abc")
    async with playing() as (client, api):
        assert ids(await batches(client, api, [a + b + a + b, b + c[:-1], c[-1:]], set())) == [
            ["a", "b"],
            ["c"],
        ]
        assert ids(await batches(client, api, [a + b + c], {"a", "c"})) == [["b"]]
        streamed = [event.id async for event in client.stream_events(TASK)]
    assert streamed == ["a", "b", "c"]


async def test_the_token_is_found_wherever_two_chunks_divide_it() -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in TOKEN).encode()
    data = b"".join(
        [
            frame("a", message("a", "plain")),
            frame("b", message("b", f"x {TOKEN} y")),
            frame("c", message("c", "x THE y").replace(b"THE", escaped)),
            frame(f"d-{TOKEN}", message("d", "plain")),
            frame(f"e-{TOKEN}", b"no JSON"),
        ]
    )
    async with playing() as (client, api):
        for place in range(len(data)):
            read = await batches(client, api, [data[:place], data[place:]], set())
            events = [event for batch in read for event in batch]
            shown = [event.body.content for event in events if isinstance(event.body, AssistantMessage)]
            assert shown == ["plain", "x [access token] y", "x [access token] y", "plain"]
            assert [event.id for event in events] == ["a", "b", "c", "d", "e-[access token]"]


IDS = st.sampled_from(["e1", "e2", "e3", "e4"])
DATA = st.one_of(
    st.builds(message, IDS, st.text(max_size=20)),
    st.builds(message, IDS, st.sampled_from([TOKEN, TOKEN[::-1], "a\nb\\x41 &#65; {[", "é\u2028字"])),
    st.builds(lambda event_id: message(event_id, TOKEN).replace(b"canary", b"c\\u0061nary"), IDS),
    st.builds(lambda event_id: message(event_id, "x" * LIMIT), IDS),
    st.builds(
        lambda levels: message("deep", "x").replace(b'"x"', b"[" * levels + b"]" * levels), st.integers(1, 90)
    ),
    st.sampled_from(
        [
            b"",
            b"no JSON",
            b'{"eventBody": {"type": "cancelled"}}',
            b'{"id": "t", "eventBody": {"type": "warning", "encrypted_pulumi_access_token": "s3cret"}}',
            b'{"id": "t", "eventBody": {"type": "provide_pulumi_access_token", "x": "s3cret"}}',
            b'{"id": "u", "eventBody": {"type": "warning", "message": "\xff\xc3"}}',
        ]
    ),
)


def one_by_one(data: Sequence[bytes]) -> list[Event]:
    """The events, each read without the others; of those with the same id, the first."""
    guard = TokenGuard(SecretStr(TOKEN))
    events: dict[str, Event] = {}
    for number, each in enumerate(data):
        if len(each) > LIMIT:
            event = oversized_event(f"f{number}", len(each), LIMIT)
        else:
            event = parse_event(guard.data(each), fallback_id=f"f{number}")
        events.setdefault(event.id, event)
    return [*events.values()]


@given(st.lists(DATA, max_size=8), st.lists(st.integers(0, 10**6), max_size=5))
@example([message("e1", "x"), message("e2", "x" * LIMIT), message("e3", TOKEN)], [])
@example([message("e1", TOKEN[:8]), message("e1", TOKEN[8:])], [])
def test_together_events_are_what_each_is_alone(data: list[bytes], places: list[int]) -> None:
    whole = b"".join(frame(f"f{number}", each) for number, each in enumerate(data))
    bounds = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    chunks = [whole[start:end] for start, end in pairwise(bounds)]

    async def read() -> list[Event]:
        async with playing() as (client, api):
            return [event for events in await batches(client, api, chunks, set()) for event in events]

    assert anyio.run(read) == one_by_one(data)
