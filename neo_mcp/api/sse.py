"""A parser for server-sent events: bytes in, events out, no I/O.

Follows the HTML standard's "Server-sent events", section 9.2.6, with two additions: an event over the size
limit is discarded as it comes and leaves a marker, and keep-alives are counted; an id that is too long is
ignored. Knows nothing of Neo.
"""

from dataclasses import dataclass, field

from httpx_sse import ServerSentEvent

_BOM = b"\xef\xbb\xbf"
_MAX_ID = 256
_MAX_PREFIX = len(b"data: ")


class RawEvent(ServerSentEvent):
    """An event whose data are bytes, decoded only where text is asked for.

    Attributes:
        raw: The data.
        own_id: Its id; empty if the event before has the same, as an id applies to all later events: one that
            repeats it most likely had none.
    """

    def __init__(self, event: str, raw: bytes, event_id: str, own_id: str) -> None:
        super().__init__(event, "", event_id)
        self.raw = raw
        self.own_id = own_id

    @property
    def data(self) -> str:
        """The data as text; bytes that are not UTF-8 are replaced."""
        return self.raw.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class OversizedEvent:
    """Stands for an event whose data were over the limit.

    Attributes:
        id: Its id, or the last one before it.
        size: Length of its data, in bytes.
        own_id: Like that of :class:`RawEvent`.
    """

    id: str
    size: int
    own_id: str = field(default="", compare=False)


class SseParser:
    """Turns one connection's bytes into events, however they are split into chunks.

    An event that the end of the bytes cuts off is never emitted. ``retry`` fields are ignored: when to
    reconnect is the client's decision. At no time are more than twice ``max_event_bytes`` held, plus a chunk.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._limit = max_event_bytes
        self._start: bytes | None = b""  # the bytes so far, while they may still be a byte-order mark
        self._after_cr = False
        self._line = bytearray()  # the beginning of a line whose end has not come yet
        self._line_length = 0  # of that line; more than is stored once it is too long
        self._data: bytes | bytearray = b""
        self._size = 0  # of the data, with a line feed after each line; more than is stored when oversized
        self._event = ""
        self._id = ""
        self._emitted_id = ""
        self._keep_alives = 0

    @property
    def keep_alives(self) -> int:
        """Number of comments and empty frames so far."""
        return self._keep_alives

    def feed(self, chunk: bytes) -> list[RawEvent | OversizedEvent]:
        """Take the next bytes and return the events that they complete."""
        if self._start is not None:
            chunk = self._without_bom(chunk)
        if chunk and (self._after_cr or b"\r" in chunk):
            chunk = self._with_line_feeds(chunk)
        events: list[RawEvent | OversizedEvent] = []
        is_between = not (self._line_length or self._size or self._event)
        start = self._take_plain_frames(chunk, 0, events) if is_between else 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if self._line_length:
                self._buffer(chunk[start:end])
                self._end_line()
            elif start < end:
                self._take(chunk[start:end], end - start)
            else:
                self._dispatch(events)
                start = self._take_plain_frames(chunk, end + 1, events)
                continue
            start = end + 1
        self._buffer(chunk[start:])
        return events

    def _take_plain_frames(self, chunk: bytes, start: int, events: list[RawEvent | OversizedEvent]) -> int:
        """Take the frames from ``start`` on that are an id, if any, and one line of data: nearly all are.

        Returns:
            Where the first other one begins.
        """
        while True:
            data, event_id = start, self._id
            if chunk.startswith(b"id: ", start):
                data = chunk.find(b"\n", start) + 1
                value = chunk[start + len(b"id: ") : data - 1]
                if not data or b"\0" in value or len(value) > _MAX_ID:
                    return start
                event_id = value.decode("utf-8", "replace")
            # Two line feeds are searched for one after the other: that is ten times as fast as both together.
            end = chunk.find(b"\n", data)
            if not chunk.startswith(b"data: ", data) or not chunk.startswith(b"\n", end + 1) or end < 0:
                return start
            raw = chunk[data + _MAX_PREFIX : end]
            if len(raw) > self._limit:
                return start
            self._id = event_id
            events.append(RawEvent("", raw, event_id, self._own_id()))
            start = end + 2

    def _without_bom(self, chunk: bytes) -> bytes:
        start = (self._start or b"") + chunk
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """Turn every line end into one LF."""
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        # A trailing CR ends its line now; should its LF open the next chunk, it is dropped there.
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _buffer(self, piece: bytes) -> None:
        """Add to the unfinished line; of one that is too long, only the beginning."""
        self._line_length += len(piece)
        available = self._limit + _MAX_PREFIX + 1 - len(self._line)
        if available > 0:
            self._line += piece if len(piece) <= available else piece[:available]

    def _end_line(self) -> None:
        line, length = bytes(self._line), self._line_length
        self._line = bytearray()
        self._line_length = 0
        self._take(line, length)

    def _take(self, line: bytes, length: int) -> None:
        """Interpret one line that is not empty; ``length`` includes a discarded end."""
        if line.startswith(b"data:"):
            start = 6 if line.startswith(b" ", 5) else 5
            self._take_data(line[start:], length - start)
        elif line.startswith(b":"):
            self._keep_alives += 1
        elif length <= self._limit + _MAX_PREFIX:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"id" and b"\0" not in value and len(value) <= _MAX_ID:
                self._id = value.decode("utf-8", "replace")
            elif name == b"event":
                self._event = value.decode("utf-8", "replace")
            elif name == b"data":
                self._take_data(b"", 0)

    def _take_data(self, value: bytes, length: int) -> None:
        """Add a line of data; ``length`` includes a discarded end."""
        is_first = not self._size
        self._size += length + 1
        if self._size - 1 > self._limit:
            self._data = b""
        elif is_first:
            self._data = value  # Nearly always all there is: it is not copied again.
        else:
            self._data = bytearray(self._data) if isinstance(self._data, bytes) else self._data
            self._data += b"\n"
            self._data += value

    def _dispatch(self, events: list[RawEvent | OversizedEvent]) -> None:
        """End the frame: emit its event, if it had data."""
        size = self._size - 1
        if size < 0:
            self._keep_alives += 1
        elif size > self._limit:
            events.append(OversizedEvent(self._id, size, self._own_id()))
        else:
            events.append(RawEvent(self._event, bytes(self._data), self._id, self._own_id()))
        self._data = b""
        self._size = 0
        self._event = ""

    def _own_id(self) -> str:
        """The id of the event that is emitted now; empty if the one before had the same."""
        own_id = "" if self._id == self._emitted_id else self._id
        self._emitted_id = self._id
        return own_id
