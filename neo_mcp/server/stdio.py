"""The stdio transport, on asyncio pipes.

Only protocol messages reach standard output: while serving, file descriptor 1 leads to standard error, so
that a stray print cannot break the protocol. Broken lines are answered, never fatal, and nothing here needs
a thread. Where standard input or output is no pipe (a regular file, or a platform without asyncio pipes),
the SDK's own transport serves instead.
"""

import asyncio
import json
import logging
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from neo_mcp.wire import scrub_surrogates

logger = logging.getLogger(__name__)

MAX_LINE = 64 * 2**20
"""Bytes of one message; a longer one is answered with an error and dropped."""

_CHUNK = 256 * 2**10


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


class LineWriter(_Closing):
    """Messages out, one per line."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message and wait for room.

        Raises:
            anyio.BrokenResourceError: If the host is gone.
        """
        await self.write(item.message)

    async def write(self, message: JSONRPCMessage) -> None:
        """Like :meth:`send`."""
        try:
            self._writer.write(encode(message) + b"\n")
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise anyio.BrokenResourceError from error


class LineReader(_Closing):
    """Messages in, one per line. A line that is no message is answered here and not passed on."""

    def __init__(self, reader: asyncio.StreamReader, answer: LineWriter) -> None:
        self._reader = reader
        self._answer = answer
        self._lines = LineSplitter(MAX_LINE)
        self._ready: list[bytes] = []

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
                message = await self._decode(self._ready.pop())
                if message is not None:
                    return SessionMessage(message)
            chunk = await self._reader.read(_CHUNK)
            if not chunk:
                raise anyio.EndOfStream
            self._ready = self._lines.feed(chunk)[::-1]

    async def _decode(self, line: bytes) -> JSONRPCMessage | None:
        if not line.strip():
            return None
        try:
            return jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            message = _with_surrogates(line)
            if message is None:
                with suppress(anyio.BrokenResourceError):
                    await self._answer.write(_complaint(line))
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
    """One message as one line of JSON; lone surrogates, which UTF-8 cannot carry, become U+FFFD."""
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except (PydanticSerializationError, UnicodeEncodeError):
        content = scrub_surrogates(message.model_dump(by_alias=True, exclude_unset=True))
        return json.dumps(content, ensure_ascii=False).encode()


def _with_surrogates(line: bytes) -> JSONRPCMessage | None:
    """A message with half of a surrogate pair somewhere, so that its handler can say what is wrong."""
    if b"\\ud" not in line.lower():
        return None
    try:
        return jsonrpc_message_adapter.validate_python(json.loads(line), by_name=False)
    except (ValueError, RecursionError):
        return None


def _complaint(line: bytes) -> JSONRPCError:
    """The answer to a line that is no message, with the request's id where it can be made out."""
    try:
        content: Any = json.loads(line)
    except (ValueError, RecursionError):
        return _error(None, PARSE_ERROR, "Parse error: this line is not JSON, or too long")
    request_id = content.get("id") if isinstance(content, dict) else None
    usable = request_id if isinstance(request_id, str | int) and not isinstance(request_id, bool) else None
    return _error(usable, INVALID_REQUEST, "Invalid request: this is not a JSON-RPC 2.0 message")


def _error(request_id: str | int | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


@asynccontextmanager
async def stdio_streams() -> AsyncIterator[
    tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]
]:
    """The process's standard input and output as the SDK's pair of message streams."""
    try:
        _check_input()
        wire_in, wire_out = os.dup(0), os.dup(1)
        reader, writer, transports = await _connect(wire_in, wire_out)
    except (OSError, ValueError, NotImplementedError) as error:
        logger.debug("standard input or output is no pipe (%s); using the SDK's transport", error)
        _give_back()
        async with stdio_server() as streams:
            yield streams
        return
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        answers = LineWriter(writer)
        yield LineReader(reader, answers), answers
    finally:
        for transport in transports:
            transport.close()
        # What was printed meanwhile goes where it was meant to go.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os.dup2(wire_out, 1)
        _give_back()


def _check_input() -> None:
    """What is taken for a pipe but cannot be waited for: a device such as /dev/null, anything on Windows."""
    if sys.platform == "win32":
        raise NotImplementedError
    if stat.S_ISCHR(os.fstat(0).st_mode) and not os.isatty(0):
        raise ValueError("standard input is a device")


def _give_back() -> None:
    """Pipes are shared with the parent process: leave them as they were."""
    for descriptor in (0, 1):
        with suppress(OSError):
            os.set_blocking(descriptor, True)


async def _connect(
    wire_in: int, wire_out: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, tuple[asyncio.BaseTransport, ...]]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    # Output first: once input is connected, it is being read.
    outgoing, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(wire_out, "wb", buffering=0)
    )
    try:
        incoming, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(wire_in, "rb", buffering=0)
        )
    except BaseException:
        outgoing.close()
        raise
    return reader, asyncio.StreamWriter(outgoing, protocol, None, loop), (incoming, outgoing)
