"""Answers of any size: what is read of them is bounded, and what can be read is."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from anyio.abc import SocketStream
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.api import Certificates, NeoClient, RetryPolicy, Timeouts
from neo_mcp.api.bodies import MAX_ANSWER
from neo_mcp.api.dates import parse_http_date
from neo_mcp.api.documents import DocumentError, fetch_document
from neo_mcp.api.pages import MAX_EMPTY_PAGES, MAX_PAGES
from neo_mcp.api.progress import Progress
from neo_mcp.api.retry import MAX_RETRY_AFTER, parse_retry_after
from neo_mcp.clock import SYSTEM_CLOCK
from neo_mcp.errors import (
    AmbiguousWriteError,
    AnswerTooLargeError,
    AuthenticationError,
    ConnectionFailedError,
    NeoError,
    ServerError,
    UnexpectedResponseError,
)
from neo_mcp.wire import AssistantMessage, Event, Unreadable
from tests.api.support import (
    TASK,
    Request,
    answer,
    answering,
    client_for,
    serving,
    task,
)

MIB = 2**20
HEAD = b"HTTP/1.1 %d Odd\r\nContent-Type: %b\r\n%bTransfer-Encoding: chunked\r\n\r\n"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def event(number: int, size: int = 10, unit: str = "x") -> dict[str, Any]:
    body = {"type": "assistant_message", "content": unit * size, "timestamp": "2026-01-01T00:00:00Z"}
    return {"id": f"e{number}", "type": "agentResponse", "eventBody": body}


async def send_without_end(
    wire: SocketStream, start: bytes, more: bytes, *, status: int = 200, kind: bytes = b"application/json"
) -> None:
    """Send until the client has had enough; 200 MiB at most, so that a client without a limit shows."""
    await wire.send(HEAD % (status, kind, b""))
    await wire.send(b"%x\r\n%b\r\n" % (len(start), start))
    for _ in range(200 * MIB // len(more)):
        await wire.send(b"%x\r\n%b\r\n" % (len(more), more))


class Paged:
    """A server of events that goes by page sizes, and counts what it sends."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = [json.dumps(each).encode() for each in events]
        self.sizes: list[int] = []

    async def __call__(self, request: Request, wire: SocketStream) -> None:
        query = dict(part.split("=") for part in request.target.partition("?")[2].split("&"))
        first, size = int(query.get("continuationToken", "0")), int(query["pageSize"])
        self.sizes.append(size)
        chosen, after = self._events[first : first + size], first + size
        token = json.dumps(str(after) if after < len(self._events) else None).encode()
        await wire.send(
            answer(200, b'{"events":[' + b",".join(chosen) + b'],"continuationToken":' + token + b"}")
        )


async def events_of(client: NeoClient, page_size: int = 100) -> list[Event]:
    return [each async for each in client.iter_events(TASK, page_size=page_size)]


async def test_a_page_over_the_limit_is_asked_for_again_with_fewer_items() -> None:
    server = Paged([event(number, 100_000) for number in range(60)])
    async with serving(server) as raw, client_for(raw, max_answer_bytes=2 * MIB) as client:
        events = await events_of(client)
    assert [each.id for each in events] == [f"e{number}" for number in range(60)]
    assert server.sizes[0] == 100
    assert max(server.sizes[1:2]) < 50


async def test_an_event_over_every_limit_leaves_a_marker_and_what_comes_after_it_is_read() -> None:
    server = Paged([event(0), event(1, 5 * MIB), event(2), event(3, 1_500_000)])
    async with (
        serving(server) as raw,
        client_for(raw, max_event_bytes=MIB, max_answer_bytes=2 * MIB) as client,
    ):
        events = await events_of(client)
    assert [each.id for each in events] == ["e0", "e1", "e2", "e3"]
    assert [type(each.body) for each in events] == [
        AssistantMessage,
        Unreadable,
        AssistantMessage,
        Unreadable,
    ]
    assert isinstance(events[1].body, Unreadable)
    assert "over the limit" in events[1].body.reason


async def test_a_long_page_reads_as_many_short_ones_do() -> None:
    made = [event(number, 30_000, "é→\U0001f600\n") for number in range(20)]
    made[3] = {"not": "an event"}
    async with serving(Paged(made)) as raw, client_for(raw) as client:
        long = await client.list_events(TASK, page_size=20)
        short = [await client.list_events(TASK, continuation_token=str(n), page_size=1) for n in range(20)]
    assert long.events == tuple(each for page in short for each in page.events)


async def test_a_compressed_answer_is_read_and_a_compressed_bomb_is_not() -> None:
    page = json.dumps({"events": [event(1, 3 * MIB)]}).encode()
    bomb = b'{"events":[' + b"{}," * (20 * MIB)
    async with (
        answering(
            answer(200, gzip.compress(page), Content_Encoding="gzip"),
            answer(200, gzip.compress(bomb, 1), Content_Encoding="gzip"),
        ) as server,
        client_for(server) as client,
    ):
        [only] = (await client.list_events(TASK)).events
        with pytest.raises(AnswerTooLargeError):
            await client.list_events(TASK)
    assert only.id == "e1"
    assert server.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("start", "more"),
    [(b'{"events":["', b"a" * 65_536), (b'{"events":[', b"{}," * 20_000), (b"{", b" " * 65_536)],
)
async def test_an_answer_without_an_end_is_refused_at_the_limit(start: bytes, more: bytes) -> None:
    async def endless(_: Request, wire: SocketStream) -> None:
        await send_without_end(wire, start, more)

    async with serving(endless) as server, client_for(server, max_answer_bytes=2 * MIB) as client:
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.get_task(TASK)
        assert "NEO_MCP_MAX_ANSWER_MIB" in str(caught.value)
        with pytest.raises(UnexpectedResponseError):
            await client.list_tasks(page_size=2)
        with pytest.raises(AmbiguousWriteError):
            await client.create_task("Do it.")


async def test_an_event_without_an_end_is_left_at_the_time_limit() -> None:
    async def endless(_: Request, wire: SocketStream) -> None:
        await send_without_end(wire, b'{"events":["', b"a" * 1000)

    timeouts, once = Timeouts(call=0.3), RetryPolicy(attempts=1)
    async with serving(endless) as server, client_for(server, timeouts=timeouts, retry=once) as client:
        with pytest.raises(NeoError):
            await client.list_events(TASK, page_size=1)


async def test_an_error_without_an_end_is_told_by_its_status() -> None:
    async def endless(_: Request, wire: SocketStream) -> None:
        await send_without_end(wire, b"<html>", b"a" * 65_536, status=501)

    async with serving(endless) as server, client_for(server) as client:
        with pytest.raises(ServerError):
            await client.get_task(TASK)
        with pytest.raises(ServerError):
            [_ async for _ in client.stream_events(TASK)]


async def test_an_encoding_that_was_not_asked_for_is_not_the_apis() -> None:
    async with (
        answering(answer(200, task(), Content_Encoding="br")) as server,
        client_for(server) as client,
    ):
        with pytest.raises(UnexpectedResponseError, match="compressed as 'br'"):
            await client.get_task(TASK)


async def test_an_encoding_of_a_stream_that_was_not_asked_for_is_not_the_apis() -> None:
    stream = answer(200, b"id: 1\n", Content_Type="text/event-stream", Content_Encoding="br")
    async with answering(stream) as server, client_for(server) as client:
        with pytest.raises(UnexpectedResponseError, match="compressed as 'br'"):
            [_ async for _ in client.stream_events(TASK)]


async def test_a_stream_that_is_compressed_all_the_same_is_read() -> None:
    frames = b"".join(b"id: e%d\ndata: %b\n\n" % (n, json.dumps(event(n)).encode()) for n in range(3))
    stream = answer(200, gzip.compress(frames), Content_Type="text/event-stream", Content_Encoding="gzip")

    async def handler(request: Request, wire: SocketStream) -> None:
        await wire.send(stream if request.path.endswith("/stream") else answer(200, task("idle")))

    async with serving(handler) as server, client_for(server) as client:
        assert [each.id async for each in client.stream_events(TASK)] == ["e0", "e1", "e2"]


async def test_of_more_tasks_than_asked_for_the_first_are_returned() -> None:
    tasks = [{**task(), "id": f"t{number}"} for number in range(30_000)]
    async with (
        answering(
            answer(200, {"tasks": tasks[:20], "continuationToken": "x"}), answer(200, {"tasks": tasks})
        ) as server,
        client_for(server) as client,
    ):
        few, many = await client.list_tasks(page_size=5), await client.list_tasks(page_size=5)
    assert (
        [each.id for each in few.tasks] == [each.id for each in many.tasks] == ["t0", "t1", "t2", "t3", "t4"]
    )
    assert few.continuation_token == "x"


async def test_an_event_of_more_values_than_allowed_leaves_a_marker() -> None:
    dense = event(1)
    dense["eventBody"] = {"type": "tool_response", "tool_call_id": "x", "content": [[]] * 600_000}
    text = event(2, 600_000, ",[")
    async with serving(Paged([dense, text])) as raw, client_for(raw) as client:
        events = await events_of(client)
    assert [type(each.body) for each in events] == [Unreadable, AssistantMessage]
    assert [each.id for each in events] == ["e1", "e2"]


@pytest.mark.parametrize("token", ["", "page-1", "page-2"])
async def test_a_page_that_is_named_again_ends_the_reading(token: str) -> None:
    pages = iter([*(answer(200, {"events": [event(n)], "continuationToken": f"page-{n}"}) for n in (1, 2))])

    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.send(next(pages, answer(200, {"events": [event(3)], "continuationToken": token})))

    async with serving(handler) as server, client_for(server) as client:
        assert [each.id for each in await events_of(client)] == ["e1", "e2", "e3"]


@pytest.mark.parametrize(("items", "most"), [(0, MAX_EMPTY_PAGES), (1, 30)])
@pytest.mark.parametrize("kind", ["events", "tasks"])
async def test_a_chain_of_pages_without_an_end_is_left(
    items: int, most: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neo_mcp.api.pages.MAX_PAGES", min(MAX_PAGES, max(most, 30)))

    async def handler(_: Request, wire: SocketStream) -> None:
        item = event(1) if kind == "events" else task()
        await wire.send(answer(200, {kind: [item] * items, "continuationToken": str(len(server.requests))}))

    async with serving(handler) as server, client_for(server) as client:
        with pytest.raises(UnexpectedResponseError, match="without an end"):
            [_ async for _ in (client.iter_events(TASK) if kind == "events" else client.iter_tasks())]
    assert most <= len(server.requests) <= most + 2


@pytest.mark.parametrize("size", [5_000, 10**6])
async def test_a_page_token_longer_than_any_is_not_the_apis(size: int) -> None:
    pages = [
        answer(200, {"events": [], "continuationToken": "x" * size}),
        answer(200, {"events": [{"pulumi_access_token": 1}], "continuationToken": "x" * size}),
        answer(200, {"tasks": [], "continuationToken": "x" * size}),
    ]
    async with answering(*pages) as server, client_for(server) as client:
        for ask in (client.list_events(TASK), client.list_events(TASK), client.list_tasks()):
            with pytest.raises(UnexpectedResponseError):
                await ask


async def test_headers_without_an_end_are_refused() -> None:
    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(10_000):
            await wire.send(b"X-%d: %b\r\n" % (number, b"a" * 1000))

    await fails(handler)


async def test_a_chunk_extension_without_an_end_is_refused() -> None:
    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.send(HEAD % (200, b"application/json", b"") + b"5;")
        for part in [b"a" * 1000] * 10_000:
            await wire.send(part)

    await fails(handler)


async def test_trailers_without_an_end_are_refused() -> None:
    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.send(HEAD % (200, b"application/json", b"") + b"0\r\n")
        for number in range(10_000):
            await wire.send(b"X-%d: %b\r\n" % (number, b"a" * 1000))

    await fails(handler)


async def fails(handler: Any) -> None:  # noqa: ANN401 - a handler
    async with serving(handler) as server, client_for(server, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(ConnectionFailedError):
            await client.get_task(TASK)


async def test_interim_answers_and_a_body_that_drips_end_with_the_time_limit() -> None:
    async def interim(_: Request, wire: SocketStream) -> None:
        while True:
            await wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    async def drip(_: Request, wire: SocketStream) -> None:
        await wire.send(HEAD % (200, b"application/json", b""))
        while True:
            await wire.send(b"1\r\n \r\n")
            await SYSTEM_CLOCK.sleep(0.01)

    timeouts = Timeouts(call=0.1, connect=0.1)
    for handler in (interim, drip):
        async with serving(handler) as server, client_for(server, timeouts=timeouts) as client:
            with pytest.raises(NeoError):
                await client.get_task(TASK)


async def test_a_document_is_bounded_and_a_compressed_one_too() -> None:
    small, bomb = gzip.compress(b'{"keys": []}'), gzip.compress(b"[" * (80 * MIB), 1)
    async with answering(
        answer(200, small, Content_Encoding="gzip"),
        answer(200, bomb, Content_Encoding="gzip"),
        answer(200, b"{}", Content_Encoding="br"),
    ) as server:
        assert await fetch_document(server.url, Certificates()) == {"keys": []}
        with pytest.raises(DocumentError, match="longer than"):
            await fetch_document(server.url, Certificates())
        with pytest.raises(DocumentError, match="compressed"):
            await fetch_document(server.url, Certificates())


async def test_an_id_longer_than_any_is_none() -> None:
    long = "x" * 300
    bodies: list[dict[str, Any]] = [
        {"type": "user_approval_request", "id": long},
        {"type": "exec_tool_call", "tool_call_id": long},
        {"type": "user_confirmation", "approval_request_id": long, "ok": True},
    ]
    frames = [{**event(n), "eventBody": body} for n, body in enumerate(bodies)] + [{**event(9), "id": long}]
    sse = b"".join(b"id: %b\ndata: %b\n\n" % (long.encode(), json.dumps(each).encode()) for each in frames)
    stream = answer(200, sse, Content_Type="text/event-stream")

    async def handler(request: Request, wire: SocketStream) -> None:
        await wire.send(stream if request.path.endswith("/stream") else answer(200, task("idle")))

    async with serving(handler) as server, client_for(server) as client:
        events = [each async for each in client.stream_events(TASK)]
    assert [each.id for each in events[:3]] == ["e0", "e1", "e2"]
    assert {each.body.type for each in events[:3]} == {body["type"] for body in bodies}
    assert not any(hasattr(each.body, "is_plan") for each in events)
    assert len(events[3].id) <= 256
    assert all(len(request.headers.get("last-event-id", "")) <= 256 for request in server.requests)


@pytest.mark.parametrize("has_keep_alives", [False, True])
def test_bytes_that_complete_no_event_end_a_connection(has_keep_alives: bool) -> None:
    progress, size, lack = Progress(300.0, 0.0), 0, ""
    while not lack:
        size += MIB
        lack = progress.lack(MIB, 1.0, has_event=False, is_alive=has_keep_alives)
    assert MAX_ANSWER < size <= 2 * 2**30


def test_an_event_that_does_not_end_in_time_ends_a_connection() -> None:
    progress = Progress(300.0, 0.0)
    assert not progress.lack(10, 299.0, has_event=False, is_alive=True)
    assert not progress.lack(10, 598.0, has_event=False, is_alive=False)
    assert progress.lack(10, 600.0, has_event=False, is_alive=False)


def test_events_and_keep_alives_from_time_to_time_end_nothing() -> None:
    progress = Progress(300.0, 0.0)
    for number in range(10_000):
        assert not progress.lack(MIB, 200.0 * number, has_event=number % 2 == 0, is_alive=number % 2 == 1)


HEADER = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            "Fri,",
            " 02",
            " Jan",
            " 2026",
            " 03:04:05",
            " GMT",
            " +0000",
            " -9999",
            "9" * 15,
            ":",
            "(",
            '"',
            "٣",
        ]
    ),
    max_size=9,
).map("".join)


@given(value=HEADER)
def test_whatever_a_header_says_of_a_wait_or_a_date_nothing_is_raised(value: str) -> None:
    wait = parse_retry_after(value, NOW)
    assert wait is None or 0 <= wait < 10**12
    try:
        moment = parse_http_date(value)
    except OverflowError:
        assert wait == MAX_RETRY_AFTER
    else:
        assert moment is None or moment.tzinfo is not None


@pytest.mark.parametrize(
    "value", ["9" * 5000, "Fri, 02 Jan 2026 03:04:05 +99999999999999", "Fri, 02 Jan 99999999999 03:04:05 GMT"]
)
def test_a_wait_beyond_all_numbers_is_the_longest_allowed(value: str) -> None:
    assert parse_retry_after(value, NOW) == MAX_RETRY_AFTER


async def test_a_refusal_with_an_impossible_wait_is_told_as_such() -> None:
    headers = {"Retry-After": "Fri, 02 Jan 2026 03:04:05 +99999999999999"}
    timeouts = Timeouts(create=10.0)
    async with (
        answering(answer(429, **headers), answer(401)) as server,
        client_for(server, timeouts=timeouts) as client,
    ):
        with pytest.raises(NeoError) as caught:
            await client.create_task("Do it.")
    assert not isinstance(caught.value, AmbiguousWriteError | AuthenticationError)
