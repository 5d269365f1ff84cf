"""Limits of one connection: the time for a request to arrive, and its size.

Owns the limits that uvicorn has no option for, and what arrives and leaves by a connection. Bodies are
measured by the SDK's transport, what one identity has in :mod:`neo_mcp.service.quotas`; which connection goes
for another is decided in :mod:`neo_mcp.server.http.connections`.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from neo_mcp.server.http.connections import Connections, Pool, Stage
from neo_mcp.server.http.framing import StrictConnection
from neo_mcp.wire.json_limits import MAX_BYTES

MAX_HEADER_BYTES = 32 * 2**10
MAX_BODY_BYTES = MAX_BYTES
"""Bytes of one request: enough for a whole batch of local tools' results, however it is escaped."""

_PART = 256 * 2**10
"""Bytes of a body whose arrival gives the rest of it more time."""

_READ_BYTES = 64 * 2**10
_WRITE_BYTES = 32 * 2**10
"""How much is read at a time, and how much may wait in a connection for its client."""

_SHORT = 16 * 2**10
"""Bytes of a body that are not counted, and of an answer that are sent at a time."""

_TOO_LATE, _TOO_MANY = 408, 503
_CONNECTION = "neo_mcp.connection"
_ARRIVAL = "neo_mcp.arrival"


class PatientProtocol(H11Protocol):
    """A connection that waits for its client, but not for ever, and takes only requests that are clear.

    Attributes:
        address: The client's.
    """

    address = ""

    def __init__(self, *args: Any, connections: Connections, **more: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **more)
        self.conn = StrictConnection(MAX_HEADER_BYTES)
        # Weakly, as it comes back with every request: what ended is to be gone at once, bodies included.
        self.app_state = {**self.app_state, _CONNECTION: weakref.ref(self)}
        self._table = connections
        self._timer: asyncio.TimerHandle | None = None
        self._arrived = 0
        self._uses = 0
        self._waiting = Stage.NEW
        self._unsent = 0
        self._has_taken = False
        self._taken_at: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin to wait."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_WRITE_BYTES)
        if hasattr(transport, "max_size"):
            transport.max_size = _READ_BYTES
        self.address = self.client[0] if self.client else ""
        self._await_arrival()
        self._table.open(self)

    def data_received(self, data: bytes) -> None:
        """Stop the timer once enough has arrived."""
        super().data_received(data)
        self._arrived += len(data)
        if self._is_complete or self._arrived >= _PART:
            self._stop_waiting()
        if not self._is_complete:
            self._await_arrival()

    def handle_events(self) -> None:
        """Go through what has come."""
        super().handle_events()
        if self._stage is Stage.ANSWERED:
            self._table.put(self, Stage.ANSWERED)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is there already."""
        # Of a body that was not read.
        self.cycle.body.clear()
        if self._waiting is Stage.NEW:
            self._waiting = Stage.UNADMITTED
        self._table.put(self, self._waiting)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._stop_waiting()
        self._table.close(self)
        super().connection_lost(exc)

    def admit(self) -> None:
        """Protect the connection while it serves its request.

        Raises:
            NeoError: If there are too many.
        """
        if not self._uses:
            self._table.admit(self)
        self._uses += 1

    def release(self) -> None:
        """Undo :meth:`admit`."""
        self._uses -= 1
        self._waiting = Stage.KNOWN
        if not self._uses:
            self._table.release(self, self._stage)

    def give_up(self) -> None:
        """Close it for another connection, now."""
        self._refuse(_TOO_MANY)
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def check_sending(self, now: float) -> None:
        """Close it if the client has taken nothing for too long."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent or self._taken_at is None or self._has_taken or unsent < self._unsent:
            self._taken_at = now if unsent else None
        elif now - self._taken_at >= self._table.limits.sending_seconds:
            self.transport.abort()
        self._unsent, self._has_taken = unsent, False

    def resume_writing(self) -> None:
        """Continue, as the client has taken something."""
        self._has_taken = True
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, if an answer can be sent."""
        self._refuse(400, msg)

    @property
    def _is_complete(self) -> bool:
        """True if a request is complete."""
        return self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}

    @property
    def _stage(self) -> Stage:
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and not cycle.response_complete and self._is_complete
        return Stage.ANSWERED if is_answering else self._waiting

    def _await_arrival(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self._table.limits.arrival_seconds, self._give_up_waiting)

    def _stop_waiting(self) -> None:
        self._arrived = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up_waiting(self) -> None:
        self._timer = None
        self._refuse(_TOO_LATE)

    def _refuse(self, status: int, text: str = "") -> None:
        """Answer with ``status`` where a request has come and nothing was answered yet; then close."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            has_asked = bool(self.conn.trailing_data[0])
        else:
            has_asked = not cycle.response_started
        if (has_asked or text) and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            headers = [("connection", "close"), ("content-length", str(len(text)))]
            headers += [("retry-after", "5")] if status == _TOO_MANY else []
            with contextlib.suppress(h11.LocalProtocolError):
                for event in (
                    h11.Response(status_code=status, headers=headers),
                    h11.Data(data=text.encode()),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event) or b"")
        if cycle is not None:
            # The body's reader learns that there is no more of it.
            cycle.disconnected = True
            cycle.message_event.set()
            self.flow.resume_writing()
        self.transport.close()


def _connection(scope: Scope) -> PatientProtocol | None:
    """The connection of a request, if it is one of ours."""
    reference = scope.get("state", {}).get(_CONNECTION)
    connection: PatientProtocol | None = reference and reference()
    return connection


class Limits:
    """The ASGI application ``app``, for requests of a reasonable size.

    Args:
        app: The application.
        incoming: Counts what bodies hold.
    """

    def __init__(self, app: ASGIApp, incoming: Pool) -> None:
        self._app = app
        self._incoming = incoming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The parser only limits what has not arrived completely.
        size = len(scope["raw_path"]) + len(scope["query_string"])
        size += sum(len(name) + len(value) for name, value in scope["headers"])
        if size > MAX_HEADER_BYTES:
            answer = PlainTextResponse("The headers are too large.", 431, {"Connection": "close"})
            await answer(scope, receive, send)
            return
        arrival = scope[_ARRIVAL] = Arrival(scope, receive, self._incoming)
        # A client that leaves before its request is complete is no error, and nothing to report.
        with contextlib.suppress(ClientDisconnect), arrival:
            await self._app(scope, arrival.receive, send)


class Arrival:
    """A request's body on its way in."""

    def __init__(self, scope: Scope, receive: Receive, pool: Pool) -> None:
        self.connection = _connection(scope)
        self._receive = receive
        self._pool = pool
        self._pieces: list[bytes] = []  # few; a deque takes ten times the memory of an empty list
        self._is_complete = False
        self._size = 0
        length = Headers(scope=scope).get("content-length", "0")
        self._is_too_large = length.isdecimal() and int(length) > MAX_BODY_BYTES

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._pieces.clear()
        if self.connection is not None:
            self._pool.free(self.connection)
            self.connection = None

    async def complete(self) -> None:
        """Wait until the whole body is here, unless it is too large.

        Raises:
            ClientDisconnect: If it does not come.
        """
        # Not as it comes: a piece may be of one byte, and takes some hundreds.
        piece = bytearray()
        while not (self._is_complete or self._is_too_large):
            piece += (await self._next()).get("body", b"")
            if len(piece) >= _READ_BYTES or self._is_complete:
                self._pieces.append(bytes(piece))
                piece.clear()
        if piece:
            self._pieces.append(bytes(piece))

    async def receive(self) -> Message:
        """The next part of it: the application's ``receive``.

        Raises:
            ClientDisconnect: If there is none: the SDK would report an error.
        """
        if not self._pieces:
            return await self._next()
        body = self._pieces.pop(0)
        return {
            "type": "http.request",
            "body": body,
            "more_body": bool(self._pieces) or not self._is_complete,
        }

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._is_complete = not message.get("more_body", False)
            self._count(len(message.get("body", b"")))
        elif message["type"] == "http.disconnect" and not self._is_complete:
            raise ClientDisconnect
        return message

    def _count(self, size: int) -> None:
        before, self._size = self._size, self._size + size
        self._is_too_large = self._is_too_large or self._size > MAX_BODY_BYTES
        if self.connection is not None and self._size > _SHORT:
            self._pool.add(self.connection, size if before > _SHORT else self._size)


@asynccontextmanager
async def arrived(scope: Scope) -> AsyncIterator[None]:
    """Protect the connection of an authorized request once it has arrived completely.

    Until then it could be closed for another one.

    Raises:
        ClientDisconnect: If it does not arrive.
        NeoError: If too many are served already.
    """
    arrival: Arrival | None = scope.get(_ARRIVAL)
    if arrival is None:
        yield
        return
    await arrival.complete()
    connection = arrival.connection
    if connection is None:
        yield
        return
    connection.admit()
    try:
        yield
    finally:
        connection.release()


class Outgoing:
    """The ASGI application ``app``, whose answers leave in pieces as clients take them.

    Args:
        app: The application.
        pool: Counts what waits to be sent.
    """

    def __init__(self, app: ASGIApp, pool: Pool) -> None:
        self._app = app
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        connection = _connection(scope)
        if connection is None:
            await self._app(scope, receive, send)
            return
        lock = asyncio.Lock()

        async def send_in_pieces(message: Message) -> None:
            # A stream's keep-alive must not come between the pieces of an event.
            async with lock:
                if len(message.get("body", b"")) <= _SHORT:
                    await send(message)
                else:
                    await self._send(message, connection, send)

        await self._app(scope, receive, send_in_pieces)

    async def _send(self, message: Message, connection: PatientProtocol, send: Send) -> None:
        body = memoryview(message["body"])
        self._pool.add(connection, len(body))
        try:
            for start in range(0, len(body), _SHORT):
                more = start + _SHORT < len(body) or message.get("more_body", False)
                await send({**message, "body": bytes(body[start : start + _SHORT]), "more_body": more})
        finally:
            self._pool.free(connection)
