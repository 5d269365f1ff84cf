"""After a day of use a server holds what it held at its start."""

import os
import statistics
from pathlib import Path

import pytest

from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.conftest import Scorecard
from tests.server.processes import environment
from tests.server.soak import Day, Sample, day
from tests.server.support import World

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc"),
    pytest.mark.scorecard("use leaves nothing behind"),
]

SECONDS = float(os.environ.get("NEO_SOAK_SECONDS", "600"))
MAX_GROWTH = 4.0
"""MiB above the plateau."""
WARM_UP_SECONDS = 60.0
"""Time after which the allocator has the memory that this much concurrent use needs."""


async def lived(tmp_path: Path, seconds: float) -> tuple[Day, Sample, Sample]:
    """A day with its first and its last moment, both at rest."""
    async with running_simulator(SimulatorConfig(time_scale=0.02, keep_alive_seconds=0.2)) as simulator:
        world = World(simulator)
        env = environment(simulator.url, str(tmp_path))
        async with day(world, env, seconds, seed=8) as lived:
            for doing in (
                lived.desk.look_around,
                lived.desk.delegate,
                lived.desk.subscribe,
                lived.desk.mumble,
            ):
                await doing()
            start = await lived.rest()
            await lived.play()
            await lived.desk.look_around()
            end = await lived.rest()
        logged, _, traceback = lived.desk.server.stderr.decode().partition("Traceback")
        assert not traceback, f"{logged[-300:]}Traceback{traceback[:5000]}"
    return lived, start, end


def held(sample: Sample) -> tuple[int, int, int]:
    return len(sample.tasks), sample.threads, sample.descriptors


async def test_an_hour_of_use_leaves_nothing_behind(tmp_path: Path) -> None:
    _, start, end = await lived(tmp_path, 2)
    assert end.kept(start) == {}, end.tasks
    assert held(end) == held(start)


@pytest.mark.scorecard
@pytest.mark.long
async def test_a_day_of_use_leaves_nothing_behind(tmp_path: Path, scorecard: Scorecard) -> None:
    played, start, end = await lived(tmp_path, SECONDS)
    warm_up = min(WARM_UP_SECONDS, SECONDS / 3)
    early = [s.memory for s in played.samples if warm_up <= s.at - start.at <= 1.5 * warm_up]
    growth = end.memory - statistics.median(early)
    calls = f"{played.desk.done:,} calls in {SECONDS:.0f} s"
    scorecard(
        f"a day of use ({calls}): memory above the level after {warm_up:.0f} s",
        f"{growth:+.1f} MiB of {end.memory:.0f}",
        f"{MAX_GROWTH} MiB",
        ok=growth <= MAX_GROWTH,
    )
    for name, before, after in zip(("tasks", "threads", "descriptors"), held(start), held(end), strict=True):
        scorecard(f"the same: {name}, at start and end", f"{before}, {after}", "equal", ok=before == after)
    kept = end.kept(start)
    scorecard("the same: objects kept", f"{sum(kept.values())}", "0", ok=not kept)
    assert kept == {}, end.tasks
    assert held(end) == held(start)
    assert growth <= MAX_GROWTH
