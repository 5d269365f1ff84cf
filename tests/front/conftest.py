"""A simulated Neo for every test that wants one."""

from collections.abc import AsyncIterator

import pytest

from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.support.host import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator:
        yield World(simulator)
