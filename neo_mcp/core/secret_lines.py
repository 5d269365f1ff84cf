"""Mask values as YAML and TOML write them: lines below a key, by indentation."""

import re
from functools import lru_cache

from neo_mcp.core.secret_names import Names
from neo_mcp.core.secret_reach import MAX_ACROSS, NAMES_TEXT
from neo_mcp.core.secret_tokens import (
    BLANK,
    IS_CONSTANT,
    IS_STRUCTURED,
    KEY_END,
    LINE_BEFORE,
    MAX_BACKSLASHES,
    OPENS,
    PLAIN,
    SEP,
    TO_CONTENT,
    TRAILING,
    VARIABLE_NAME,
    Q,
    S,
)
from neo_mcp.core.secret_values import Values

_NONE = -2
"""The column of no line."""

_INDENT = re.compile(r"[\0 \t\u00a0\r]*+[+\-~>|*#]?[\0 \t\u00a0\r]*+")
ITEM = re.compile(
    rf"(?:[\-*]{S}+)*+(?P<key>{Q}*+[A-Za-z_][\w.\-]{{0,200}}{Q}*+|\*\*[\w.\-]{{1,200}}\*\*){S}*+{SEP}(?:{S}|\0)*+"
)
_HEADING = re.compile(r"\0*+\#{2,6}[ \t][^=:\n]*\Z")
DASHES = re.compile(rf"(?:[\-*]{S}+)*+")
_BLOCK_TEXT = re.compile(
    rf"[!&]?[\w!.\-]{{0,60}}{S}*[|>][+\-0-9]{{0,2}}(?:{S}|\0)*(?:\#[^\n]{{0,400}})?(?=\n|\Z)"
)
_EMPTY_LINE = re.compile(r"(?:[^\S\n]|\0)*+(?:(?:\#|//)[^\n]{0,400})?(?=\n|\Z)")

HERE_DOCUMENT = re.compile(r"<<[-~]?[\"']?([A-Za-z_]{1,60})[\"']?[^\n]{0,200}\n")
ASSIGNMENT = re.compile(r"\n+[\0 \t]*+(?:[-*]\x20|export\x20)?[A-Z][A-Z0-9_]*=")
_BRACE_BELOW = re.compile(rf"(?:{S}|\0)*+\n(?:{S}|\0)*+(?=\{{(?:{S}|\0)*+(?:\n|\Z))")
_OPERATOR_BELOW = re.compile(r"\n[\0 \t]*+[?:|&+][ ]?[({\[]")
_NAMES_TEXT = re.compile(rf"(?:[?:|&+(\[{{]{S}?){{0,6}}(?:{NAMES_TEXT})")
_CLOSING_LINE = re.compile(r"\n[\0 \t]*+(?:[+\-][\0 \t]*+)?[\]})]")
_OPENS = re.compile(r"(?:[{(]|(?<![\w\]])\[)[\s\0]*\Z")
_REOPENS = rf"(?:[,|+&:?]{S}?|\.[\w.]{{1,60}}){{1,3}}[\[{{(]{{1,4}}"
_CLOSING = re.compile(rf"(?:[\]}})]{S}?){{1,6}}(?:{_REOPENS})?")
_REOPENING = re.compile(rf"(?:[\]}})]{S}?){{1,6}}{_REOPENS}{S}*+\Z")
_BETWEEN = re.compile(r"[\0 \t+]*+(?:={7}|\.{3}|\u2026|-{3})[\0 \t]*+")
_IS_CODE_LINE = re.compile(r"[\[{(,;=+&|\\][\s\0]*\Z|[)}][\s\0]*\Z")


@lru_cache(64)
def _enclosing(backslashes: int, marks: str) -> re.Pattern[str]:
    """A quotation mark that ends a text whose line ends are escaped with one backslash more than these."""
    return re.compile(rf"(?<!\\)\\{{0,{backslashes}}}[{marks}]")


class Lines(Values):
    """Masks values as YAML and TOML write them."""

    def __init__(self, names: Names, raw: str) -> None:
        super().__init__(names, raw)
        self._enclosed = (0, -1, -1)
        self._enclosing_marks: dict[int, str] = {}
        self._known_shown_line = (0, -1)

    def _column(self, position: int) -> tuple[int, int]:
        """The indentation of the line at ``position``, and where its content begins."""
        content = self._after(_INDENT, position)
        return content - position - self._text.count("\0", position, content), content

    def _line_end(self, position: int) -> int:
        """The end of the line, or of the text with escaped line ends that it is in."""
        since, end = self._known_shown_line
        if not since <= position <= end:
            end = self._text.find("\n", position)
            end = len(self._text) if end < 0 else end
            self._known_shown_line = (position, end)
        return min(end, self._text_end(position, end))

    def _ends_in_escape(self, position: int) -> bool:
        """True if the line at ``position`` is one of several in a text with escaped line ends."""
        return self._raw.startswith("\\", self._line_end(position))

    def _text_end(self, position: int, line_end: int) -> int:
        """The end of the quoted text around ``position`` if its line ends are escapes."""
        begin = self._text.rfind("\n", max(position - LINE_BEFORE, 0), position)
        at = begin if begin >= 0 and self._raw[begin] == "\\" else line_end
        if at >= len(self._raw) or self._raw[at] != "\\":
            return len(self._text)
        low = max(at - MAX_BACKSLASHES, 0)
        before = self._raw[low:at]
        backslashes = len(before) - len(before.rstrip("\\"))
        known, since, until = self._enclosed
        if known != backslashes or not since <= position <= until:
            if backslashes not in self._enclosing_marks:
                # A mark that has to be escaped within the text is the one that ends it.
                escape = "\\" * (backslashes + 1)
                marks = next((mark for mark in "\"'" if escape + mark in self._raw), PLAIN)
                self._enclosing_marks[backslashes] = marks
            mark = _enclosing(backslashes, self._enclosing_marks[backslashes]).search(self._text, position)
            until = len(self._text) if mark is None else mark.start()
            self._enclosed = (backslashes, position, until)
        return until

    def _block(
        self,
        position: int,
        column: int,
        last: int | None = None,
        *,
        is_hidden: bool = False,
        is_section: bool = False,
    ) -> int:
        """Mask the lines that are indented by more than ``column``, and return their end.

        Args:
            position: The beginning of a line.
            column: The indentation of what they are below.
            last: Where they end at the latest.
            is_hidden: True if none of it is a name.
            is_section: True if only the head of another section ends it.
        """
        with self._until(len(self._text), len(self._text)):
            return self._lines(position, column, last, is_hidden=is_hidden, is_section=is_section)

    def _lines(
        self, position: int, column: int, limit: int | None, *, is_hidden: bool, is_section: bool
    ) -> int:
        text = self._text
        hidden, shown = column if is_hidden else _NONE, _NONE
        last = self._text_end(position, position - 1) if position <= len(text) else position
        last = last if limit is None else min(last, limit)
        while position < last:
            self._tick()
            end = self._line_end(position)
            indent, content = self._column(position)
            if content < end:
                is_comment = is_section and "#" in text[position:content]
                is_over = not ITEM.match(text, content, end) if is_section else indent <= column
                is_between = self._is_between(position, content, end)
                if is_over and not is_comment and not is_between:
                    break
                if is_between or _HEADING.match(text, position, end) is not None:
                    position = end + 1
                    continue
                if _NONE < hidden < indent:
                    self._mask(content, end)
                elif not _NONE < shown < indent:
                    first = self._after(DASHES, content)
                    shown = indent + first - content if self._reference(first) >= 0 else _NONE
                    if shown == _NONE:
                        end, hidden = self._entry(content, first, end, indent)
            position = end + 1
        return min(position, len(text))

    def _entry(self, content: int, first: int, end: int, indent: int) -> tuple[int, int]:
        """Mask the value of a line, and return its end and the column from which all below belongs to it."""
        text = self._text
        item = ITEM.match(text, content, end)
        start = item.end() if item else first
        if VARIABLE_NAME.match(text, first):
            return end, _NONE
        if item and _BLOCK_TEXT.match(text, start, end):
            return end, indent
        if item and (start >= end or _EMPTY_LINE.match(text, start, end)):
            self._mask(start, end)
            return end, _NONE
        if IS_STRUCTURED.match(text, start):
            with self._until(max(end, self._structured_end(start, is_quoted=True))):
                after = self._flow(start)
            end = max(end, self._line_end(after)) if after < len(text) else after
            self._mask_rest(after, end)
        elif not IS_CONSTANT.fullmatch(text[start:end].strip(BLANK)):
            self._mask(start, end)
        return end, indent if item else _NONE

    def _mask_rest(self, start: int, end: int) -> None:
        if self._text[start:end].strip(TRAILING + ",;)}]"):
            self._mask(start, end)

    def _is_between(self, position: int, content: int, end: int) -> bool:
        """True if a line is none of the text: it stands for left-out lines, or separates versions."""
        if "@@ -" not in self._raw[position:content]:
            return _BETWEEN.fullmatch(self._text, position, end) is not None
        # Another part of a difference; its header shows whether that is of something else.
        return self._text.find(self._text[content:end], max(position - MAX_ACROSS, 0), position) >= 0

    def _rest_below(self, start: int, end: int, column: int | None) -> int:
        """Mask the rest of a value that is masked up to the end of its line, and return its end.

        Args:
            start: Where it begins.
            end: The end of its line.
            column: The indentation of its key, if that may be one of YAML.
        """
        if column is not None and not self._is_code(start, end):
            line = self._text.rfind("\n", max(start - MAX_ACROSS, 0), start) + 1
            if self._is_comment(end + 1) and not self._is_comment(line):
                return end
            return self._block(end + 1, column, is_hidden=True)
        opens = _OPENS.search(self._text, max(end - LINE_BEFORE, start), end) is not None
        self._is_open = opens or _OPERATOR_BELOW.match(self._text, end) is not None
        return end

    def _is_comment(self, position: int) -> bool:
        with self._until(len(self._text)):
            return "#" in self._text[position : self._column(position)[1]]

    def _open_lines(self, position: int) -> int:
        """Mask the lines of an open bracket by their indentation, and return their end.

        Args:
            position: The end of what is masked of the line before.
        """
        if not self._is_open:
            begin, end = self._closed
            line = self._text.rfind("\n", max(begin - MAX_ACROSS, 0), begin) + 1
            if end == 0 or self._text[begin + 1 : self._line_end(begin)].strip(BLANK) or end > position:
                return position
            column, line = self._column(line)[0], self._line_end(position)
            if self._text[position:line].strip(BLANK + ",;") or not self._holds_texts(line + 1, column):
                return position
            return self._block(line + 1, column)
        while True:
            low = max(position - MAX_ACROSS, 0)
            begin, end = self._text.rfind("\n", low, position) + 1, self._line_end(position)
            if end >= len(self._text) or self._text[position:end].strip(BLANK) or begin < low:
                return position
            column, last = self._column(begin)[0], None
            if self._column(end + 1)[0] <= column:
                last = self._closing_line(end + 1)
                column = _NONE
            if last == -1 or not self._holds_texts(end + 1, column, last):
                return position
            position = self._block(end + 1, column, last)
            closing = _CLOSING.match(self._text, self._column(position)[1])
            if closing is None:
                return position
            position = closing.end()

    def _closing_line(self, position: int) -> int:
        """The beginning of the next line that closes a bracket; -1 if there is none."""
        closing = _CLOSING_LINE.search(self._text, position - 1, position + MAX_ACROSS)
        return -1 if closing is None else closing.start() + 1

    def _holds_texts(self, position: int, column: int, last: int | None = None) -> bool:
        """True if one of the lines from ``position`` on that are indented by more names a text."""
        last = len(self._text) if last is None else last
        while position < last:
            self._tick()
            end = self._line_end(position)
            indent, content = self._column(position)
            is_over = content < end and indent <= column and not self._is_between(position, content, end)
            if is_over and _REOPENING.match(self._text, content, end) is None:
                return False
            if _NAMES_TEXT.match(self._text, content, end):
                return True
            position = end + 1
        return False

    def _brace_below(self, position: int) -> int:
        """Where a brace is alone on the line below that at ``position``; -1 if none is."""
        brace = _BRACE_BELOW.match(self._text, position)
        return -1 if brace is None else brace.end()

    def _deeper_text_end(self, position: int, column: int) -> int:
        """The end of a text in quotation marks whose lines are all indented by more; -1 if there is none."""
        end = self._marked_end(position, is_sure=True)
        line = self._line_end(position) + 1
        while line <= end:
            self._tick()
            indent, content = self._column(line)
            if indent <= column and content < self._line_end(line):
                return -1
            line = self._line_end(line) + 1
        return end

    def _joined_end(self, begin: int, end: int) -> int:
        """The end of the last line of texts that operators at the ends of lines, from ``end`` on, join."""
        while self._text[max(end - LINE_BEFORE, begin) : end].rstrip(BLANK)[-1:] in {"+", "\\"}:
            self._tick()
            start = self._after(TO_CONTENT, end)
            after = self._marked_end(start, is_sure=True) if OPENS.match(self._text, start) else -1
            if after < 0 or KEY_END.match(self._text, after) is not None:
                break
            end = self._line_end(after)
        return end

    def _here_document(self, head: re.Match[str]) -> int:
        """Mask the lines up to the word that ends them, and return their end."""
        closing = re.compile(rf"\n[\0 \t]*+{head[1]}\b").search(
            self._text, head.end() - 1, head.end() + MAX_ACROSS
        )
        end = self._line_end(head.end()) if closing is None else closing.start()
        self._mask(head.end(), end)
        return end

    def _is_code(self, start: int, end: int) -> bool:
        """True if a line up to ``end``, or the one after it, ends as those of programs do."""
        after = min(end + 1, len(self._text))
        lines = self._text[start:end], self._text[after : self._line_end(after)]
        return any(map(_IS_CODE_LINE.search, lines))

    def _assignments(self, position: int) -> int:
        """Mask the values of lines with a variable each, and return their end."""
        while (assignment := ASSIGNMENT.match(self._text, position)) is not None:
            self._tick()
            position = self._line_end(assignment.end())
            self._mask(assignment.end(), position)
        return position
