"""The handshake-era sessions of one identity, counted from what passes by: the SDK counts those of all."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from neo_mcp.service.quotas import QuotaError

IDLE_SECONDS = 1800.0
"""How long the SDK keeps a session that is not in use."""

_SESSION_ID = b"mcp-session-id"
_VERSION = b"mcp-protocol-version"

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class _Session:
    requests: int = 0
    left_at: float = 0.0


class Sessions:
    """Sessions by id, those that ended left out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sessions: dict[bytes, _Session] = {}

    def check(self, scope: Message) -> None:
        """See whether there is room for the session that the request may open.

        Raises:
            QuotaError: If there is none.
        """
        headers = dict(scope["headers"])
        if scope["method"] == "POST" and _SESSION_ID not in headers and _is_handshake(headers):
            self._make_room()

    @contextmanager
    def seen(self, scope: Message, send: Send) -> Iterator[Send]:
        """Count what the request does to sessions; yields what its answer is to be sent with."""
        headers = dict(scope["headers"])
        if not _is_handshake(headers):
            yield send
            return
        session_id = headers.get(_SESSION_ID, b"")
        session = self._sessions.get(session_id, _Session())
        session.requests += 1
        try:
            yield self._noting(send, ended=session_id if scope["method"] == "DELETE" else None)
        finally:
            session.requests -= 1
            session.left_at = anyio.current_time()

    def _noting(self, send: Send, ended: bytes | None = None) -> Send:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                opened = dict(message["headers"]).get(_SESSION_ID)
                if ended is not None:
                    self._sessions.pop(ended, None)
                elif opened is not None and opened not in self._sessions and message["status"] < 400:  # noqa: PLR2004 - the statuses that mean failure
                    self._sessions[opened] = _Session(left_at=anyio.current_time())
            await send(message)

        return note

    def _make_room(self) -> None:
        if len(self._sessions) < self._most:
            return
        before = anyio.current_time() - IDLE_SECONDS
        self._sessions = {
            key: session
            for key, session in self._sessions.items()
            if session.requests or session.left_at > before
        }
        if len(self._sessions) >= self._most:
            raise QuotaError(
                f"There are {len(self._sessions)} sessions, which is all there may be.",
                next_step="End those that are not in use (DELETE), or try again later.",
            )


def _is_handshake(headers: Mapping[bytes, bytes]) -> bool:
    version = headers.get(_VERSION)
    return version is None or version.decode("latin-1") in HANDSHAKE_PROTOCOL_VERSIONS
