"""The end: whatever the server does when it comes, clean-up runs and the process is gone soon."""

import statistics
from pathlib import Path

import pytest

from tests.conftest import Scorecard
from tests.support.ends import CASES, WAYS, seconds_to_end
from tests.support.examples import some
from tests.support.host import World
from tests.support.processes import environment

pytestmark = pytest.mark.scorecard("the end comes in order, whatever goes on")

MAX_SECONDS = 2.0
ROUNDS = 3
ONE_WAY_EACH = [(case, list(WAYS)[n % len(WAYS)]) for n, case in enumerate(CASES)]


@pytest.fixture
def env(world: World, tmp_path: Path) -> dict[str, str]:
    return environment(world.simulator.url, str(tmp_path))


@pytest.mark.parametrize(("case", "way"), some(ONE_WAY_EACH, every=2))
async def test_it_ends_in_order(world: World, env: dict[str, str], case: str, way: str) -> None:
    await seconds_to_end(CASES[case], way, world, env)


@pytest.mark.scorecard
@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
async def test_it_ends_in_order_and_in_time_in_every_way(
    world: World, env: dict[str, str], case: str, scorecard: Scorecard
) -> None:
    for way in WAYS:
        taken = [await seconds_to_end(CASES[case], way, world, env) for _ in range(ROUNDS)]
        figure = f"{statistics.median(taken):.2f} s, {max(taken):.2f} s"
        scorecard(f"{way}, {case}: exit, median and longest", figure, "2 s", ok=max(taken) <= MAX_SECONDS)
        assert max(taken) <= MAX_SECONDS
