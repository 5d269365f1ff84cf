"""Figures of single calls over stdio: push latency, ``get_task``, and a call that asks the API nothing."""

import ssl
import time
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

import anyio
import httpx

from neo_mcp.simulator import DEFAULT_ORGANIZATION, DEFAULT_TOKEN
from tests.benchmarks.measure import Row, Spread, Target, percentile
from tests.benchmarks.process import Server
from tests.benchmarks.setup import Setup

_POLL_MS = 5000.0
_PAUSE = 0.01
_NOOP_ARGUMENTS = {"task_id": "no such id/..", "organization": DEFAULT_ORGANIZATION}


def push(setup: Setup) -> list[Row]:
    """From the moment before an event is appended in the API's process to the read of a wait's answer.

    The bare call's time is measured in blocks between, with the same pause before each call, and its median
    is taken off. A 5 s poll sees an event 2.5 s late at the median.
    """
    above: list[float] = []
    whole: list[float] = []
    bare: list[float] = []
    with setup.ours() as ours, setup.reference() as reference:
        ours.handshake()
        reference.handshake()
        follower = Follower(setup, ours)
        for _ in range(setup.effort.blocks):
            noop = median(_paused_noop(reference) for _ in range(setup.effort.pushes))
            times = [follower.push() for _ in range(setup.effort.pushes)]
            bare.append(noop)
            whole += times
            above += [time - noop for time in times]
    p50, noop = percentile(whole, 50), median(bare)
    poll = Spread.of([_POLL_MS / 2], [p50])
    return [
        Row(
            figure="push above a bare call, p50",
            unit="ms",
            ours=percentile(above, 50),
            reference=noop,
            target=Target(5),
        ),
        Row(
            figure="push above a bare call, p99",
            unit="ms",
            ours=percentile(above, 99),
            reference=noop,
            target=Target(20),
        ),
        Row(
            figure="push, times sooner than a 5 s poll",
            unit="ms",
            ours=p50,
            reference=_POLL_MS / 2,
            ratio=poll,
            target=Target(100, at_least=True),
        ),
    ]


class Follower:
    """One task, followed by waiting again and again with the newest cursor."""

    def __init__(self, setup: Setup, server: Server, events: int = 1) -> None:
        self._api = setup.api
        self._server = server
        self._task = setup.api.add_task(events)
        first = server.call("wait_for_events", {"task_id": self._task, "until": "any"})
        self._cursor = first["cursor"]

    def push(self) -> float:
        """Milliseconds from an event to the answer that tells of it."""
        arguments = {"task_id": self._task, "until": "any", "cursor": self._cursor, "timeout_seconds": 30}
        self._server.start_call("wait_for_events", arguments)
        time.sleep(_PAUSE)
        self._api.start_append([self._task])
        answer = self._server.read()
        arrived = time.perf_counter_ns()
        (sent,) = self._api.sent()
        content = self._server.content(answer)
        if not content["matched"]:
            raise RuntimeError("the wait ended without its event")
        self._cursor = content["cursor"]
        return (arrived - sent) / 1e6


def _paused_noop(reference: Server) -> float:
    time.sleep(_PAUSE)
    return reference.time_call("noop", {})


def get_task(setup: Setup) -> list[Row]:
    """``get_task``, against the same request made directly with httpx plus the reference's call.

    Every block makes as many of each, one kind after the other; httpx on a connection that is kept. The sum
    leaves out that a chain of processes wakes each in turn; so the last row compares with a reference whose
    tool makes the request.
    """
    effort, url = setup.effort, setup.api.url
    task = setup.api.add_task(20)
    path = _task_path(task)
    times: dict[str, list[float]] = {"ours": [], "bare": [], "forwarding": [], "direct": []}
    with (
        setup.ours() as ours,
        setup.reference() as bare,
        setup.forwarding(url + path, DEFAULT_TOKEN) as forwarding,
    ):
        calls = {
            "ours": partial(ours.time_call, "get_task", {"task_id": task}),
            "bare": partial(bare.time_call, "noop", {}),
            "forwarding": partial(forwarding.time_call, "fetch", {}),
        }
        for server in (ours, bare, forwarding):
            server.handshake()
        for call in calls.values():
            call()
        for _ in range(effort.blocks):
            for name, call in calls.items():
                times[name].append(median(call() for _ in range(effort.calls)))
            times["direct"].append(anyio.run(_direct, url, path, effort.calls))
    return _get_task_rows(times)


def _get_task_rows(times: Mapping[str, Sequence[float]]) -> list[Row]:
    ours, chained = times["ours"], times["forwarding"]
    sums = [direct + bare for direct, bare in zip(times["direct"], times["bare"], strict=True)]
    return [
        Row(
            figure="get_task, against httpx plus a bare call",
            unit="ms",
            ours=median(ours),
            reference=median(sums),
            ratio=Spread.of(ours, sums),
            target=Target(1.1),
        ),
        Row(
            figure="get_task, against a bare tool that makes the request",
            unit="ms",
            ours=median(ours),
            reference=median(chained),
            ratio=Spread.of(ours, chained),
            target=Target(0.85),
        ),
    ]


def _task_path(task: str) -> str:
    return f"/api/preview/agents/{DEFAULT_ORGANIZATION}/tasks/{task}"


async def _direct(url: str, path: str, count: int) -> float:
    headers = {"Authorization": f"token {DEFAULT_TOKEN}", "Accept": "application/vnd.pulumi+8"}
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading certificates costs more than all requests
    times: list[float] = []
    async with httpx.AsyncClient(base_url=url, headers=headers, verify=no_tls, trust_env=False) as client:
        await client.get(path)
        for _ in range(count):
            started = time.perf_counter_ns()
            response = await client.get(path)
            response.raise_for_status().json()
            times.append((time.perf_counter_ns() - started) / 1e6)
    return median(times)


def noop(setup: Setup) -> list[Row]:
    """A call that fails on its arguments and asks the API nothing, against the reference's call."""
    ours_ms: list[float] = []
    bare_ms: list[float] = []
    with setup.ours() as ours, setup.reference() as reference:
        for server in (ours, reference):
            server.handshake()
        for _ in range(setup.effort.blocks + 1):
            counts = range(setup.effort.calls)
            ours_ms.append(median(local_error(ours) for _ in counts))
            bare_ms.append(median(reference.time_call("noop", {}) for _ in counts))
    # The first block warms both up.
    return [
        Row(
            figure="a call without a request, against a bare call",
            unit="ms",
            ours=median(ours_ms[1:]),
            reference=median(bare_ms[1:]),
            ratio=Spread.of(ours_ms[1:], bare_ms[1:]),
            target=Target(1.0, stretch=0.55),
        )
    ]


def local_error(server: Server) -> float:
    """Time a call of ours that fails on its arguments."""
    return server.time_call("get_task", _NOOP_ARGUMENTS, fails=True)
