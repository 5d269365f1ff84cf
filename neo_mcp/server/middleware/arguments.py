"""Arguments as some hosts send them: a tool's all as one text, a prompt's as numbers or ``null``."""

from dataclasses import replace
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from neo_mcp.hidden_text import is_blank
from neo_mcp.server.middleware.request_sizes import within_sizes
from neo_mcp.server.tool_results import tool_error
from neo_mcp.service.reading import as_texts, whole

_WRONG = "`arguments` takes an object: the tool's arguments by their names in its schema, not {}."
_KINDS = {str: "a text", list: "a list", bool: "true or false", int: "a number", float: "a number"}


async def readable_arguments(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: pass on a tool call with its arguments as an object, or tell the model what is wrong."""
    params = ctx.params
    if ctx.method == "prompts/get" and params and isinstance(params.get("arguments"), dict):
        return await call_next(replace(ctx, params={**params, "arguments": as_texts(params["arguments"])}))
    if ctx.method != "tools/call" or not params or params.get("arguments") is None:
        return await call_next(ctx)
    arguments = whole(params["arguments"])
    if isinstance(arguments, str) and is_blank(arguments):
        arguments = {}
    if not isinstance(arguments, dict):
        # Without what was sent, from which the token is taken only later.
        return tool_error(_WRONG.format(_KINDS.get(type(arguments), "another value")))
    return await within_sizes(replace(ctx, params={**params, "arguments": arguments}), call_next)
