"""Remove our own access token from all text that passes through.

The token travels in one header and nowhere else: responses, all other parts of requests, input from hosts and
log messages go through here. Owns the spellings in which a token leaks; other secrets are recognised by the
layers that show text.
"""

import base64
import codecs
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote

from neo_mcp.secret import SecretStr
from neo_mcp.weak_tokens import weakness

_NOTE = "[access token]"
_MIN_LENGTH = 8
"""Minimum characters of a token, which also has a digit; anything else may be an ordinary word."""

# How escaped letters and digits begin; they are escaped only to hide them. With the first character of each.
_ESCAPES = (("\\", re.compile(r"\\(?:u00(?:3[0-9]|[4-7]|26#|3d[3-7])|x[3-7])")), ("&", re.compile("&#")))
_ESCAPES_BYTES = tuple((mark.encode(), re.compile(escape.pattern.encode())) for mark, escape in _ESCAPES)

_RARE_FIRST = "%=QXZJVKYjUqHGWzLOBFNMRPkDSIxETAvCwb789645fy3g2"

_WINDOW, _OVERLAP = 2**18, 2**16
"""Characters searched for escapes at a time, so that other threads run in between; how many of them again."""

_T = TypeVar("_T", str, bytes)


class TokenGuard:
    """Removes one access token from foreign texts; does nothing without one, or with what may be a word.

    Attributes:
        own: The same for texts that hold our own sentences; does nothing if the token cannot be a real one.
    """

    def __init__(self, token: SecretStr | None) -> None:
        text = token.get_secret_value() if token else ""
        is_weak = bool(weakness(text))
        if is_weak and (len(text) < _MIN_LENGTH or not any(map(str.isdigit, text))):
            text = ""
        self.own = TokenGuard(None) if is_weak and text else self
        spellings = list(dict.fromkeys(_spellings(text))) if text else []
        self._shortest = len(text)
        self._texts = [(_rarest(spelling), spelling) for spelling in spellings]
        self._bytes = [(mark.encode(), spelling.encode()) for mark, spelling in self._texts]
        self._letters = text

    def __repr__(self) -> str:
        return "TokenGuard()"

    def text(self, text: str) -> str:
        """Return ``text`` with a note in place of the token."""
        if len(text) < self._shortest or not self._shortest:
            return text
        text = _without(text, self._texts, _NOTE)
        if _has_escape(text, _ESCAPES):
            return _substitute(self._escaped, _NOTE, text)
        return text

    def data(self, data: bytes) -> bytes:
        """The same for bytes; JSON stays JSON."""
        if not self._shortest:
            return data
        note = _NOTE.encode()
        data = _without(data, self._bytes, note)
        if may_be_escaped(data):
            return _substitute(self._escaped_bytes, note, data)
        return data

    def is_in(self, data: bytes) -> bool:
        """True if the token is in ``data``, unless it is escaped there; see :func:`may_be_escaped`."""
        return any(mark in data and spelling in data for mark, spelling in self._bytes)

    @cached_property
    def _escaped(self) -> re.Pattern[str]:
        # Compiled late, as few texts need it.
        return re.compile(_first_escaped(self._letters[0]) + "".join(map(_escaped, self._letters[1:])))

    @cached_property
    def _escaped_bytes(self) -> re.Pattern[bytes]:
        return re.compile(self._escaped.pattern.encode())

    def json(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
        """The same for every text in ``value``, keys included."""
        # Nearly always there is no token, and nothing to build again.
        if all(self.text(text) is text for text in _texts(value, self._shortest)):
            return value
        return self._redacted(value)

    def _redacted(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._redacted(item) for item in value]
            case dict():
                return distinct((self._redacted(key), self._redacted(item)) for key, item in value.items())
            case _:
                return value


def distinct(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of an object, none of which is lost if names have become equal: later ones get a number."""
    given = list(fields)
    if len(numbered := dict(given)) == len(given):
        return numbered
    numbered = {}
    last: dict[str, int] = {}
    for name, value in given:
        free = name
        while free in numbered:
            last[name] = last.get(name, 1) + 1
            free = f"{name} ({last[name]})"
        numbered[free] = value
    return numbered


def _texts(value: object, min_length: int) -> Iterator[str]:
    """All texts in ``value``, keys included, that are no shorter."""
    values = [value]
    for item in values:
        if isinstance(item, str):
            if len(item) >= min_length:
                yield item
        elif isinstance(item, dict):
            values += item
            values += item.values()
        elif isinstance(item, list):
            values += item


def may_be_escaped(data: bytes) -> bool:
    """True if letters or digits in ``data`` may be escaped, so that a search does not find them."""
    return _has_escape(data, _ESCAPES_BYTES)


def _has_escape(text: _T, escapes: Iterable[tuple[_T, re.Pattern[_T]]]) -> bool:
    return any(mark in text and escape.search(text) is not None for mark, escape in escapes)


def _without(text: _T, spellings: Iterable[tuple[_T, _T]], note: _T) -> _T:
    for mark, spelling in spellings:
        # Searching for one character takes a fraction of the time.
        if mark in text and spelling in text:
            text = text.replace(spelling, note)
    return text


def _rarest(spelling: str) -> str:
    """The character of ``spelling`` that is rarest in the API's responses."""
    return min(spelling, key=lambda char: _RARE_FIRST.find(char) % 100)


def _spellings(token: str) -> Iterator[str]:
    """Yield the token as texts repeat, store or carry it, and as it is hidden from filters."""
    raw = token.encode()
    yield from (token, token[::-1], codecs.encode(token, "rot13"), raw.hex(), raw.hex().upper())
    yield from (quote(token, safe=""), html.escape(token), json.dumps(token)[1:-1])
    for before in range(3):
        # In base64 a text begins at one of three offsets; its surroundings change the letters at its ends.
        first, last = (0, 2, 3)[before], (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + raw).decode()[first:last]
    for style in ("%{:02x}", "%{:02X}", "%25{:02x}", "%25{:02X}", "={:02x}", "={:02X}"):
        yield "".join(style.format(byte) for byte in raw)


def _substitute(pattern: re.Pattern[_T], note: _T, text: _T) -> _T:
    """Replace the matches of ``pattern``, which are rare: most texts are only searched."""
    starts = range(0, len(text), _WINDOW)
    if any(pattern.search(text, start, start + _WINDOW + _OVERLAP) for start in starts):
        return pattern.sub(note, text)
    return text


def _first_escaped(char: str) -> str:
    """An expression for ``char`` at the start of a match; a run of backslashes is tried from its start only.

    Each of its branches begins with a letter, which the regular expression engine looks for first.
    """
    plain, escaped, entity = _written(char)
    return rf"(?:{plain}|\\(?<!\\\\)\\*+{escaped}|{entity})"


def _escaped(char: str) -> str:
    """An expression for ``char`` as JSON (at any depth), program text, HTML and mail may write it."""
    plain, escaped, entity = _written(char)
    return rf"(?:{plain}|\\++{escaped}|{entity})"


def _written(char: str) -> tuple[str, str, str]:
    """Expressions for ``char`` itself, for what follows the backslashes of an escape, and for entities."""
    code = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{ord(char):02x}")
    entity = rf"#(?:[xX]0{{0,5}}{code}|0{{0,5}}{ord(char)});"
    plain = "|".join(re.escape(each) for each in dict.fromkeys((char.lower(), char.upper())))
    escaped = rf"(?:[uU]00(?:{code}|26{entity}|3[dD]{code})|[xX]{code})"
    return plain, escaped, rf"&{entity}|={code}"
