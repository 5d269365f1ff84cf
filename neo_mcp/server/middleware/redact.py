"""Redact the access token in requests of hosts and in the answers to them.

The API's texts are redacted where they are read. This also cleans the texts of errors.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import ErrorData

from neo_mcp.api import TokenGuard
from neo_mcp.core.sanitize import clean, one_line
from neo_mcp.server.middleware.request_sizes import Size
from neo_mcp.token_guard import distinct

_MAX_DATA = 300
"""Characters of each text beside an error's message: these repeat what was sent."""

_LARGE = 2**20
"""Characters of parameters."""

Context = ServerRequestContext[Any, Any]


def without_token(guard_of: Callable[[Context], TokenGuard]) -> ServerMiddleware[Any]:
    """Serve requests as if neither they nor their answers held the token: a middleware of the SDK's server.

    A token in a prompt would stay in a transcript for ever, one in an argument come back in an error.

    Args:
        guard_of: Knows the token that is used for a request.
    """

    async def serve(ctx: Context, call_next: CallNext) -> HandlerResult:
        guard = guard_of(ctx)
        params = dict(ctx.params) if ctx.params else ctx.params
        try:
            result = await call_next(replace(ctx, params=await _redacted(guard, params)))
        except MCPError as error:
            cleaned = ErrorData.model_validate(guard.own.json(error.error.model_dump()))
            cleaned.message, cleaned.data = clean(cleaned.message), _bounded(cleaned.data)
            if cleaned == error.error:
                raise
            raise MCPError.from_error_data(cleaned) from None
        return guard.own.json(result) if isinstance(result, dict) else result

    return serve


async def _redacted(guard: TokenGuard, params: Any) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """Request parameters without the token; a thread looks through large ones."""
    size = Size()
    size.add(params)
    if size.text < _LARGE:
        return guard.json(params)
    return await anyio.to_thread.run_sync(guard.json, params)


def _bounded(data: Any) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """An error's data, cleaned and cut."""
    if isinstance(data, str):
        return one_line(data, _MAX_DATA)
    if isinstance(data, dict):
        return distinct((one_line(key, _MAX_DATA), _bounded(item)) for key, item in data.items())
    return [_bounded(item) for item in data] if isinstance(data, list) else data
