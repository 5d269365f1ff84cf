"""The result of a tool, which is any JSON, as readable text.

Reads no more of it than is shown: a result may be megabytes.
"""

import json
from collections.abc import Iterator
from typing import Any

from neo_mcp.core.effort import Effort
from neo_mcp.core.masking import masked
from neo_mcp.core.sanitize import raw_head

_BLOCK = 2000
"""Characters of a text that are processed at a time."""

_JSON = json.JSONEncoder(ensure_ascii=False, default=str)


def content_head(content: Any, limit: int) -> tuple[str, bool]:  # noqa: ANN401 - a tool's result is any JSON
    """The beginning of :func:`content_text`, and true if that is complete.

    Args:
        content: Any JSON.
        limit: Minimum number of characters to show, if there are as many.
    """
    return head_of(masked(content, Effort.for_head(limit)), limit)


def head_of(content: Any, limit: int) -> tuple[str, bool]:  # noqa: ANN401 - as above
    """:func:`content_head` of content whose secrets are masked already."""
    if isinstance(content, str) and len(content) <= limit:
        return content, True
    blocks: list[str] = []
    size, enough = 0, limit + _BLOCK
    for block in _blocks(content):
        blocks.append(block)
        size += len(block)
        if size > enough:
            text = "".join(blocks)
            head = raw_head(text, limit)
            if head is not text:
                return head, False
            # Most of its characters are invisible: read much more at once.
            blocks, enough = [text], 8 * size
    return "".join(blocks), True


def _blocks(content: Any) -> Iterator[str]:  # noqa: ANN401 - a tool's result is any JSON
    for piece in pieces_of(content):
        for start in range(0, len(piece), _BLOCK):
            yield piece[start : start + _BLOCK]


def content_text(content: Any) -> str:  # noqa: ANN401 - a tool's result is any JSON
    """A tool's result as readable text: text as it is, an object of texts as names and values, else JSON."""
    return "".join(pieces_of(masked(content)))


def pieces_of(content: Any) -> Iterator[str]:  # noqa: ANN401 - a tool's result is any JSON
    """The text of ``content``, in pieces."""
    match content:
        case None:
            pass
        case str():
            yield content
        case (
            {"text": str(text)}
            | {"output": str(text)}
            | {"content": str(text)}
            | {"result": str(text)}
            | {"diff": str(text)}
            | {"stdout": str(text)}
        ) if len(content) == 1:
            yield text
        case dict() if _has_lines(content):
            for key, value in content.items():
                text = value if isinstance(value, str) else _JSON.encode(value)
                yield f"{key}:\n" if "\n" in text else f"{key}: "
                yield text
                if not text.endswith("\n"):
                    yield "\n"
        case _:
            yield from _JSON.iterencode(content)


def _has_lines(content: dict[str, Any]) -> bool:
    """True if all values are plain and one has several lines, which JSON would put on one."""
    values = content.values()
    if any(isinstance(value, dict | list) for value in values):
        return False
    return any(isinstance(value, str) and "\n" in value for value in values)
