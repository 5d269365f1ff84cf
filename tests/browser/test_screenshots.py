"""The README's picture: a task of the simulator, as the real server and the page show it.

``NEO_MCP_WRITE_SCREENSHOTS=1`` writes it anew.
"""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neo_mcp import docs
from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.browser.driver import Browser, expect
from tests.browser.real import hosting, reply, rests
from tests.browser.support import Stage
from tests.support.host import Person, World

FOLDER = Path(docs.__file__).parent / "images"
README = Path(__file__).parent.parent.parent / "README.md"
WRITES = bool(os.environ.get("NEO_MCP_WRITE_SCREENSHOTS"))
MAX_BYTES = 150_000
PNG = b"\x89PNG\r\n\x1a\n"
PROMPT = "Find S3 buckets that anybody can read, and close them. Open a pull request, deploy nothing."


@pytest.fixture
async def unhurried() -> AsyncIterator[World]:
    """Neo takes its time where pictures are to show durations."""
    async with running_simulator(SimulatorConfig(time_scale=0.5 if WRITES else 0)) as simulator:
        yield World(simulator)


async def picture(on: Stage, name: str) -> None:
    """Take one, as it is or would be in the README."""
    image = await on.page.screenshot(animations="disabled", caret="hide")
    assert image.startswith(PNG)
    assert len(image) < MAX_BYTES
    if WRITES:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.png").write_bytes(image)


async def test_the_picture_shows_an_approval_with_its_diff(browser: Browser, unhurried: World) -> None:
    async with hosting(browser, unhurried, Person()) as (on, host):
        created = await host.call("create_task", prompt=PROMPT)
        await on.page.set_viewport_size({"width": 1000, "height": 720})
        await on.open_task(created["task_id"], theme="light", size="720px")
        for what in ("preview", "pull request"):
            assert await rests(on) == "needed"
            await expect(on.view.locator(".card:not(.settled)")).to_contain_text(what)
            if what == "pull request":
                await on.view.evaluate("document.querySelector('.card.settled button').click()")
                await on.view.evaluate("window.scrollTo(0, 0)")
                await picture(on, "approval")
            await reply(on, host, created["task_id"])
        assert await rests(on) == "Done"


def test_the_readme_shows_a_picture_that_is_there_and_small() -> None:
    named = re.findall(r"!\[[^\]]+\]\(\S*(neo_mcp/docs/images/[\w-]+\.png)\)", README.read_text("utf-8"))
    assert [Path(name).name for name in named] == ["approval.png"]
    for name in named:
        image = (README.parent / name).read_bytes()
        assert image.startswith(PNG)
        assert len(image) < MAX_BYTES
