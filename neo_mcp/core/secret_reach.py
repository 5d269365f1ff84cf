"""Find how far a mask may reach: the surer it is that a text is data, the further.

A value ends at the latest at the end of its line, and before the quotation mark that closes the text around
its key. It may go on below only in quotation marks or brackets that begin with it: these have to be closed
where data ends, and brackets have to hold nothing but data, or one name with a text. Of a bracket that is not
closed so, :mod:`neo_mcp.core.secret_lines` masks what is indented by more.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from neo_mcp.core.secret_names import BLANKS, QUOTES, Names
from neo_mcp.core.secret_tokens import (
    CLOSERS,
    COMMENT,
    KEY_END,
    PLAIN,
    SEP,
    SPACING,
    WORD,
    Q,
    S,
    Tokens,
    closing,
)

MAX_ACROSS = 8_000
"""Maximum characters of a value in quotation marks that is on several lines."""

LINE_BEFORE_TEXT = 400
"""Characters before a key that are read to find out if it is in a quoted text."""

_ENDS_VALUE = re.compile(rf"(?:{S}|\0)*+(?:\Z|\n|[,;}}\])]|//|\#)")
_JOINS = re.compile(rf"{BLANKS}(?:[+.]|\\(?=\s))?{BLANKS}(?=(?:[A-Za-z@$]{{1,2}})?{Q})")
_BEGINS_ENTRY = re.compile(
    rf"[\w.$\-]{{1,100}}[?]?(?:{S}|\0)*+(?:{SEP}|[,}})\]\n]|\Z)|\*|[.?:|&<\-+>]|[\w\-]{{1,60}}(?:\s*\{{|{S}+{Q})"
)
_NAME = rf"(?:{Q}?+[\w.$\-]{{1,100}}{Q}?+|\[{Q}[\w.$\-]{{1,100}}{Q}\])[?!]?"
NAMES_TEXT = (
    rf"{_NAME}(?:{S}|\0)*+{SEP}(?:{S}|\0)*+(?:(?:new{S})?[\w.&*]{{0,60}}[({{[]{{1,2}}{S}?)?[A-Za-z@$]{{0,2}}{Q}"
    rf"|(?:\{{|[\w.]{{0,20}}(?:entry|put)\()(?:{S}|\0)*+{Q}[\w.$\-]{{1,100}}{Q}(?:{S}|\0)*+,(?:{S}|\0)*+[A-Za-z@$]{{0,2}}{Q}"
)
"""A name with a text, as only data has them where an entry begins."""

_NAMES_TEXT = re.compile(NAMES_TEXT)

PARTNERS = {"{": "}", "[": "]", "(": ")"}
_IS_STATEMENT = re.compile(r"(?:try|do|else|finally|return|await|throw|raise|if|for|while)\b(?!\s*[:=])")
MARK = re.compile(rf"(?P<backslashes>\\*+)(?P<mark>[{QUOTES}])")
_TRIPLE = 3
_GAPS = frozenset({"blank", "line", "comment"})
OPERATOR_END = "+.|&?:\\%=(<"
_BEFORE_TEXT = re.compile(r"(?:\A|(?<!\w))(?:[A-Za-z@$]{1,2})?\Z")
PLACEHOLDER = re.compile(
    r"(?:[$#]?\{[\w.\[\]!]{0,80}(?::[\w.<>^,+#-]{0,20})?\}|%[-+#]?\d{0,3}(?:\.\d{1,3})?[sdfvqxrTp]|%\(\w{1,60}\)s|<\w{1,60}>)"
    r"(?=[\s\0.,;:)!\\]|\Z)"
)
TO_VALUE = re.compile(rf"(?:[\s\0]++|\\++(?=[\s\0])|{COMMENT}|(?://|\#)[^\n]{{0,400}}+\n){{0,100}}+")
_OF_SENTENCES = frozenset(
    ["the", "of", "that", "is", "are", "to", "for", "it", "in", "and", "a", "not", "which", "with"]
)
_MAX_SENTENCE, _MIN_WORDS, _MIN_OF_SENTENCES = 400, 6, 2


class Reach(Tokens):
    """Finds how far a mask may reach.

    Attributes:
        _end: Where the text ends for what reads a value.
        _limit: The end that no bracket or quotation mark moves.
    """

    def __init__(self, names: Names, raw: str) -> None:
        super().__init__(names, raw)
        self._limit = len(raw)
        self._known_line = (0, -1)
        self._known_around = (("", 0), 0, -1)

    @contextmanager
    def _until(self, end: int, limit: int | None = None) -> Iterator[None]:
        """Let values end at ``end`` meanwhile."""
        before = self._end, self._limit
        self._end, self._limit = end, self._limit if limit is None else limit
        try:
            yield
        finally:
            self._end, self._limit = before

    def _raw_line_end(self, position: int) -> int:
        """The end of the line of the text as it is, where escapes end none."""
        since, until = self._known_line
        if not since <= position <= until:
            until = self._raw.find("\n", position)
            until = len(self._raw) if until < 0 else until
            self._known_line = (position, until)
        return until

    def _structured_end(self, position: int, *, is_quoted: bool) -> int:
        """Where a value in quotation marks or brackets ends that may go on below its line; -1 if it may not.

        Args:
            position: Where it begins.
            is_quoted: True if its key is in quotation marks, as in JSON.
        """
        if self._text[position] in "{[(":
            return self._data_end(position, is_cut=is_quoted)
        end = self._marked_end(position, is_sure=is_quoted)
        while end >= 0 and is_quoted and (join := _JOINS.match(self._text, end, self._limit)) is not None:
            self._tick()
            after = self._marked_end(join.end(), is_sure=True)
            if after < 0 or KEY_END.match(self._text, after) is not None:
                break
            end = after
        return end

    def _marked_end(self, position: int, *, is_sure: bool) -> int:
        """The end of a text in quotation marks if it is on one line, or ends where a value ends; else -1."""
        line = self._raw_line_end(position)
        with self._until(min(max(line, position + MAX_ACROSS), self._limit)):
            quoted = self._quoted(position)
        if quoted.after == quoted.end:
            return -1
        if not self._has_line_end(position, quoted.start, quoted.end):
            return quoted.after
        if len(MARK.findall(self._text, position, quoted.start)) == _TRIPLE or (
            is_sure and _ENDS_VALUE.match(self._text, quoted.after) is not None
        ):
            return quoted.after
        return -1

    def _has_line_end(self, position: int, start: int, end: int) -> bool:
        """True if a text holds the end of a line that it is in, rather than one of its own value."""
        if "\n" in self._raw[start:end]:
            return True
        mark = MARK.search(self._text, position, start)
        backslashes = len(mark["backslashes"]) if mark is not None else 0
        if backslashes == 0 or "\n" not in self._text[start:end]:
            return False
        return re.search(rf"(?<!\\)\\{{1,{(backslashes + 1) // 2}}}n", self._raw[start:end]) is not None

    def _data_end(self, position: int, *, is_cut: bool) -> int:
        """The end of the bracket at ``position``; -1 if it is not closed, or does not hold data.

        It holds data if all of it may be, or if an entry of it names a text.

        Args:
            position: Where the bracket is.
            is_cut: True if it may end with the text.
        """
        open_ones: list[str] = []
        is_new, last = False, ""
        is_data, is_named = True, False
        for kind, begin, after in self._data_tokens(position):
            if kind == "open":
                open_ones.append(self._text[begin])
            elif kind == "close":
                if PARTNERS[open_ones.pop()] != self._text[begin]:
                    return -1
                if not open_ones:
                    return after if is_data or is_named else -1
            elif after < 0:
                return -1
            if "(" not in open_ones[1:]:
                is_named = is_named or self._names_text(kind, begin, is_new=is_new)
                is_data = is_data and self._is_data(kind, begin, open_ones[-1], is_new=is_new)
            is_between = kind == "line" and last not in OPERATOR_END
            is_escape = self._text[begin] == "\\"
            is_new = kind in {"open", "comma"} or is_between or (is_new and (kind in _GAPS or is_escape))
            last = last if kind in _GAPS else self._text[after - 1]
        return self._limit if is_cut else -1

    def _names_text(self, kind: str, position: int, *, is_new: bool) -> bool:
        is_begin = kind == "open" or (is_new and kind in {"word", "quote"})
        return is_begin and _NAMES_TEXT.match(self._text, position, self._limit) is not None

    def _data_tokens(self, position: int) -> Iterator[tuple[str, int, int]]:
        """The kind, begin and end of the tokens of data; the end is -1 if a quoted text has none."""
        is_spaced = True
        while 0 <= position < self._limit:
            self._tick()
            with self._until(self._limit):
                kind, after = self._token(position, is_spaced=is_spaced)
            is_spaced = kind in SPACING
            if kind == "quote":
                after = self._marked_end(position, is_sure=True)
                if after < 0 and self._raw_line_end(position) == len(self._raw):
                    # The text is cut off in it.
                    after = self._limit
            yield kind, position, after
            position = after

    def _is_data(self, kind: str, position: int, bracket: str, *, is_new: bool) -> bool:
        """True if a token may be in data; ``is_new`` is true if it begins an entry."""
        if kind == "comma":
            return bracket == "{" or self._text[position] == ","
        return kind not in {"word", "other"} or not is_new or bracket == "[" or self._is_entry(position)

    def _is_entry(self, position: int) -> bool:
        if self._text[position] == "\\":
            # It belongs to the escape of a line end.
            return True
        if _IS_STATEMENT.match(self._text, position) is not None:
            return False
        return _BEGINS_ENTRY.match(self._text, position) is not None

    def _around(self, line: str) -> tuple[str, int] | None:
        """The quotation mark of the text that the end of ``line``, which begins a line, is in."""
        mark = None
        for found in MARK.finditer(line):
            this = found["mark"], len(found["backslashes"])
            if found["mark"] not in PLAIN and not "\ue000" <= found["mark"] <= "\ue17f":
                continue
            if mark is None:
                follows = line[found.end() : found.end() + 1]
                is_blank = follows.isspace() and found["mark"] == "'"
                if not is_blank and _BEFORE_TEXT.search(line[max(found.start() - 3, 0) : found.start()]):
                    mark = this
            elif this == mark:
                mark = None
        return mark

    def _closing(self, mark: tuple[str, int], position: int, end: int) -> int:
        """Where a text in these marks ends, if it does before ``end``."""
        text = self._text
        known, since, until = self._known_around
        if known == mark and since <= position <= until:
            return until
        found = closing(CLOSERS.get(mark[0], mark[0]), mark[1]).search(text, position, end)
        if found is None:
            self._known_around = (mark, position, end)
            return end
        is_begun = text[found.end() : found.end() + 1].isalnum()
        if is_begun and text[max(found.start() - 1, 0)] in " \t:=":
            return end
        self._known_around = (mark, position, found.start("mark"))
        return found.start("mark")


def is_prose(text: str, start: int) -> bool:
    """True if a sentence is at ``start``: many plain words, among them such as every sentence has."""
    words = text[start : start + _MAX_SENTENCE].partition("\n")[0].replace("\0", "").split()
    if len(words) < _MIN_WORDS or not all(map(WORD.fullmatch, words)):
        return False
    return sum(word in _OF_SENTENCES for word in words) >= _MIN_OF_SENTENCES
