"""What one connection may ask of the server: how long a request may take to arrive, how large it may be.

Owns the limits that uvicorn has no option for. Bodies are measured by the SDK's transport, what one identity
has in :mod:`neo_mcp.service.quotas`.
"""

import asyncio
import contextlib

import h11
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MOST_CONNECTIONS = 900
"""At a time; the usual 1,024 descriptors of a process have room for these and for what goes upstream."""

MOST_HEADER_BYTES = 32 * 2**10

ARRIVAL_SECONDS = 20.0
"""How long a request may take to arrive, from its first byte on; of a large one, each part."""

_PART = 256 * 2**10
"""Bytes of a body whose arrival gives the rest of it more time."""

_TOO_LATE = 408
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


class PatientProtocol(H11Protocol):
    """A connection that waits for its client, but not for ever: slow headers and slow bodies end it."""

    arrival_seconds = ARRIVAL_SECONDS
    most_connections = MOST_CONNECTIONS

    _timer: asyncio.TimerHandle | None = None
    _arrived = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin to wait, if there is room."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._await_arrival()

    def data_received(self, data: bytes) -> None:
        """Go on waiting, or no longer."""
        super().data_received(data)
        self._arrived += len(data)
        is_complete = self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}
        if is_complete or self._arrived >= _PART:
            self._stop_waiting()
        if not is_complete:
            self._await_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_arrival(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.arrival_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        self._arrived = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)
        has_asked = bool(self.conn.trailing_data[0]) if cycle is None else not cycle.response_started
        if has_asked and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            with contextlib.suppress(h11.LocalProtocolError):
                headers = [("connection", "close"), ("content-length", "0")]
                self.transport.write(
                    self.conn.send(h11.Response(status_code=_TOO_LATE, headers=headers)) or b""
                )
                self.transport.write(self.conn.send(h11.EndOfMessage()) or b"")
        if cycle is not None:
            # Whoever reads the body learns that there is no more of it.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


class Limits:
    """The ASGI application ``app``, for requests with headers of a reasonable size."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] == "http":
            # The parser only limits what has not arrived completely.
            size = len(scope["raw_path"]) + len(scope["query_string"])
            size += sum(len(name) + len(value) for name, value in scope["headers"])
            if size > MOST_HEADER_BYTES:
                answer = PlainTextResponse("The headers are too large.", 431, {"Connection": "close"})
                await answer(scope, receive, send)
                return
        # A client that leaves before its request is complete is nobody's fault, and nothing to report.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, _complete(receive), send)


def _complete(receive: Receive) -> Receive:
    """The request, or ``ClientDisconnect`` where its body ends early: the SDK would report an error."""
    is_complete = False

    async def receive_all() -> Message:
        nonlocal is_complete
        message = await receive()
        if message["type"] == "http.request":
            is_complete = not message.get("more_body", False)
        elif message["type"] == "http.disconnect" and not is_complete:
            raise ClientDisconnect
        return message

    return receive_all
