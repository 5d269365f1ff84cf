"""The end of an HTTP server that is busy: everybody is told, and it is over within seconds."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx
import pytest

from tests.conftest import Scorecard
from tests.support.host import MODERN, ORG, World, text_of, until
from tests.support.people import ACCEPT, NO_TLS, SECRET, Endpoint, bearer, secret_file
from tests.support.processes import HELLO, Running, environment, running

pytestmark = pytest.mark.scorecard("the end comes in order, whatever goes on")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
EACH = 50


class Crowd:
    """Fifty waits, fifty listeners, fifty streams of the handshake eras, and some who dawdle."""

    def __init__(self, url: str, tasks: list[str]) -> None:
        self.endpoint = Endpoint({"alice": url}, {"alice": bearer(SECRET)})
        self.url = url
        self.tasks = tasks
        self.waiting: set[int] = set()
        self.listening = 0
        self.streaming = 0
        self.waits: list[str] = []
        self.listeners: list[str] = []
        self.streams: list[str] = []

    async def wait(self, number: int) -> None:
        async def note(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the SDK calls it so
            self.waiting.add(number)

        async with self.endpoint.host("alice", mode=MODERN) as host:
            arguments = {"organization": ORG, "task_id": self.tasks[number % len(self.tasks)]}
            result = await host.raw("wait_for_events", arguments, note)
            assert result.is_error
            self.waits.append(text_of(result))

    async def listen(self, number: int) -> None:
        uri = f"neo://{ORG}/tasks/{self.tasks[number % len(self.tasks)]}"
        async with (
            self.endpoint.host("alice", mode=MODERN) as host,
            host.client.listen(resource_subscriptions=[uri]) as listening,
        ):
            self.listening += 1
            async for _ in listening:
                pass
            self.listeners.append("told")

    async def stream(self, http: httpx.AsyncClient) -> None:
        opened = await http.post(self.url, json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        async with http.stream("GET", self.url, headers=session) as stream:
            self.streaming += stream.is_success
            try:
                async for _ in stream.aiter_bytes():
                    pass
            except httpx.RemoteProtocolError:
                pass
            self.streams.append("ended")


@pytest.fixture
async def server(world: World, tmp_path: Path) -> AsyncIterator[Running]:
    env = environment(world.simulator.url, str(tmp_path))
    arguments = ["--auth", "bearer", "--auth-secret-file", str(secret_file(tmp_path, SECRET))]
    async with running("serve", "--http", "--port", "0", *arguments, env=env) as server:
        await server.says("/mcp")
        yield server


async def test_everybody_is_told_of_the_end(world: World, server: Running, scorecard: Scorecard) -> None:
    url = next(w for w in server.stderr.decode().split() if w.startswith("http://"))
    tasks = [world.simulator.add_task(ORG, status="running") for _ in range(5)]
    crowd = Crowd(url, tasks)
    limits = httpx.Limits(max_connections=None)
    headers = {**ACCEPT, **bearer(SECRET)}
    async with (
        httpx.AsyncClient(headers=headers, verify=NO_TLS, trust_env=False, timeout=60, limits=limits) as http,
        AsyncExitStack() as stack,
        anyio.create_task_group() as group,
    ):
        for number in range(EACH):
            group.start_soon(crowd.wait, number)
            group.start_soon(crowd.listen, number)
            group.start_soon(crowd.stream, http)
        for beginning in (
            b"",
            b"POST /mcp HTTP/1.1\r\n",
            b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n",
        ):
            address = httpx.URL(url)
            dawdler = await stack.enter_async_context(
                await anyio.connect_tcp(address.host, address.port or 80)
            )
            if beginning:
                await dawdler.send(beginning)
        await until(lambda: len(crowd.waiting) == crowd.listening == crowd.streaming == EACH)
        started = time.monotonic()
        server.process.terminate()
        status = await server.exit_status()
        seconds = time.monotonic() - started
        await until(lambda: len(crowd.waits) == len(crowd.listeners) == len(crowd.streams) == EACH)
    scorecard("end of a server with 150 open requests", f"{seconds:.1f} s", "≤ 5 s", ok=seconds <= 5)
    assert status == 0
    assert all("same cursor" in text for text in crowd.waits)
    await until(lambda: world.simulator.open_streams == 0)
    assert b"Traceback" not in server.stderr
    assert SECRET.encode() not in server.stderr
