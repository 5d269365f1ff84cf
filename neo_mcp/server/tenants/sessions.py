"""The handshake-era sessions of one identity, counted from requests and answers: the SDK counts those of all.

A session that is one too many ends the one that has been idle for longest: clients that disconnect
leave theirs behind, and the one whose session ends can begin another.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from neo_mcp.service.quotas import QuotaError

_SESSION_ID = b"mcp-session-id"
_VERSION = b"mcp-protocol-version"
_FIRST_ERROR = 400
_FACTS = "type", "asgi", "http_version", "scheme", "path", "raw_path", "root_path", "server", "client", "user"
"""The stored facts about the request that opened a session: its owner, and how to reach it."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Endpoint = Callable[[Message, Receive, Send], Awaitable[None]]


class Sessions:
    """Sessions by id, those that ended left out.

    Args:
        limit: How many there may be.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Each with the request that opened it; the idle ones in the order in which they became so.
        self._idle: OrderedDict[bytes, Message] = OrderedDict()
        self._busy: dict[bytes, Message] = {}
        self._requests: dict[bytes, int] = {}

    def check(self, scope: Message) -> None:
        """Check that the request may open a session.

        Raises:
            QuotaError: If there is none, and none that could end for it.
        """
        headers = dict(scope["headers"])
        is_opening = scope["method"] == "POST" and _SESSION_ID not in headers and _is_handshake(headers)
        if is_opening and not self._idle and len(self._busy) >= self._limit:
            raise QuotaError(
                f"There are {len(self._busy)} sessions, which is all there may be, and all are in use.",
                next_step="End those that you need no more (DELETE), or try again later.",
            )

    @asynccontextmanager
    async def seen(self, app: Endpoint, scope: Message, send: Send) -> AsyncIterator[Send]:
        """Count what the request does to sessions; yields what its answer is to be sent with.

        Args:
            app: What serves the requests of sessions.
            scope: The request.
            send: Sends its answer.
        """
        headers = dict(scope["headers"])
        if not _is_handshake(headers):
            yield send
            return
        session_id = headers.get(_SESSION_ID, b"")
        self._begin(session_id)
        try:
            yield self._noting(scope, send, ended=session_id if scope["method"] == "DELETE" else None)
        finally:
            self._end(session_id)
            await self._evict(app)

    def _begin(self, session_id: bytes) -> None:
        self._requests[session_id] = self._requests.get(session_id, 0) + 1
        if session_id in self._idle:
            self._busy[session_id] = self._idle.pop(session_id)

    def _end(self, session_id: bytes) -> None:
        self._requests[session_id] -= 1
        if not self._requests[session_id]:
            del self._requests[session_id]
            if session_id in self._busy:
                self._idle[session_id] = self._busy.pop(session_id)

    def _noting(self, scope: Message, send: Send, ended: bytes | None = None) -> Send:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                opened = dict(message["headers"]).get(_SESSION_ID)
                is_known = opened in self._idle or opened in self._busy
                if ended is not None:
                    self._busy.pop(ended, None)
                elif opened is not None and not is_known and message["status"] < _FIRST_ERROR:
                    table = self._busy if opened in self._requests else self._idle
                    table[opened] = {key: scope[key] for key in _FACTS if key in scope}
            await send(message)

        return note

    async def _evict(self, app: Endpoint) -> None:
        while self._idle and len(self._idle) + len(self._busy) > self._limit:
            session_id, scope = self._idle.popitem(last=False)
            # As its client would: nothing of it is to be left, in the SDK either.
            ending = {"method": "DELETE", "query_string": b"", "headers": [(_SESSION_ID, session_id)]}
            with anyio.CancelScope(shield=True):
                await app({**scope, **ending}, _nothing, _unheard)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _unheard(_: Message) -> None:
    pass


def _is_handshake(headers: Mapping[bytes, bytes]) -> bool:
    version = headers.get(_VERSION)
    return version is None or version.decode("latin-1") in HANDSHAKE_PROTOCOL_VERSIONS
