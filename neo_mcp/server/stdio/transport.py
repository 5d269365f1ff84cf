"""The stdio transport, on asyncio pipes.

Nothing here needs a thread. Regular files are read and written directly; where event loops take no pipes
(Windows), threads do (:mod:`neo_mcp.server.stdio.threads`). Not here: what is on a line
(:mod:`neo_mcp.server.stdio.framing`), and who else might use standard input and output
(:mod:`neo_mcp.standard_streams`).
"""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Protocol, Self

import anyio
import anyio.lowlevel
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

from neo_mcp.front.conversation import Rest
from neo_mcp.front.messages import framed
from neo_mcp.server.stdio.framing import LineSplitter, Overlong, Refusal, decode, encode
from neo_mcp.server.stdio.shutdown import End
from neo_mcp.server.stdio.threads import ThreadedInput, ThreadedOutput
from neo_mcp.standard_streams import Wire

_LOOPS_TAKE_PIPES = sys.platform != "win32"
_CHUNK = 256 * 2**10
_FLUSH_SECONDS = 0.2
_MAX_UNSENT = 8 * 2**20
"""Bytes of answers that wait for a host to read them; until then it is asked for no more requests."""


class _Closing:
    """The methods that the SDK requires of every stream."""

    async def aclose(self) -> None:
        """Do nothing: the pipes are closed where they were opened."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()


class Source(Protocol):
    """A source of bytes."""

    async def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes once available; empty at end of input."""


class Target(Protocol):
    """A sink for bytes."""

    @property
    def unsent(self) -> int:
        """Number of bytes that wait until they can be sent."""

    def write(self, data: bytes, /) -> None:
        """Send, or buffer until it can be sent."""

    async def drain(self) -> None:
        """Wait until everything is sent."""


class LineWriter(_Closing):
    """Writes messages, one per line.

    Attributes:
        has_headers: True to write Content-Length headers, as the host does.

    Args:
        target: Where lines go.
        end: Shutdown; once it has begun, writes are not awaited.
        rest: The conversation to continue.
    """

    def __init__(self, target: Target, end: End, rest: Rest | None = None) -> None:
        self.has_headers = False
        self._target = target
        self._end = end
        self._answered = rest.request_id if rest else None
        if rest and rest.unsent:
            with suppress(OSError):
                target.write(rest.unsent)

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message; wait while too much is unsent, but not during shutdown.

        Raises:
            anyio.BrokenResourceError: If the host is gone.
        """
        message = item.message
        if self._answered is not None and _is_answer_to(message, self._answered):
            # The host has this answer already.
            self._answered = None
            return
        try:
            self.write_line(encode(message))
            await self.has_room()
        except (OSError, RuntimeError) as error:
            raise anyio.BrokenResourceError from error

    async def has_room(self) -> None:
        """Wait until the host has read what it was sent, if that is much; during shutdown, do not wait.

        Raises:
            OSError: If the host is gone.
        """
        await anyio.lowlevel.checkpoint()
        if self._target.unsent > _MAX_UNSENT and not self._end.has_begun:
            await self._target.drain()

    def write_line(self, line: bytes) -> None:
        """Write one encoded message without waiting.

        Raises:
            OSError: If the host is gone.
        """
        self._target.write(b"".join(framed(line, has_header=self.has_headers)))


def _is_answer_to(message: JSONRPCMessage, request_id: str) -> bool:
    return isinstance(message, JSONRPCResponse | JSONRPCError) and message.id == request_id


class LineReader(_Closing):
    """Reads messages, one per line; answers malformed lines itself.

    Args:
        source: Where lines come from.
        answers: Where the answers to broken lines go. Nothing waits for them to be sent: a host that reads
            nothing must not keep the end of its input from being noticed.
        end: Begins at the end of input.
        rest: The conversation to continue.
    """

    def __init__(self, source: Source, answers: LineWriter, end: End, rest: Rest | None = None) -> None:
        self._source = source
        self._answers = answers
        self._end = end
        self._lines = LineSplitter()
        self._ready: list[bytes | Overlong] = []
        self._ended = False
        if rest:
            self._take(rest.replayed + rest.received)
            if rest.has_ended:
                self._take(b"")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> SessionMessage | Exception:
        """The next message.

        Raises:
            anyio.EndOfStream: At the end of input.
        """
        while True:
            while self._ready:
                # A host that is gone is noticed where its input ends.
                with suppress(OSError, RuntimeError):
                    await self._answers.has_room()
                message = decode(self._ready.pop())
                if isinstance(message, Refusal):
                    with suppress(OSError, RuntimeError):
                        self._answers.write_line(message.answer)
                elif message is not None:
                    return SessionMessage(message)
            if self._ended:
                self._end.begin()
                raise anyio.EndOfStream
            self._take(await self._source.read(_CHUNK))

    def _take(self, chunk: bytes) -> None:
        """Split a chunk into lines; an empty chunk is the end of input."""
        self._ended = not chunk
        lines = self._lines.feed(chunk) if chunk else self._lines.end()
        self._ready = [*reversed(lines), *self._ready]
        self._answers.has_headers = self._lines.has_headers


class _File:
    """A regular file or device; never awaited."""

    unsent = 0

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def read(self, size: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        return os.read(self._descriptor, size)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    async def drain(self) -> None:
        await anyio.lowlevel.checkpoint()


class _Pipe(asyncio.StreamWriter):
    """A pipe or a socket."""

    @property
    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()


class _Closable(Protocol):
    """A source that can be closed."""

    def close(self) -> None:
        """End the input."""


class _Output(asyncio.StreamReaderProtocol):
    """Notices when the host stops reading for good."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__(asyncio.StreamReader())
        self._on_lost = on_lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_lost()


@asynccontextmanager
async def stdio_streams(
    wire: Wire, end: End, rest: Rest | None = None
) -> AsyncIterator[tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]]:
    """The process's standard input and output as the SDK's pair of message streams.

    Args:
        wire: The descriptors.
        end: Begins once the host leaves: it closes the input, or stops reading the output for good.
        rest: The conversation to continue.
    """
    wire.is_used = True
    incoming: _Closable | None = None

    def hang_up() -> None:
        # A host that reads no answers has nothing more to ask; another process may hold the input open.
        if incoming is not None:
            incoming.close()

    target, outgoing = await _open_output(wire.outgoing, hang_up)
    source, incoming = await _open_input(wire.incoming)
    writer = LineWriter(target, end, rest)
    try:
        yield LineReader(source, writer, end, rest), writer
    finally:
        with anyio.move_on_after(_FLUSH_SECONDS, shield=True), suppress(OSError):
            await target.drain()
        if outgoing is not None and not outgoing.is_closing():
            outgoing.abort()
        if incoming is not None:
            incoming.close()
        if _LOOPS_TAKE_PIPES:
            # Pipes are shared with the parent process: leave them as they were.
            for descriptor in (wire.incoming, wire.outgoing):
                os.set_blocking(descriptor, True)


def _is_pollable(descriptor: int) -> bool:
    """True for pipes, sockets and terminals; false for regular files and devices."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


async def _open_output(
    descriptor: int, on_lost: Callable[[], None]
) -> tuple[Target, asyncio.WriteTransport | None]:
    if not _is_pollable(descriptor):
        return _File(descriptor), None
    if not _LOOPS_TAKE_PIPES:
        return ThreadedOutput(descriptor, on_lost), None
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(os.dup(descriptor), "wb", buffering=0)
    transport, protocol = await loop.connect_write_pipe(lambda: _Output(on_lost), pipe)
    # Data still in the buffer is not sent: it would be lost with the process.
    transport.set_write_buffer_limits(high=0)
    return _Pipe(transport, protocol, None, loop), transport


async def _open_input(descriptor: int) -> tuple[Source, _Closable | None]:
    if not _is_pollable(descriptor):
        return _File(descriptor), None
    if not _LOOPS_TAKE_PIPES:
        source = ThreadedInput(descriptor, _CHUNK)
        return source, source
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(descriptor), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader, transport
