"""The program in a process of its own, forked from one that has loaded it: it starts at once.

Loading takes most of a second of a processor, each time, and what is tested after it does not depend on that.
Where the start itself is the subject, tests start the interpreter.
"""

import asyncio
import atexit
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.reduction import DupFd
from signal import SIGKILL, SIGTERM
from subprocess import PIPE
from typing import IO, Any

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

LOADED = [
    "neo_mcp.cli.serve",
    "neo_mcp.cli.tasks.create",
    "neo_mcp.cli.tasks.respond",
    "neo_mcp.server.http.server",
    "neo_mcp.simulator",
    "tests.support.forked",
]
"""What is loaded before it is forked."""

_MAX_DESCRIPTOR = 1024
_HARMLESS = {"PYTHONDONTWRITEBYTECODE"}


async def start(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    code: str | None = None,
    streams: tuple[int, int, int] = (PIPE, PIPE, PIPE),
    start_new_session: bool = False,
    is_forked: bool = True,
) -> Process:
    """Start ``pulumi-neo-mcp``, or the program ``code``, with ``arguments``: like ``anyio.open_process``.

    Where processes cannot be forked, or the environment changes the interpreter, that is started, as it is
    where ``is_forked`` is false.
    """
    is_changed = any(name.startswith("PYTHON") and name not in _HARMLESS for name in env)
    if is_changed or not is_forked or "forkserver" not in multiprocessing.get_all_start_methods():
        return await anyio.open_process(
            [sys.executable, *(["-c", code] if code else ["-m", "neo_mcp"]), *arguments],
            env=env,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=start_new_session,
        )
    ours: list[int | None] = []
    theirs: list[int] = []
    try:
        for number, given in enumerate(streams):
            mine, other = _ends(given, is_input=number == 0)
            ours.append(mine)
            theirs.append(other)
        process = _server().Process(
            target=_Run(list(arguments), dict(env), code, start_new_session, theirs), daemon=True
        )
        process.start()
    finally:
        for fd in theirs:
            os.close(fd)
    return Forked(process, *[await _stream(fd, number) for number, fd in enumerate(ours)])


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return context


def _ends(given: int, *, is_input: bool) -> tuple[int | None, int]:
    """Our end, if there is one, and that of the process."""
    if given == PIPE:
        reading, writing = os.pipe()
        return (writing, reading) if is_input else (reading, writing)
    return None, os.dup(given)


class _Run:
    """Everything that a process needs to become the program."""

    def __init__(
        self,
        arguments: list[str],
        env: dict[str, str],
        code: str | None,
        session: bool,
        fds: list[int],
    ) -> None:
        self._arguments, self._env, self._code, self._session = arguments, env, code, session
        self._fds = fds

    def __getstate__(self) -> dict[str, Any]:
        # Only now, as the process is started, can descriptors be passed on.
        return {**self.__dict__, "_fds": [DupFd(fd) for fd in self._fds]}

    def __call__(self) -> None:
        for number, fd in enumerate([fd.detach() for fd in self._fds]):  # type: ignore[attr-defined]  # see above
            os.dup2(fd, number)
        # With them, all that connects it with what it was forked from.
        os.closerange(3, _MAX_DESCRIPTOR)
        os.environ.clear()
        os.environ.update(self._env)
        if self._session:
            os.setsid()
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115 - as an interpreter does
        sys.argv = ["-c" if self._code else "pulumi-neo-mcp", *self._arguments]
        try:
            if self._code:
                exec(self._code, {"__name__": "__main__"})  # noqa: S102 - a test's own code
            else:
                from neo_mcp.cli import main  # noqa: PLC0415 - loaded already, where it is forked

                sys.exit(main(self._arguments))
        finally:
            atexit._run_exitfuncs()


async def _stream(fd: int | None, number: int) -> Any:  # noqa: ANN401 - one of two kinds, or none
    if fd is None:
        return None
    loop = asyncio.get_running_loop()
    if number == 0:
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, _pipe(fd, "wb"))
        return _Writing(asyncio.StreamWriter(transport, protocol, None, loop))
    reader = asyncio.StreamReader()
    reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), _pipe(fd, "rb"))
    return _Reading(reader, reading)


def _pipe(fd: int, mode: str) -> IO[Any]:
    return open(fd, mode, buffering=0)  # its transport closes it


class _Writing(ByteSendStream):
    """The end of a pipe that is written to."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, item: bytes) -> None:
        try:
            self._writer.write(item)
            await self._writer.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        self._writer.close()


class _Reading(ByteReceiveStream):
    """The end of a pipe that is read from."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self._stream, self._transport = reader, transport

    async def receive(self, max_bytes: int = 65536) -> bytes:
        data = await self._stream.read(max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def aclose(self) -> None:
        self._transport.close()


class Forked(Process):
    """A forked process, with what anyio's have."""

    def __init__(
        self,
        process: ForkServerProcess,
        stdin: ByteSendStream | None,
        stdout: ByteReceiveStream | None,
        stderr: ByteReceiveStream | None,
    ) -> None:
        self._process = process
        self._streams = stdin, stdout, stderr
        self._waiting = anyio.Lock()

    stdin = property(lambda self: self._streams[0])
    stdout = property(lambda self: self._streams[1])
    stderr = property(lambda self: self._streams[2])

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        async with self._waiting:
            if self.returncode is None:
                await anyio.wait_readable(self._process.sentinel)
        self._process.join()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, signal: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal)

    def terminate(self) -> None:
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        self.send_signal(SIGKILL)

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            for stream in self._streams:
                if stream is not None:
                    await stream.aclose()
        try:
            await self.wait()
        except BaseException:
            self.kill()
            with anyio.CancelScope(shield=True):
                await self.wait()
            raise
