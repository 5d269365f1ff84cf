"""Mask values that XML, HTML and Markdown put beside the name of a secret: elements, cells, headings.

A value there is one word that looks like a secret; documentation has types and sentences beside such names.
"""

import re
from functools import cache

from neo_mcp.core.secret_literals import MAX_NAME, OF_RESOURCE, Literals, is_strong
from neo_mcp.core.secret_names import BLANKS, CREDENTIAL, QUOTE_CHARACTERS, QUOTES
from neo_mcp.core.secret_tokens import BLANK, Q, is_secret_like

_MAX_VALUE, _MAX_TAG = 400, 400
_TAG_BEFORE = re.compile(r"<\0*+\Z")
_ELEMENT_BEFORE = re.compile(r"<\0*+[\w\-]{1,40}>\0*+\Z")
_CELL_BEFORE = re.compile(r"<\0*+(?:td|th|dd|li)>", re.IGNORECASE)
_TAG_REST = re.compile(rf"[^<>]{{0,{_MAX_TAG}}}+(?<!/)>\0*+")
_IS_TYPE = re.compile(rf"{OF_RESOURCE}[|\u2502]\Z")
_ATTRIBUTE_BEFORE = re.compile(rf"\b(?i:name|key){BLANKS}={BLANKS}{Q}\Z")
_HEADING_BEFORE = re.compile(
    rf"(?:\A|[\n{QUOTES}])\0*+[\0 \t+>\-]*+(?:\#{{1,6}}[ \t]++|\*\*)?(?:[\w\-]{{1,30}}[ ]){{0,4}}\Z"
)
_IS_MARKED = re.compile(r"[\0 \t+>\-]*+(?:\#|\*\*)")
_CONTENT = re.compile(
    rf"{BLANKS}(?:<\0*+(?:value|code|pre|b|strong|span|p)>\0*+{BLANKS})?(?:<\0*+!\[CDATA\[)?"
    rf"(?P<value>[^<>\]]{{1,{_MAX_VALUE}}}+)(?:<\0*+[/!]|\]\])"
)
_VALUE = re.compile(rf"\bvalue{BLANKS}={BLANKS}{Q}(?P<value>[^\"'<>\n]{{1,{_MAX_VALUE}}})")
_MARGIN = r"[\0 \t+>\-]*+"
_ALONE = re.compile(
    rf"[ \t]*+(?:\n[\0 \t+>]*+[=\-]{{3,80}}+[ \t]*+(?=\n))?(?:\n{_MARGIN}){{1,3}}+"
    rf"(?:```[^\n`]{{0,40}}\n{_MARGIN})?"
    rf"(?P<value>[^\s`{QUOTES}]{{1,400}}+|`[^\s`]{{1,400}}+`)[ \t]*+"
    rf"(?:\n{_MARGIN}(?:\n|```|{Q}|\Z)|\Z|{Q})"
)
_DELIMITERS = re.compile(
    r"[^\n]{0,400}+\n[\0 \t+|\u2502\u251c\u255e]*+:?[\-=\u2500\u2550][\0\-=:|+\u2500-\u257f \t]{2,400}+(?=\n)"
)
_CELL_END = re.compile(r"[|\u2502\n]|\Z")
_WORD = re.compile(rf"[^\s<>{QUOTES},;]{{1,{_MAX_VALUE}}}+")
_BAR_CHARACTERS = {"|", "\u2502"}
_BARS = re.compile(r"[|\u2502]")


@cache
def _names() -> re.Pattern[str]:
    """The name of a secret with what is behind it in markup."""
    return re.compile(
        rf"[sSpPaA]{CREDENTIAL}"
        rf"(?:(?P<pair><\0*+/[\w\-]{{1,40}}>\0*+{BLANKS}(?:[+\-][ ])?{BLANKS}<\0*+[\w\-]{{1,40}}>\0*+)"
        r"|(?P<inline>:?<\0*+/\w{1,10}>\0*+:?[ ]{0,8}(?:<\0*+\w{1,10}>\0*+)?)"
        r"|(?P<cell>[*_`~: \t]*+[|\u2502])|(?P<heading>[ \t:*_`\#]*+(?=\n(?![\0 \t+\-]*+>)))"
        rf"|(?P<attribute>{Q})|(?P<element>(?![\w\-.:=])[^<>]{{0,{_MAX_TAG}}}+(?<!/)>\0*+))"
    )


class Markup(Literals):
    """Masks values that XML, HTML and Markdown put beside the name of a secret."""

    def _markup(self) -> None:
        self._table_end = 0
        # A first column looks like a margin, of which the bar is gone in the text.
        self._with_bars = self._text if "\\u2502" in self._raw else self._raw
        for match in _names().finditer(self._text):
            self._begin = match.end()
            self._tick()
            begin = self._name_begin(match.start())
            before = self._text[max(begin - MAX_NAME, 0) : begin]
            match match.lastgroup:
                case "pair" if _ELEMENT_BEFORE.search(before):
                    self._content(match.end(), is_cell=_CELL_BEFORE.search(match["pair"]) is not None)
                case "element" if _TAG_BEFORE.search(before):
                    self._content(match.end())
                case "attribute" if _ATTRIBUTE_BEFORE.search(before):
                    self._attribute(begin, match.end())
                case "inline":
                    self._one_word(match.end(), self._after(_WORD, match.end()))
                case "cell" if not _IS_TYPE.search(self._text, max(begin - MAX_NAME, 0), match.end()):
                    self._cells(begin, match.end())
                case "heading" if _TAG_BEFORE.search(before):
                    self._content(self._after(_TAG_REST, match.end()))
                case "heading":
                    self._last_cells(begin, match.end())
                    self._heading(before, match.end())
                case _:
                    pass

    def _content(self, start: int, *, is_cell: bool = False) -> None:
        """Mask the content of an element; that of a cell only if it is one word."""
        content = _CONTENT.match(self._text, start)
        if content is None:
            return
        if is_cell:
            self._one_word(*content.span("value"))
        elif is_secret_like(content["value"]):
            self._mask(*content.span("value"))

    def _attribute(self, begin: int, end: int) -> None:
        """Mask the value, in an attribute or as the content, of a tag with an attribute that names it."""
        first = self._text.rfind("<", max(begin - _MAX_TAG, 0), begin)
        last = self._text.find(">", end, end + _MAX_TAG)
        if first < 0:
            return
        value = _VALUE.search(self._text, first, last if last >= 0 else end + _MAX_TAG)
        if value is not None and is_secret_like(value["value"]):
            self._mask(*value.span("value"))
        elif last >= 0 and self._text[last - 1] != "/":
            self._content(last + 1)

    def _one_word(self, start: int, end: int) -> None:
        """Mask what is between two positions if it is one word that looks like a secret."""
        part = self._text[start : min(end, start + _MAX_VALUE)]
        word = part.strip(BLANK + "*_`")
        if is_secret_like(word) and is_strong(word) and not any(map(str.isspace, word)):
            first = start + part.index(word)
            self._mask(first, first + len(word))

    def _cells(self, begin: int, end: int) -> None:
        """Mask the cell behind a name in a table, or those below it and the other such names of its head."""
        after = _CELL_END.search(self._text, end, end + _MAX_VALUE)
        if after is not None and after[0] in _BAR_CHARACTERS:
            self._one_word(end, after.start())
        if begin < self._table_end or (head := _DELIMITERS.match(self._text, end)) is None:
            return
        line = self._text.rfind("\n", max(begin - _MAX_VALUE, 0), begin) + 1
        columns = self._columns(line, self._line_end(end) + 1)
        position = head.end() + 1
        while position < len(self._text):
            self._tick()
            row_end = self._line_end(position)
            bars = [
                bar.start()
                for bar in _BARS.finditer(self._with_bars, position, min(row_end, position + 4000))
            ]
            if not bars:
                break
            for column in columns:
                if column <= len(bars):
                    cell = bars[column - 1] + 1 if column else position
                    self._one_word(cell, bars[column] if column < len(bars) else row_end)
            position = row_end + 1
        self._table_end = max(self._table_end, self._text.rfind("\n", line, position))

    def _columns(self, line: int, end: int) -> list[int]:
        """The columns, in a head from ``line`` to ``end``, with names of secrets."""
        names = _names().finditer(self._text, line, end)
        begins = [self._name_begin(name.start()) for name in names if name.lastgroup in {"cell", "heading"}]
        return [len(_BARS.findall(self._with_bars, line, begin)) for begin in begins]

    def _last_cells(self, begin: int, end: int) -> None:
        """Mask the cells below a name that ends the head of a table without bars around it."""
        line = self._text.rfind("\n", max(begin - _MAX_VALUE, 0), begin) + 1
        if _BARS.search(self._with_bars, line, begin) is not None:
            self._cells(begin, end)

    def _heading(self, before: str, end: int) -> None:
        """Mask the one word below a heading."""
        heading = _HEADING_BEFORE.search(before)
        value = _ALONE.match(self._text, end) if heading is not None else None
        if heading is None or value is None:
            return
        is_setext = self._text[end : value.start("value")].lstrip(BLANK + "+>")[:1] in {"=", "-"}
        if is_setext or _IS_MARKED.match(heading[0].lstrip("\n\0" + QUOTE_CHARACTERS)):
            self._one_word(*value.span("value"))
