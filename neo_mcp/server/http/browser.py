"""The task view for browsers on this machine: the page at ``/``, and the way in for it.

Owns the secrets. An address with a one-time secret in its fragment is given out; the page exchanges the
secret for one of its session, and calls the MCP endpoint with that. A fragment is never sent, so it is in no
log; of both secrets, this process stores digests alone. A page with the secret acts as the operator, like any
caller of the endpoint without authentication; the secret excludes other pages and other users of the machine.
"""

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from neo_mcp.constants import PROGRAM
from neo_mcp.wire.json_limits import read_json

PATHS = PAGE_PATH, SESSION_PATH, CALL_PATH = "/", "/view/session", "/view/mcp"

MAX_SESSIONS = 64
"""Tabs that may be open at a time; the one that came first is forgotten first."""

_SECRET_BYTES = 32
_MAX_BODY = 4096
_NEXT = (
    f"Open the last address that `{PROGRAM} serve --http` has printed; each works once. "
    "It prints another one after every use, and the first one when it starts."
)
_USED = f"This address was used already, or is not this server's. {_NEXT}"
_UNKNOWN = (
    f"This server does not know this page any more: it was restarted, or many pages were opened. {_NEXT}"
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class OneTimeLogin:
    """Lets pages in that bring the secret of the moment: once, then the next one is given out."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        """Give nothing out yet.

        Args:
            announce: Takes an address to open, which works once; called again after every use.
        """
        self._announce = announce
        self._address = ""
        self._once = b""
        self._sessions: deque[bytes] = deque(maxlen=MAX_SESSIONS)

    def open(self, address: str) -> None:
        """Give out the first address.

        Args:
            address: Where the page is, such as ``http://127.0.0.1:8365/``.
        """
        self._address = address
        self._renew()

    def _renew(self) -> None:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        self._once = _digest(secret)
        self._announce(f"{self._address}#{secret}")

    def enter(self, secret: str) -> str | None:
        """The secret of a new session, if ``secret`` is the one that was given out last."""
        if not self._once or not hmac.compare_digest(self._once, _digest(secret)):
            return None
        session = secrets.token_urlsafe(_SECRET_BYTES)
        self._sessions.append(_digest(session))
        self._renew()
        return session

    def knows(self, session: str) -> bool:
        """True if ``session`` was admitted."""
        given = _digest(session)
        # All of them, so that the time tells nothing about which.
        return any([hmac.compare_digest(given, known) for known in self._sessions])  # noqa: C419 - see above


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


class BrowserView:
    """The ASGI application ``app``, with the page and its way in besides.

    Args:
        app: The MCP endpoint.
        login: The secrets of pages.
        call_path: Where the endpoint is in ``app``.
    """

    def __init__(self, app: ASGIApp, login: OneTimeLogin, call_path: str) -> None:
        self._app = app
        self._login = login
        self._call_path = call_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        serve = self._SERVING.get(scope["path"]) if scope["type"] == "http" else None
        if serve is None:
            await self._app(scope, receive, send)
        else:
            await serve(self, scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        from neo_mcp.server.apps.bundle import page  # noqa: PLC0415 - who opens no page starts without it

        if scope["method"] not in {"GET", "HEAD"}:
            response = _refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, "This page can be read.", {"Allow": "GET, HEAD"}
            )
        else:
            document = page(served=True)
            policy = {"Content-Security-Policy": f"{document.policy}; frame-ancestors 'none'"}
            response = HTMLResponse(document.html, headers={**_HEADERS, **policy})
        await response(scope, receive, send)

    async def _session(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = _refused_sender(scope)
        if response is None:
            session = self._login.enter(await _secret_in(Request(scope, receive)))
            response = (
                _refusal(HTTPStatus.FORBIDDEN, _USED)
                if session is None
                else JSONResponse({"session": session}, headers=_HEADERS)
            )
        await response(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = _refused_sender(scope)
        kind, _, session = Headers(scope=scope).get("authorization", "").partition(" ")
        if response is None and (kind.lower() != "bearer" or not self._login.knows(session)):
            response = _refusal(HTTPStatus.UNAUTHORIZED, _UNKNOWN, {"WWW-Authenticate": "Bearer"})
        if response is not None:
            await response(scope, receive, send)
            return
        # What follows needs to know nothing of the session: its secret goes no further.
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        path = self._call_path
        await self._app({**scope, "path": path, "raw_path": path.encode(), "headers": headers}, receive, send)

    _SERVING = {PAGE_PATH: _page, SESSION_PATH: _session, CALL_PATH: _call}  # noqa: RUF012 - never changed


def _refused_sender(scope: Scope) -> Response | None:
    """The answer to a request that is not from our own page; ``None`` if it may be."""
    headers = Headers(scope=scope)
    if scope["method"] != "POST":
        return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only the page itself calls this.", {"Allow": "POST"})
    own = f"http://{headers.get('host', '')}"
    is_own = (
        headers.get("origin", own) == own and headers.get("sec-fetch-site", "same-origin") == "same-origin"
    )
    is_json = headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    return None if is_own and is_json else _refusal(HTTPStatus.FORBIDDEN, "Only the page itself calls this.")


async def _secret_in(request: Request) -> str:
    """The secret in a request's body; empty if there is none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY:
            return ""
    try:
        content = read_json(body)
    except ValueError:
        return ""
    secret = content.get("secret") if isinstance(content, dict) else None
    return secret if isinstance(secret, str) else ""


def _refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers={**_HEADERS, **(headers or {})})
