"""Limits of JSON, checked on its bytes before any parser turns them into objects.

A parser needs some 100 bytes for a value of two, and recursion for nested values. Owns the limits, a check
that takes a document in parts of any size, and cutting off values that are nested too deeply. The check is
exact up to the first syntax error, where parsers stop. Syntax errors are left to the parsers, except where
Python's accepts text that is not JSON.
"""

import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any

MAX_BYTES = 16 * 2**20
"""Maximum bytes of one message from a host: enough for a whole batch of local tools' results."""

MAX_NUMBER = 100
"""Maximum characters of one number; Python refuses to read integers of some thousands of digits."""

TOO_DEEP = "[nested too deeply]"
"""Replaces a value that was cut off."""

_SLICE = 64 * 2**10
_PASSES = 4
_ESCAPING = len(r"\u0000") - 1
_BRACKETS = b"[]{}"
_SEPARATORS = b",:"
"""Every value but the first begins after one of these, or after an opening bracket."""

_NO_MARKS = bytes(set(range(256)) - set(_SEPARATORS + _BRACKETS))
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_STEP = {byte: 1 if byte in b"[{" else -1 for byte in _BRACKETS}
_SPACED = bytes(32 if byte in b"[]{},: \t\r\n" else byte for byte in range(256))
"""Maps the characters between numbers and names to spaces."""

_LARGE_EXPONENT = re.compile(rb"[eE]\+?0*[1-9][0-9]{2}")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+|[\[{\]}]', re.DOTALL)


class JsonLimitError(ValueError):
    """JSON that is refused; ``str()`` of it gives the reason in one sentence.

    Attributes:
        next_step: Advice for its sender.
        is_syntax: Whether it is not JSON at all, rather than too large.
    """

    def __init__(self, problem: str, next_step: str = "", *, is_syntax: bool = False) -> None:
        super().__init__(problem)
        self.next_step = next_step
        self.is_syntax = is_syntax


class _TooDeepError(JsonLimitError):
    """JSON that is nested too deeply."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Limits on the JSON that is read.

    Attributes:
        values: Values and names of members, containers included.
        depth: Arrays and objects within one another.
        text: Bytes, without those that only escape: six of them encode one character where nothing else is
            beyond ASCII. Where something is, the parser needs up to four bytes for every one.
    """

    values: int
    depth: int
    text: int = 2**40


MESSAGE = JsonLimits(values=10_000, depth=64, text=5 * 2**20)
"""Limits of messages from hosts and browsers and of files; the largest by far are batches of tool results."""

ANSWER = JsonLimits(values=250_000, depth=64)
"""Limits of the API's single answers: a task, an event."""

PAGE = JsonLimits(values=500_000, depth=ANSWER.depth + 2)
"""Limits of a page of tasks or events, whose items are read under the limits of single ones."""


class JsonCheck:
    """Checks one document, which may come in parts.

    Attributes:
        is_ascii: Whether everything so far was ASCII.

    Args:
        limits: Limits of the document.
        strict: Whether to refuse also what only some parsers read: other encodings, and numbers that are
            invalid or too large.
    """

    def __init__(self, limits: JsonLimits = MESSAGE, *, strict: bool = True) -> None:
        self._limits = limits
        self._strict = strict
        self.is_ascii = True
        self._size = 0
        self._escapes = 0
        self._values = 1
        self._depth = 0
        self._in_string = False
        # The end of the last part that belongs to the next: half an escape, part of a number.
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Check the next part.

        Raises:
            JsonLimitError: If the document is over a limit, or is not JSON in a way that parsers may accept.
        """
        for start in range(0, len(data), _SLICE):
            part = data[start : start + _SLICE]
            self._measure(part)
            self._take(self._rest + part)

    def _measure(self, data: bytes) -> None:
        self._size += len(data)
        self.is_ascii = self.is_ascii and data.isascii()
        if self.is_ascii and b"\\" in data:
            self._escapes += data.count(b"\\u")
        if self._size - (_ESCAPING * self._escapes if self.is_ascii else 0) > self._limits.text:
            raise JsonLimitError(
                f"The message has more than {self._limits.text / 2**20:.0f} MiB of text.",
                "Send less at a time, or what matters of it.",
            )

    def _take(self, data: bytes) -> None:
        if self._strict and b"\0" in data:
            # Parsers may read it as UTF-16 or UTF-32, where the same bytes mean something else.
            raise JsonLimitError("Not JSON in UTF-8: it holds a null byte.", is_syntax=True)
        if self._in_string and b'"' not in data:
            self._rest = b"\\" * ((len(data) - len(data.rstrip(b"\\"))) % 2)
            return
        if b"\\" in data:
            data = data.replace(b"\\\\", b"")
        half_escape = b"\\" if data.endswith(b"\\") else b""
        pieces = data.removesuffix(b"\\").replace(b'\\"', b"").split(b'"')
        outside = b" ".join(pieces[self._in_string :: 2])
        self._in_string ^= len(pieces) % 2 == 0
        self._count(outside)
        self._rest = half_escape
        if self._strict:
            self._check_literals(outside)
            open_literal = b"" if self._in_string else pieces[-1].translate(_SPACED).rpartition(b" ")[2]
            self._rest = open_literal + half_escape

    def _count(self, outside: bytes) -> None:
        brackets = outside.translate(None, _NO_BRACKETS)
        opened = brackets.count(b"[") + brackets.count(b"{")
        self._values += opened + outside.count(b",") + outside.count(b":")
        if self._values > self._limits.values:
            raise JsonLimitError(
                f"The JSON has more than {self._limits.values:,} values.",
                "Send fewer at a time, or large content as one text.",
            )
        if self._depth + opened <= self._limits.depth:
            self._depth += 2 * opened - len(brackets)
        else:
            self._descend(brackets)
        if self._depth < 0:
            raise JsonLimitError("Not JSON: it closes more than it opens.", is_syntax=True)

    def _descend(self, brackets: bytes) -> None:
        for byte in brackets:
            self._depth += _STEP[byte]
            if self._depth > self._limits.depth:
                raise _TooDeepError(
                    f"The JSON is nested more than {self._limits.depth} levels deep.",
                    "Send it flatter, or as one text.",
                )

    def _check_literals(self, outside: bytes) -> None:
        """Refuse numbers that Python cannot read, and invalid ones that it reads."""
        literals = outside.translate(_SPACED)
        if b"N" in literals or b"I" in literals:
            raise JsonLimitError("Not JSON: NaN and Infinity are no numbers in it.", is_syntax=True)
        words = literals.split()
        if max(map(len, words), default=0) > MAX_NUMBER:
            raise JsonLimitError(
                f"Not JSON, or a number of more than {MAX_NUMBER} characters.", "Send it as text."
            )
        if _LARGE_EXPONENT.search(literals) and any(map(_is_infinite, words)):
            raise JsonLimitError("A number in the JSON is too large.", "Send it as text.")


def _is_infinite(literal: bytes) -> bool:
    try:
        return math.isinf(float(literal))
    except ValueError:
        return False


def read_json(data: bytes, limits: JsonLimits = MESSAGE) -> Any:  # noqa: ANN401 - any JSON
    """Decode JSON within limits.

    Raises:
        ValueError: If ``data`` is not JSON in UTF-8, or over a limit.
    """
    JsonCheck(limits).feed(data)
    return json.loads(data)


def without_depth(data: bytes, limits: JsonLimits = ANSWER) -> bytes:
    """Replace every value that is nested too deeply by :data:`TOO_DEEP`; else return ``data`` unchanged.

    Raises:
        JsonLimitError: If it has too many values.
    """
    if is_within(data, limits):
        return data
    try:
        JsonCheck(limits, strict=False).feed(data)
    except _TooDeepError:
        JsonCheck(replace(limits, depth=len(data)), strict=False).feed(data)
        return _cut(data, limits.depth)
    return data


def is_within(data: bytes, limits: JsonLimits = ANSWER) -> bool:
    """True if ``data``, one document or many, certainly has no more values and levels; a cheap check."""
    if len(data) <= limits.values and not _opens_more(data, limits.depth):
        return True
    marks = data.translate(None, _NO_MARKS)
    brackets = marks.translate(None, _SEPARATORS)
    closed = brackets.count(b"]") + brackets.count(b"}")
    if 1 + len(marks) - closed > limits.values:
        return False
    # Each replacement takes away the innermost level at most.
    for _ in range(_PASSES):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return len(brackets) + 2 * _PASSES <= limits.depth


def _opens_more(data: bytes, count: int) -> bool:
    """True if ``data`` has more opening brackets than ``count``; large texts have a few, far apart."""
    for bracket in (b"[", b"{"):
        position = data.find(bracket)
        while position >= 0:
            count -= 1
            if count < 0:
                return True
            position = data.find(bracket, position + 1)
    return False


def _cut(data: bytes, depth: int) -> bytes:
    note = json.dumps(TOO_DEEP).encode()
    parts: list[bytes] = []
    end = level = 0
    for token in _TOKEN.finditer(data):
        byte = data[token.start()]
        if byte in b"[{":
            level += 1
            if level == depth + 1:
                parts += [data[end : token.start()], note]
        elif byte in b"]}":
            level -= 1
            if level == depth:
                end = token.end()
    # A document that never ends is not JSON, and must not become JSON here.
    return b"".join([*parts, data[end:]]) if level <= depth else b"".join(parts)
