"""A person at a terminal: a program on a pseudo-terminal, read and typed at."""

import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from subprocess import PIPE

import anyio
from anyio.abc import Process

from tests.support.host import PATIENCE

END_OF_INPUT = "\x04"
_COLOUR = re.compile(r"\x1b\[\d+m")


@dataclass
class Terminal:
    """The other end of a program's terminal.

    Attributes:
        shown: Everything that it has shown, colours and all.
    """

    process: Process
    descriptor: int
    shown: str = ""
    seen: int = 0

    @property
    def text(self) -> str:
        """What is shown, without colours."""
        return _COLOUR.sub("", self.shown).replace("\r\n", "\n")

    async def shows(self, words: str) -> str:
        """Wait for ``words`` after what was waited for before; gives back what came until then."""
        with anyio.fail_after(PATIENCE):
            while words not in self.text[self.seen :]:
                assert await self._read(), f"{words!r} never came:\n{self.text}"
        start, self.seen = self.seen, self.text.index(words, self.seen) + len(words)
        return self.text[start : self.seen]

    async def type(self, line: str) -> None:
        """Type a line, or a control character."""
        os.write(self.descriptor, (line if line == END_OF_INPUT else f"{line}\n").encode())

    async def exit_status(self) -> int:
        """Read to the end."""
        with anyio.fail_after(PATIENCE):
            while await self._read():
                pass
            return await self.process.wait()

    async def _read(self) -> bool:
        await anyio.wait_readable(self.descriptor)
        try:
            more = os.read(self.descriptor, 65536)
        except OSError:
            # How Linux says that nobody has the other end open any more.
            return False
        self.shown += more.decode()
        return bool(more)


@asynccontextmanager
async def at_terminal(*arguments: str, env: dict[str, str]) -> AsyncIterator[Terminal]:
    """``pulumi-neo-mcp`` with these arguments on a terminal of its own; killed at the end."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "neo_mcp", *arguments]
    try:
        process = await anyio.open_process(command, env=env, stdin=its, stdout=its, stderr=PIPE)
    finally:
        os.close(its)
    try:
        async with process:
            try:
                yield Terminal(process, ours)
            finally:
                if process.returncode is None:
                    process.send_signal(signal.SIGKILL)
    finally:
        os.close(ours)
