"""Characters and sequences that show nothing to a reader, taken out of text.

Owns where a letter or an emoji needs such a character beside it: joiners and selectors stay there, one at a
time, and nowhere else. Of a long run of blanks or empty lines only the beginning stays. Which characters they
are is in :mod:`neo_mcp.characters`; secrets and quotes are the business of :mod:`neo_mcp.core.sanitize`.

Every expression begins with a class of characters and repeats possessively: the time is linear in the text.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple
from unicodedata import category

from neo_mcp.characters import (
    CONTROLS,
    FAR_SCRIPTS,
    MARKED_SCRIPTS,
    NEED_ONE_BEFORE,
    NEEDED,
    NO_CONTROLS,
    SELECTORS,
    TAGS,
    VARIANTS,
)

MAX_MARKS = 10
"""Combining marks on one letter; no orthography stacks as many."""

_MAX_SELECTORS = 16
"""Characters that shape others in a row: no sequence has as many."""

MAX_BLANKS = 100
"""Blanks in a row: more would move the words behind them out of sight."""

MAX_EMPTY_LINES = 6
"""Likewise, lines of nothing but blanks in a row."""

_MAX_VARIANTS = 16
"""Ideographs of a special form in a text: names have a few, and more could carry a message."""

MARGIN = 300
"""Characters that it takes, at most, to recognize a secret."""

MAX_ECHO = 60
"""Characters of a caller's text in an error about it."""

_LONG_ECHO = 20
_MAX_PASSES = 8
_FIRST_MARK, _END_OF_MARKS = 0x300, 0x20000
_END_OF_TAGS = "\U000e007f"
_FLAG = "\U0001f3f4"
_FLAG_TAGS = tuple("".join(chr(0xE0000 + ord(c)) for c in code) for code in ("gbeng", "gbsct", "gbwls"))
"""England, Scotland, Wales: others show as a black flag, with the letters behind it unseen."""

# Sequences, also those that begin with one character of eight bits. A string counts only when it is closed on
# its own line: an open one must not hide the rest of the text.
_SEQUENCE = (
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # CSI: colours, the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9b-\x9f\n]*+(?:\x07|\x1b\\|\x9c)"  # links
    r"|\x1b[ -/]*+[0-~]"  # all others, and what is left of an open one
)
_BEGINS_SEQUENCE = r"[\x1b\x90\x98\x9b\x9d-\x9f]"
_INTRODUCER = r"\x1b[\[\]PX^_\\]?|[\x90\x98\x9b\x9d-\x9f]"
_TERMINATOR = r"(?:\x07|\x1b\\|\x9c)\Z"
_STYLE = r"(?:\x1b\[|\x9b)[\d;:]++m"
"""A colour or a weight, which hides no text that could be part of a word."""
_OPEN_SEQUENCE = (
    r"(?:\x1b(?:\[[0-?]*+[ -/]*+|[\]PX^_][^\x07\x1b\x90\x98\x9b-\x9f\n]*+\x1b?|[ -/]*+)|\x9b[0-?]*+[ -/]*+"
    r"|[\x90\x98\x9d-\x9f][^\x07\x1b\x90\x98\x9b-\x9f\n]*+\x1b?)\Z"
)
_ASCII_CONTROLS = bytes(code for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n")
_BLANK = "\u2800"
_OTHER_SPACES = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u2800"
)
_SPACES = f" \t{_OTHER_SPACES}"
_TAB_IS_SPACE = bytes.maketrans(b"\t", b" ")
_TOO_WIDE = f"(?<![{_SPACES}])[{_SPACES}]{{{MAX_BLANKS + 1},}}+"
_TOO_WIDE_IN_LINE = f"(?<=\\S){_TOO_WIDE}"
_TOO_HIGH = f"\n(?:[{_SPACES}]*+\n){{{MAX_EMPTY_LINES + 1},}}+"

# What follows an unneeded one of the same group is no more needed, where a group needs something before it.
_UNNEEDED = tuple(
    f"[{group}](?!{'|'.join(places)})" + (f"[{group}]*+" if n < NEED_ONE_BEFORE else "")
    for n, (group, places) in enumerate(NEEDED)
)
_UNNEEDED_NEAR = _UNNEEDED[:-1]
"""Those of the basic plane."""

_UNNEEDED_TAGS = f"({_FLAG}(?:{'|'.join(_FLAG_TAGS)}){_END_OF_TAGS})|[{TAGS}]++"


def _ranges(chars: str) -> list[tuple[str, str]]:
    return [(first, last or first) for first, last in re.findall("(.)(?:-(.))?", chars, re.DOTALL)]


def _near(chars: str) -> str:
    """The part of a class that is in the basic plane: the rest is checked range by range."""
    return "".join(f"{first}-{last}" for first, last in _ranges(chars) if first < _FAR)


_FAR = "\U00010000"
_IS_FAR = f"[{_FAR}-\U0010ffff]"
_ANY = f"[{_near(CONTROLS + NO_CONTROLS + SELECTORS)}{_BLANK}{MARKED_SCRIPTS}]"
_NEVER = (f"[{_near(NO_CONTROLS)}]++", f"[{NO_CONTROLS}]++")
_CONTROL = f"[{CONTROLS}]++"
_MANY_SELECTORS = tuple(f"[{c}]{{{_MAX_SELECTORS},}}+" for c in (_near(SELECTORS), SELECTORS))
# Cells of Braille that have no dots show as a space.
_UNNEEDED_BLANKS = f"{_BLANK}(?<![\u2800-\u28ff]{_BLANK}){_BLANK}*+(?![\u2801-\u28ff])"
_HIDDEN = f"[{CONTROLS}{NO_CONTROLS}{SELECTORS}{_BLANK}\u2028\u2029]++"
_SELECTOR = f"[{SELECTORS}{_BLANK}]"
_LINE_ENDS = ("\r\n", "\r", "\u2028", "\u2029")
_FILLERS = f"\u115f\u1160{_BLANK}"
_TRAILING = "".join(
    chr(code) for first, last in _ranges(SELECTORS + _BLANK) for code in range(ord(first), ord(last) + 1)
)


def without_hidden(text: str) -> tuple[str, int]:
    """``text`` without what shows nothing, and how many characters and terminal sequences that took away.

    Line ends become line feeds, which does not count.
    """
    shown, removed = _without_invisible(text)
    if not _has_gaps(shown):
        return shown, removed
    close = _compiled(_TOO_WIDE).sub(lambda match: match[0][:MAX_BLANKS], shown)
    close = _compiled(_TOO_HIGH).sub("\n" * (MAX_EMPTY_LINES + 1), close)
    return close, removed + len(shown) - len(close)


def _has_gaps(text: str) -> bool:
    if not text.isascii():
        for space in _OTHER_SPACES:
            text = text.replace(space, " ")
    raw = text.encode("utf-8", "surrogatepass")
    is_wide = b" " * (MAX_BLANKS + 1) in raw.translate(_TAB_IS_SPACE)
    return is_wide or b"\n" * (MAX_EMPTY_LINES + 2) in raw.translate(None, b" \t")


def _without_invisible(text: str) -> tuple[str, int]:
    if text.isascii():
        raw = text.encode()
        if len(raw.translate(None, _ASCII_CONTROLS)) == len(raw):
            return text, 0
    text = with_line_feeds(text)
    is_far = _is_far(text)
    if not is_far and not _compiled(_ANY).search(text):
        return text, 0
    whole = len(text)
    text = _compiled(_NEVER[is_far]).sub("", text)
    sequences = 0
    if has_sequences(text):
        text, sequences, characters = _without_sequences(text)
        whole -= characters
    text = _compiled(_CONTROL).sub("", text)
    if not text.isascii():
        text = _without_unneeded(text, is_far=is_far)
    return text, sequences + whole - len(text)


def with_line_feeds(text: str) -> str:
    """``text`` with line feeds as its line ends."""
    for end in _LINE_ENDS:
        text = text.replace(end, "\n")
    return text


def is_blank(text: str) -> bool:
    """True if ``text`` shows nothing: whitespace, controls, fillers and other hidden characters at most.

    Half of a surrogate pair is no character, and so neither.
    """
    if "!" <= text.lstrip()[:1] <= "~" or any("\ud800" <= char <= "\udfff" for char in text):
        return False
    return not any(map(_shows, without_hidden(text)[0]))


def _shows(char: str) -> bool:
    return not char.isspace() and category(char) not in {"Cc", "Cf"} and char not in _FILLERS


def with_escapes(json_text: str) -> str:
    """JSON that means the same, with escapes for what may show nothing where anything does."""
    if without_hidden(json_text)[0] == json_text:
        return json_text
    escaped = _stacks(is_far=True).sub(lambda match: _escapes(match[0]), json_text)
    escaped = _compiled(_TOO_WIDE_IN_LINE).sub(lambda match: _escapes(match[0]), escaped)
    return _compiled(_HIDDEN).sub(lambda match: _escapes(match[0]), escaped)


def _escapes(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def without_introducers(text: str) -> str:
    """``text`` without what shows nothing, but with all that terminal sequences hide."""
    plain = _compiled(_STYLE).sub("", _without_shapers(text))
    return without_hidden(_compiled(_INTRODUCER).sub("", plain))[0]


def sequences_as_text(text: str, is_text: Callable[[str, str, str], bool]) -> tuple[str, int]:
    """Turn some terminal sequences, which hide what they are made of, into text.

    Args:
        text: The text.
        is_text: Decides about one, by the text before it, as decided so far, its own, and the text after it.

    Returns:
        The text, in which these have lost their beginnings and ends, and how much that took away.
    """
    whole = len(text)
    text = _without_shapers(text)
    removed = whole - len(text)
    parts: list[str] = []
    before, end = "", 0
    for match in _hiding_sequences(text):
        own = _compiled(_TERMINATOR).sub("", _compiled(_INTRODUCER).sub("", match[0], count=1))
        before = f"{before}{text[end : match.start()]}"[-MARGIN:]
        is_shown = is_text(before, own, text[match.end() : match.end() + MARGIN])
        shown = own if is_shown else match[0]
        parts += [text[end : match.start()], shown]
        before += shown
        end = match.end()
        removed += is_shown
    return "".join([*parts, text[end:]]), removed


def count_sequences(text: str) -> int:
    """How many terminal sequences in ``text`` hide more than a style."""
    return sum(1 for _ in _hiding_sequences(text))


def _hiding_sequences(text: str) -> Iterator[re.Match[str]]:
    style = _compiled(_STYLE)
    return (match for match in _compiled(_SEQUENCE).finditer(text) if not style.fullmatch(match[0]))


def has_sequences(text: str) -> bool:
    """True if something in ``text`` may be a terminal sequence."""
    return _compiled(_BEGINS_SEQUENCE).search(text) is not None


def whole_words(text: str) -> str:
    """Return ``text``, which was cut, without its last word, which may be the beginning of a secret."""
    end = max(text.rfind(" "), text.rfind("\n"), text.rfind("\t"), len(text) - MARGIN + 1)
    return text[: max(end, 0)]


def echoed(text: str) -> str:
    """A caller's text for an error about it: in quotation marks, with escapes, of a long one the beginning.

    A secret in it is there whole, so that redaction recognizes it, or too little of it to matter.
    """
    limit = MAX_ECHO if len(text) <= MAX_ECHO else _LONG_ECHO
    shown, size = "", 0
    for char in text[:limit]:
        size += len(ascii(char)) - 2
        if size > limit:
            break
        shown += char
    quoted = ascii(shown)
    return quoted if len(shown) == len(text) else f"{quoted[:-1]}...{quoted[-1]}"


class Beginning(NamedTuple):
    """The beginning of a text, or all of it.

    Attributes:
        length: How many characters of the text it takes.
        shown: It, without what shows nothing.
        removed: How much that took away.
    """

    length: int
    shown: str
    removed: int


def beginning(text: str, count: int) -> Beginning:
    """The beginning of ``text`` that shows ``count`` characters or more; it ends in no terminal sequence."""
    end = max(count, 1)
    while end < len(text):
        part = text[:end]
        if has_sequences(part):
            part = _compiled(_OPEN_SEQUENCE).sub("", part)
        shown, removed = without_hidden(part)
        if len(shown) >= count:
            return Beginning(len(part), shown, removed)
        # By a multiple, so that it is not read over and over.
        end = max(8 * end, end + count - len(shown))
    return Beginning(len(text), *without_hidden(text))


def first_characters(text: str, count: int) -> str:
    """The first ``count`` characters of clean ``text``, without what shows nothing once it is cut."""
    if len(text) <= count:
        return text
    part = text[: max(count, 0)]
    if part.isascii():
        return part
    bare = part.rstrip(_TRAILING)
    if len(bare) == len(part):
        return part
    # What begins such a sequence is one character.
    return bare[:-1] + _without_unneeded(part[max(len(bare) - 1, 0) :], is_far=True)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    # Late, as most texts need none of them, and some take long.
    return re.compile(expression)


def _without_shapers(text: str) -> str:
    """``text`` without what shows nothing in the beginnings of terminal sequences."""
    if text.isascii():
        return text
    return _compiled(f"({_BEGINS_SEQUENCE})[{SELECTORS}]++").sub(r"\1", _compiled(_NEVER[True]).sub("", text))


def _without_sequences(text: str) -> tuple[str, int, int]:
    """``text`` without terminal sequences, how many there were, and how many characters these had."""
    whole = _without_shapers(text)
    shown, count = _compiled(_SEQUENCE).subn("", whole)
    return shown, count, len(whole) - len(shown)


def _is_far(text: str) -> bool:
    return _compiled(_IS_FAR).search(text) is not None


def _without_unneeded(text: str, *, is_far: bool) -> str:
    for _ in range(_MAX_PASSES):
        before = len(text)
        text = _compiled(_MANY_SELECTORS[is_far]).sub("", text)
        for expression in _UNNEEDED if is_far else _UNNEEDED_NEAR:
            text = _compiled(expression).sub("", text)
        if is_far and _compiled(f"[{TAGS}]").search(text):
            text = _compiled(_UNNEEDED_TAGS).sub(r"\1", text)
        if _BLANK in text:
            text = _compiled(_UNNEEDED_BLANKS).sub("", text)
        text = _stacks(is_far=is_far).sub(r"\1", text)
        if len(text) == before:
            return _without_variants(text) if is_far else text
    # What was taken away brings others together again and again, as in no text that means anything.
    return _stacks(is_far=is_far).sub(r"\1", _compiled(_SELECTOR).sub("", text))


def _without_variants(text: str) -> str:
    shown, count = _compiled(f"[{VARIANTS}]").subn("", text)
    return shown if count > _MAX_VARIANTS else text


@cache
def _marks(first: int, end: int) -> str:
    return "".join(char for char in map(chr, range(first, end)) if category(char) in {"Mn", "Me"})


@cache
def _stacks(*, is_far: bool) -> re.Pattern[str]:
    """Combining marks in a row, and those among them that may stay."""
    near, far = _marks(_FIRST_MARK, ord(_FAR)), _marks(ord(_FAR), _END_OF_MARKS) if is_far else ""
    mark = f"[{near}{FAR_SCRIPTS}](?<=[{near}]|[{far}])" if is_far else f"[{near}]"
    # A joiner between marks does not begin another stack.
    one = f"{mark}[\u200c\u200d]?+"
    return re.compile(f"({mark}[\u200c\u200d]?+(?:{one}){{{MAX_MARKS - 1}}})(?:{one})++")
