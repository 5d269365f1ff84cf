"""Mask values whose own keys name a secret, in JSON and in texts that hold JSON.

Neo passes secrets to tools as ``{"secret": TEXT}`` and below ``environment_variables``; there a name does not
tell which values are secret, so none is shown. Secrets with a shape of their own are found by
:mod:`neo_mcp.core.redact`.

Names count in any spelling: case, separators, and invisible characters make no difference.
"""

import json
import operator
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from unicodedata import normalize

from neo_mcp.hidden_text import without_hidden

MASK = "[redacted: secret]"
MAX_DEPTH = 100
"""Maximum levels that are searched; nothing below them is shown."""

_FIELDS = frozenset({"secret", "fnsecret"})
_TREES = frozenset({"environmentvariables", "environmentvariable", "envvariables", "envvars", "envvar"})
_MAPPINGS = frozenset({"env"})
"""Names of variables if they name several, and of something else if they name one text."""

_OWN_SECRET = ("4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270")
"""The marks of a secret in an exported stack: this key, and this value."""

_CIPHERTEXT = "ciphertext"
_NO_LETTER = re.compile(r"[\W_]+")
_MAX_TOKENS = 10_000
"""Maximum number of tokens that are read of the values in a text, to bound the time."""

_MAX_JSON = 2**18
"""Maximum characters of a text that is read as JSON; a longer one is left to :func:`mask_members`."""

_IS_JSON = re.compile(r"\s{0,1000}+[{\[\"]")
_MENTIONS = re.compile(rf"secret|env\\*+\"|env[a-z]{{0,9}}[ _.-]?var|\\u|{_OWN_SECRET[0]}", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][\w.-]{0,200}", re.ASCII)

_NAMES = r"secret|env(?:ironment)?[ _.-]?var(?:iable)?s?|env(?=\\*+[\"'`]\s{0,80}+:\s{0,80}+[{\[])"


def _key(names: str) -> re.Pattern[str]:
    """A name in quotation marks, with as many backslashes as the marks of its value have."""
    return re.compile(rf"(?<!\\)(\\*+)([\"'`])(?:{names})\1\2\s{{0,80}}+:\s{{0,80}}+", re.IGNORECASE)


_KEY, _KEY_OF_STACK = _key(_NAMES), _key(f"{_NAMES}|plaintext")
_TOKEN = re.compile(r"(?<!\\)\\*+[\"'`]|[{}\[\]\n]|(?<![\w.+-])-?\d[\w.+-]*+")
_IS_NAME = re.compile(r"\\*+[\"'`]\s{0,80}+:")
_QUOTES, _BRACKETS = "\"'`", "{}[]"


def masked(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """Return ``value`` with a note in place of values whose keys name a secret; unchanged if there are none.

    Args:
        value: Any JSON; JSON in its texts is read as well.
        depth: Levels around it.
    """
    if isinstance(value, str):
        return _masked_text(value, depth)
    if not isinstance(value, list | dict):
        return value
    if depth > MAX_DEPTH:
        return MASK
    if isinstance(value, list):
        items = [masked(item, depth + 1) for item in value]
        return items if any(map(operator.is_not, items, value)) else value
    if value.get(_OWN_SECRET[0]) == _OWN_SECRET[1]:
        shown = {_OWN_SECRET[0], _CIPHERTEXT}
        return {key: item if key in shown else _leaves(item, depth + 1) for key, item in value.items()}
    fields = {key: _field(key, item, depth + 1) for key, item in value.items()}
    return fields if any(map(operator.is_not, fields.values(), value.values())) else value


def mask_members(text: str) -> str:
    """Return ``text`` with a note in place of the values that follow such a name in quotation marks.

    Reads JSON and text like it, within other text, within JSON at any depth, and cut off. If that would take
    long, one note replaces all the rest.
    """
    names = _KEY_OF_STACK if _OWN_SECRET[1] in text else _KEY
    parts: list[str] = []
    position, left = 0, _MAX_TOKENS
    while (key := names.search(text, position)) is not None:
        value, end, count = _value_at(text, key.end(), len(key[1]), left)
        parts += [text[position : key.end()], value]
        position = end
        left -= count + 1
        if left < 0:
            shown = "".join(parts)
            return shown if shown.endswith(MASK) else f"{shown}{MASK}"
    return "".join([*parts, text[position:]]) if parts else text


def _masked_text(text: str, depth: int) -> str:
    """Return ``text``, if it is JSON, as masked JSON."""
    if not _IS_JSON.match(text) or len(text) > _MAX_JSON or not _MENTIONS.search(text):
        return text
    try:
        value = json.loads(text)
        shown = masked(value, depth + 1)
    except (ValueError, RecursionError):
        return text
    return (
        text if shown is value else json.dumps(shown, ensure_ascii=False, indent=2 if "\n" in text else None)
    )


def _name(key: str) -> str:
    if key.isascii():
        if key.isalpha() and key.islower():
            return key
    else:
        key = normalize("NFKC", without_hidden(key)[0])
    return _NO_LETTER.sub("", key).casefold()


def _field(key: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    name = _name(key)
    if name in _FIELDS or name in _TREES or (name in _MAPPINGS and isinstance(value, dict | list)):
        return _leaves(value, depth)
    return masked(value, depth)


def _leaves(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    """A note in place of everything except harmless values and names of variables."""
    match value:
        case None | bool():
            return value
        case list() | dict() if not value:
            return value
        case list() if depth <= MAX_DEPTH:
            return [_entry(item, depth + 1) for item in value]
        case dict() if depth <= MAX_DEPTH:
            return {_variable(key): _leaves(item, depth + 1) for key, item in value.items()}
        case _:
            return MASK


def _entry(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    """An item of a list, which may be a variable with its name in a field of its own."""
    shown = _leaves(value, depth)
    if isinstance(value, dict) and "value" in value:
        name = value.get("name")
        if isinstance(name, str) and _VARIABLE.fullmatch(name):
            return {**shown, "name": name}
    return shown


def _variable(key: str) -> str:
    name, equals, _ = key.partition("=")
    return f"{name}={MASK}" if equals else key


def _value_at(text: str, position: int, level: int, max_tokens: int) -> tuple[str, int, int]:
    """The value at ``position`` as it may be shown, its end, and its number of tokens.

    Args:
        text: The whole.
        position: Index of the value.
        level: Number of backslashes before a quotation mark here.
        max_tokens: Maximum number of tokens that are read.
    """
    parts: list[str] = []
    end = position
    depth = count = 0
    for count, token in enumerate(_tokens(text, position, level)):
        if (not parts and token.outside != position) or count > max_tokens:
            break
        inside = text[token.start : token.end]
        if depth > 0 and _IS_NAME.match(text, token.end):
            inside = _variable(inside)
        elif token.kind not in _BRACKETS and inside:
            inside = MASK
        parts += [text[end : token.start], inside]
        end = token.end
        depth += (token.kind in "{[") - (token.kind in "}]")
        if depth <= 0:
            break
    return "".join(parts), end, count


class _Token(NamedTuple):
    """A bracket, a number, or a text in quotation marks.

    Attributes:
        kind: The bracket, or ``text``.
        outside: Where it begins, with its quotation mark.
        start: Where it begins.
        end: Where it ends.
    """

    kind: str
    outside: int
    start: int
    end: int


def _tokens(text: str, position: int, level: int) -> Iterator[_Token]:
    outside = start = 0
    inside = ""
    for match in _TOKEN.finditer(text, position):
        mark = match[0][-1]
        if inside:
            escapes = len(match[0]) - 1 - level
            # A line end ends a text that is cut off, as JSON has no line ends in texts.
            if mark == "\n" or (mark == inside and escapes % (2 * (level + 1)) == 0):
                yield _Token("text", outside, start, match.end() - 1 - (level if mark == inside else 0))
                inside = ""
        elif mark in _QUOTES:
            inside, outside, start = mark, match.start(), match.end()
        elif mark != "\n":
            kind = mark if mark in _BRACKETS else "text"
            yield _Token(kind, match.start(), match.start(), match.end())
    if inside:
        yield _Token("text", outside, start, len(text))
