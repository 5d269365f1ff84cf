"""Pages of other origins that may use the endpoint: those of ``--allowed-origins``, and no others.

Pages of this machine are accepted as callers (:mod:`neo_mcp.server.http.header_checks`), but browsers are not
told so: what any program here serves must not become a client.
"""

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from neo_mcp.server.http.header_checks import AcceptedOrigins

_EXPOSED = ("Mcp-Session-Id", "Retry-After", "WWW-Authenticate", "X-Request-Id")
_METHODS = ("GET", "POST", "DELETE", "OPTIONS")


class Cors(CORSMiddleware):
    """The ASGI application ``app``, with what browsers have to be told for pages of ``origins``.

    Credentials are those that a page sends itself, as a header: never a browser's own.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        super().__init__(app, allow_methods=_METHODS, allow_headers=["*"], expose_headers=_EXPOSED)
        self._accepted = AcceptedOrigins(origin.rstrip("/") for origin in origins)

    def is_allowed_origin(self, origin: str) -> bool:
        """True for pages that may use the endpoint."""
        return origin in self._accepted
