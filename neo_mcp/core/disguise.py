"""Redact secrets that are disguised: split, accented, or in similar letters.

Owns which spellings of a character count as that character. The search runs on a copy; the copy is shown,
with notes, only if it holds a secret that is not in the original.
"""

import re
from functools import cache
from unicodedata import normalize

from neo_mcp.core.effort import Effort
from neo_mcp.core.redact import redact
from neo_mcp.hidden_text import without_hidden

_DASHES = "\u2010-\u2015\u2043\u2212\ufe58\ufe63\uff0d"
_OTHER_SIGNS = {
    "\u2024": ".",
    "\u2044": "/",
    "\u2215": "/",
    "\ufe4d": "_",
    "\ufe4e": "_",
    "\ufe4f": "_",
    "\u02cd": "_",
}
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
_ALIKE = (
    "["
    rf"{_MARKS}\u00b2\u00b3\u00b9\u2070-\u209c\u2100-\u2138\u2460-\u24ea\uff0b\uff0e-\uff19\uff1d\uff21-\uff3a\uff3f"
    rf"\uff41-\uff5a\uff5e\U0001d400-\U0001d7ff{''.join(_OTHER_SIGNS)}]"
)
_DASH_BETWEEN = rf"[{_DASHES}](?<=[A-Za-z0-9_].)(?=[A-Za-z0-9_])"
# A character as JSON and programs escape it, with any number of backslashes, and as HTML does.
_ESCAPED = (
    r"(?<!\\)\\++(?:u\{?([0-9A-Fa-f]{4,6})\}?|x([0-9A-Fa-f]{2}))"
    r"|&#(?:[xX]([0-9A-Fa-f]{1,6})|([0-9]{1,7}));?|&(\w{2,20});"
)
_LAST = 0x10FFFF
_HIDDEN_NAMES = frozenset(
    [
        *("shy", "zwj", "zwnj", "lrm", "rlm", "ic", "it", "af"),
        *("NoBreak", "ZeroWidthSpace", "InvisibleTimes", "InvisibleComma", "ApplyFunction"),
    ]
)


def redact_disguised(text: str, effort: Effort | None = None) -> str:
    """Return clean ``text`` with a note in place of every secret; unchanged if there is none.

    Args:
        text: Any text that :func:`neo_mcp.hidden_text.without_hidden` has cleaned.
        effort: Bounds the time for several texts together.
    """
    text = redact(text, effort)
    if not _may_disguise(text):
        return text
    copy = _plain(text)
    shown = redact(copy, effort)
    return text if shown == copy else shown


def _may_disguise(text: str) -> bool:
    if not text.isascii() and any(_compiled(sign).search(text) for sign in (_ALIKE, _DASH_BETWEEN)):
        return True
    return ("\\" in text or "&" in text) and _compiled(_ESCAPED).search(text) is not None


def _plain(text: str) -> str:
    """Return ``text`` without escapes of invisible characters, in the plainest similar characters."""
    text = _compiled(_ESCAPED).sub(_without_unseen, text)
    if text.isascii():
        return text
    text = normalize("NFKD", _compiled(f"[{_DASHES}]").sub("-", text).translate(_signs()))
    return _compiled(f"[{_MARKS}]++").sub("", text)


def _without_unseen(match: re.Match[str]) -> str:
    four, two, hexadecimal, decimal, name = match.groups()
    if name:
        return "" if name in _HIDDEN_NAMES else match[0]
    code = int(decimal) if decimal else int(four or two or hexadecimal, 16)
    # Line ends are not part of a secret.
    is_hidden = code > ord(" ") and code <= _LAST and not without_hidden(chr(code))[0]
    return "" if is_hidden else match[0]


@cache
def _signs() -> dict[int, str]:
    return str.maketrans(_OTHER_SIGNS)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    # Imported late, as most texts need none of them.
    return re.compile(expression)
