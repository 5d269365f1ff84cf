"""Markdown as a tree of nodes, which a page turns into elements one by one.

Parsing is the work of markdown-it. Owns the allowed elements and links, and cleans every text, including text
behind character references. HTML in the text is text, and images are links.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import cast, get_args

from markdown_it import MarkdownIt
from markdown_it.token import Token

from neo_mcp.core.links import has_gaps, honest, host_behind, is_short, safe_address
from neo_mcp.core.sanitize import clean
from neo_mcp.core.view.model import Element, Node, Tag

_TAGS = frozenset(get_args(Tag))
_MAX_NODES = 3000
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}", re.ASCII)


def nodes(markdown: str) -> list[Node]:
    """Convert ``markdown`` to nodes; to one paragraph of plain text if there would be too many.

    Args:
        markdown: Any text; invisible characters and secrets are removed from it.
    """
    markdown = clean(markdown).strip()
    if not markdown:
        return []
    if not is_short(markdown) or has_gaps(markdown):
        return [plain(markdown)]
    try:
        builder = _Builder()
        builder.add(_parser().parse(markdown))
    except (_TooManyError, RecursionError):
        return [plain(markdown)]
    return builder.whole


def plain(text: str) -> Element:
    """Clean ``text`` as a block that is shown as it is."""
    return {"t": "pre", "c": [text]}


class _TooManyError(Exception):
    """Raised when one text has more nodes than a page should have."""


class _Builder:
    """Puts nodes together from markdown-it's tokens.

    Attributes:
        whole: The nodes outside of any other.
    """

    def __init__(self) -> None:
        self.whole: list[Node] = []
        self._inner = [self.whole]
        self._pieces: list[str] = []
        self._count = 0

    def add(self, tokens: Iterable[Token]) -> None:
        """Take ``tokens``, which close every element that they open."""
        for token in tokens:
            self._add(token)

    def _add(self, token: Token) -> None:
        match token.type:
            case "inline":
                self.add(token.children or ())
            case "fence" | "code_block":
                self._put({"t": "pre", "c": [_code(token)]})
            case "code_inline":
                self._put({"t": "code", "c": [clean(token.content)]})
            case "softbreak":
                self._pieces.append("\n")
            case "hardbreak" | "hr":
                self._put({"t": "br" if token.type == "hardbreak" else "hr", "c": []})
            case _ if token.nesting > 0:
                element = None if token.hidden else _element(token)
                if element is not None:
                    self._put(element)
                # Text without an element of its own belongs to the one around it.
                self._inner.append(self._inner[-1] if element is None else element["c"])
            case _ if token.nesting < 0:
                self._close(is_link=token.type == "link_close")
            case _:
                self._pieces.append(token.content)

    def _close(self, *, is_link: bool) -> None:
        if self._inner[-2] is not self._inner[-1]:
            self._end_text()
        self._inner.pop()
        last = self._inner[-1][-1] if is_link and self._inner[-1] else ""
        if not isinstance(last, str) and "href" in last:
            host = host_behind(_words(last), last["href"])
            self._pieces += [f" ({host})"] if host else []

    def _put(self, element: Element) -> None:
        self._end_text()
        self._append(element)

    def _end_text(self) -> None:
        # In one piece: hidden text may only show as a whole.
        if text := clean("".join(self._pieces)):
            self._append(text)
        self._pieces.clear()

    def _append(self, node: Node) -> None:
        self._count += 1
        if self._count > _MAX_NODES:
            raise _TooManyError
        self._inner[-1].append(node)


def _element(token: Token) -> Element | None:
    """The element that ``token`` opens; ``None`` for one that is not allowed."""
    if token.tag not in _TAGS:
        return None
    element: Element = {"t": cast("Tag", token.tag), "c": []}
    if token.tag == "a":
        address = safe_address(str(token.attrGet("href") or ""))
        if address is None:
            return None
        element["href"] = address
    start = token.attrGet("start")
    if token.tag == "ol" and isinstance(start, int):
        element["start"] = start
    return element


def _words(element: Element) -> str:
    return "".join(node if isinstance(node, str) else _words(node) for node in element["c"])


def _code(token: Token) -> Element:
    code: Element = {"t": "code", "c": [clean(token.content)]}
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    if _LANGUAGE.fullmatch(language):
        code["lang"] = language
    return code


@cache
def _parser() -> MarkdownIt:
    parser = honest(MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]))
    # Without images there is "!" and a link: nothing is loaded from addresses in Neo's text.
    return parser.disable("image")
