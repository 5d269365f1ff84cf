"""Characters and sequences that show nothing to a reader, taken out of text.

Owns which they are, and where a letter or an emoji needs one beside it: joiners and selectors stay there,
one at a time, and nowhere else. Of a long run of blanks or empty lines only the beginning stays. Secrets and quotes are the business of :mod:`neo_mcp.core.sanitize`.

Every expression begins with a class of characters and repeats possessively: the time is linear in the text.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple
from unicodedata import category

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
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_NO_CONTROLS = (
    "\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # soft hyphens, directions, operators
    "\u17b4\u17b5\u3164\uffa0\ufff0-\ufffc\U0001d159"  # letters, annotations and notes that show nothing
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # controls of shorthand and musical notation
    "\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff"
    "\ud800-\udfff\U00040000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U0010ffff"  # none, or private
)
_BLANK = "\u2800"
_OTHER_SPACES = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u2800"
)
_SPACES = f" \t{_OTHER_SPACES}"
_TAB_IS_SPACE = bytes.maketrans(b"\t", b" ")
_TOO_WIDE = f"(?<![{_SPACES}])[{_SPACES}]{{{MAX_BLANKS + 1},}}+"
_TOO_WIDE_IN_LINE = f"(?<=\\S){_TOO_WIDE}"
_TOO_HIGH = f"\n(?:[{_SPACES}]*+\n){{{MAX_EMPTY_LINES + 1},}}+"

# Neighbours. None of them is a character of the classes above, but where it is said.
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935\u2b05-\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_ARABIC = (
    "\u0606-\u06dc\u06de-\u06ff\u0750-\u077f\u0870-\u088f\u0892-\u08e1\u08e3-\u08ff\ufb50-\ufdcf\ufdf0-\ufdff"
)
_NUMBER_SIGNS = "\u0600-\u0605\u06dd\u0890\u0891\u08e2"
_CURSIVE = "\u0620-\u06dc\u06de-\u06ff\u0710-\u077f\u07ca-\u07f5\u0840-\u088f\u0892-\u08e1\u08e3-\u08ff"
_JOINING = (
    f"{_CURSIVE}\u0780-\u07ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af\u1a20-\u1aaf"
    "\u1b00-\u1c4f\ua840-\ua8ff\ua980-\ua9ff\uaa00-\uaadf\uabc0-\uabff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefe"
    "\U00010a00-\U00010aff\U00010b80-\U00010baf\U00010d00-\U00010d3f\U00010f30-\U00010fdf"
    "\U00011000-\U000110bc\U000110be-\U000110cc\U000110ce-\U00011fff\U0001e900-\U0001e95f"
)
_KILLERS = (
    "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0f84\u1039\u103a\u17d2\u1a60\u1b44"
    "\u1baa\u1bab\ua806\ua8c4\ua953\ua9c0\uabed\U00011046\U000110b9\U00011133\U00011134\U000111c0\U00011235"
    "\U0001134d\U00011442\U000114c2\U000115bf\U0001163f\U000116b6\U00011839\U0001193e\U000119e0\U00011c3f"
)
"""Signs that take the vowel from a letter, which a joiner after them makes show."""

_UNSPACED = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff\u1950-\u1aad\ua9e0-\ua9ff\uaa60-\uaadf"
_IDEOGRAPHS = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
)
_VARIANTS = "\U000e0100-\U000e01ef"
_STANDARD = (
    "\u1000-\u109f\u2205\u2229\u222a\u2268\u2269\u2272\u2273\u228a\u228b\u2293-\u229c\u22da\u22db\u2a3c\u2a3d"
    "\u2a9d\u2a9e\u2aac\u2aad\u2acb\u2acc\u3001\u3002\uff01\uff0c\uff0e\uff1a\uff1b\uff1f\ua840-\ua877\uaa60-\uaa7f"
    "\U00010ac0-\U00010aff"
)
"""Characters with a standardized variant that is a plain one's."""

_MONGOLIAN = "\u1820-\u18aa"
_HEBREW = "\u0591-\u05c7"
_HIEROGLYPHS = "\U00013000-\U0001342f\U00013460-\U000143ff"


# Groups of what shapes its neighbours, each with the places behind one of it where its neighbours need it.
_NEED_ONE_BEFORE = 2
_NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "\u200c\u200d",
        (
            f"(?<=[{_JOINING}][\u200c\u200d])(?=[{_JOINING}])",
            f"(?<=[{_CURSIVE}]\u200d)",
            f"(?<=[{_EMOJI}]\u200d)(?=[{_EMOJI}])",
            f"(?<=[{_EMOJI}]\ufe0f\u200d)(?=[{_EMOJI}])",
            f"(?<=[{_KILLERS}][\u200c\u200d])",
            f"(?<=\u200d)(?=[{_CURSIVE}])(?<![\u200c\u200d]\u200d)",
            f"(?=[{_HEBREW}])(?<=[\u05d0-\u05ea]\u200c)",
        ),
    ),
    (
        f"\ufe00-\ufe0f{_VARIANTS}",
        (
            f"(?<=[{_EMOJI}][\ufe0e\ufe0f])",
            "(?=\u20e3)(?<=[0-9#*]\ufe0f)",
            f"(?<=[{_IDEOGRAPHS}][\ufe00-\ufe02{_VARIANTS}])",
            f"(?<=[{_STANDARD}][\ufe00\ufe01])",
            f"(?<=[{_HIEROGLYPHS}][\ufe00-\ufe06])",
        ),
    ),
    (
        "\u034f\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u180b-\u180f\u200b\u2d7f",
        (
            f"(?<=[{_UNSPACED}]\u200b)(?=[{_UNSPACED}])",
            f"(?<=[{_MONGOLIAN}][\u180b-\u180d\u180f])",
            f"(?=[\u1820\u1821])(?<=[{_MONGOLIAN}]\u180e)",
            f"(?=[{_ARABIC}])(?<=[{_NUMBER_SIGNS}])",
            f"(?<=[{_ARABIC}][{_NUMBER_SIGNS}])",
            "(?=[\u0710-\u074f])(?<=\u070f)",
            f"(?=[{_HEBREW}])(?<=[{_HEBREW}]\u034f)",
            "(?<=[\u1100-\u115e\ua960-\ua97f]\u1160)",
            "(?=[\u1161-\u11a7\ud7b0-\ud7c6])(?<=\u115f)",
            "(?=[\u2d30-\u2d6f])(?<=[\u2d30-\u2d6f]\u2d7f)",
        ),
    ),
    (
        "\U000110bd\U000110cd\U00013430-\U00013455\U00016fe4",
        (
            f"(?=[{_HIEROGLYPHS}])(?<=[{_HIEROGLYPHS}][\U00013430-\U00013455])",
            "(?=[\U00011080-\U000110bc])(?<=[\U000110bd\U000110cd])",
            "(?<=[\U00018b00-\U00018cff]\U00016fe4)",
        ),
    ),
)
# What follows an unneeded one of the same group is no more needed, where a group needs something before it.
_UNNEEDED = tuple(
    f"[{group}](?!{'|'.join(places)})" + (f"[{group}]*+" if n < _NEED_ONE_BEFORE else "")
    for n, (group, places) in enumerate(_NEEDED)
)
_UNNEEDED_NEAR = _UNNEEDED[:-1]
"""Those of the basic plane."""

_TAGS = "\U000e0020-\U000e007f"
_UNNEEDED_TAGS = f"({_FLAG}(?:{'|'.join(_FLAG_TAGS)}){_END_OF_TAGS})|[{_TAGS}]++"
_SELECTORS = "".join(group for group, _ in _NEEDED) + _TAGS
_FAR_SCRIPTS = (
    "\U000101fd-\U0001037a\U00010a00-\U00011fff\U00013440-\U00013455\U00016af0-\U00016b36\U00016f4f-\U00016fe4"
    "\U0001bc9d\U0001bc9e\U0001cf00-\U0001cf46\U0001d165-\U0001d244\U0001da00-\U0001daaf\U0001e000-\U0001e94a"
)
"""Where combining marks are, beyond the basic plane."""

_MARKED_SCRIPTS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711-\u08ff\u0900-\u109f"
    "\u135d-\u135f\u1700-\u1dff\u20d0-\u20ff\u2cef-\u2cf1\u2de0-\u2dff\u302a-\u302f\u3099\u309a\ua66f-\ua69f"
    "\ua6f0\ua6f1\ua800-\ua9ff\uaa00-\uabff\ufb1e\ufe20-\ufe2f"
)
"""Combining marks, and scripts that have many, in the basic plane."""


def _ranges(chars: str) -> list[tuple[str, str]]:
    return [(first, last or first) for first, last in re.findall("(.)(?:-(.))?", chars, re.DOTALL)]


def _near(chars: str) -> str:
    """The part of a class that is in the basic plane: the rest is checked range by range."""
    return "".join(f"{first}-{last}" for first, last in _ranges(chars) if first < _FAR)


_FAR = "\U00010000"
_IS_FAR = f"[{_FAR}-\U0010ffff]"
_ANY = f"[{_near(_CONTROLS + _NO_CONTROLS + _SELECTORS)}{_BLANK}{_MARKED_SCRIPTS}]"
_NEVER = (f"[{_near(_NO_CONTROLS)}]++", f"[{_NO_CONTROLS}]++")
_CONTROL = f"[{_CONTROLS}]++"
_MANY_SELECTORS = tuple(f"[{c}]{{{_MAX_SELECTORS},}}+" for c in (_near(_SELECTORS), _SELECTORS))
# Cells of Braille that have no dots show as a space.
_UNNEEDED_BLANKS = f"{_BLANK}(?<![\u2800-\u28ff]{_BLANK}){_BLANK}*+(?![\u2801-\u28ff])"
_HIDDEN = f"[{_CONTROLS}{_NO_CONTROLS}{_SELECTORS}{_BLANK}\u2028\u2029]++"
_SELECTOR = f"[{_SELECTORS}{_BLANK}]"
_LINE_ENDS = ("\r\n", "\r", "\u2028", "\u2029")
_TRAILING = "".join(
    chr(code) for first, last in _ranges(_SELECTORS + _BLANK) for code in range(ord(first), ord(last) + 1)
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
    for end in _LINE_ENDS:
        text = text.replace(end, "\n")
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
    return _compiled(f"({_BEGINS_SEQUENCE})[{_SELECTORS}]++").sub(
        r"\1", _compiled(_NEVER[True]).sub("", text)
    )


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
        if is_far and _compiled(f"[{_TAGS}]").search(text):
            text = _compiled(_UNNEEDED_TAGS).sub(r"\1", text)
        if _BLANK in text:
            text = _compiled(_UNNEEDED_BLANKS).sub("", text)
        text = _stacks(is_far=is_far).sub(r"\1", text)
        if len(text) == before:
            return _without_variants(text) if is_far else text
    # What was taken away brings others together again and again, as in no text that means anything.
    return _stacks(is_far=is_far).sub(r"\1", _compiled(_SELECTOR).sub("", text))


def _without_variants(text: str) -> str:
    shown, count = _compiled(f"[{_VARIANTS}]").subn("", text)
    return shown if count > _MAX_VARIANTS else text


@cache
def _marks(first: int, end: int) -> str:
    return "".join(char for char in map(chr, range(first, end)) if category(char) in {"Mn", "Me"})


@cache
def _stacks(*, is_far: bool) -> re.Pattern[str]:
    """Combining marks in a row, and those among them that may stay."""
    near, far = _marks(_FIRST_MARK, ord(_FAR)), _marks(ord(_FAR), _END_OF_MARKS) if is_far else ""
    mark = f"[{near}{_FAR_SCRIPTS}](?<=[{near}]|[{far}])" if is_far else f"[{near}]"
    # A joiner between marks does not begin another stack.
    one = f"{mark}[\u200c\u200d]?+"
    return re.compile(f"({mark}[\u200c\u200d]?+(?:{one}){{{MAX_MARKS - 1}}})(?:{one})++")
