"""How much a request may hold, whatever it came by: what is served stays in memory for as long as it takes.

Owns the limits of parameters, checked before anything copies or searches them. How large a whole message may
be, and how deep, is decided before it is parsed (:mod:`neo_mcp.wire.json_limits`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from neo_mcp.server.tool_results import tool_error

MAX_TEXT = 4 * 2**20
"""Characters of one text: as much as the largest result of a local tool call may have."""

MAX_DOCUMENTS = 5 * 2**20
"""Characters of the arguments of a tool that takes documents: a batch of such results."""

MAX_PARAMETERS = 64 * 2**10
MAX_VALUES = 500
"""Characters and values of all other parameters together."""

_TAKE_DOCUMENTS = frozenset({"create_task", "respond"})
_MAX_NAME = 60

Context = ServerRequestContext[Any, Any]


@dataclass(slots=True)
class Size:
    """The size of a value.

    Attributes:
        values: Values and names in it.
        text: Characters of all its texts.
        max_length: Characters of the longest of them.
    """

    values: int = 0
    text: int = 0
    max_length: int = 0

    def add(self, value: object) -> None:
        """Measure one more value, at any depth."""
        left = [value]
        while left:
            item = left.pop()
            self.values += 1
            if isinstance(item, str):
                self.text += len(item)
                self.max_length = max(self.max_length, len(item))
            elif isinstance(item, dict):
                left += item.keys()
                left += item.values()
            elif isinstance(item, list):
                left += item


async def without_body(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Drop the body of an HTTP request, which was parsed: a middleware of the SDK's server.

    The SDK holds the last request of a session until the next one comes, and Starlette stores its body there.
    """
    if ctx.request is not None:
        ctx.request.__dict__.pop("_body", None)
    return await call_next(ctx)


async def within_sizes(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Serve requests of a reasonable size, and refuse all others: a middleware of the SDK's server."""
    why = _problem(ctx.method, ctx.params or {})
    if why is None:
        return await call_next(ctx)
    if ctx.request_id is None:
        # A notification has no answer.
        return None
    if ctx.method == "tools/call":
        return tool_error(why)
    raise MCPError(INVALID_PARAMS, why)


def _problem(method: str, params: Mapping[str, Any]) -> str | None:
    """Why a request is refused, and what to do; ``None`` if it is not."""
    name = params.get("name")
    takes_documents = method == "tools/call" and isinstance(name, str) and name in _TAKE_DOCUMENTS
    documents, rest = Size(), Size()
    for key, value in params.items():
        (documents if takes_documents and key == "arguments" else rest).add(value)
        rest.add(key)
    if rest.text > MAX_PARAMETERS or rest.values > MAX_VALUES:
        what = f"Besides its arguments, {name}" if takes_documents else _named(method, name)
        return (
            f"{what} takes {MAX_PARAMETERS // 2**10} KiB of text in {MAX_VALUES} values at most; these are "
            f"{_kib(rest.text)} KiB in {rest.values:,}. Nothing was done. Send less."
        )
    if documents.max_length > MAX_TEXT or documents.text > MAX_DOCUMENTS:
        return (
            f"The arguments take {_mib(documents.text)} MiB of text, {_mib(documents.max_length)} in one: "
            f"at most {_mib(MAX_DOCUMENTS)} MiB together, and {_mib(MAX_TEXT)} in one. Nothing was done. "
            "Send what matters, and note what you left out."
        )
    return None


def _named(method: str, name: object) -> str:
    return f"{name[:_MAX_NAME]!a}" if method == "tools/call" and isinstance(name, str) else "A request"


def _kib(size: int) -> str:
    return f"{size / 2**10:,.0f}"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}"
