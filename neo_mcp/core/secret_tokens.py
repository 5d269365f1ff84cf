"""The tokens of texts in which values are masked: quoted texts, brackets, words, comments.

Every character is read once for each token it is in, and the number of tokens is bounded.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from neo_mcp.core.secret_names import BLANKS, MASK, QUOTE, QUOTES, Names

_MAX_TOKENS = 10_000
"""Maximum number of tokens that are read of the values in a text."""

_MIN_CHARACTERS, _MAX_READS = 2**16, 4
"""Characters of tokens that may be read in a text, and how often each: a few are read more than once."""

MAX_BACKSLASHES = 255
"""Maximum number before a quotation mark; one with more is not closed."""
LINE_BEFORE = 160
"""Characters before a key that are read to find out where it is."""
CLOSERS = {
    "\u201c": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u2018": "\u2019",
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab",
}
Q = QUOTE
S = r"[^\S\n]"
SEP = r"(?:(?:[:+|?]\0*+)?=\0*+>?(?![=~])|:(?!\0*+:))"
COMMENT = r"/\*(?:[^*]|\*(?!/)){0,400}+\*/"
TOKEN = re.compile(
    r"(?P<mask>\[redacted: [\w -]{1,40}\])|(?P<line>\n(?:[\0 \t]*+[\-*](?=[\0 \t])|[+\-])?)"
    r"|(?P<blank>(?:[^\S\n]|\0)++)"
    rf"|(?P<comment>{COMMENT}|(?://|\#)[^\n]*+)"
    rf"|(?P<quote>\\*+[{QUOTES}]\0*+)|(?P<open>[\[{{(])|(?P<close>[\]}})])|(?P<comma>[,;])"
    rf"|(?P<word>\\++|[^\s\0\[\]{{}}(),;:=+?.|&~\\{QUOTES}]++)|(?P<other>[^\n])"
)
KEY_END = re.compile(rf"{BLANKS}(?:/\*[^*]{{0,80}}\*/{BLANKS})?{SEP}{BLANKS}")
PLAIN = "\"'`"
PREFIX = re.compile(rf"[A-Za-z@$]{{1,2}}(?=\\*+[{QUOTES}])")
CONSTANT = (
    r"(?:true|false|null|none|nil|undefined|yes|no|on|off|string|str|bytes|any|unknown|object|bool|boolean|number|required"
    r"|optional)"
)
IS_CONSTANT = re.compile(rf"(?:{CONSTANT}|~|[=\-]>)", re.IGNORECASE)
NEXT_KEY_AHEAD = rf"{BLANKS}(?:\Z|[}})\]]|//|/\*|\#|\.\.\.|{Q}|[\w.$\-]{{1,100}}[?]?{BLANKS}{SEP})"
NEXT_KEY = re.compile(NEXT_KEY_AHEAD)
CLOSES_TEXT = re.compile(rf"{Q}(?={BLANKS}(?:\Z|[,;:)}}\]])|{S}*\n)")
TO_LINE_END = re.compile(rf"(?:{S}|\0)*+")
TO_CONTENT = re.compile(r"[\s\0]*+")
VARIABLE_NAME = re.compile(
    rf"{Q}?+(?i:name){Q}?+{BLANKS}[:=]{BLANKS}{Q}?+[A-Z][A-Z0-9_]*+{Q}?+(?=[\s\0,;+~\-]*+{Q}?+(?i:value))"
)
"""The name of a variable in a field of its own, beside the value."""

_VALUE_FROM = re.compile(rf"{Q}?+(?i:value_?from){Q}?+{BLANKS}[:={{]?[\s\0&*\w.]{{0,100}}+")
_REFERS = re.compile(r"(?i:ref|selector)\b")
_MAX_REFERENCE = 120
IS_STRUCTURED = re.compile(
    r"\{|\[(?!redacted:\x20[\w -]{1,40}\])"
    rf"|(?:[A-Za-z@$]{{1,2}})?\\*+[{QUOTES}]|\((?={BLANKS}(?:[A-Za-z@$]{{1,2}})?\\*+[{QUOTES}])"
)
OPENS = re.compile(rf"(?:[A-Za-z@$]{{1,2}})?(?P<backslashes>\\*+)(?P<mark>[{QUOTES}])\0*+")
MARGIN = re.compile(r"[\0 \t]*+[+\-|>]?[\0 \t]*+")
LINE_END = re.compile(r"\n")
SPACING = frozenset({"blank", "line", "comment", "open", "comma"})
BLANK = " \t\r\n\f\v\0\u00a0"
TRAILING = BLANK + "\\"

_LOGGED = (
    r"(?:\[?[\d\-]{2,10}[T ][\d:.,+]{5,20}Z?\]?\s{1,4}+)?"
    r"(?:\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR)\]?:?\s{1,4}+)?"
)
LINE_START = re.compile(
    rf"(?P<logged>{_LOGGED})[\s\0>+\-~*#|\u2022?]*+(?:\d{{1,7}}[.)]{S}+)?(?:[\w\-]{{1,60}}[.:]{{1,2}})*+\$?"
)
"""The text before the key that begins a line, which may be one of a log."""

BEGINS_TEXT = re.compile(
    rf"(?:\A|[\s:=,\[({{])(?:[A-Za-z@$]{{1,2}})?\\*[{QUOTES}]"
    r"(?P<indent>[+\-~>\d]{0,7}[ ]{2,200}|[ ]{0,100}[+\-~>*|]{1,7}[ ]{1,100}(?:[+\-*?][ ]{1,8}){0,2}"
    r"|\d{1,3}[.)][ ]|\?[ ])[*_]{0,3}\Z"
)
"""The text before the key that begins a text in quotation marks, with an indentation or a mark."""

_TYPE = (
    r"(?:dict|list|str|string|bytes|bool|boolean|int|number|object|any|unknown|undefined|null|byte|char"
    r"|&(?:'\w{1,20} )?str"
    r"|[A-Z][A-Za-z]{1,40}|[a-z]\w{0,40}\.[A-Z]\w{0,40})"
)
OF_TYPES = rf"{_TYPE}(?:\[[\w\[\], |.]{{0,80}}\]|<[\w<>, |.]{{0,80}}>)?[?!]?"
ANNOTATION = re.compile(rf"{OF_TYPES}(?: \| {OF_TYPES}){{0,4}} =(?![=>~])(?:\x20++(?=\S)|\Z)")
"""The type of a variable before its value."""


WORD = re.compile(r"[\"'(*]?[A-Za-z'\u2019-]{1,20}[\"')*]?[,.:;?!]?")
_STANDS_FOR_VALUE = re.compile(
    rf"(?:{CONSTANT}\??|(?:change|replace)[\-_ ]?me|your[\w\- ]{{1,40}}|[\w\-]{{0,20}}\.{{3}}"
    rf"|[a-z_.:/\- ]{{0,60}}(?:secret|passw|passphrase|key)[a-z_.:/\-]{{0,60}}"
    r"|[$#%]?\{[^\"'\n]{0,200}\}|\$\([^\n]{0,200}\)|\$\w{1,100}|<[^<>\n]{1,100}>|%\(?\w{1,40}\)?\w?"
    r"|\[[\w: \-]{1,60}\]?|\(?[A-Za-z ]{1,40}\)|[*.x\-\u2026\u2022]{1,100})",
    re.IGNORECASE,
)
"""A text in place of a value: a constant, a name, a template, a note such as of a preview."""


def is_secret_like(text: str) -> bool:
    """True if ``text`` may be a secret: no constant, placeholder or words of a sentence."""
    bare = text.strip(BLANK + "*_`")
    if not bare or _STANDS_FOR_VALUE.fullmatch(bare):
        return False
    words = bare.split()
    return len(words) == 1 or not all(map(WORD.fullmatch, words))


class Quoted(NamedTuple):
    """A text in quotation marks: where it begins and ends, and the end of the closing mark."""

    start: int
    end: int
    after: int


class TooLongError(Exception):
    """Reading the values would take long."""


@lru_cache(64)
def closing(marks: str, backslashes: int) -> re.Pattern[str]:
    """One of these marks that closes a text which a mark with as many backslashes has opened."""
    step = 2 * (backslashes + 1)
    return re.compile(rf"(?<!\\)(?:\\{{{step}}})*+(?P<mark>\\{{{backslashes}}}[{marks}])\0*+")


class Tokens:
    """Reads tokens of a text, and collects what to mask.

    Attributes:
        _closed: Where the last bracket that was masked begins and ends.
        _is_open: True if a value that was masked is in a bracket which is still open where it was cut off.

    Args:
        names: The names in the text.
        raw: The text as it is.
    """

    def __init__(self, names: Names, raw: str) -> None:
        self._names = names
        self._text = names.text
        self._raw = raw
        self._left = _MAX_TOKENS
        self._characters_left = _MIN_CHARACTERS + _MAX_READS * len(raw)
        self._spans: list[tuple[int, int]] = []
        self._end = len(raw)
        self._begin = 0
        self._is_open = False
        self._closed = (0, 0)

    def _after(self, expression: re.Pattern[str], position: int) -> int:
        """The end of a match at ``position``, or that if there is none."""
        match = expression.match(self._text, position, self._end)
        return position if match is None else match.end()

    def _tick(self) -> None:
        """Count a token.

        Raises:
            TooLongError: If it is one too many.
        """
        self._left -= 1
        if self._left < 0:
            raise TooLongError

    def _count(self, characters: int) -> None:
        """Count characters of a token that may be long.

        Raises:
            TooLongError: If these are too many.
        """
        self._characters_left -= characters
        if self._characters_left < 0:
            raise TooLongError

    def _mask(self, start: int, end: int) -> None:
        """Mask this part, each line of it without its margin and the blanks around it."""
        lines = LINE_END.finditer(self._raw, start, end)
        if start > 0 and self._raw[start - 1] == "\n":
            start = self._after_margin(start)
        for line in lines:
            self._mask_line(start, line.start())
            start = self._after_margin(line.end())
        self._mask_line(start, end)

    def _after_margin(self, position: int) -> int:
        margin = MARGIN.match(self._text, position)
        return position if margin is None else margin.end()

    def _mask_line(self, start: int, end: int) -> None:
        part = self._text[start:end]
        bare = part.lstrip(BLANK)
        if bare:
            start += len(part) - len(bare)
            self._spans.append((start, start + len(bare.rstrip(TRAILING))))

    def _mask_text(self, quoted: Quoted) -> None:
        if self._text[quoted.start : quoted.end] != MASK:
            self._mask(quoted.start, quoted.end)

    def _reference(self, position: int) -> int:
        """Where the fields that refer to the value of a variable begin; -1 if there are none."""
        head = _VALUE_FROM.match(self._text, position, self._end)
        if head is None or not _REFERS.search(self._text, position, head.end() + _MAX_REFERENCE):
            return -1
        return head.end()

    def _token(self, position: int, *, is_spaced: bool) -> tuple[str, int]:
        """The kind of the token at ``position``, and its end."""
        prefix = PREFIX.match(self._text, position, self._end) if is_spaced else None
        if prefix:
            return "prefix", prefix.end()
        match = TOKEN.match(self._text, position, self._end)
        if match is None:
            return "word", position + 1
        self._count(match.end() - position)
        kind = match.lastgroup or "word"
        if kind == "comment" and not is_spaced:
            return "word", position + 1
        return kind, match.end()

    def _quoted(self, position: int) -> Quoted:
        """The text that the quotation mark at ``position``, behind a prefix, opens."""
        quoted = self._find_quoted(position)
        self._count(quoted.after - position)
        return quoted

    def _find_quoted(self, position: int) -> Quoted:
        text = self._text
        match = OPENS.match(text, position, self._end)
        if match is None:
            return Quoted(position, position, position)
        start, mark, backslashes = match.end(), match["mark"], len(match["backslashes"])
        if mark in PLAIN and text.startswith(match[0] * 2, start):
            closer = match[0] * 3
            end = text.find(closer, start := start + 2 * len(match[0]), self._end)
            return Quoted(start, end, end + len(closer)) if end >= 0 else Quoted(start, self._end, self._end)
        if backslashes > MAX_BACKSLASHES:
            return Quoted(start, self._end, self._end)
        found = closing(CLOSERS.get(mark, mark), backslashes).search(text, start, self._end)
        if found is None:
            return Quoted(start, self._end, self._end)
        return Quoted(start, found.start("mark"), found.end())
