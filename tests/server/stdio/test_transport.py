"""A host that reads nothing is asked for nothing more, and what it was sent is bounded."""

import json
from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest

from neo_mcp.server.stdio.transport import _MAX_UNSENT, LineReader, LineWriter
from tests.generate.answers import NoEnd
from tests.support.host import PATIENCE


class Pipe:
    """A pipe to a host, which reads when it is told to."""

    def __init__(self) -> None:
        self.unsent = 0
        self.is_read = anyio.Event()

    def write(self, data: bytes) -> None:
        self.unsent += len(data)

    async def drain(self) -> None:
        if self.unsent:
            await self.is_read.wait()
            self.unsent = 0


class Endless:
    """A host that sends pings without an end."""

    async def read(self, size: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n"
        return line * (size // len(line))


def a_message(size: int) -> SessionMessage:
    return SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="x", params={"text": "x" * size}))


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
def writer(pipe: Pipe) -> LineWriter:
    end: Any = NoEnd()
    return LineWriter(pipe, end)


async def test_messages_wait_for_each_other_only_once_much_is_unsent(pipe: Pipe, writer: LineWriter) -> None:
    with anyio.fail_after(PATIENCE):
        await writer.send(a_message(1000))
        await writer.send(a_message(_MAX_UNSENT - 2000))
        async with anyio.create_task_group() as group:
            group.start_soon(writer.send, a_message(2000))
            await anyio.wait_all_tasks_blocked()
            assert pipe.unsent > _MAX_UNSENT
            pipe.is_read.set()


async def test_no_request_is_taken_while_much_is_unsent(pipe: Pipe, writer: LineWriter) -> None:
    end: Any = NoEnd()
    reader = LineReader(Endless(), writer, end)
    taken: list[object] = []

    async def take() -> None:
        taken.append(await reader.receive())

    with anyio.fail_after(PATIENCE):
        await take()
        writer.write_line(b"x" * (_MAX_UNSENT + 1))
        async with anyio.create_task_group() as group:
            group.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            assert len(taken) == 1
            pipe.is_read.set()
    assert [type(each.message) for each in taken if isinstance(each, SessionMessage)] == [JSONRPCRequest] * 2
