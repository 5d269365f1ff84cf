"""A simulated Neo for every test that wants one."""

from collections.abc import AsyncIterator

import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(SimulatorConfig(time_scale=0)) as running:
        yield running
