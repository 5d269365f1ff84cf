"""Decide which addresses may be links, and reduce foreign Markdown to those.

Owns the one rule for addresses, wherever foreign text becomes a link. In Markdown that others will render,
images become links, since they would be loaded when shown; links to anything else, links that name one host
and lead to another, and HTML become text. So do link definitions, which would apply to a whole document.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from html import unescape
from typing import TYPE_CHECKING, Any

from neo_mcp.core.sanitize import clean

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_MARKS = 4000
"""Maximum number of marks in a text that is read as Markdown: a parser takes time for each."""

_MAX_MARKDOWN = 2**16
_LAST = 0x10FFFF
_COUNTED = "\n[*_<`&!"
_LINE_MARKS = " \t>*+.)0123456789"
"""Characters before a line of a quote or a list."""

# A host name and nothing that would make another address look like it, such as a user's name before it.
_ADDRESS = re.compile(
    r"https?://([A-Za-z0-9.-]{1,253})(?::\d{1,5})?(?:[/?#][!-~]{0,1900})?", re.IGNORECASE | re.ASCII
)
_DOT = ".\u00b7\u2024\u3002\ufe52\uff0e\uff61"
_NAMES_HOST = re.compile(rf"(?:(?<!\S)|(?<=[/@(\[<\"'\u201c\u2018:,;=]))(?<![^/:]/)[\w-]+(?:[{_DOT}][\w-]+)+")
_MAY_LINK = re.compile(r"[\[<&]|\\\n|//|\bwww\.|\b(?:mailto|xmpp|tel|sms):", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")
_IMAGE = re.compile(r"!(?=\[)")
_DESTINATION = re.compile(r"\](?=\(\s{0,80}<?([^)\s>]*+))")
_INLINE = re.compile(r"(?<=\]\()(https?://[^()\s<>]{1,2000}+)\)", re.IGNORECASE)
_DEFINITION = re.compile(r"\[(?=(?:[^\[\]\\]|\\.){1,999}+\]:)", re.DOTALL)
_ANGLE = re.compile(r"<(?=([A-Za-z][A-Za-z0-9+.-]{1,31}:[^<>\s]*+)?)")
_REFERENCE = re.compile(r"&(?=(#[xX][0-9A-Fa-f]{1,8};|#[0-9]{1,9};|[A-Za-z]\w{0,40};))")
_BARE = re.compile(
    r"(?<![\w\\])(?:([A-Za-z][A-Za-z0-9+.-]{0,31}):(?=[/\\]{2})|(mailto|xmpp|tel|sms):(?=\S)|(?<![:/])/(?=/[\w\[]))",
    re.IGNORECASE,
)
_BLANK = (
    r"&(?:nbsp|ensp|emsp\d{0,2}|thinsp|numsp|puncsp|hairsp|Tab|NewLine|MediumSpace|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});"
    r"|\[\s{0,9}\]\([^()\s]{0,2000}\)"
)
_BREAK = r"<br\s{0,4}/?>|\\(?=\n)"
_GAPS = re.compile(
    rf"(?:(?:{_BLANK}|{_BREAK})[\s>]{{0,120}}+){{20}}|(?:(?:{_BREAK})(?:[\s>]|{_BLANK}){{0,20}}+){{8}}",
    re.IGNORECASE,
)
"""Blanks, line ends and links without words, which move what is behind them out of sight."""

_REST = re.compile(r"[^\s<>\"'`)\]]{0,2200}+")
"""The rest of an address; no safe one is longer."""

_ACTIVE = re.compile(r"[\\\[<]")
_PLAIN = re.compile(r"[\\`*\[\]<>~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w{1,40};)")


def safe_address(address: str) -> str | None:
    """Return ``address`` if it may be a link: absolute, http or https, and not misleading."""
    return address if _ADDRESS.fullmatch(address) and clean(address) == address else None


def host_behind(words: str, address: str) -> str:
    """The host of a safe ``address`` if the link's ``words`` name another one; else empty."""
    match = _ADDRESS.fullmatch(address)
    host = match[1].lower() if match else address
    named = (name.lower() for name in _NAMES_HOST.findall(words))
    return "" if all(host == name or host.endswith(f".{name}") for name in named) else host


def plain_markdown(text: str) -> str:
    """Markdown that shows clean ``text``, of one line, as it is, without links."""
    return _BARE.sub(_unlinked, _PLAIN.sub(r"\\\g<0>", text))


def safe_markdown(text: str, *, has_code: bool = False) -> str:
    """Clean Markdown without images, HTML, definitions, and links that are unsafe or misleading.

    Args:
        text: The Markdown.
        has_code: Leave HTML, as it cannot be told from code.
    """
    if not _MAY_LINK.search(text):
        return text
    if not is_short(text) or has_gaps(text):
        return _as_text(text)
    changed = _outside_code(text, _without_images)
    if misleading := frozenset(_misleading(changed)):
        changed = _outside_code(changed, lambda part: _INLINE.sub(_with_host(misleading), part))
    if not _is_safe(changed, has_code=has_code):
        misleading = frozenset(_misleading(changed))
        changed = _outside_code(changed, lambda part: _without_links(part, misleading, has_code=has_code))
    # However an address is spelled: then nothing is a link any more.
    return changed if _is_safe(changed, has_code=has_code) else _as_text(text)


def has_gaps(markdown: str) -> bool:
    """True if it would show much blank space."""
    return _GAPS.search(markdown) is not None


def is_short(markdown: str) -> bool:
    """True if it takes little time to parse."""
    is_small = len(markdown) <= _MAX_MARKDOWN and sum(map(markdown.count, _COUNTED)) <= MAX_MARKS
    return is_small and ("|" not in markdown or _cells(markdown) <= MAX_MARKS)


def honest(parser: "MarkdownIt") -> "MarkdownIt":
    """Make ``parser`` leave hosts and the words of links as they are written."""
    normalize = parser.normalizeLink
    # A host in other letters would link to its encoded form, and its words be decoded.
    parser.normalizeLink = lambda url: normalize(url) if _names_plain_host(url) else url  # type: ignore[method-assign]  # its way
    parser.normalizeLinkText = str  # type: ignore[method-assign,assignment]  # its way
    return parser


def words_of(tokens: "Iterable[Token]") -> str:
    """The visible text of ``tokens``, which are a line's or a link's."""
    return "".join(token.content if not token.children else words_of(token.children) for token in tokens)


def _names_plain_host(url: str) -> bool:
    return re.match(r"https?://[A-Za-z0-9.:-]{1,260}(?:[/?#]|\Z)", url, re.IGNORECASE | re.ASCII) is not None


def _as_text(text: str) -> str:
    return _BARE.sub(_unlinked, _ACTIVE.sub(r"\\\g<0>", _REFERENCE.sub("&amp;", text)))


def _cells(markdown: str) -> int:
    """The most cells that its tables may have: a parser fills up each row to the table's width."""
    cells = 0
    for block in markdown.split("\n\n"):
        lines = block.split("\n")
        for number, line in enumerate(lines):
            if "|" in line and "-" in line and not line.lstrip(_LINE_MARKS).strip("-:| \t"):
                cells += (line.count("|") + 1) * (len(lines) - number)
    return cells


def _with_host(misleading: frozenset[str]) -> Callable[[re.Match[str]], str]:
    def add(match: re.Match[str]) -> str:
        host = _ADDRESS.fullmatch(match[1]) if match[1] in misleading else None
        return f"{match[0]} ({host[1].lower()})" if host else match[0]

    return add


def _unlinked(match: re.Match[str]) -> str:
    """Return an address so that renderers do not link it by themselves, unless it is safe."""
    if (match[1] or "").lower() in {"http", "https"}:
        rest = _REST.match(match.string, match.end())
        address = f"{match[0]}{rest[0] if rest else ''}"
        if safe_address(address.rstrip(".,:;!?*_~")):
            return match[0]
    return f"{match[0][:-1]}\\{match[0][-1]}"


def _without_images(part: str) -> str:
    """Return ``part`` without images, and without anything that other renderers may decode or link."""
    return _BARE.sub(_unlinked, _REFERENCE.sub(_without_reference, _IMAGE.sub("", part)))


def _without_links(part: str, misleading: frozenset[str], *, has_code: bool) -> str:
    def is_good(address: str) -> bool:
        return safe_address(address) is not None and address not in misleading

    part = _DESTINATION.sub(lambda m: "]" if is_good(m[1]) else "]\\", part)
    part = _DEFINITION.sub(r"\\[", part)
    return _ANGLE.sub(lambda m: "<" if (is_good(m[1]) if m[1] else has_code) else r"\<", part)


def _without_reference(match: re.Match[str]) -> str:
    """A character reference; as text if it stands for a character that would be removed."""
    number = match[1][1:-1] if match[1][0] == "#" else ""
    # The library accepts no control characters; other renderers may.
    code = int(number[1:], 16) if number[:1] in {"x", "X"} else int(number or "0")
    char = (chr(code) if 0 < code <= _LAST else "") if number else unescape(f"&{match[1]}")
    return "&" if clean(char) == char else "&amp;"


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return ``text`` with ``change`` applied outside of code."""
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
    for begin, end in _code_spans(text):
        parts += [change(text[start:begin]), text[begin:end]]
        start = end
    return "".join([*parts, change(text[start:])])


def _code_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges between equal numbers of backticks."""
    runs = [match.span() for match in _BACKTICKS.finditer(text)]
    closing: dict[int, int] = {}
    ends: list[int] = [0] * len(runs)
    for index in range(len(runs) - 1, -1, -1):
        begin, end = runs[index]
        ends[index] = closing.get(end - begin, 0)
        closing[end - begin] = end
    done = 0
    for (begin, _), end in zip(runs, ends, strict=True):
        if begin >= done and end:
            yield begin, end
            done = end


def _is_code(token: "Token") -> bool:
    return token.type in {"fence", "code_block"}


def _is_safe(text: str, *, has_code: bool) -> bool:
    for parser in _parsers_of(text):
        env: dict[str, Any] = {}
        tokens = parser.parse(text, env)
        if env.get("references") or any(_misleading_in(tokens)):
            return False
        if not all(_is_harmless(token, has_code=has_code) for token in _all(tokens)):
            return False
    return True


def _misleading(text: str) -> Iterator[str]:
    """Yield the addresses of links whose words name another host."""
    for parser in _parsers_of(text):
        yield from _misleading_in(parser.parse(text))


def _misleading_in(tokens: "Iterable[Token]") -> Iterator[str]:
    for token in tokens:
        children = token.children or []
        for index, child in enumerate(children):
            if child.type != "link_open":
                continue
            end = next(n for n in range(index, len(children)) if children[n].type == "link_close")
            address, title = str(child.attrGet("href") or ""), str(child.attrGet("title") or "")
            host = host_behind(f"{words_of(children[index:end])} {title}", address)
            is_shown = (
                not title and end + 1 < len(children) and children[end + 1].content.startswith(f" ({host})")
            )
            if host and not is_shown:
                yield address


def _all(tokens: "Iterable[Token]") -> "Iterator[Token]":
    for token in tokens:
        yield token
        yield from _all(token.children or ())


def _is_harmless(token: "Token", *, has_code: bool) -> bool:
    if token.type == "link_open":
        return safe_address(str(token.attrGet("href") or "")) is not None
    if token.type == "text" and clean(token.content) != token.content:
        return False
    return token.type != "image" and (has_code or token.type not in {"html_inline", "html_block"})


def _any_address(url: str) -> bool:  # noqa: ARG001 - the library passes it
    return True


def _parsers_of(text: str) -> "Iterator[MarkdownIt]":
    """Yield a parser for each way in which renderers may read ``text``: a table ends code and paragraphs."""
    yield _parser()
    if "|" in text:
        yield _parser("table")


@cache
def _parser(*flavours: str) -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - most texts do without it

    parser = honest(MarkdownIt("commonmark").enable(list(flavours)))
    # Every address must show, also one that the library would leave out: other renderers may not.
    parser.validateLink = _any_address  # type: ignore[method-assign]  # the library's way to set its rule
    return parser
