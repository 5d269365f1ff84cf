"""Requests as clients and proxies really send them, made the ones that the endpoint knows.

Starlette would redirect the endpoint's path with a slash, which leads to plain http behind a proxy that ends
TLS. The SDK reads the first Accept header alone, and gives no answer to a stream that is to be resumed, as no
events are stored here: it gets a new one, as the specification allows.
"""

from html import escape

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from neo_mcp.constants import PROGRAM

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{program}</title>
<p>This is the address of an MCP server, {program}: add it to an assistant or an editor as
<code>{url}</code>. Browsers have nothing to see here.</p>
</html>
"""
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}


class Normalized:
    """The ASGI application ``app``, for requests in other forms too.

    Args:
        app: The endpoint.
        path: Where it is.
        url: The address at which clients find it.
    """

    def __init__(self, app: ASGIApp, path: str, url: str) -> None:
        self._app = app
        self._path = path
        self._page = HTMLResponse(_PAGE.format(program=PROGRAM, url=escape(url)), headers=_PAGE_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = _refusal(scope) if scope["type"] == "http" else None
        if refusal is not None:
            await refusal(scope, receive, send)
        elif scope["type"] != "http" or scope["path"] not in {self._path, f"{self._path}/"}:
            await self._app(scope, receive, send)
        elif _is_of_a_person(scope):
            await self._page(scope, receive, send)
        else:
            scope = {
                **scope,
                "path": self._path,
                "raw_path": self._path.encode(),
                "headers": _usual(scope["headers"]),
            }
            await self._app(scope, receive, send)


def _refusal(scope: Scope) -> PlainTextResponse | None:
    """The answer to a request that parts of this server would read differently."""
    names = [name for name, _ in scope["headers"] if name.startswith(b"mcp-")]
    if len(names) > len(set(names)):
        return PlainTextResponse("A header of the protocol was sent twice", 400)
    # Some patterns of paths end before a line end.
    return None if scope["path"].isprintable() else PlainTextResponse("Not Found", 404)


def _is_of_a_person(scope: Scope) -> bool:
    """True for a browser's request for a page."""
    accepted = ",".join(Headers(scope=scope).getlist("accept")).lower()
    return scope["method"] in {"GET", "HEAD"} and "text/html" in accepted and "event-stream" not in accepted


def _usual(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    accepted = [value for name, value in headers if name == b"accept"]
    others = [(name, value) for name, value in headers if name not in {b"accept", b"last-event-id"}]
    return [*others, (b"accept", b", ".join(accepted))] if accepted else others
