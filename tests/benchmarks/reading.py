"""Reading a task's events: ours to the end of the path, against the same bytes merely decoded.

The references are httpx-sse with ``json.loads`` for a stream, and httpx with ``json.loads`` for a history.
Everything runs in this process, so on its interpreter; the bytes come from another one that never waits.
"""

import gc
import json
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median

import anyio
import httpx
import httpx_sse

from neo_mcp.api import Generation, NeoClient
from neo_mcp.cli.startup import collect_rarely
from neo_mcp.simulator import DEFAULT_ORGANIZATION
from neo_mcp.watch import Hub, until_true
from tests.benchmarks.firehose import PAGE_SIZE, PATH
from tests.benchmarks.measure import Row, Spread, Target
from tests.benchmarks.process import Process
from tests.benchmarks.setup import Setup

_TASK = PATH.rpartition("/")[2]
_TOKEN = f"pul-{'0123456789abcdef' * 3:.40}"
"""As long as a real one: each of its spellings is searched for in every byte."""

_LARGE_SHARE = 10
"""The part of the number of events that are read where each has 20 KB."""

_HISTORY_SHARE = 5
"""The part of the pairs of blocks in which a long history is read."""

_Read = Callable[[str, int], Coroutine[object, object, None]]


def stream(setup: Setup) -> list[Row]:
    """Events a second: parsed, validated, folded and logged by a watcher, against merely decoded ones."""
    count = setup.effort.stream_events
    large = max(count // _LARGE_SHARE, 1)
    return [
        *_stream_rows(setup, "small", count, Target(0.45, at_least=True, stretch=0.6)),
        *_stream_rows(setup, "20 KB", large, Target(0.52, at_least=True, stretch=0.6), "--large"),
    ]


def first_look(setup: Setup) -> list[Row]:
    """Seconds until a watcher knows all events of a long task, against downloading and decoding its pages."""
    count = setup.effort.history_events
    ours: list[float] = []
    plain: list[float] = []
    with _firehose(count, "--history") as url:
        for _ in range(max(setup.effort.blocks // _HISTORY_SHARE, 1)):
            with server_collector():
                ours.append(_timed(_watch, url, count))
            plain.append(_timed(_decode_pages, url, count))
    return [
        Row(
            figure=f"first look at a task of {count:,} events",
            unit="s",
            ours=median(ours),
            reference=median(plain),
            ratio=Spread.of(ours, plain),
            target=Target(2.0),
        )
    ]


def _stream_rows(setup: Setup, size: str, count: int, target: Target, *options: str) -> list[Row]:
    """The rows of one size: with the garbage collector's settings of the server, and with Python's own."""
    tuned: list[float] = []
    untuned: list[float] = []
    plain: list[float] = []
    with _firehose(count, *options) as url:
        for _ in range(max(setup.effort.blocks // 2, 1)):
            with server_collector():
                tuned.append(count / _timed(_watch, url, count))
            plain.append(count / _timed(_decode_stream, url, count))
            untuned.append(count / _timed(_watch, url, count))
    row = partial(Row, unit="events/s", reference=median(plain))
    return [
        row(
            figure=f"stream of {size} events: parsed, validated, folded, logged",
            ours=median(tuned),
            ratio=Spread.of(tuned, plain),
            target=target,
        ),
        row(
            figure="  with the garbage collector as Python sets it",
            ours=median(untuned),
            ratio=Spread.of(untuned, plain),
        ),
    ]


@contextmanager
def _firehose(count: int, *options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.firehose", str(count), *options]
    with Process(command) as firehose:
        yield firehose.read().decode().strip()


@contextmanager
def server_collector() -> Iterator[None]:
    """Collect garbage as ``serve`` does: rarely, and never among what was imported."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _timed(read: _Read, url: str, count: int) -> float:
    gc.collect()
    started = time.perf_counter()
    anyio.run(read, url, count)
    return time.perf_counter() - started


async def _watch(url: str, count: int) -> None:
    client = NeoClient(token=_TOKEN, api_url=url, generation=Generation.SECOND)
    async with client, anyio.create_task_group() as group:
        async with Hub(client, group).follow(DEFAULT_ORGANIZATION, _TASK) as watcher:
            await until_true([watcher], lambda: len(watcher.log) >= count)
            if watcher.failure is not None:
                raise watcher.failure
        group.cancel_scope.cancel()


def _plain_client() -> httpx.AsyncClient:
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # ours loads no certificates for http either
    return httpx.AsyncClient(verify=no_tls, trust_env=False, headers={"Authorization": f"token {_TOKEN}"})


async def _decode_stream(url: str, count: int) -> None:
    async with (
        _plain_client() as client,
        httpx_sse.aconnect_sse(client, "GET", f"{url}{PATH}/events/stream") as source,
    ):
        left = count
        async for event in source.aiter_sse():
            json.loads(event.data)
            left -= 1
            if not left:
                return


async def _decode_pages(url: str, count: int) -> None:
    params = {"pageSize": str(PAGE_SIZE)}
    async with _plain_client() as client:
        while count > 0:
            page = (await client.get(f"{url}{PATH}/events", params=params)).raise_for_status()
            content = json.loads(page.content)
            count -= len(content["events"])
            params["continuationToken"] = content.get("continuationToken", "")
