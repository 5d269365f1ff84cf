"""After a day of use a server holds what it held at its start."""

import os
from pathlib import Path

import pytest

from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.conftest import Scorecard
from tests.support.host import World
from tests.support.processes import environment
from tests.support.soak import MEASURABLE, Day, Sample, day

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc"),
    pytest.mark.scorecard("use leaves nothing behind"),
]

SECONDS = float(os.environ.get("NEO_SOAK_SECONDS", "180"))
PARTS = 3
MAX_GROWTH = 4.0
"""MiB in use after the last part above those after the first, in which caches fill."""
MAX_RESIDENT_GROWTH = 32.0
"""MiB above the start, which depends on what is under way at a time."""


async def lived(tmp_path: Path, seconds: float, parts: int = 1) -> tuple[Day, list[Sample]]:
    """A day of several parts, with a moment of rest before the first and after each."""
    async with running_simulator(SimulatorConfig(time_scale=0.02, keep_alive_seconds=0.2)) as simulator:
        world = World(simulator)
        env = environment(simulator.url, str(tmp_path)) | MEASURABLE
        async with day(world, env, seconds / parts, seed=8) as lived:
            for doing in (
                lived.desk.look_around,
                lived.desk.delegate,
                lived.desk.subscribe,
                lived.desk.mumble,
            ):
                await doing()
            rests = [await lived.rest()]
            for _ in range(parts):
                await lived.play()
                await lived.desk.look_around()
                rests.append(await lived.rest())
        logged, _, traceback = lived.desk.server.stderr.decode().partition("Traceback")
        assert not traceback, f"{logged[-300:]}Traceback{traceback[:5000]}"
    return lived, rests


def held(sample: Sample) -> tuple[int, int, int]:
    return len(sample.tasks), sample.threads, sample.descriptors


async def test_an_hour_of_use_leaves_nothing_behind(tmp_path: Path) -> None:
    _, (start, end) = await lived(tmp_path, 2)
    assert end.kept(start) == {}, end.tasks
    assert held(end) == held(start)


@pytest.mark.scorecard
@pytest.mark.needs("mallinfo2")
@pytest.mark.long
async def test_a_day_of_use_leaves_nothing_behind(tmp_path: Path, scorecard: Scorecard) -> None:
    played, rests = await lived(tmp_path, SECONDS, PARTS)
    start, warm, end = rests[0], rests[1], rests[-1]
    resident = end.resident - start.resident
    scorecard(
        "resident memory above the start's",
        f"{resident:+.1f} MiB of {end.resident:.0f}",
        f"{MAX_RESIDENT_GROWTH} MiB",
        ok=resident <= MAX_RESIDENT_GROWTH,
    )
    for name, before, after in zip(("tasks", "threads", "descriptors"), held(start), held(end), strict=True):
        scorecard(f"the same: {name}, at start and end", f"{before}, {after}", "equal", ok=before == after)
    kept = end.kept(start)
    scorecard("the same: objects kept", f"{sum(kept.values())}", "0", ok=not kept)
    assert kept == {}, end.tasks
    assert held(end) == held(start)
    assert resident <= MAX_RESIDENT_GROWTH
    assert warm.allocated is not None
    assert end.allocated is not None
    growth = (end.allocated - warm.allocated) / 2**20
    calls = f"{played.desk.done:,} calls in {SECONDS:.0f} s"
    scorecard(
        f"a day of use ({calls}): memory in use above that after its first third",
        f"{growth:+.2f} MiB of {end.allocated / 2**20:.1f}",
        f"{MAX_GROWTH} MiB",
        ok=growth <= MAX_GROWTH,
    )
    assert growth <= MAX_GROWTH
