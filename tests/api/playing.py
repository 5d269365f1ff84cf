"""A realistic stream of events, and a Neo API right below the HTTP client that ends it anywhere, in any way.

No socket and no waiting: the bytes are those of the wire, the failures those that httpx raises, and time is a
:class:`~tests.api.support.FakeClock`.
"""

import itertools
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import httpx
import pytest

from neo_mcp.wire import Event, parse_event
from tests.api.support import TASK, FakeClock, task

Way = Literal["reset", "cut", "clean end", "silence"]
WAYS: Final[tuple[Way, ...]] = ("reset", "cut", "clean end", "silence")
BOM: Final = b"\xef\xbb\xbf"
KEEP_ALIVE: Final = b": keep-alive\n\n"


@dataclass(frozen=True)
class Frame:
    """One event.

    Attributes:
        wire: Its bytes on the stream, with what comes before it.
        event: What a reader is to get.
    """

    wire: bytes
    event: Event

    @property
    def complete_after(self) -> int:
        """How many of the bytes it takes: the line feed after a carriage return adds nothing."""
        return len(self.wire) - self.wire.endswith(b"\r\n")


def frames(count: int, *, large: int = 0) -> list[Frame]:
    """Events of a task that goes on and on, spelled in every way that the standard has.

    Args:
        count: How many.
        large: Twice the characters of the text in the middle one.
    """
    return [frame(number, large if number == count // 2 else 0) for number in range(count)]


def frame(number: int, large: int = 0) -> Frame:
    """Event ``number`` of a task; its id is a UUID, or short."""
    event_id = str(uuid.UUID(int=number + 1)) if number % 5 == 0 else f"event-{number}"
    body = {"timestamp": f"2026-01-02T03:04:{number % 60:02}Z", **_body(number)}
    if large:
        body["content"] = "字é" * large
    side = "userInput" if body["type"] in {"user_message", "user_confirmation"} else "agentResponse"
    envelope = {"id": event_id, "isSynthetic": False, "type": side, "eventBody": body}
    text = json.dumps(envelope, ensure_ascii=number % 4 == 1, separators=(",", ":"))
    lines = text if number % 11 not in {2, 9} else json.dumps(envelope, ensure_ascii=False, indent=0)
    return Frame(_spelled(number, event_id, lines).encode(), parse_event(text))


def _body(number: int) -> dict[str, Any]:
    call, request = f"call-{number // 10}", f"request-{number // 10}"
    preview = {"tool_call_id": call, "name": "pulumi__preview"}
    calls = [{"id": call, "name": "pulumi__preview", "args": {"stack": "dev"}}]
    bodies: tuple[dict[str, Any], ...] = (
        {"type": "assistant_message", "content": "Überprüfung läuft…", "tool_calls": calls},
        {"type": "exec_tool_call", **preview},
        {"type": "exec_tool_call_progress", "tool_call_id": call, "status": "running"},
        {"type": "tool_response", **preview, "content": "+ 3 🪣"},
        {"type": "user_approval_request", "id": request, "message": "実行しますか"},
        {"type": "user_confirmation", "approval_request_id": request, "ok": True},
        {"type": "set_task_name", "name": f"Étape {number}"},
        {"type": "warning", "message": "disk \r\n is\u2028 full"},
        {"type": "assistant_message", "content": f"Fertig {number}.", "is_final": True},
        {"type": "user_message", "content": f"Weiter, bitte: {number}"},
    )
    return bodies[number % 10]


def _spelled(number: int, event_id: str, text: str) -> str:
    # U+2028 ends no line here.
    data = "".join(f"data: {line}\n" for line in text.split("\n"))
    common = f"id: {event_id}\n{data}\n"
    spellings = (
        common,
        common.replace("\n", "\r\n"),
        common,  # of many lines
        f"{data}\n",  # the id of the event before holds on
        f"{KEEP_ALIVE.decode()}{common}",
        f"{data}retry: 3000\nevent: message\nid: {event_id}\n\n",
        common.replace("\n", "\r"),
        common.replace(": ", ":", 2),
        f"id: {event_id}\n: in the middle\n{data}\n",
        f":\n\n{data}id: {event_id}\n\n".replace("\n", "\r\n"),
        f"id:\nid: {event_id}\nunknown: field\n{data}\n",
    )
    return spellings[number % 11]


def wire(played: Sequence[Frame]) -> bytes:
    """A connection's bytes."""
    return BOM + b"".join(each.wire for each in played)


def last_complete(played: Sequence[Frame], offset: int) -> str | None:
    """The id of the last event that is complete in so many bytes of :func:`wire`."""
    start, last = len(BOM), None
    for each in played:
        if start + each.complete_after > offset:
            break
        last = each.event.id
        start += len(each.wire)
    return last


def pieces(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """``data``, cut into a few chunks."""
    places = sorted({0, len(data), *(chance.randrange(len(data) + 1) for _ in range(3))})
    return (data[start:end] for start, end in itertools.pairwise(places))


class Body(httpx.AsyncByteStream):
    """What comes on one connection, and how it ends; a number among the chunks is seconds of silence."""

    def __init__(self, chunks: Iterator[bytes | float], way: Way, clock: FakeClock) -> None:
        self._chunks = chunks
        self._way = way
        self._clock = clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for each in self._chunks:
            if isinstance(each, bytes):
                yield each
            else:
                self._clock.let_pass(each)
        match self._way:
            case "reset":
                raise httpx.ReadError("connection reset by peer")
            case "cut":
                raise httpx.RemoteProtocolError("peer closed connection (incomplete chunked read)")
            case "silence":
                self._clock.let_pass()
            case "clean end":
                pass


@dataclass
class Api:
    """Answers in place of the network.

    Attributes:
        clock: The time that its client goes by.
        stream: Answers a request for the stream; gets the event id to resume after.
        pages: Answers a request for a page of events; gets its token.
        status: The task's.
        resumed_after: What each request for the stream asked for.
    """

    clock: FakeClock
    stream: Callable[[str | None], httpx.Response] = field(init=False)
    pages: Callable[[str | None], httpx.Response] = field(init=False)
    status: str = "running"
    resumed_after: list[str | None] = field(default_factory=list)

    def body(self, chunks: Iterator[bytes | float], way: Way) -> httpx.Response:
        """A stream of these chunks that ends in this way."""
        headers = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=headers, stream=Body(chunks, way, self.clock))

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/stream"):
            self.resumed_after.append(request.headers.get("Last-Event-ID"))
            return self.stream(self.resumed_after[-1])
        if path.endswith("/events"):
            return self.pages(request.url.params.get("continuationToken"))
        assert path.endswith(TASK)
        return self.answer_task()

    def answer_task(self) -> httpx.Response:
        return httpx.Response(200, json=task(self.status))


def below_http(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Api:
    """An API that every HTTP client gets to in place of the network."""
    api = Api(clock)

    async def handle(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        answer = api.answer(request)
        if not answer.is_stream_consumed:
            return answer
        # As from the network, where nothing has been read of a body.
        content = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=content)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle)
    return api
