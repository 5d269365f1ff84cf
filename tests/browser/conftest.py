"""One browser for the tests of a module; a world for those that need a real server."""

from collections.abc import AsyncIterator

import pytest

from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.browser.driver import Browser
from tests.browser.support import running_browser
from tests.support.host import World


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator:
        yield World(simulator)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs("chromium", "playwright", "axe_playwright_python"))
