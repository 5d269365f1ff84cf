"""Find values that a field beside them marks as secret: ``"secret": true``, or their name in a field.

Pulumi writes settings so. The fields are those of one object in braces, or of lines with one indentation.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from neo_mcp.core.secret_lines import ITEM, Lines
from neo_mcp.core.secret_names import VALUES, marks_pair, name_of
from neo_mcp.core.secret_tokens import KEY_END, SPACING

_MAX_OBJECTS = 12
_MAX_BEFORE, _MAX_OBJECT = 8_000, 64_000
_MAX_LINES = 12
_IS_ITEM = re.compile(r"[\0 \t+]*-[ \t]")


class Beside(NamedTuple):
    """A value beside such a mark.

    Attributes:
        begin: Where it begins.
        column: The indentation of its name; -1 if that does not begin a line.
        is_quoted: True if its name is in quotation marks.
    """

    begin: int
    column: int
    is_quoted: bool


class Pairs(Lines):
    """Finds values that a field beside them marks."""

    def _beside_marks(self) -> Iterator[Beside]:
        for mark in marks_pair().finditer(self._text):
            self._begin = mark.end()
            self._tick()
            yield from self._beside(mark.start())

    def _beside(self, position: int) -> list[Beside]:
        low = max(position - _MAX_BEFORE, 0)
        begin = position
        for _ in range(_MAX_OBJECTS):
            begin = self._text.rfind("{", low, begin)
            if begin < 0:
                break
            values = self._in_object(begin, position)
            if values is not None:
                return values
        return self._in_lines(position)

    def _in_object(self, begin: int, position: int) -> list[Beside] | None:
        """The values in the object that begins at ``begin``; nothing if ``position`` is in another."""
        values: list[Beside] = []
        depth, is_new, is_spaced, is_own = 0, False, True, False
        at = begin
        with self._until(min(begin + _MAX_OBJECT, len(self._text)), len(self._text)):
            while at < self._end:
                self._tick()
                kind, after = self._token(at, is_spaced=is_spaced)
                is_spaced = kind in SPACING
                name_start, name_end = at, after
                if kind == "quote":
                    name_start, name_end, after = self._quoted(at)
                depth += (kind == "open") - (kind == "close")
                if depth == 0 or (depth == 1 and kind == "close" and is_own and at < position):
                    break
                if depth == 1 and is_new and kind in {"quote", "word"}:
                    is_own = is_own or at <= position < after
                    separator = KEY_END.match(self._text, after, self._end)
                    if separator is not None and name_of(self._text[name_start:name_end]) in VALUES:
                        values.append(Beside(separator.end(), -1, kind == "quote"))
                if kind not in {"blank", "line", "comment"}:
                    is_new = kind in {"open", "comma"}
                elif kind == "line":
                    is_new = True
                at = after
        return values if is_own else None

    def _in_lines(self, position: int) -> list[Beside]:
        """The values of the lines around that at ``position`` that have its indentation."""
        begin = self._text.rfind("\n", max(position - _MAX_OBJECT, 0), position) + 1
        column, content = self._column(begin)
        if content < position and self._text[content:position].strip("\"'`\\\0- "):
            return []
        values: list[Beside] = []
        for lines in (self._before(begin), self._after_line(position)):
            for line in lines:
                self._tick()
                indent, content = self._column(line)
                if indent < column:
                    break
                item = ITEM.match(self._text, content) if indent == column else None
                if item is not None and name_of(item["key"]) in VALUES:
                    values.append(Beside(item.end(), column, item["key"][-1] in "\"'`"))
        return values

    def _before(self, begin: int) -> Iterator[int]:
        for _ in range(_MAX_LINES):
            if begin <= 0 or _IS_ITEM.match(self._text, begin):
                return
            begin = self._text.rfind("\n", max(begin - 1 - _MAX_OBJECT, 0), begin - 1) + 1
            yield begin

    def _after_line(self, position: int) -> Iterator[int]:
        for _ in range(_MAX_LINES):
            position = self._line_end(position) + 1
            if position >= len(self._text) or _IS_ITEM.match(self._text, position):
                return
            yield position
