"""The final bound on a result's size, whatever the API sends.

The content of a result is chosen elsewhere, and nearly always fits. If it does not, because a name or a list
is unbounded, texts are cut here, all to the same limit. Ids, cursors and addresses are left whole or left
out.
"""

from typing import TypeVar

from pydantic import BaseModel

from neo_mcp.core.render.lines import first_bytes
from neo_mcp.errors import NeoError
from neo_mcp.hints import Wording
from neo_mcp.service.rendered import Result

_R = TypeVar("_R", bound=Result)
_M = TypeVar("_M", bound=BaseModel)

_WHOLE = frozenset(
    {"task_id", "organization", "url", "cursor", "next_cursor", "next", "claim", "request_id", "tool_call_id"}
)
"""Fields that are of no use in part."""

_LIMITS = (2000, 1000, 500, 250, 120, 60, 30)
"""Maximum bytes of a text, tried one after the other."""

_BYTES_PER_ITEM = 10
"""The same limits for lists of texts: one item per this many bytes."""


class ResultTooLargeError(NeoError):
    """A result does not fit into its budget."""

    default_next_step = "Ask again with more budget_tokens, or for fewer tasks."


def fitted(result: _R, budget: int, wording: Wording, *, must: bool = False) -> _R:
    """Return ``result`` cut to ``budget`` tokens.

    Args:
        result: A tool's result.
        budget: Tokens of both forms together.
        wording: The surface's words for hints.
        must: Whether the caller has to get it, as a report of what was sent, however large it is.

    Raises:
        ResultTooLargeError: If the parts that cannot be cut do not fit.
    """
    smaller = result
    for limit in _LIMITS:
        if smaller.rendered(wording).tokens <= budget:
            return smaller
        smaller = _shortened(result, limit)
    if must or smaller.rendered(wording).tokens <= budget:
        return smaller
    raise ResultTooLargeError(f"The result does not fit into {budget} tokens.")


def _shortened(model: _M, limit: int) -> _M:
    changes = {
        name: _short(name, value, limit)
        for name, value in model.__dict__.items()
        if name not in _WHOLE and isinstance(value, str | list | BaseModel)
    }
    return model.model_copy(update=changes)


def _short(name: str, value: object, limit: int) -> object:
    match value:
        case str():
            start = first_bytes(value, limit)
            return value if len(start) == len(value) else f"{start}…"
        case BaseModel():
            return _shortened(value, limit)
        case [str(), *_]:
            max_items = max(limit // _BYTES_PER_ITEM, 1)
            # The most recent events are the last ones.
            items = value[-max_items:] if name == "events" else value[:max_items]
            return [_short(name, item, limit) for item in items]
        case list():
            return [_short(name, item, limit) for item in value]
        case _:
            return value
