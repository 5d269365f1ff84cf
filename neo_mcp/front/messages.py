"""Reading messages: bytes to messages, and messages to known shapes.

What is read here is a small part of what the server reads, and means the same to it; everything else is left
to the server. A message is a line, or what follows a ``Content-Length`` header as in the Language Server
Protocol.
"""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

MAX_MESSAGE = 16 * 2**10
"""Bytes of a message, with its headers."""

_MAX_BRACKETS, _MAX_SEPARATORS = 60, 400
"""Maximum per message, far below the server's limits."""

_MAX_DIGITS = 18
_HEADER = rb"(?i:content-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?\n|content-type[ \t]*:[^\n]*\n)"
_HEADERS = rb"%b+\r?\n" % _HEADER
_PART_OF_HEADERS = rb"%b*(?:\r|[cC][^\n]*)?" % _HEADER


class UnknownError(Exception):
    """A message that only the server can interpret."""


class Frame(NamedTuple):
    """One message as it came.

    Attributes:
        content: The message.
        has_header: Whether it came with headers rather than as a line.
        end: Where the next one begins.
    """

    content: bytes
    has_header: bool
    end: int


def first_frame(data: bytes | bytearray) -> Frame | None:
    """The message that ``data`` begins with; ``None`` if its end is missing.

    Raises:
        UnknownError: If it is too long, or its headers cannot be read.
    """
    frame = _with_headers(data) if data[:8].lower() == b"content-" else _line(data)
    if (len(data) if frame is None else frame.end) > MAX_MESSAGE:
        raise UnknownError
    return frame


def _line(data: bytes | bytearray) -> Frame | None:
    end = data.find(b"\n")
    return None if end < 0 else Frame(bytes(data[:end]), has_header=False, end=end + 1)


def _with_headers(data: bytes | bytearray) -> Frame | None:
    headers = re.match(_HEADERS, data)
    if headers is None and re.fullmatch(_PART_OF_HEADERS, data):
        return None
    if headers is None or headers[1] is None:
        raise UnknownError
    start, end = headers.end(), headers.end() + int(headers[1])
    return Frame(bytes(data[start:end]), has_header=True, end=end) if len(data) >= end else None


def framed(*parts: bytes, has_header: bool) -> Iterator[bytes]:
    """The parts of a message as it goes out."""
    if has_header:
        yield b"Content-Length: %d\r\n\r\n" % sum(map(len, parts))
    yield from parts
    if not has_header:
        yield b"\n"


if TYPE_CHECKING:
    Shape: TypeAlias = "type | tuple[type, ...] | list[Any] | Members"
    """A shape of JSON: a type or several (``object`` for any), a list of one shape, or members."""
else:
    # Not in quotation marks below, as those would be compiled: Python makes 200 KB of syntax types for that.
    Shape = object


class Members(NamedTuple):
    """The shape of an object.

    Attributes:
        known: Shapes of members by their names.
        required: Names of those that are never missing.
        others: The shape of all other members; there are none if it is ``None``.
    """

    known: dict[str, Shape]
    required: frozenset[str] = frozenset()
    others: Shape | None = None


NOTHING = type(None)
_REQUEST = Members(
    {"jsonrpc": str, "id": (str, int), "method": str, "params": (dict, NOTHING)},
    frozenset({"jsonrpc", "method"}),
)


def parse(content: bytes) -> dict[str, Any]:
    """A request or a notification.

    Raises:
        UnknownError: If it is not a simple one.
    """
    brackets, separators = (content.count(a) + content.count(b) for a, b in ((b"{", b"["), (b",", b":")))
    # Half of a surrogate pair cannot be sent back.
    if brackets > _MAX_BRACKETS or separators > _MAX_SEPARATORS or b"\\ud" in content.lower():
        raise UnknownError
    try:
        message: dict[str, Any] = json.loads(
            content.decode(),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
    except ValueError:
        raise UnknownError from None
    check(message, _REQUEST)
    if message["jsonrpc"] != "2.0":
        raise UnknownError
    return message


def check(value: object, shape: Shape) -> None:
    """Check that ``value`` has exactly this shape.

    Raises:
        UnknownError: If it has another.
    """
    if not _fits(value, shape):
        raise UnknownError


def _fits(value: Any, shape: Shape | None) -> bool:  # noqa: ANN401 - any JSON
    match shape:
        case Members(known, required, others):
            return (
                type(value) is dict
                and required <= value.keys()
                and all(_fits(item, known.get(name, others)) for name, item in value.items())
            )
        case [each]:
            return type(value) is list and all(_fits(item, each) for item in value)
        case None:
            return False
        case _:
            # Not `isinstance`: `True` is an `int`.
            return shape is object or type(value) in (shape if isinstance(shape, tuple) else (shape,))


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Parsers differ in which one counts.
        raise ValueError
    return members


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError
    return int(text)


def _refuse(_: str) -> NoReturn:
    raise ValueError
