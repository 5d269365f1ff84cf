"""Many waits at once over HTTP: streams upstream, memory, and how soon every waiter is told.

The reference is a server of the SDK that holds as many calls and answers them. Fresh servers of both run in
turn; each answers one call first, for which it loads what it needs. The clients are bare sockets in one
process, not an HTTP library: hundreds of its answers would take longer to read than they take to come. One
connection per waiter, self-contained requests of the 2026-07-28 revision.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tests.benchmarks.measure import Row, Spread, Target, percentile
from tests.benchmarks.process import MODERN, Process, processor_seconds, resident
from tests.benchmarks.setup import Setup

_REFERENCE_PATH = "/mcp"
_CONNECTING = 50
_START_SECONDS = 30.0
_SECONDS, _FIRST_SECONDS = 120.0, 0.1
_LOOKS = 100
_AT_REST = 0.03
"""Processor seconds between two looks that still count as rest."""


def waits(setup: Setup) -> list[Row]:
    """Hold the waits, append one event to each task in one go, and record when each waiter hears of it."""
    effort = setup.effort
    pairs = [(_held_by_us(setup), _held_by_reference(setup)) for _ in range(effort.wait_rounds)]
    p50, p99 = (
        [[percentile(side.delays, percent) for side in pair] for pair in pairs] for percent in (50, 99)
    )
    what = f"{effort.waits} waits on {effort.waited_tasks} tasks"
    streams = max(ours.streams for ours, _ in pairs)
    rows = [
        Row(figure=f"{what}: streams upstream", unit="", ours=streams, target=Target(effort.waited_tasks)),
        _compared("  told after, p50", p50, None),
        _compared(f"{what}: told, p99", p99, Target(1.5)),
    ]
    sizes = [ours.resident for ours, _ in pairs if ours.resident is not None]
    if sizes:
        row = Row(figure=f"{what}: resident", unit="MiB", ours=median(sizes), target=Target(120))
        rows.insert(1, row)
    return rows


def _compared(figure: str, pairs: Sequence[Sequence[float]], target: Target | None) -> Row:
    ours, reference = zip(*pairs, strict=True)
    ratio = Spread.of(ours, reference)
    return Row(
        figure=figure,
        unit="ms",
        ours=median(ours),
        reference=median(reference),
        ratio=ratio,
        target=target,
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What was seen while waits were held, and after.

    Attributes:
        delays: Milliseconds from each event to each of its waiters.
        streams: Event streams that were open.
        resident: MiB.
    """

    delays: Sequence[float]
    streams: int
    resident: float | None


def _held_by_us(setup: Setup) -> _Held:
    api = setup.api
    tasks = [api.add_task() for _ in range(setup.effort.waited_tasks)]
    with setup.ours_http() as server:
        calls = _Calls(setup, server, urlsplit(_url(server)), "wait_for_events", {"until": "any"})
        held = calls.hold(tasks, partial(api.start_append, tasks), api.sent, api.streams)
        return asyncio.run(held)


def _held_by_reference(setup: Setup) -> _Held:
    tasks = [f"task-{number}" for number in range(setup.effort.waited_tasks)]
    with setup.holding() as server:

        def release() -> None:
            server.write(json.dumps(tasks).encode() + b"\n")

        def released() -> list[int]:
            sent: list[int] = json.loads(server.read())["sent"]
            return sent

        calls = _Calls(setup, server, urlsplit(_url(server))._replace(path=_REFERENCE_PATH), "hold", {})
        return asyncio.run(calls.hold(tasks, release, released, lambda: len(tasks)))


def _url(server: Process) -> str:
    """The address that the server announces."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        for word in server.said().split():
            if word.startswith("http://"):
                return word
        time.sleep(0.05)
    raise RuntimeError(f"the server announced no address: {server.said()}")


@dataclass(frozen=True, slots=True)
class _Calls:
    """Calls of one tool that are held at the same time.

    Attributes:
        arguments: Besides the task and the time limit.
    """

    setup: Setup
    server: Process
    url: SplitResult
    tool: str
    arguments: Mapping[str, Any]

    async def hold(
        self,
        tasks: Sequence[str],
        release: Callable[[], None],
        released: Callable[[], Sequence[int]],
        streams: Callable[[], int],
    ) -> _Held:
        """Hold them, and measure their release.

        Args:
            tasks: Each call is about one of them in turn.
            release: Let an event happen in each task.
            released: The moments at which they happened, in nanoseconds of the monotonic clock.
            streams: How many event streams are open.
        """
        connecting = asyncio.Semaphore(_CONNECTING)
        await self._call(tasks[0], connecting, _FIRST_SECONDS)
        asked = [tasks[number % len(tasks)] for number in range(self.setup.effort.waits)]
        waiters = [asyncio.create_task(self._call(task, connecting)) for task in asked]
        await self._come_to_rest(lambda: streams() >= len(tasks))
        opened, memory = streams(), resident(self.server.pid)
        for waiter in waiters:
            if waiter.done():
                raise RuntimeError(f"a wait ended before its event: {waiter.result()}")
        release()
        arrivals = await asyncio.gather(*waiters)
        sent = dict(zip(tasks, released(), strict=True))
        delays = [(arrived - sent[task]) / 1e6 for task, arrived in zip(asked, arrivals, strict=True)]
        return _Held(delays, opened, memory)

    async def _come_to_rest(self, is_open: Callable[[], bool]) -> None:
        """Let the server take in every request: an event must not overtake the wait for it."""
        used = -1.0
        for _ in range(_LOOKS):
            await asyncio.sleep(self.setup.effort.settle_seconds)
            before, used = used, processor_seconds(self.server.pid) or 0.0
            if used - before < _AT_REST and is_open():
                return
        raise RuntimeError("the server did not come to rest")

    async def _call(self, task: str, connecting: asyncio.Semaphore, seconds: float = _SECONDS) -> int:
        """Wait for an event of the task; the moment at which the result had come."""
        async with connecting:
            reader, writer = await asyncio.open_connection(self.url.hostname, self.url.port)
            writer.write(self._request(task, seconds))
            await writer.drain()
        answer = b""
        while chunk := await reader.read(2**16):
            answer += chunk
            if b'"result"' in answer:
                arrived = time.perf_counter_ns()
                writer.close()
                return arrived
        raise RuntimeError(f"no result: {answer[:1000]!r}")

    def _request(self, task: str, seconds: float) -> bytes:
        arguments = {"task_id": task, "timeout_seconds": seconds, **self.arguments}
        params = {"name": self.tool, "arguments": arguments, **MODERN}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        head = (
            f"POST {self.url.path} HTTP/1.1\r\nHost: {self.url.netloc}\r\nConnection: close\r\n"
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
            f"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {self.tool}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body
