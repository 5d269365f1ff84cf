"""The command line as a process of its own, at a terminal or in a pipe."""

import os
import pty
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.support.forked import start
from tests.support.host import PATIENCE
from tests.support.processes import CANARY

COMMAND = [sys.executable, "-m", "neo_mcp"]


def environment(home: Path, api_url: str | None = None, **more: str) -> dict[str, str]:
    """Nothing of the person's own; with ``api_url``, a token for it."""
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONDONTWRITEBYTECODE") if key in os.environ}
    given = {"PULUMI_BACKEND_URL": api_url, "PULUMI_ACCESS_TOKEN": CANARY} if api_url else {}
    return {**kept, "HOME": str(home), "COLUMNS": "100", **given, **more}


def put_environment(monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str]) -> None:
    """Make ``env`` this process's environment, and nothing else."""
    for name in set(os.environ) - set(env):
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str


async def run(*arguments: str, env: Mapping[str, str], cwd: Path | None = None, text: str = "") -> Done:
    """Run a command in a pipe."""
    with anyio.fail_after(PATIENCE):
        process = await anyio.run_process(
            [*COMMAND, *arguments], env=env, cwd=cwd, input=text.encode(), check=False
        )
    out, err = process.stdout.decode(), process.stderr.decode()
    assert CANARY not in out + err
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err)


class Terminal:
    """A command at a terminal, and who sits there."""

    def __init__(self, process: Process, master: int) -> None:
        self.process = process
        self._master = master
        self._written = b""
        self.screen = ""

    async def sees(self, text: str, times: int = 1) -> None:
        """Read until ``text`` stands there."""
        with anyio.fail_after(PATIENCE):
            while self.screen.count(text) < times:
                await self._read()

    async def types(self, text: str) -> None:
        """Type a line."""
        await anyio.to_thread.run_sync(os.write, self._master, f"{text}\n".encode())

    async def status(self) -> int:
        """Read what is left, and wait for the end."""
        with anyio.fail_after(PATIENCE):
            try:
                while True:
                    await self._read()
            except OSError:
                # Linux says so once the last writer has gone.
                return await self.process.wait()

    async def _read(self) -> None:
        await anyio.wait_readable(self._master)
        chunk = os.read(self._master, 4096)
        if not chunk:
            raise OSError
        # A chunk may end within a line end or a character.
        self._written += chunk
        self.screen = self._written.decode("utf-8", "replace").replace("\r\n", "\n")


@asynccontextmanager
async def terminal(*arguments: str, env: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """Run a command at a terminal; killed at the end if it still runs."""
    master, slave = pty.openpty()
    try:
        process = await start(
            arguments,
            env={"TERM": "xterm", **env},
            streams=(slave, slave, slave),
            start_new_session=True,
        )
        os.close(slave)
        async with process:
            try:
                yield Terminal(process, master)
            finally:
                if process.returncode is None:
                    process.kill()
    finally:
        os.close(master)
