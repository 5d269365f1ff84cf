"""Many waits at once over HTTP: streams upstream, memory, and how soon every waiter is told.

The clients are bare sockets in one process, not an HTTP library: hundreds of its answers would take longer to
read than they take to come. One connection per waiter, self-contained requests of the 2026-07-28 revision.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.measure import Row, Target, percentile
from tests.benchmarks.process import MODERN, Process, processor_seconds, resident
from tests.benchmarks.setup import Setup

_CONNECTING = 50
_START_SECONDS = 30.0
_LOOKS = 100
_AT_REST = 0.03
"""Processor seconds between two looks that still count as rest."""


def waits(setup: Setup) -> list[Row]:
    """Hold the waits, append one event to each task in one go, and record when each waiter hears of it."""
    effort = setup.effort
    tasks = [setup.api.add_task() for _ in range(effort.waited_tasks)]
    with setup.ours_http() as server:
        url = _url(server)
        held = _Held(setup, server, tasks)
        delays = asyncio.run(held.run(url))
    what = f"{effort.waits} waits on {effort.waited_tasks} tasks"
    rows = [
        Row(
            figure=f"{what}: streams upstream",
            unit="",
            ours=held.streams,
            target=Target(effort.waited_tasks),
        ),
        Row(figure="  told after, p50", unit="ms", ours=percentile(delays, 50)),
        Row(figure=f"{what}: told, p99", unit="ms", ours=percentile(delays, 99), target=Target(250)),
    ]
    if held.resident is not None:
        row = Row(figure=f"{what}: resident", unit="MiB", ours=held.resident, target=Target(120))
        rows.insert(1, row)
    return rows


def _url(server: Process) -> str:
    """The address that the server announces."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        for word in server.said().split():
            if word.startswith("http://"):
                return word
        time.sleep(0.05)
    raise RuntimeError(f"the server announced no address: {server.said()}")


class _Held:
    """The waits of one run, and what was seen while they were held."""

    def __init__(self, setup: Setup, server: Process, tasks: Sequence[str]) -> None:
        self._setup = setup
        self._server = server
        self._tasks = tasks
        self.streams = 0
        self.resident: float | None = None

    async def run(self, url: str) -> list[float]:
        """Milliseconds from each event to each of its waiters."""
        connecting = asyncio.Semaphore(_CONNECTING)
        asked = [self._tasks[number % len(self._tasks)] for number in range(self._setup.effort.waits)]
        waiters = [asyncio.create_task(_wait(url, task, connecting)) for task in asked]
        await self._come_to_rest()
        self.streams = self._setup.api.streams()
        if any(waiter.done() for waiter in waiters):
            raise RuntimeError("a wait ended before its event")
        self.resident = resident(self._server.pid)
        self._setup.api.start_append(self._tasks)
        arrivals = await asyncio.gather(*waiters)
        sent = dict(zip(self._tasks, self._setup.api.sent(), strict=True))
        return [(arrived - sent[task]) / 1e6 for task, arrived in zip(asked, arrivals, strict=True)]

    async def _come_to_rest(self) -> None:
        """Let the server take in every request: an event must not overtake the wait for it."""
        used = -1.0
        for _ in range(_LOOKS):
            await asyncio.sleep(self._setup.effort.settle_seconds)
            before, used = used, processor_seconds(self._server.pid) or 0.0
            if used - before < _AT_REST and self._setup.api.streams() >= len(self._tasks):
                return
        raise RuntimeError("the server did not come to rest")


async def _wait(url: str, task: str, connecting: asyncio.Semaphore) -> int:
    """Wait for any event of the task; the moment at which the result had come."""
    place = urlsplit(url)
    async with connecting:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(_request(place.netloc, place.path, task))
        await writer.drain()
    answer = b""
    while chunk := await reader.read(2**16):
        answer += chunk
        if b'"result"' in answer:
            arrived = time.perf_counter_ns()
            writer.close()
            return arrived
    raise RuntimeError(f"no result: {answer[:1000]!r}")


def _request(host: str, path: str, task: str) -> bytes:
    params: dict[str, Any] = {
        "name": "wait_for_events",
        "arguments": {"task_id": task, "until": "any", "timeout_seconds": 120},
        **MODERN,
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: wait_for_events\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
