"""Protocol messages in and out: lines of JSON, or JSON after headers. Pure: nothing is read or written here.

Owns what happens to a line that is no message, or that holds what no text can: it is answered, with the id
of its request where that can be read, and never fatal.
"""

import codecs
import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from neo_mcp.wire import scrub_surrogates
from neo_mcp.wire.json_limits import MAX_BYTES, JsonCheck, JsonLimitError

_ENDS = 1024
"""Bytes at either end of a line that is refused, that are searched for the id of its request."""

_SCALAR = rb'"(?:[^"\\]|\\.){0,200}+"|[^\s"\[\]{},]{1,100}+'
_MEMBER = rb'\s*+"((?:[^"\\]|\\.){0,64}+)"\s*+:\s*+(%b)\s*+' % _SCALAR
_FIRST = re.compile(rb"(?:\A\s*\{|,)" + _MEMBER + rb"(?=[,}])")
_NAME = re.compile(rb'(?:\A\s*\{|,)\s*"([a-z]{1,20})"\s*:')
_LAST = re.compile(rb'[\]}"]\s*((?:,%b)++)\}\s*\Z' % _MEMBER)
_EACH = re.compile(b"," + _MEMBER)

_MAX_HEADER = 1024
_HEADER = re.compile(rb"content-(?:length[ \t]*:[ \t]*\d{1,9}[ \t]*\r?\Z|type[ \t]*:)", re.IGNORECASE)
_CONTENT_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d+)[ \t]*\r?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reply to a line that is not a message: an encoded message."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line over the limits, of which the ends are left.

    Attributes:
        head: How it begins.
        tail: How it ends.
        problem: The limit.
    """

    head: bytes
    tail: bytes
    problem: JsonLimitError


def decode(line: bytes | Overlong) -> JSONRPCMessage | Refusal | None:
    """The message on a line; ``None`` if it is empty, or a notification over the limits."""
    if isinstance(line, Overlong):
        return _refused(line)
    line = line.removeprefix(codecs.BOM_UTF8)
    if not line.strip():
        return None
    try:
        message: JSONRPCMessage | None = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        message = _with_surrogates(line) or _broken_answer(line)
    if message is None or _has_unusable_id(message, line):
        return Refusal(_complaint(line))
    return message


class LineSplitter:
    """Bytes to lines; of a line over the limits the ends are left as soon as it exceeds one.

    A message after headers, as in the Language Server Protocol, is a line like any other.

    Attributes:
        has_headers: Whether the last message came with headers.
    """

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self.has_headers = False
        self._limit = limit
        # The message after the headers: its length, and how much of it is to come.
        self._length: int | None = None
        self._left = 0
        self._begin()

    def _begin(self) -> None:
        # The beginning of a line that may be a header.
        self._held: bytes | None = b""
        self._line = bytearray()
        self._size = 0
        self._check = JsonCheck()
        self._over: Overlong | None = None

    def feed(self, chunk: bytes) -> list[bytes | Overlong]:
        """The lines that ``chunk`` completes."""
        lines: list[bytes | Overlong] = []
        start = 0
        while start < len(chunk):
            has_headers = self._left > 0
            end = start + self._left if has_headers else chunk.find(b"\n", start)
            is_complete = 0 <= end <= len(chunk)
            part = chunk[start : end if is_complete else len(chunk)]
            start += len(part)
            if has_headers:
                self._left -= len(part)
            else:
                start += is_complete
                if self._held is not None:
                    part = self._held + part
                    if self._is_header(part, is_complete=is_complete):
                        continue
            self._add(part)
            if is_complete:
                lines.append(self._finish(has_headers=has_headers))
        return lines

    def end(self) -> list[bytes | Overlong]:
        """The lines that the end of the input completes."""
        # The last line may lack its end, and the last message may be cut.
        lines = self.feed(b"\n")
        return [*lines, self._finish(has_headers=True)] if self._left else lines

    def _finish(self, *, has_headers: bool) -> bytes | Overlong:
        line = self._over or bytes(self._line)
        if self._size > 1 or has_headers:
            self.has_headers = has_headers
        self._left = 0
        self._begin()
        return line

    def _is_header(self, line: bytes, *, is_complete: bool) -> bool:
        """Take the beginning of a line, unless it belongs to a message."""
        self._held = None
        if (
            not is_complete
            and len(line) < _MAX_HEADER
            and (b"content-".startswith(line[:8].lower()) or line == b"\r")
        ):
            self._held = line
            return True
        if is_complete and self._length is not None and line in {b"", b"\r"}:
            self._left, self._length, self._held = self._length, None, b""
            return True
        if is_complete and _HEADER.match(line):
            length = _CONTENT_LENGTH.fullmatch(line)
            self._length = int(length[1]) if length else self._length
            self._held = b""
            return True
        self._length = None
        return False

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._over is not None:
            tail = (self._over.tail + part)[-_ENDS:]
            self._over = replace(self._over, tail=tail)
            return
        self._line += part
        try:
            self._check_size()
            self._check.feed(part)
        except JsonLimitError as problem:
            self._over = Overlong(bytes(self._line[:_ENDS]), bytes(self._line[-_ENDS:]), problem)
            self._line = bytearray()

    def _check_size(self) -> None:
        if self._size > self._limit:
            raise JsonLimitError(
                f"The message is longer than {self._limit / 2**20:.0f} MiB.", "Send less at a time."
            )


def encode(message: JSONRPCMessage) -> bytes:
    """One message as one line of JSON.

    Lone surrogates, which UTF-8 cannot carry, become U+FFFD; in an id, which has to come back as it was, they
    stay as the escapes that they came as.
    """
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except (PydanticSerializationError, UnicodeEncodeError):
        content = message.model_dump(by_alias=True, exclude_unset=True)
        given = {"id": content["id"]} if "id" in content else {}
        return json.dumps({**scrub_surrogates(content), **given}).encode()


def _refused(line: Overlong) -> JSONRPCError | Refusal | None:
    """Replace a line over the limits: an answer to a request of ours fails that request.

    A notification must not be answered, so it is dropped. It is recognised by its method, as an id may be in
    the part of the line that is missing.
    """
    members = _members(line)
    request_id = members.get("id")
    why = f"{line.problem} {line.problem.next_step}".strip()
    if "method" not in members and members.keys() & {"result", "error"} and _can_be_ours(request_id):
        return _failed(request_id, why)
    if line.problem.is_syntax:
        return Refusal(_refusal(None, PARSE_ERROR, f"Parse error: {why}"))
    if "id" not in members and str(members.get("method")).startswith("notifications/"):
        return None
    usable = request_id if _can_be_an_id(request_id) else None
    return Refusal(_refusal(usable, INVALID_REQUEST, f"Invalid request: {why}"))


def _members(line: Overlong) -> dict[str, Any]:
    """Members of the object on a line, as far as its ends show: names, and values that are no containers.

    There are none if it does not begin as an object does: its end then belongs to something else.
    """
    members: dict[str, Any] = {}
    head = line.head.removeprefix(codecs.BOM_UTF8)
    if not head.lstrip().startswith(b"{"):
        return members
    position = 0
    pairs: list[tuple[bytes, bytes]] = []
    while match := _FIRST.match(head, position):
        pairs.append((match[1], match[2]))
        position = match.end()
    if match := _NAME.match(head, position):
        members[match[1].decode()] = None
    if match := _LAST.search(line.tail):
        pairs += _EACH.findall(match[1])
    for name, value in pairs:
        with suppress(ValueError):
            members[_loads(b'"' + name + b'"')] = _loads(value)
    return members


def _with_surrogates(line: bytes) -> JSONRPCMessage | None:
    """A message with half of a surrogate pair somewhere, so that its handler can report what is wrong."""
    if b"\\ud" not in line.lower():
        return None
    with suppress(ValueError):
        return jsonrpc_message_adapter.validate_python(_loads(line), by_name=False)
    return None


def _broken_answer(line: bytes) -> JSONRPCError | None:
    """Replace an improper answer to a request of ours: the request has failed.

    To answer it in turn would be wrong, as the host may have asked something under the same id.
    """
    with suppress(ValueError):
        content = _loads(line)
        if isinstance(content, dict) and "method" not in content and content.keys() & {"result", "error"}:
            request_id = content.get("id")
            if _can_be_ours(request_id):
                return _failed(request_id, "It is malformed.")
    return None


def _can_be_ours(request_id: object) -> TypeGuard[str | int]:
    return isinstance(request_id, str | int) and not isinstance(request_id, bool)


def _failed(request_id: str | int, why: str) -> JSONRPCError:
    """The end of a question whose answer cannot be read."""
    error = ErrorData(code=INVALID_REQUEST, message=f"The host's answer cannot be used. {why}")
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=error)


def _has_unusable_id(message: JSONRPCMessage, line: bytes) -> bool:
    """True if it only looks like a notification: its sender gave an id and waits for an answer."""
    if not isinstance(message, JSONRPCNotification) or b'"id"' not in line:
        return False
    try:
        return "id" in _loads(line)
    except ValueError:
        return True


def _complaint(line: bytes) -> bytes:
    """The answer to a line that is no message, with the request's id where it can be made out."""
    try:
        content = _loads(line)
    except ValueError:
        return _refusal(None, PARSE_ERROR, "Parse error: this line is not JSON")
    if isinstance(content, list):
        why = "Invalid request: messages are not taken in batches: send each one by itself"
        return _refusal(None, INVALID_REQUEST, why)
    request_id = content.get("id") if isinstance(content, dict) else None
    why = "Invalid request: this is not a JSON-RPC 2.0 message with an id that is text or an integer"
    return _refusal(request_id if _can_be_an_id(request_id) else None, INVALID_REQUEST, why)


def _can_be_an_id(value: Any) -> bool:  # noqa: ANN401 - any JSON
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int) and not isinstance(value, bool)


def _refusal(request_id: str | float | None, code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode()


def _loads(line: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON as liberally as can be.

    Raises:
        ValueError: If it is none, or nested too deeply.
    """
    try:
        return json.loads(line.decode("utf-8", "replace"), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError from error


def _refuse(constant: str) -> float:
    """Not a number, and infinity: Python would read them, but they are no JSON."""
    raise ValueError(constant)
