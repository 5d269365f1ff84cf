"""Figures of followed tasks: the memory of a long one, and how small a wait's result is."""

import json
import time
from collections.abc import Callable
from statistics import median

from tests.benchmarks.measure import Row, Spread, Target
from tests.benchmarks.process import Server, resident
from tests.benchmarks.setup import Setup

WORK = ("public-bucket", "multi-stack-upgrade", "policy-fix")
"""Conversations in which Neo reads, plans and previews: what people delegate."""

EXCHANGES = ("hello", "question", "denied-approval", "local-tools", "failing-deploy")
"""Conversations of one to five small events, which leave little to shorten."""

_TOKEN = 3
"""UTF-8 bytes of a token, as an estimate."""

_Sizes = tuple[tuple[int, int], int]
"""Bytes of a result's two forms, and of the events that it tells of."""


def history(setup: Setup) -> list[Row]:
    """Resident memory once a long task has been read, above that of a server that follows a short one."""
    short = setup.api.add_task(20)
    long = setup.api.add_task(setup.effort.history_events)
    with setup.ours() as server:
        server.handshake()
        server.call("get_task", {"task_id": short})
        time.sleep(setup.effort.settle_seconds)
        before = resident(server.pid)
        started = time.perf_counter()
        server.call("wait_for_events", {"task_id": long, "until": "any", "timeout_seconds": 600})
        seconds = time.perf_counter() - started
        time.sleep(setup.effort.settle_seconds)
        after, highest = resident(server.pid), resident(server.pid, "VmHWM")
    size = setup.api.settle(long) / 2**20
    what = f"task of {setup.effort.history_events:,} events ({size:.0f} MiB)"
    rows = [Row(figure=f"  {what}, read in", unit="s", ours=seconds)]
    if before is not None and after is not None and highest is not None:
        rows = [
            Row(figure=f"{what}, above idle", unit="MiB", ours=after - before, target=Target(32)),
            Row(figure="  at its highest, above idle", unit="MiB", ours=highest - before),
            *rows,
        ]
    return rows


def tokens(setup: Setup) -> list[Row]:
    """The results of waits in scripted conversations, against the JSON of the same events.

    Each conversation runs to its first stop; then one wait from its start tells all. Hosts give their model
    the text or the structured content, so the larger of the two counts; some give it both.
    """
    with setup.ours() as server:
        server.handshake()
        work = [_result_sizes(setup, server, name) for name in WORK]
        exchanges = [_result_sizes(setup, server, name) for name in EXCHANGES]
    return [
        _tokens_row(f"result of a wait, larger form ({len(work)} jobs)", work, max, Target(0.3)),
        _tokens_row("  both forms", work, sum),
        _tokens_row(f"  larger form ({len(exchanges)} short exchanges)", exchanges, max),
    ]


def _result_sizes(setup: Setup, server: Server, scenario: str) -> _Sizes:
    created = server.call("create_task", {"prompt": f"Please play this. scenario:{scenario}"})
    raw = setup.api.settle(created["task_id"])
    server.start_call("wait_for_events", {"task_id": created["task_id"]})
    result = server.result(server.read())
    content = json.dumps(result["structuredContent"], ensure_ascii=False, separators=(",", ":"))
    text = result["content"][0]["text"]
    return (len(content.encode()), len(text.encode())), raw


def _tokens_row(
    figure: str, sizes: list[_Sizes], count: Callable[[tuple[int, int]], int], target: Target | None = None
) -> Row:
    ours = [count(forms) / _TOKEN for forms, _ in sizes]
    raw = [events / _TOKEN for _, events in sizes]
    ratio = Spread.of(ours, raw)
    return Row(
        figure=figure, unit="tokens", ours=median(ours), reference=median(raw), ratio=ratio, target=target
    )
