"""Probes for load balancers and orchestrators: liveness and readiness.

They need no authentication and accept any Host header, as kubelets and balancers use plain addresses. The
answers are the same for all, and hold no credentials. Frequent probes cost the API nothing.
"""

import logging
from collections.abc import Mapping

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from neo_mcp.api import Certificates
from neo_mcp.api.probe import Reply, probe
from neo_mcp.core.sanitize import one_line
from neo_mcp.errors import NeoError
from neo_mcp.server.app import NeoServer

logger = logging.getLogger(__name__)

LIVE_PATH, READY_PATH = "/healthz", "/readyz"

CHECK_SECONDS = 30.0
"""Seconds for which the result of a check of the API is used."""

RECHECK_SECONDS = 5.0
"""The same while the API cannot be reached, so that the server is ready soon after it can be again."""

FIRST_CHECK_SECONDS = 0.8
"""Maximum seconds for which the first probe waits for the first check; probes usually time out after one."""

_PROBE_SECONDS = 5.0
_MAX_REASON = 600


class Reachability:
    """The API's reachability, checked only on request and at most at a fixed interval.

    Attributes:
        status: The last result: ``unknown``, ``reachable`` or ``unreachable``.
        failure: The kind of failure if it cannot be reached; else empty. The log has the details: they name
            files and proxies, and are for the operator alone.
    """

    def __init__(
        self,
        api_url: str,
        certificates: Certificates,
        *,
        check_seconds: float = CHECK_SECONDS,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        self.status = "unknown"
        self.failure = ""
        self._reason = ""
        self._api_url = api_url
        self._certificates = certificates
        self._check_seconds = check_seconds
        self._recheck_seconds = recheck_seconds
        self._asked = anyio.Event()
        self._checked = anyio.Event()

    async def ask(self) -> str:
        """Return the last result, after a short wait for the first one; once it is old, check again."""
        self._asked.set()
        with anyio.move_on_after(FIRST_CHECK_SECONDS):
            await self._checked.wait()
        return self.status

    async def run(self) -> None:
        """Check on demand, once per interval at most, until cancelled; no token is sent along."""
        while True:
            await self._asked.wait()
            self._record(*await self._check())
            self._checked.set()
            await anyio.sleep(self._recheck_seconds if self.failure else self._check_seconds)
            self._asked = anyio.Event()

    async def _check(self) -> tuple[str, str]:
        """The kind of failure and the reason why the API cannot be reached now; empty if it can."""
        try:
            reply = await probe(self._api_url, seconds=_PROBE_SECONDS, certificates=self._certificates)
        except NeoError as error:
            return "configuration", str(error)
        except Exception as error:  # a failed check must not stop the server
            logger.exception("the check of the API failed")
            return "unexpected", type(error).__name__
        if isinstance(reply, Reply):
            return "", ""
        return str(reply.kind), f"The API does not answer: {reply.why}."

    def _record(self, kind: str, reason: str) -> None:
        reason = one_line(reason, _MAX_REASON)
        if kind and reason != self._reason:
            logger.warning("the API cannot be reached: %s", reason)
        elif self.failure and not kind:
            logger.warning("the API can be reached again")
        self.status, self.failure, self._reason = "unreachable" if kind else "reachable", kind, reason


class Probes:
    """The ASGI application ``app``, with ``/healthz`` and ``/readyz`` beside it.

    A server is ready while it takes requests, until it is asked to stop, and while it can reach the API.
    Requests are served in any case: the server's errors tell hosts more than a balancer's.
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
            answer = await self._ready()
        await answer(scope, receive, send)

    async def _ready(self) -> JSONResponse:
        try:
            _ = self._server.running
        except NeoError:
            return _response(503, {"status": "not ready"})
        status = await self._api.ask()
        if self._api.failure:
            return _response(503, {"status": "not ready", "api": status, "reason": self._api.failure})
        return _response(200, {"status": "ready", "api": status})


def _response(status: int, content: Mapping[str, str]) -> JSONResponse:
    return JSONResponse(content, status, {"Cache-Control": "no-store"})
