"""Protocol messages as lines of JSON, in and out. Pure: nothing is read or written here.

Owns what happens to a line that is no message, or that says what no text can: it is answered, with the id of
its request where that can be made out, and never fatal.
"""

import codecs
import json
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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

MAX_LINE = 64 * 2**20
"""Bytes of one message; a longer one is answered with an error and dropped."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a line that is no message is answered with: an encoded message."""

    answer: bytes


def decode(line: bytes) -> JSONRPCMessage | Refusal | None:
    """The message on a line; ``None`` if it is empty."""
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
    """Bytes to lines; a line over the limit becomes a short stand-in that is no JSON."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` completes."""
        *complete, rest = chunk.split(b"\n")
        lines: list[bytes] = []
        for part in complete:
            self._add(part)
            lines.append(b"(too long)" if self._size > self._limit else b"".join(self._parts))
            self._parts, self._size = [], 0
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            self._parts.clear()
        else:
            self._parts.append(part)


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


def _with_surrogates(line: bytes) -> JSONRPCMessage | None:
    """A message with half of a surrogate pair somewhere, so that its handler can say what is wrong."""
    if b"\\ud" not in line.lower():
        return None
    with suppress(ValueError):
        return jsonrpc_message_adapter.validate_python(_loads(line), by_name=False)
    return None


def _broken_answer(line: bytes) -> JSONRPCError | None:
    """What to make of an answer to a question of ours that is no proper answer: the question has failed.

    To answer it in turn would be wrong, as the host may have asked something under the same id.
    """
    with suppress(ValueError):
        content = _loads(line)
        if isinstance(content, dict) and "method" not in content and content.keys() & {"result", "error"}:
            request_id = content.get("id")
            if isinstance(request_id, str | int) and not isinstance(request_id, bool):
                error = ErrorData(code=INVALID_REQUEST, message="the host's answer is malformed")
                return JSONRPCError(jsonrpc="2.0", id=request_id, error=error)
    return None


def _has_unusable_id(message: JSONRPCMessage, line: bytes) -> bool:
    """Whether it only looks like a notification: its sender gave an id and waits for an answer."""
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
        return _refusal(None, PARSE_ERROR, "Parse error: this line is not JSON, or too long")
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
