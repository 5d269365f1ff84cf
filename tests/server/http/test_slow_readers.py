"""Clients that take nothing of what they are sent, and those that take it slowly."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import anyio.abc
import httpx
import pytest
from sse_starlette import EventSourceResponse
from uvicorn import Config
from uvicorn.server import ServerState

from neo_mcp.server.http.connections import ConnectionLimits, Connections
from neo_mcp.server.http.limits import PatientProtocol
from tests.server.http.test_limits import INITIALIZE
from tests.support.host import ORG, PATIENCE, World
from tests.support.people import ACCEPT, NO_TLS, serving
from tests.support.sockets import connected, post, request

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

LARGE = '"' * 240_000
"""Twice as many bytes, escaped as they are sent: more than the system takes for a client."""


def add(world: World) -> str:
    task_id = world.simulator.add_task(ORG)
    event = {"type": "assistant_message", "content": LARGE, "is_final": True}
    world.simulator.append_event(ORG, task_id, event, kind="agentResponse")
    return f"neo://{ORG}/tasks/{task_id}/transcript"


class Narrow:
    """A connection whose client's system takes next to nothing by itself."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._raw, data)

    async def receive(self) -> bytes:
        return await self._loop.sock_recv(self._raw, 4096)


@asynccontextmanager
async def narrow(url: str) -> AsyncIterator[Narrow]:
    address = httpx.URL(url)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (address.host, address.port))
        yield Narrow(raw)


async def broken(connection: Narrow) -> None:
    """Wait until the server has closed the connection, and take nothing."""
    with anyio.fail_after(PATIENCE):
        try:
            while True:
                await connection.send(b"x")
                await anyio.sleep(0.01)
        except OSError:
            return


async def answer_of(connection: anyio.abc.SocketStream) -> bytes:
    """A whole answer whose length is told."""
    said = b""
    with anyio.fail_after(PATIENCE):
        while b"\r\n\r\n" not in said:
            said += await connection.receive()
        head, _, body = said.partition(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
        while len(body) < int(length.partition(b": ")[2]):
            body += await connection.receive()
    return body


async def test_a_client_that_takes_nothing_is_disconnected(world: World) -> None:
    uri = add(world)
    limits = ConnectionLimits(sending_seconds=0.3)
    async with serving(world.settings(), limits=limits) as url, narrow(url) as connection:
        await connection.send(request(url, "resources/read", uri=uri))
        await broken(connection)


async def test_where_much_waits_the_one_goes_that_it_has_waited_for_longest(world: World) -> None:
    uri = add(world)
    limits = ConnectionLimits(outgoing_bytes=1_500_000)
    async with serving(world.settings(), limits=limits) as url, AsyncExitStack() as stack:
        first = await stack.enter_async_context(narrow(url))
        await first.send(request(url, "resources/read", uri=uri))
        for _ in range(3):
            another = await stack.enter_async_context(narrow(url))
            await another.send(request(url, "resources/read", uri=uri))
        await broken(first)
        async with connected(url) as reader:
            await reader.send(request(url, "resources/read", uri=uri))
            (content,) = json.loads(await answer_of(reader))["result"]["contents"]
        assert LARGE in content["text"]


async def test_nothing_comes_between_the_pieces_of_an_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventSourceResponse, "DEFAULT_PING_INTERVAL", 0.001)
    uri = add(world)
    message = {"jsonrpc": "2.0", "id": 2, "method": "resources/read", "params": {"uri": uri}}
    body = json.dumps(message).encode()
    async with serving(world.settings()) as url, narrow(url) as connection:
        async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, headers=ACCEPT) as http:
            session = (await http.post(url, json=INITIALIZE)).headers["mcp-session-id"]
        lines = f"mcp-session-id: {session}", f"content-length: {len(body)}", "connection: close"
        await connection.send(post(url, *lines, body=body).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        said = b""
        with anyio.fail_after(PATIENCE):
            while part := await connection.receive():
                said += part
    assert b": ping" in said
    data = next(line for line in said.decode().split("\r\n") if line.startswith("data: "))
    assert LARGE in json.loads(data.removeprefix("data: "))["result"]["contents"][0]["text"]


class Transport(asyncio.Transport):
    """One whose buffer is as full as it is told."""

    unsent = 0
    is_aborted = False

    def get_extra_info(self, name: str, default: object = None) -> object:  # noqa: ARG002 - as in asyncio
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("unsent", "resumed", "ends"),
    [
        ([0] * 9, [], None),
        ([100] * 9, [], 4),
        ([100, 200, 300, 400, 500, 600, 700, 800, 900], [], 4),
        ([900, 800, 700, 600, 500, 400, 300, 200, 100], [], None),
        ([100, 100, 99, 99, 99, 99, 99, 99], [], 6),
        ([100] * 9, [3, 6], None),
        ([100, 100, 100, 0, 100, 100, 100, 100, 100], [], 8),
    ],
)
async def test_what_counts_as_taking_something(
    unsent: list[int], resumed: list[int], ends: int | None
) -> None:
    """Looked at once a second; four seconds without are too many."""

    async def app(scope: object, receive: object, send: object) -> None:
        raise NotImplementedError

    connection = PatientProtocol(
        config=Config(app, lifespan="off", log_config=None),
        server_state=ServerState(),
        app_state={},
        connections=Connections(ConnectionLimits(sending_seconds=4)),
    )
    transport = Transport()
    connection.connection_made(transport)
    ended = None
    for second, size in enumerate(unsent):
        transport.unsent = size
        if second in resumed:
            connection.resume_writing()
        connection.check_sending(float(second))
        if transport.is_aborted and ended is None:
            ended = second
    connection.connection_lost(None)
    assert ended == ends
