"""The server as a process of its own, spoken to in bytes."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.forked import start
from tests.support.host import ORG, PATIENCE, Json

CANARY = "pul-sim-alice"
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def environment(api_url: str | None, home: str, **more: str) -> dict[str, str]:
    """Nothing of the person's own; without ``api_url``, no settings at all."""
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONDONTWRITEBYTECODE") if key in os.environ}
    given = {"PULUMI_BACKEND_URL": api_url, "PULUMI_ACCESS_TOKEN": CANARY, "NEO_MCP_ORGANIZATION": ORG}
    return {**kept, "PULUMI_HOME": home, **(given if api_url else {}), **more}  # type: ignore[dict-item]  # api_url is set


@dataclass
class Running:
    """A process, its output as JSON messages, and everything it wrote."""

    process: Process
    stdout: BufferedByteReceiveStream
    written: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    notified: list[Json] = field(default_factory=list)
    last: Json = field(default_factory=dict)
    next_id: int = 0

    async def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(line + b"\n")

    async def read(self) -> Json:
        """The next message."""
        with anyio.fail_after(PATIENCE):
            line = await self.stdout.receive_until(b"\n", 2**26)
        self.written += line + b"\n"
        message: Json = json.loads(line.decode())
        assert message["jsonrpc"] == "2.0"
        self.last = message
        return message

    async def send(self, method: str, **params: Any) -> int:  # noqa: ANN401 - any JSON
        self.next_id += 1
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}
        await self.send_line(json.dumps(message).encode())
        return self.next_id

    async def answer(self, request_id: int) -> Json:
        while True:
            message = await self.read()
            if message.get("id") == request_id and "method" not in message:
                return message
            self.notified.append(message)

    async def request(self, method: str, **params: Any) -> Json:  # noqa: ANN401 - any JSON
        return await self.answer(await self.send(method, **params))

    async def initialize(self, **capabilities: Any) -> Json:  # noqa: ANN401 - any JSON
        answer = await self.request("initialize", **{**HELLO, "capabilities": capabilities})
        await self.send_line(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        return answer

    async def call(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - any JSON
        answer = await self.request("tools/call", name=tool, arguments=arguments)
        result: Json = answer["result"]
        return result

    async def exit_status(self) -> int:
        """Read what is left, and wait for the end."""
        with anyio.fail_after(PATIENCE):
            try:
                while True:
                    self.written += await self.stdout.receive()
            except anyio.EndOfStream:
                return await self.process.wait()

    async def says(self, text: str) -> None:
        """Wait for ``text`` on standard error."""
        with anyio.fail_after(PATIENCE):
            while text.encode() not in self.stderr:  # noqa: ASYNC110 - the other end is a process
                await anyio.sleep(0.005)


@asynccontextmanager
async def running(
    *arguments: str,
    env: dict[str, str],
    read_stderr: bool = True,
    code: str | None = None,
    is_forked: bool = True,
) -> AsyncIterator[Running]:
    """``pulumi-neo-mcp`` with these arguments; killed at the end if it still runs."""
    process = await start(arguments, env=env, code=code, is_forked=is_forked)
    assert process.stdout is not None
    server = Running(process, BufferedByteReceiveStream(process.stdout))

    async def drain() -> None:
        assert process.stderr is not None
        async for chunk in process.stderr:
            server.stderr.extend(chunk)

    async with process, anyio.create_task_group() as group:
        if read_stderr:
            group.start_soon(drain)
        try:
            yield server
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            group.cancel_scope.cancel()
