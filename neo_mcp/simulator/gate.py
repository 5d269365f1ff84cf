"""The outermost layer: every request and response passes here.

Owns: the record of requests, the request id header, and making faults happen on the wire.
Not here: which fault meets which request (`faults`), what it does to a body (`disturb`), the API itself
(`app`).
"""

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neo_mcp.simulator.connections import Connection
from neo_mcp.simulator.disturb import ENDINGS, Disturbance
from neo_mcp.simulator.faults import Fault, FaultBook
from neo_mcp.simulator.task import encode

CONTROL: Final = "/_simulator/"
DEFAULT_STATUS: Final = 503


@dataclass(slots=True)
class RecordedRequest:
    """A request as it arrived, and the status it was answered with (0: not answered)."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes
    status: int = 0


class FaultMiddleware:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, faults: FaultBook, requests: list[RecordedRequest]) -> None:
        self._app = app
        self._faults = faults
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record, disturb, serve."""
        body = await _read(receive)
        if scope["path"].startswith(CONTROL):
            await self._app(scope, _replay(body, receive), send)
            return
        record = _record(scope, body)
        self._requests.append(record)
        faults = self._faults.take(scope["method"], scope["path"])
        if any(fault.kind == "replay" for fault in faults):
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"last-event-id"]
        for fault in faults:
            if fault.kind == "latency":
                await asyncio.sleep(fault.seconds or 0)
        await self._answer(scope, _replay(body, receive), _Exit(scope, send, record, faults))

    async def _answer(self, scope: Scope, receive: Receive, way_out: "_Exit") -> None:
        for fault in way_out.faults:
            if fault.kind == "reset_before_response" and not fault.applied:
                way_out.connection.reset()
                return
            if fault.kind in ("status", "status_after"):
                if fault.kind == "status_after":
                    await self._app(scope, receive, _swallow)
                await _send_status(fault, way_out)
                return
        await self._app(scope, receive, way_out)
        if way_out.silent:
            while (await receive())["type"] != "http.disconnect":
                pass


class _Exit:
    """The way out of one response: an ASGI `send` that records, adds the request id, applies the faults."""

    def __init__(self, scope: Scope, send: Send, record: RecordedRequest, faults: tuple[Fault, ...]) -> None:
        self.connection: Connection = scope["state"]["connection"]
        self.faults = faults
        self._send = send
        self._record = record
        self._body = Disturbance(faults)
        self._resets = any(fault.kind == "reset_before_response" for fault in faults)
        self._shortens = any(fault.kind in ENDINGS for fault in faults)
        self._closed = False

    @property
    def silent(self) -> bool:
        """True if the rest of the response is withheld and the connection stays open."""
        return self._body.ending == "silence"

    async def __call__(self, message: Message) -> None:
        if self._closed:
            return
        if message["type"] == "http.response.start":
            await self._start(message)
            return
        body = self._body.feed(message.get("body", b""))
        if self._body.ending is None:
            await self._send({**message, "body": body})
            return
        await self._end(body)

    async def _start(self, message: Message) -> None:
        if self._resets:
            self._closed = True
            self.connection.reset()
            return
        self._record.status = message["status"]
        headers = [*message.get("headers", []), (b"x-pulumi-request-id", str(uuid.uuid4()).encode())]
        if self._shortens:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
        await self._send({**message, "headers": headers})
        self._body.feed(b"")
        if self._body.ending is not None:
            await self._end(b"")

    async def _end(self, body: bytes) -> None:
        self._closed = True
        ending = self._body.ending
        await self._send({"type": "http.response.body", "body": body, "more_body": ending != "clean_end"})
        if ending == "cut":
            self.connection.cut()
        elif ending == "reset":
            self.connection.reset()


def _record(scope: Scope, body: bytes) -> RecordedRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    headers.pop("authorization", None)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return RecordedRequest(scope["method"], scope["path"], query, headers, body)


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was already read, then goes on with the real one."""
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _swallow(_message: Message) -> None:
    """Discard an answer."""


async def _send_status(fault: Fault, send: Send) -> None:
    status = fault.status or DEFAULT_STATUS
    body = fault.body
    if body is None:
        body = encode({"code": status, "message": "the simulator was told to fail here"})
    kind = b"text/html" if body.startswith(b"<") else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if fault.retry_after is not None:
        headers.append((b"retry-after", fault.retry_after.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
