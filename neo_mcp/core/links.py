"""Which addresses may be links, and Markdown from outside without all others.

Owns the one rule for addresses, wherever foreign text becomes a link. In Markdown that others will render,
images become links, since they would be loaded by looking; links to anything else, and HTML, become text.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from neo_mcp.core.sanitize import clean

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# A host name and nothing that would make another address look like it, such as a user's name before it.
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:[/?#][!-~]{0,1900})?", re.IGNORECASE)
_MAY_LINK = re.compile(r"[\[<]")
_CODE_SPAN = re.compile(r"(`+)(?:(?!\1).)*?\1(?!`)", re.DOTALL)
_IMAGE = re.compile(r"!(?=\[)")
_DESTINATION = re.compile(r"\](?=\(\s*<?([^)\s>]*))")
_DEFINITION = re.compile(r"^(\s{0,3})(?=\[[^\]]+\]:\s*<?(\S*))", re.MULTILINE)
_ANGLE = re.compile(r"<(?=([A-Za-z][A-Za-z0-9+.-]{1,31}:[^<>\s]*)?)")
_MARK = re.compile(r"[\[<]")


def safe_address(address: str) -> str | None:
    """``address`` if it may be a link: absolute, http or https, and what it looks like."""
    return address if _ADDRESS.fullmatch(address) and clean(address) == address else None


def safe_markdown(text: str) -> str:
    """Clean Markdown as it is, but for images, HTML and links to unsafe addresses."""
    if not _MAY_LINK.search(text) or _is_safe(text):
        return text
    changed = _outside_code(text, lambda part: _IMAGE.sub("", part))
    if not _is_safe(changed):
        changed = _outside_code(changed, _without_links)
    # However an address is spelled: then nothing is a link any more.
    return changed if _is_safe(changed) else _MARK.sub(r"\\\g<0>", changed)


def _without_links(part: str) -> str:
    part = _DESTINATION.sub(lambda m: "]" if safe_address(m[1]) else "]\\", part)
    part = _DEFINITION.sub(lambda m: m[1] if safe_address(m[2].rstrip(">")) else m[1] + "\\", part)
    return _ANGLE.sub(lambda m: "<" if m[1] and safe_address(m[1]) else r"\<", part)


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """``text`` with ``change`` made to all of it but code."""
    lines = text.split("\n")
    blocks = sorted(token.map for token in _parser().parse(text) if token.map and _is_code(token))
    parts: list[str] = []
    start = 0
    for begin, end in blocks:
        parts += [_outside_spans("\n".join(lines[start:begin]), change)] if begin > start else []
        parts.append("\n".join(lines[begin:end]))
        start = max(end, start)
    parts += [_outside_spans("\n".join(lines[start:]), change)] if start < len(lines) else []
    return "\n".join(parts)


def _outside_spans(text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    start = 0
    for span in _CODE_SPAN.finditer(text):
        parts += [change(text[start : span.start()]), span[0]]
        start = span.end()
    return "".join([*parts, change(text[start:])])


def _is_code(token: "Token") -> bool:
    return token.type in {"fence", "code_block"}


def _is_safe(text: str) -> bool:
    return all(_is_harmless(token) for token in _all(_parser().parse(text)))


def _all(tokens: "Iterable[Token]") -> "Iterator[Token]":
    for token in tokens:
        yield token
        yield from _all(token.children or ())


def _is_harmless(token: "Token") -> bool:
    if token.type == "link_open":
        return safe_address(str(token.attrGet("href") or "")) is not None
    return token.type not in {"image", "html_inline", "html_block"}


def _any_address(url: str) -> bool:  # noqa: ARG001 - the library passes it
    return True


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - most texts do without it

    parser = MarkdownIt("commonmark")
    # Every address is to show, also one that the library would leave out: other renderers may not.
    parser.validateLink = _any_address  # type: ignore[method-assign]  # the library's way to set its rule
    return parser
