"""Telemetry of requests: their ids, traces, durations and results.

Owns a request's id, which every line of the log carries that is written while it is served, and what the
SDK's own tracing gets. The instruments are in :mod:`neo_mcp.instruments`.
"""

import logging
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neo_mcp import instruments
from neo_mcp.api import TokenGuard
from neo_mcp.telemetry import REQUEST_ID

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

_REQUEST_ID = "x-request-id"
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"}
_OF_THE_SDK = {"initialize", "notifications/initialized", "notifications/cancelled", "notifications/progress"}
_OTHER = "_OTHER"
"""The semantic conventions' name for a value outside of a fixed set."""


class ObservedRequests:
    """The ASGI application ``app``; each request has an id, its own or its proxy's, and is measured.

    It continues a trace that its headers name.
    """

    def __init__(self, app: ASGIApp, guard: TokenGuard, routes: Collection[str]) -> None:
        self._app = app
        self._guard = guard
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(_REQUEST_ID, "")
        is_good = _GOOD_ID.fullmatch(given) and self._guard.text(given) == given
        token = REQUEST_ID.set(given if is_good else secrets.token_hex(8))
        attributes = {"http.request.method": scope["method"] if scope["method"] in _METHODS else _OTHER}
        if scope["path"] in self._routes:
            attributes["http.route"] = scope["path"]
        try:
            with (
                instruments.continuing(headers),
                instruments.observed(instruments.HTTP_SERVER, attributes) as seen,
            ):
                await self._app(scope, receive, _noting(send, seen))
        finally:
            REQUEST_ID.reset(token)


def _noting(send: Send, seen: instruments.Observation) -> Send:
    async def note(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.attributes["http.response.status_code"] = status = message["status"]
            if status >= 500:  # noqa: PLR2004 - the statuses that mean it is the server's failure
                seen.attributes["error.type"] = str(status)
            headers = [*message.get("headers", ()), (_REQUEST_ID.encode(), REQUEST_ID.get().encode())]
            message = {**message, "headers": headers}
            logger.debug("%s is answered with HTTP %d", seen.attributes.get("http.route", _OTHER), status)
        await send(message)

    return note


class Names:
    """The recorded form of client-sent names: known names as they are, one name for all others."""

    def __init__(self, is_method: Callable[[str], bool], is_target: Callable[[str], bool]) -> None:
        """Know them.

        Args:
            is_method: Whether there is such a method.
            is_target: Whether there is such a tool or prompt.
        """
        self._is_method = is_method
        self._is_target = is_target

    def method(self, name: str) -> str:
        """A method's name."""
        return name if name in _OF_THE_SDK or self._is_method(name) else _OTHER

    def target(self, params: Mapping[str, Any] | None) -> str:
        """The tool or prompt that a request names."""
        name = (params or {}).get("name")
        return name if isinstance(name, str) and self._is_target(name) else _OTHER


def observed_operations(names: Names) -> ServerMiddleware[Any]:
    """Measure requests and give an id to those that have none: a middleware of the SDK's server."""

    async def serve(ctx: Context, call_next: CallNext) -> HandlerResult:
        if ctx.request_id is None:
            return await call_next(ctx)
        method = names.method(ctx.method)
        kind = {
            "mcp.method.name": method,
            "mcp.protocol.version": ctx.protocol_version,
            "network.transport": "pipe" if ctx.request is None else "tcp",
        }
        if method == "tools/call":
            kind["gen_ai.tool.name"] = names.target(ctx.params)
        token = REQUEST_ID.set(REQUEST_ID.get() or secrets.token_hex(8))
        try:
            with instruments.observed(instruments.MCP_SERVER, kind) as seen:
                return await _noted(ctx, call_next, seen)
        finally:
            REQUEST_ID.reset(token)

    return serve


async def _noted(ctx: Context, call_next: CallNext, seen: instruments.Observation) -> HandlerResult:
    """Serve a request, and note whether that went well."""
    what = " ".join(
        filter(None, (seen.attributes["mcp.method.name"], seen.attributes.get("gen_ai.tool.name")))
    )
    try:
        result = await call_next(ctx)
    except (MCPError, ValidationError) as error:
        code = error.error.code if isinstance(error, MCPError) else INVALID_PARAMS
        seen.attributes["error.type"] = str(code)
        logger.info("%s: error %d", what, code)
        raise
    match result:
        case CallToolResult(is_error=True) | {"isError": True}:
            seen.attributes["error.type"] = "tool_error"
            logger.info("%s: the tool says that it failed", what)
        case _:
            logger.debug("%s: done", what)
    return result


def discreet(tracing: ServerMiddleware[Any], names: Names) -> ServerMiddleware[Any]:
    """``tracing``, which is the SDK's own, given neither names that are not ours nor the texts of errors.

    Both may be foreign text, and of any number. It is left out where there is nothing to trace or to pass on.
    """

    async def serve(ctx: Context, call_next: CallNext) -> HandlerResult:
        if not (instruments.has_traces() or "traceparent" in (ctx.meta or ())):
            return await call_next(ctx)
        failure: MCPError | None = None

        async def without_words(_: Context) -> HandlerResult:
            nonlocal failure
            try:
                return await call_next(ctx)
            except MCPError as error:
                failure = error
                raise MCPError(error.error.code, "") from None

        params = ctx.params
        if params is not None and "name" in params:
            params = {**params, "name": names.target(params)}
        try:
            return await tracing(replace(ctx, method=names.method(ctx.method), params=params), without_words)
        except MCPError:
            if failure is None:
                raise
            raise failure from failure.__cause__

    return serve
