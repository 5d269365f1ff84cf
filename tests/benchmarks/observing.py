"""What telemetry costs a call: a server that exports its spans and metrics, against one that does not."""

from statistics import median

from tests.benchmarks.measure import Row, Spread
from tests.benchmarks.setup import Setup
from tests.support.collector import collecting


def telemetry(setup: Setup) -> list[Row]:
    """``get_task`` over stdio, in blocks in turn; the collector takes all that comes."""
    task = setup.api.add_task(20)
    on_ms: list[float] = []
    off_ms: list[float] = []
    with collecting() as collector:
        with setup.ours(**collector.endpoint) as observed, setup.ours() as plain:
            for server in (observed, plain):
                server.handshake()
                server.time_call("get_task", {"task_id": task})
            for _ in range(setup.effort.blocks):
                for server, times in ((observed, on_ms), (plain, off_ms)):
                    calls = range(setup.effort.calls)
                    times.append(median(server.time_call("get_task", {"task_id": task}) for _ in calls))
        if not collector.bodies:
            raise RuntimeError("nothing was exported")
    return [
        Row(
            figure="get_task with telemetry, against without",
            unit="ms",
            ours=median(on_ms),
            reference=median(off_ms),
            ratio=Spread.of(on_ms, off_ms),
        )
    ]
