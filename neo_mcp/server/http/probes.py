"""Probes for load balancers and orchestrators: liveness and readiness.

They need no authentication and accept any Host header, as kubelets and balancers use plain addresses. The
answers are the same for all, and hold nothing confidential. Frequent probes cost the API nothing.
"""

from collections.abc import Mapping

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from neo_mcp.api import Certificates, Reply, probe
from neo_mcp.errors import NeoError
from neo_mcp.server.app import NeoServer

LIVE_PATH, READY_PATH = "/healthz", "/readyz"

CHECK_SECONDS = 30.0
"""Seconds for which the result of a check of the API is used."""

_PATIENCE_SECONDS = 5.0


class Reachability:
    """The API's reachability, checked only on request and at most at a fixed interval.

    Attributes:
        word: What is known: ``unknown``, ``reachable`` or ``unreachable``.
    """

    def __init__(
        self, api_url: str, certificates: Certificates, *, check_seconds: float = CHECK_SECONDS
    ) -> None:
        self.word = "unknown"
        self._api_url = api_url
        self._certificates = certificates
        self._check_seconds = check_seconds
        self._asked = anyio.Event()

    def ask(self) -> str:
        """The last known result; a request also triggers the next check."""
        self._asked.set()
        return self.word

    async def run(self) -> None:
        """Check after each request for the status, until cancelled; no token is sent along."""
        while True:
            await self._asked.wait()
            reply = await probe(self._api_url, seconds=_PATIENCE_SECONDS, certificates=self._certificates)
            self.word = "reachable" if isinstance(reply, Reply) else "unreachable"
            await anyio.sleep(self._check_seconds)
            self._asked = anyio.Event()


class Probes:
    """The ASGI application ``app``, with ``/healthz`` and ``/readyz`` beside it.

    A server is ready from the moment that it takes requests until it is asked to stop. An API that cannot be
    reached makes no server unready: it would be so from all replicas, and their errors tell hosts more than a
    balancer's.
    """

    def __init__(self, app: ASGIApp, server: NeoServer, api: Reachability) -> None:
        self._app = app
        self._server = server
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a probe, or serve the request."""
        if scope["type"] != "http" or scope["path"] not in {LIVE_PATH, READY_PATH}:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in {"GET", "HEAD"}:
            answer = JSONResponse({"status": "not allowed"}, 405, {"Allow": "GET, HEAD"})
        elif scope["path"] == LIVE_PATH:
            answer = _response(200, {"status": "alive"})
        else:
            answer = self._ready()
        await answer(scope, receive, send)

    def _ready(self) -> JSONResponse:
        try:
            _ = self._server.running
        except NeoError:
            return _response(503, {"status": "not ready"})
        return _response(200, {"status": "ready", "api": self._api.ask()})


def _response(status: int, content: Mapping[str, str]) -> JSONResponse:
    return JSONResponse(content, status, {"Cache-Control": "no-store"})
