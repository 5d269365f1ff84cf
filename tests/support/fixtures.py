"""A simulated Neo for every test that wants one, and what surrounds it."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio.abc
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from neo_mcp.watch import Hub
from tests.support.host import ERAS, World
from tests.support.processes import environment, running
from tests.support.tasks_client import Stdio, TasksClient
from tests.support.tasks_servers import serving


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(SimulatorConfig(time_scale=0)) as running:
        yield running


@pytest.fixture
def world(simulator: Simulator) -> World:
    return World(simulator)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


@pytest.fixture
async def client(world: World) -> AsyncIterator[TasksClient]:
    """A client of the Tasks extension that can ask a person."""
    async with serving(world) as client:
        yield client


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A key that processes share, with room beside it for their notes."""
    file = tmp_path / "keys" / "key"
    file.parent.mkdir()
    file.write_text("0123456789abcdef" * 4)
    file.chmod(0o600)
    return file


@pytest.fixture(params=["http", "stdio"])
async def any_client(
    request: pytest.FixtureRequest, world: World, tmp_path: Path
) -> AsyncIterator[TasksClient]:
    """A client on either transport."""
    if request.param == "http":
        async with serving(world) as client:
            yield client
    else:
        async with running("serve", env=environment(world.simulator.url, str(tmp_path))) as server:
            yield TasksClient(Stdio(server))


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> list[Hub]:
    """The hubs that are made, which close a watcher with its last reader."""
    made: list[Hub] = []

    def make(client: NeoClient, task_group: anyio.abc.TaskGroup) -> Hub:
        made.append(Hub(client, task_group, linger=0.0))
        return made[-1]

    monkeypatch.setattr("neo_mcp.service.tasks.Hub", make)
    return made
