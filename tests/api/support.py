"""A clock that never waits, and a server that says exactly the bytes a test wants."""

import json
import math
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import SocketAttribute, SocketStream

from neo_mcp.api import NeoClient
from neo_mcp.clock import SystemClock

TOKEN = "pul-canary-3f9a1c"
TASK = "0b5a1c9e-0000-4000-8000-000000000001"
TASKS = "/api/preview/agents/acme/tasks"


class FakeClock(SystemClock):
    """Time passes only by sleeping, and sleeping takes no time; limits count real time as well."""

    def __init__(self, *, jitter: float = 0.5) -> None:
        self._deadline = math.inf
        self.sleeps: list[float] = []
        self.on_sleep: Callable[[], Awaitable[None]] | None = None
        self._jitter = jitter
        self._elapsed = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC) + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._elapsed += seconds
        if self.on_sleep is not None:
            await self.on_sleep()
        await anyio.lowlevel.checkpoint()

    @contextmanager
    def fail_after(self, seconds: float) -> Iterator[None]:
        before, self._deadline = self._deadline, min(self._deadline, self._elapsed + seconds)
        try:
            with anyio.fail_after(seconds):
                yield
        finally:
            self._deadline = before

    def let_pass(self, seconds: float = math.inf) -> None:
        """Let time pass for somebody who waits for something else than time.

        Raises:
            TimeoutError: At the moment up to which they wanted to wait.
        """
        self._elapsed = min(self._elapsed + seconds, self._deadline)
        if self._elapsed == self._deadline:
            raise TimeoutError

    def jitter(self) -> float:
        return self._jitter


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.body)


Handler = Callable[[Request, SocketStream], Awaitable[None]]


@dataclass
class RawServer:
    """One request per connection; the handler writes the answer's bytes, then the connection is closed."""

    port: int
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(handler: Handler, *, port: int = 0) -> AsyncIterator[RawServer]:
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(
            await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port, reuse_port=False)
        )
        server = RawServer(listener.extra(SocketAttribute.local_port))  # noqa: S610 - anyio's, no query

        async def connection(wire: SocketStream) -> None:
            async with wire:
                try:
                    request = await _read_request(wire)
                    server.requests.append(request)
                    await handler(request, wire)
                except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, connection)
            yield server
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[RawServer]:
    """Give these answers one after the other; the last one again and again."""
    left = list(answers)

    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.send(left.pop(0) if len(left) > 1 else left[0])

    async with serving(handler) as server:
        yield server


async def _read_request(wire: SocketStream) -> Request:
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        buffer += await wire.receive()
    head, _, body = buffer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await wire.receive()
    return Request(method, target, headers, body)


def answer(status: int, body: object = b"", **headers: str) -> bytes:
    """A complete HTTP answer; anything but bytes goes as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Odd"
    fields = {"Content-Type": "application/json", "Content-Length": str(len(raw)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode() + raw


def failure(status: int, message: str = "because", **headers: str) -> bytes:
    return answer(status, {"code": status, "message": message}, **headers)


def task(status: str = "running") -> dict[str, Any]:
    return {"id": TASK, "name": "A task", "status": status, "createdAt": "2026-01-01T00:00:00Z"}


async def reset(wire: SocketStream) -> None:
    """Close with RST, as a machine that goes away does."""
    raw = wire.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, no query
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await wire.aclose()


def client_for(
    server: RawServer | str,
    clock: FakeClock | None = None,
    **settings: Any,  # noqa: ANN401 - the settings of the client
) -> NeoClient:
    url = server if isinstance(server, str) else server.url
    return NeoClient(
        **{"token": TOKEN, "organization": "acme", "api_url": url, "clock": clock or FakeClock(), **settings}
    )
