"""Answers to forms as hosts send them along with a call, made readable for the SDK.

The SDK refuses a whole call for one malformed answer, with an error that does not report what became of
the decision. A malformed answer is replaced by one that decides nothing, so that the call itself reports it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

_RESPONSES = "inputResponses"


async def readable_answers(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: pass on a tool call with its malformed answers replaced."""
    params = ctx.params
    if ctx.method == "tools/call" and params and _RESPONSES in params:
        ctx = replace(ctx, params={**params, _RESPONSES: _readable(params[_RESPONSES])})
    return await call_next(ctx)


def _readable(responses: object) -> dict[str, Any]:
    from neo_mcp.server.elicitation import MALFORMED, read_answer  # noqa: PLC0415 - few calls bring answers

    if not isinstance(responses, Mapping):
        return {}
    replacement = MALFORMED.model_dump(by_alias=True, mode="json", exclude_none=True)
    return {
        str(key): replacement if read_answer(value) is MALFORMED else value
        for key, value in responses.items()
    }
