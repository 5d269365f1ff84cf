"""Split a long page into its items as it comes, without decoding any of them.

Owns which parts of a page are stored, and their cost. Does no I/O and knows nothing of tasks and events: an
item is the text of one element of the page's array.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from neo_mcp.api.decoding import TooLongError

_MAX_REST = 64 * 2**10
"""Maximum bytes of a page outside its array."""

_ITEM_COST = 2 * 2**10
"""Bytes added to an item's own: the cost of a decoded one, however small it is."""

END_BYTES = 2**10
"""Bytes stored of an oversized item's beginning and end, to find its id."""

_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_MARK = re.compile(rb'["{}\[\]]')
_MARK_OR_COMMA = re.compile(rb'["{}\[\],]')
_WIDE = re.compile(rb"[\xf0-\xf7]|\\u[dD][89abAB]")

_MAX_DEPTH = 10_000
_SHALLOW = 3
"""Levels of nesting that are skipped in one step."""

_SIMPLE = rb'"\w{1,40}"\s*:\s*(?:"[^"\\]{0,256}"|true|false|null|-?\d{1,20})'


def _whole_values() -> re.Pattern[bytes]:
    """An expression for as many values as are complete and not nested deeply."""
    value = rb'[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    values = rb"(?:%b)*+" % value
    for _ in range(_SHALLOW):
        values = rb"(?:%b|\[%b\]|\{%b\})*+" % (value, values, values)
    return re.compile(values, re.DOTALL)


_VALUES = _whole_values()


@dataclass(frozen=True, slots=True)
class OversizedItem:
    """Stands for an item over the size limit, whose content was discarded as it came.

    Attributes:
        size: Its length, in bytes.
        start: Its first bytes.
        end: Its last bytes.
    """

    size: int
    start: bytes
    end: bytes

    def value(self, name: str) -> str:
        """The value of a field; see :func:`own_value`."""
        return own_value(self.start, self.end, name)


def own_value(start: bytes, end: bytes, name: str) -> str:
    """The text or number in a field of the item itself, if it is near either end; else empty.

    Args:
        start: The item's first bytes.
        end: Its last bytes.
        name: The field.
    """
    field = rb'"%b"\s*:\s*(?:"([^"\\]{1,256})"|(\d{1,20}))' % name.encode()
    first = re.match(rb"\{(?:\s*%b\s*,)*?\s*%b\s*[,}]" % (_SIMPLE, field), start)
    last = re.search(rb"[\]}\"\w]\s*,\s*%b(?:\s*,\s*%b)*\s*\}\Z" % (field, _SIMPLE), end)
    match = first or last
    return (match[1] or match[2]).decode("utf-8", "replace") if match else ""


@dataclass(frozen=True, slots=True)
class PageParts:
    """A page, split into pieces.

    Attributes:
        rest: The page with an empty array.
        items: The elements of the array; they are taken out of the list as they are read.
        clean: Takes the access token out of bytes.
        max_item: Bytes above which an item is not stored.
    """

    rest: bytes
    items: list[bytes | OversizedItem]
    clean: Callable[[bytes], bytes]
    max_item: int

    def take(self) -> Iterator[bytes | OversizedItem]:
        """Take the items in order; no reference to a taken one is left."""
        self.items.reverse()
        while self.items:
            item = self.items.pop()
            yield self.clean(item) if isinstance(item, bytes) else item


class PageSplitter:
    """Takes the bytes of a JSON object and splits the array in one of its fields into its elements."""

    def __init__(self, field: str, *, max_item: int, max_stored: int, max_items: int | None = None) -> None:
        """Begin a page.

        Args:
            field: The field that has the array.
            max_item: Bytes of an item, above which it is discarded and leaves a marker.
            max_stored: Bytes of all items, with the cost of decoding them.
            max_items: Number of items after which further ones are left out; ``None`` for all.
        """
        self._opening = re.compile(rb'[{,]\s*"%b"\s*:\s*\[\Z' % re.escape(field.encode()))
        self._max_item = max_item
        self._stored_left = max_stored
        self._max_items = max_items
        self._rest = bytearray()
        self._depth = 0  # of brackets outside the array
        self._is_in_array = False
        self._is_in_string = False
        self._is_escaped = False
        self._item = bytearray()
        self._item_depth = 0
        self._item_size = 0
        self._ends = (b"", b"")
        self._items: list[bytes | OversizedItem] = []

    @property
    def items(self) -> int:
        """Number of complete items."""
        return len(self._items)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLongError: If the page is over the limit.
            ValueError: If it is not JSON, or not a page.
        """
        position = 0
        while position < len(data):
            read = self._read_array if self._is_in_array else self._read_rest
            position = read(data, position)

    def finish(self, clean: Callable[[bytes], bytes]) -> PageParts:
        """End the page.

        Raises:
            ValueError: If it was cut short.
        """
        if self._depth or self._is_in_string or self._is_in_array:
            raise ValueError("it was cut short")
        items, self._items = self._items, []
        return PageParts(clean(bytes(self._rest)), items, clean, self._max_item)

    def let_go(self) -> None:
        """Discard what was read of the page."""
        self._items, self._item = [], bytearray()

    def _read_rest(self, data: bytes, start: int) -> int:
        """Read up to the beginning of the array, or to the end of ``data``."""
        position = start
        while position < len(data):
            if self._is_in_string:
                position = self._end_of_string(data, position)
                continue
            mark = _MARK.search(data, position)
            if mark is None:
                break
            position = mark.end()
            match mark[0]:
                case b'"':
                    self._is_in_string = True
                case b"[" if self._depth == 1 and self._opening.search(
                    self._rest[-100:] + data[max(start, position - 100) : position]
                ):
                    self._is_in_array = True
                    break
                case b"[" | b"{":
                    self._depth += 1
                case _:
                    self._depth -= 1
        else:
            position = len(data)
        end = position if self._is_in_array else len(data)
        self._rest += data[start:end]
        if len(self._rest) > _MAX_REST:
            raise ValueError("there is too much besides its items")
        return end

    def _read_array(self, data: bytes, start: int) -> int:
        """Read up to the end of an item, or to the end of ``data``."""
        position = start
        while position < len(data):
            if self._is_in_string:
                position = self._end_of_string(data, position)
                continue
            if self._item_depth:
                values = _VALUES.match(data, position)
                position = values.end() if values else position
            mark = (_MARK if self._item_depth else _MARK_OR_COMMA).search(data, position)
            if mark is None:
                break
            position = mark.end()
            match mark[0]:
                case b'"':
                    self._is_in_string = True
                case b"[" | b"{":
                    self._item_depth += 1
                    if self._item_depth > _MAX_DEPTH:
                        raise ValueError("it is nested too deeply")
                case b"," | b"]" if not self._item_depth:
                    self._store(data[start : position - 1])
                    self._end_item(is_last=mark[0] == b"]")
                    return position
                case _:
                    self._item_depth -= 1
                    if self._item_depth < 0:
                        raise ValueError("it is not valid JSON")
        self._store(data[start:])
        return len(data)

    def _end_of_string(self, data: bytes, position: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            position += 1
        quote = data.find(b'"', position)
        end = quote if quote >= 0 else len(data)
        if data.find(b"\\", position, end) < 0:
            position = end
        elif match := _IN_STRING.match(data, position):
            position = match.end()
        if position < len(data):
            # Either the closing quote, or a backslash whose other half has not come yet.
            self._is_in_string = data[position] != ord('"')
            self._is_escaped = self._is_in_string
            position += 1
        return position

    def _store(self, data: bytes) -> None:
        self._item_size += len(data)
        if self._item_size <= self._max_item:
            self._item += data
            return
        if self._item:
            data = bytes(self._item) + data
            self._item = bytearray()
        first, last = self._ends
        self._ends = (first or data[:END_BYTES].lstrip(), (last + data[-END_BYTES:])[-END_BYTES:])

    def _end_item(self, *, is_last: bool) -> None:
        item, size, ends = bytes(self._item).strip(), self._item_size, self._ends
        self._item, self._item_size, self._ends = bytearray(), 0, (b"", b"")
        if is_last:
            self._is_in_array = False
            self._rest += b"]"
        is_blank = not item and size <= self._max_item
        if is_blank and not (is_last and not self._items):
            raise ValueError("it is not valid JSON")
        if is_blank or (self._max_items is not None and len(self._items) >= self._max_items):
            return
        self._stored_left -= _cost(item)
        if self._stored_left < 0:
            raise TooLongError
        self._items.append(item if size <= self._max_item else OversizedItem(size, ends[0], ends[1].rstrip()))


def _cost(item: bytes) -> int:
    """Bytes that a decoded item takes: text is as wide as its widest character."""
    if item.isascii() and b"\\u" not in item:
        return len(item) + _ITEM_COST
    return len(item) * (4 if _WIDE.search(item) else 2) + _ITEM_COST
