"""What has to be answered, and how often, by JSON-RPC 2.0 and MCP.

It is read here with Python's own JSON parser, independently of the product.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.host import Json

_MAX_NUMBER = 100
_DEEPEST = 64
_LONG_OR_LARGE = re.compile(rb'[^\s"\[\]{},:]{%d}|[eE]\+?[0-9]{3}' % (_MAX_NUMBER + 1))
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BLANKS = " \t\r\n"


def _number(read: Callable[[str], float]) -> Callable[[str], float | None]:
    """What reads numbers, and ``None`` in the place of one that is too long or too large to be read."""

    def number(digits: str) -> float | None:
        value = read(digits) if len(digits) <= _MAX_NUMBER else None
        return value if value is None or math.isfinite(value) else None

    return number


_JSON = json.JSONDecoder(parse_int=_number(int), parse_float=_number(float))
_LIBERAL_JSON = json.JSONDecoder(parse_int=_number(int), parse_float=_number(float), strict=False)
"""Reads control characters too."""


@dataclass
class Expected:
    """How often each id has to be answered, and how often it may be besides; ids as JSON.

    Attributes:
        required: Answers that have to come.
        allowed: Answers that may come as well.
        shown: How many broken lines may have been refused as too much JSON, before what is broken was read:
            such a line is answered once, under the id that it shows or under none.
    """

    required: Counter[str] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)

    def add(self, data: bytes) -> None:
        """Read what is to be sent, as a server has to."""
        for line in data.split(b"\n"):
            text = line.removeprefix(b"\xef\xbb\xbf")
            if text.strip():
                self._add(text)

    def _add(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        try:
            message = _JSON.decode(text.strip(_BLANKS))
        except (ValueError, RecursionError):
            if _may_be_too_much(line):
                self._add_unread(_shown_members(text))
            else:
                self.required["null"] += 1
            return
        if not isinstance(message, dict):
            self.required["null"] += 1
            return
        may_be_too_much = _may_be_too_much(_STRING.sub(b"", line))
        request_id = _key(message.get("id"))
        is_call = (
            message.get("jsonrpc") == "2.0"
            and isinstance(message.get("method"), str)
            and isinstance(message.get("params"), dict | None)
        )
        if message.keys() & {"result", "error"} and not (is_call and request_id != "null"):
            # It may be taken for an answer.
            self.allowed[request_id] += 1
        elif is_call and "id" not in message:
            if not _is_text(line) or (may_be_too_much and not _is_notification(message)):
                # With its broken bytes it is no JSON, which may be said. And whoever does not read it to its
                # end cannot know that no id follows, unless the method says so.
                self.allowed["null"] += 1
            if message["method"] == "notifications/cancelled":
                self._cancel(_key((message.get("params") or {}).get("requestId")))
        elif not is_call and may_be_too_much:
            self._add_unread(message)
        else:
            self.required[request_id] += 1

    def _add_unread(self, members: Json) -> None:
        if "id" not in members and _is_notification(members):
            self.allowed["null"] += 1
        else:
            self.required["null"] += 1
            self.shown[_key(members.get("id"))] += 1

    def _cancel(self, request_id: str) -> None:
        # What has no id cannot be cancelled.
        if request_id != "null":
            self.allowed[request_id] += self.required.pop(request_id, 0) + 1

    def judge(self, got: Counter[str]) -> list[str]:
        """What is wrong with the answers that came."""
        least, most = self.required.copy(), self.required + self.allowed
        for name, lines in self.shown.items():
            if name != "null":
                # What came under this id did not come under none, unless it was allowed anyway.
                more = got[name] - least[name]
                most[name] += lines
                least["null"] -= min(max(more, 0), lines)
                most["null"] -= min(max(more - self.allowed[name], 0), lines)
        return [
            f"{name[:80]}: {got[name]} answers for {least[name]} to {most[name]}"
            for name in sorted({*got, *least})
            if not least[name] <= got[name] <= most[name]
        ]


def _may_be_too_much(line: bytes) -> bool:
    """Whether a server may refuse to read ``line`` for its depth or for a number in it."""
    return line.count(b"[") + line.count(b"{") > _DEEPEST or _LONG_OR_LARGE.search(line) is not None


def _is_notification(members: Json) -> bool:
    return str(members.get("method")).startswith("notifications/")


def _shown_members(text: str) -> Json:
    """The members that can be read at both ends of a broken line, if it begins as an object does."""
    if not text.lstrip(_BLANKS).startswith("{"):
        return {}
    first, last = _first_members(text), _last_members(text)
    if _key(last.get("id")) == "null" != _key(first.get("id")):
        last.pop("id", None)
    return {**first, **last}


def _first_members(text: str) -> Json:
    members: Json = {}
    rest = text.lstrip(_BLANKS)
    before = "{"
    while rest.startswith(before):
        try:
            name, end = _LIBERAL_JSON.raw_decode(rest[1:].lstrip(_BLANKS))
            rest = rest[1:].lstrip(_BLANKS)[end:].lstrip(_BLANKS)
            value, end = _LIBERAL_JSON.raw_decode(rest.removeprefix(":").lstrip(_BLANKS))
        except (ValueError, RecursionError):
            break
        if not isinstance(name, str) or not rest.startswith(":"):
            break
        members[name] = value
        rest = rest.removeprefix(":").lstrip(_BLANKS)[end:].lstrip(_BLANKS)
        before = ","
    return members


def _last_members(text: str) -> Json:
    for comma in re.finditer(",", text):
        with suppress(ValueError, RecursionError):
            members: Json = _LIBERAL_JSON.decode("{" + text[comma.end() :].strip(_BLANKS))
            if not any(isinstance(value, dict | list) for value in members.values()):
                return members
    return {}


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _key(request_id: Any) -> str:  # noqa: ANN401 - any JSON
    """An id as it must come back; ``null`` for one that cannot."""
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float):
        return "null"
    return json.dumps(request_id)
