"""A running simulator and a client for each member of the cast."""

from collections.abc import AsyncIterator

import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from tests.simulator.helpers import Api


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(SimulatorConfig(time_scale=0)) as running:
        yield running


@pytest.fixture
async def api(simulator: Simulator) -> AsyncIterator[Api]:
    async with Api(simulator) as client:
        yield client


@pytest.fixture
async def bob(simulator: Simulator) -> AsyncIterator[Api]:
    async with Api(simulator, "bob") as client:
        yield client
