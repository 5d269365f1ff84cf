"""Reading an event stream: ours to the end of the path, against httpx-sse with ``json.loads`` alone.

Both run in this process, so on its interpreter; the bytes come from another one that never waits.
"""

import gc
import json
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from statistics import median

import anyio
import httpx
import httpx_sse

from neo_mcp.api import Generation, NeoClient
from neo_mcp.simulator import DEFAULT_ORGANIZATION
from neo_mcp.watch import Hub, until_true
from tests.benchmarks.firehose import PATH
from tests.benchmarks.measure import Row, Spread, Target
from tests.benchmarks.process import Process
from tests.benchmarks.setup import Setup


def stream(setup: Setup) -> list[Row]:
    """Events a second: parsed, validated, folded and logged by a watcher, against merely decoded ones."""
    count = setup.effort.stream_events
    ours: list[float] = []
    plain: list[float] = []
    with Process([sys.executable, "-m", "tests.benchmarks.firehose", str(count)]) as firehose:
        url = firehose.read().decode().strip()
        for _ in range(max(setup.effort.blocks // 2, 1)):
            ours.append(count / _timed(partial(_watch, url, count)))
            plain.append(count / _timed(partial(_decode, url, count)))
    return [
        Row(
            figure="stream: parsed, validated, folded, logged",
            unit="events/s",
            ours=median(ours),
            reference=median(plain),
            ratio=Spread.of(ours, plain),
            target=Target(0.8, at_least=True),
        )
    ]


def _timed(read: Callable[[], Coroutine[object, object, None]]) -> float:
    gc.collect()
    started = time.perf_counter()
    anyio.run(read)
    return time.perf_counter() - started


async def _watch(url: str, count: int) -> None:
    client = NeoClient(token="pul-none", api_url=url, generation=Generation.SECOND)
    async with client, anyio.create_task_group() as group:
        async with Hub(client, group).follow(DEFAULT_ORGANIZATION, PATH.rpartition("/")[2]) as watcher:
            await until_true([watcher], lambda: len(watcher.log) >= count)
            if watcher.failure is not None:
                raise watcher.failure
        group.cancel_scope.cancel()


async def _decode(url: str, count: int) -> None:
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # ours loads no certificates for http either
    async with (
        httpx.AsyncClient(verify=no_tls, trust_env=False) as client,
        httpx_sse.aconnect_sse(client, "GET", f"{url}{PATH}/events/stream") as source,
    ):
        left = count
        async for event in source.aiter_sse():
            json.loads(event.data)
            left -= 1
            if not left:
                return
