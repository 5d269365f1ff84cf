"""Bodies of HTTP requests: checked before they are parsed, and few large ones served at a time.

A body stays in memory, several times over, for as long as its request is served, so what all of them may take
together is bounded, and what one user's may. Small bodies never wait. How a body arrives is
:mod:`neo_mcp.server.http.limits`.
"""

import codecs
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import anyio
import anyio.lowlevel
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neo_mcp.server.running import TENANT
from neo_mcp.wire.json_limits import MAX_BYTES, MESSAGE, JsonCheck, JsonLimitError, JsonLimits

SMALL_BYTES = 64 * 2**10
"""A body up to this size is served at once; requests other than POST may have no larger one."""

OPENING_BYTES = 16 * 2**10
OPENING = JsonLimits(values=500, depth=16)
"""Limits of what opens a session, and stays in memory as long as that."""

MAX_BYTES_AT_ONCE = 24 * 2**20
"""Bytes of all larger bodies that are served at a time; one user's are at most ``MAX_BYTES``."""

WAIT_SECONDS = 20.0
"""Seconds for which a larger body may wait for its turn."""

_RETRY_SECONDS = 5
_PIECE = 64 * 2**10
_PIECES_AT_ONCE = 16


class RefusedBodyError(Exception):
    """A body that is not passed on, and the answer to its request."""

    def __init__(self, status: HTTPStatus, code: int, message: str) -> None:
        super().__init__(message)
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
        later = {"Retry-After": str(_RETRY_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
        self.response = Response(
            json.dumps(error),
            status_code=status,
            headers={"Cache-Control": "no-store", **later},
            media_type="application/json",
        )


@dataclass(eq=False, slots=True)
class _Turn:
    user: str
    size: int
    granted: anyio.Event


class Turns:
    """Who may have how many bytes in memory at a time; first come, first served.

    Args:
        total: Bytes of all together.
        of_one: Bytes of one user.
    """

    def __init__(self, total: int, of_one: int) -> None:
        self._total = total
        self._of_one = of_one
        self._used: Counter[str] = Counter()
        self._waiting: deque[_Turn] = deque()

    @asynccontextmanager
    async def turn(self, user: str, size: int) -> AsyncIterator[None]:
        """Wait until ``size`` bytes are free, and hold them within this block.

        Raises:
            RefusedBodyError: If that takes too long.
        """
        turn = _Turn(user, size, anyio.Event())
        self._waiting.append(turn)
        self._grant()
        try:
            with anyio.move_on_after(WAIT_SECONDS):
                await turn.granted.wait()
            if not turn.granted.is_set():
                raise RefusedBodyError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    INTERNAL_ERROR,
                    "Other large requests are being served. Try again in a few seconds.",
                )
            yield
        finally:
            if turn.granted.is_set():
                self._used[user] -= size
                self._used = +self._used
            else:
                self._waiting.remove(turn)
            self._grant()

    def _grant(self) -> None:
        for turn in list(self._waiting):
            if self._used[turn.user] + turn.size > self._of_one:
                # Delays its own user alone.
                continue
            if self._used.total() + turn.size > self._total:
                break
            self._waiting.remove(turn)
            self._used[turn.user] += turn.size
            turn.granted.set()


class Bodies:
    """The ASGI application ``app``, for requests whose bodies are within the limits."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = Turns(MAX_BYTES_AT_ONCE, MAX_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            try:
                body = _Body(scope, receive)
                await body.read()
                if body.size > SMALL_BYTES:
                    await held.enter_async_context(self._turns.turn(_user(scope), body.weight))
            except RefusedBodyError as refusal:
                await refusal.response(scope, receive, send)
                return
            await self._app(scope, body.replay, send)


class _Body:
    """The body of one request, held until it is passed on.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        is_post, opens = scope["method"] == "POST", _opens_session(headers)
        self.size = 0
        self._limit = OPENING_BYTES if is_post and opens else MAX_BYTES if is_post else SMALL_BYTES
        self._check = JsonCheck(OPENING if opens else MESSAGE) if is_post else None
        self._receive = receive
        # Not as they come: a piece may be of one byte, and takes some sixty.
        self._open = bytearray()
        self._messages: list[Message] = []
        declared = headers.get("content-length", "")
        self._declared = int(declared) if declared.isdecimal() else 0

    @property
    def weight(self) -> int:
        """Bytes, twice if the parser makes several of each: where something is beyond ASCII."""
        return self.size if self._check is None or self._check.is_ascii else min(2 * self.size, MAX_BYTES)

    async def read(self) -> None:
        """Read and check all of it.

        Raises:
            RefusedBodyError: If it exceeds a limit, or is no JSON in a way that parsers would accept.
        """
        self._check_size(self._declared)
        is_over = False
        while not is_over:
            message = await self._receive()
            if message["type"] != "http.request":
                self._messages.append(message)
                return
            data = message.get("body", b"")
            self.size += len(data)
            self._check_size(self.size)
            self._open += data
            is_over = not message.get("more_body", False)
            if len(self._open) >= _PIECE or is_over:
                self._close_piece(is_over=is_over)
                if len(self._messages) % _PIECES_AT_ONCE == 0:
                    # All of it may be here already.
                    await anyio.lowlevel.checkpoint()

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            text = f"The request is longer than {self._limit // 2**10:,} KiB. Send less at a time."
            raise RefusedBodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, INVALID_REQUEST, text)

    def _close_piece(self, *, is_over: bool) -> None:
        piece = bytes(self._open)
        if not self._messages:
            piece = piece.removeprefix(codecs.BOM_UTF8)
        self._open.clear()
        try:
            if self._check is not None:
                self._check.feed(piece)
        except JsonLimitError as error:
            code = PARSE_ERROR if error.is_syntax else INVALID_REQUEST
            kind = "Parse error" if error.is_syntax else "Invalid request"
            text = f"{kind}: {error} {error.next_step}".strip()
            raise RefusedBodyError(HTTPStatus.BAD_REQUEST, code, text) from None
        self._messages.append({"type": "http.request", "body": piece, "more_body": not is_over})

    async def replay(self) -> Message:
        """Return the next message for the application; it is not stored here afterwards."""
        return self._messages.pop(0) if self._messages else await self._receive()


def _opens_session(headers: Headers) -> bool:
    """True if a request is one of the handshake eras, outside of any session."""
    version = headers.get("mcp-protocol-version")
    return "mcp-session-id" not in headers and (version is None or version in HANDSHAKE_PROTOCOL_VERSIONS)


def _user(scope: Scope) -> str:
    tenant = scope.get(TENANT)
    return tenant.allowance.key if tenant is not None else ""
