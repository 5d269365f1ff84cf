"""The stdio transport, on asyncio pipes.

Broken lines are answered, never fatal, and nothing here needs a thread. Regular files are read and written
directly; where there are no asyncio pipes (on Windows), the SDK's own transport serves instead. Not here: who
else might use standard input and output (:mod:`neo_mcp.standard_streams`).
"""

import asyncio
import codecs
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Protocol, Self

import anyio
import anyio.lowlevel
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
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

from neo_mcp.standard_streams import Wire
from neo_mcp.wire import scrub_surrogates

MAX_LINE = 64 * 2**20
"""Bytes of one message; a longer one is answered with an error and dropped."""

_CHUNK = 256 * 2**10
_FLUSH_SECONDS = 0.2


class _Closing:
    """What the SDK asks of every stream."""

    async def aclose(self) -> None:
        """Nothing to do: the pipes are closed where they were opened."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()


class Source(Protocol):
    """Where bytes come from."""

    async def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes as soon as there are any; none at the end."""


class Target(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> None:
        """Send, or keep until there is room."""

    async def drain(self) -> None:
        """Wait until everything is sent."""


class LineWriter(_Closing):
    """Messages out, one per line."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message and wait until it is sent.

        Raises:
            anyio.BrokenResourceError: If the host is gone.
        """
        try:
            self.write(item.message)
            await self._target.drain()
        except (OSError, RuntimeError) as error:
            raise anyio.BrokenResourceError from error

    def write(self, message: JSONRPCMessage) -> None:
        """Write one message and do not wait for room.

        Raises:
            OSError: If the host is gone.
        """
        self._target.write(encode(message) + b"\n")


class LineReader(_Closing):
    """Messages in, one per line. A line that is no message is answered here and not passed on.

    Args:
        source: Where lines come from.
        answers: Where the answers to broken lines go. Nothing waits for them to be sent: a host that reads
            nothing must not keep the end of its input from being noticed.
        on_end: Called at the end of input.
    """

    def __init__(self, source: Source, answers: LineWriter, on_end: Callable[[], None]) -> None:
        self._source = source
        self._answers = answers
        self._on_end = on_end
        self._lines = LineSplitter(MAX_LINE)
        self._ready: list[bytes] = []
        self._ended = False

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
                message = self._decode(self._ready.pop())
                if message is not None:
                    return SessionMessage(message)
            if self._ended:
                self._on_end()
                raise anyio.EndOfStream
            chunk = await self._source.read(_CHUNK)
            self._ended = not chunk
            # The last line may lack its end.
            self._ready = self._lines.feed(chunk or b"\n")[::-1]

    def _decode(self, line: bytes) -> JSONRPCMessage | None:
        line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            return None
        try:
            message: JSONRPCMessage | None = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            message = _with_surrogates(line)
        if message is None or _has_unusable_id(message, line):
            with suppress(OSError, RuntimeError):
                self._answers.write(_complaint(line))
            return None
        return message


class LineSplitter:
    """Bytes to lines; a line over the limit becomes a short stand-in that is no JSON."""

    def __init__(self, limit: int) -> None:
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
    try:
        return jsonrpc_message_adapter.validate_python(json.loads(line), by_name=False)
    except (ValueError, RecursionError):
        return None


def _has_unusable_id(message: JSONRPCMessage, line: bytes) -> bool:
    """Whether it only looks like a notification: its sender gave an id and waits for an answer."""
    return isinstance(message, JSONRPCNotification) and b'"id"' in line and "id" in _loads(line)


def _complaint(line: bytes) -> JSONRPCError:
    """The answer to a line that is no message, with the request's id where it can be made out."""
    try:
        content = _loads(line)
    except (ValueError, RecursionError):
        return _error(None, PARSE_ERROR, "Parse error: this line is not JSON, or too long")
    request_id = content.get("id") if isinstance(content, dict) else None
    usable = request_id if isinstance(request_id, str | int) and not isinstance(request_id, bool) else None
    return _error(usable, INVALID_REQUEST, "Invalid request: this is not a JSON-RPC 2.0 message")


def _loads(line: bytes) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(line.decode("utf-8", "replace"))


def _error(request_id: str | int | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


class _File:
    """A regular file or a device: nobody waits for it."""

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
    wire: Wire, on_end: Callable[[], None]
) -> AsyncIterator[tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]]:
    """What was the process's standard input and output as the SDK's pair of message streams.

    Args:
        wire: The descriptors.
        on_end: Called once the host leaves: it closes the input, or stops reading the output for good.
    """
    wire.is_used = True
    if sys.platform == "win32":
        async with stdio_server() as streams:
            yield streams
        return
    incoming: asyncio.ReadTransport | None = None

    def hang_up() -> None:
        # Who reads no answers any more has nothing more to ask, though somebody else may hold the input open.
        if incoming is not None:
            incoming.close()

    target, outgoing = await _open_output(wire.outgoing, hang_up)
    source, incoming = await _open_input(wire.incoming)
    writer = LineWriter(target)
    try:
        yield LineReader(source, writer, on_end), writer
    finally:
        with anyio.move_on_after(_FLUSH_SECONDS, shield=True), suppress(OSError):
            await target.drain()
        if outgoing is not None:
            outgoing.abort()
        if incoming is not None:
            incoming.close()
        # Pipes are shared with the parent process: leave them as they were.
        for descriptor in (wire.incoming, wire.outgoing):
            os.set_blocking(descriptor, True)


def _can_be_waited_for(descriptor: int) -> bool:
    """Not so: a regular file, or a device such as /dev/null."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


async def _open_output(
    descriptor: int, on_lost: Callable[[], None]
) -> tuple[Target, asyncio.WriteTransport | None]:
    if not _can_be_waited_for(descriptor):
        return _File(descriptor), None
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(os.dup(descriptor), "wb", buffering=0)
    transport, protocol = await loop.connect_write_pipe(lambda: _Output(on_lost), pipe)
    # Nothing counts as sent that is still in a buffer: it would be lost with the process.
    transport.set_write_buffer_limits(high=0)
    return asyncio.StreamWriter(transport, protocol, None, loop), transport


async def _open_input(descriptor: int) -> tuple[Source, asyncio.ReadTransport | None]:
    if not _can_be_waited_for(descriptor):
        return _File(descriptor), None
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(descriptor), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader, transport
