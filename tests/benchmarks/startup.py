"""Figures of a server that has just started: time to its first answer, resident memory, tool definitions."""

import json
import time
from collections.abc import Callable
from statistics import median

from tests.benchmarks.latency import local_error
from tests.benchmarks.measure import Row, Spread, Target
from tests.benchmarks.process import MODERN, Server, proportional, resident
from tests.benchmarks.setup import Setup


def cold_start(setup: Setup) -> list[Row]:
    """From before a process is made to the answer to ``tools/list``.

    One start of each comes first and is not counted: it writes the bytecode caches and warms the disk's. Then
    ours and the reference start in turn.
    """
    if setup.effort.starts > 1:
        for make in (setup.ours, setup.reference):
            _start(make, modern=False)
    return [
        _compare(setup, modern=False, figure="cold start to tools/list, handshake era"),
        _compare(setup, modern=True, figure="cold start to tools/list, 2026-07-28"),
    ]


def _compare(setup: Setup, *, modern: bool, figure: str) -> Row:
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(setup.effort.starts):
        ours.append(_start(setup.ours, modern=modern))
        bare.append(_start(setup.reference, modern=modern))
    return Row(
        figure=figure,
        unit="ms",
        ours=median(ours),
        reference=median(bare),
        ratio=Spread.of(ours, bare),
        target=Target(0.08),
    )


def _start(make: Callable[[], Server], *, modern: bool) -> float:
    started = time.perf_counter()
    with make() as server:
        if not modern:
            server.handshake()
        server.request("tools/list", MODERN if modern else None)
        return (time.perf_counter() - started) * 1000


def memory(setup: Setup) -> list[Row]:
    """Resident memory after start, and after many calls that ask the API nothing; of both servers.

    A last row tells what calls that do ask the API add; the reference has nothing like them.
    """
    count = setup.effort.memory_calls
    task = setup.api.add_task(20)
    with setup.ours() as ours, setup.reference() as reference:
        for server in (ours, reference):
            server.handshake()
            server.request("tools/list")
        rows = _memory_rows("after start", ours, reference, Target(0.22))
        for _ in range(count):
            local_error(ours)
            reference.time_call("noop", {})
        rows += _memory_rows(f"after {count:,} calls", ours, reference, Target(1.10))
        for _ in range(count):
            ours.time_call("get_task", {"task_id": task})
        after = resident(ours.pid)
    if after is not None:
        rows.append(Row(figure=f"  and {count:,} calls of get_task, resident", unit="MiB", ours=after))
    return rows


def _memory_rows(when: str, ours: Server, reference: Server, goal: Target) -> list[Row]:
    rows: list[Row] = []
    for name, look, target in (("resident", resident, goal), ("PSS", proportional, None)):
        mine, other = look(ours.pid), look(reference.pid)
        if mine is None or other is None:
            continue
        ratio = Spread.of([mine], [other])
        figure = f"{name} {when}" if target else f"  {name} {when}"
        rows.append(Row(figure=figure, unit="MiB", ours=mine, reference=other, ratio=ratio, target=target))
    return rows


def definitions(setup: Setup) -> list[Row]:
    """The bytes of the ``tools`` array in the answer to ``tools/list``, as compact JSON."""
    with setup.ours() as server:
        server.handshake()
        tools = server.request("tools/list")["tools"]
    size = len(json.dumps(tools, ensure_ascii=False, separators=(",", ":")).encode())
    return [Row(figure=f"definitions of {len(tools)} tools", unit="bytes", ours=size, target=Target(8600))]
