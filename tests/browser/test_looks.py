"""How the page looks: in every state and width, in light and dark; nothing overflows, axe finds nothing.

``NEO_MCP_SCREENSHOTS=FOLDER`` keeps a picture of each.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import example
from tests.browser.driver import Browser
from tests.browser.support import (
    THEMES,
    WIDTHS,
    Answer,
    Json,
    Stage,
    refusal,
    result,
    stage,
    violations,
)

pytestmark = pytest.mark.scorecard(
    "the task view fits 320 to 1,280 pixels, light and dark; axe finds nothing"
)

PICTURES = os.environ.get("NEO_MCP_SCREENSHOTS", "")
STATES: dict[str, Callable[[], Json]] = {
    "task": example.task,
    "approval": lambda: example.task(attention=[example.APPROVAL], status="idle"),
    "question": lambda: example.task(attention=[example.QUESTION], status="idle"),
    "plan": lambda: example.task(attention=[example.PLAN], status="idle"),
    "done": lambda: example.task(turn="ended", status="idle", activity="The bucket is private."),
    "failed": lambda: example.task(turn="failed", status="idle", attention=[example.ERROR]),
    "empty": lambda: example.task(items=[], total=0, turn="not started", todos=[], entities=[]),
    "lost": lambda: example.task(connection={"state": "retrying", "error": "The connection was reset."}),
}


async def shown(on: Stage, state: str, theme: str) -> None:
    """Open the page in a state, and everything that can be opened in it."""
    if state == "list":
        await on.open(theme=theme)
    else:
        await on.open_task(example.TASK_ID, theme=theme)


def answers(state: str) -> Answer:
    async def answer(tool: str, arguments: Json) -> Json | None:
        if state == "error":
            return refusal('The API says "task not found" (HTTP 404). Check the id and the organization.')
        if tool == "view_tasks":
            return result(example.tasks())
        return None if "cursor" in arguments else result(STATES[state]())

    return answer


@pytest.mark.parametrize("state", [*STATES, "list", "error"])
async def test_every_state_fits_and_reads_well_in_every_theme(browser: Browser, state: str) -> None:
    async with stage(browser, answers(state)) as on:
        await shown(on, state, "light")
        for theme in THEMES:
            await on.notify("ui/notifications/host-context-changed", {"theme": theme})
            await on.view.locator(f"html[data-theme={theme}]").wait_for()
            for width in WIDTHS:
                await on.resize(width)
                if PICTURES:
                    await on.page.screenshot(path=Path(PICTURES) / f"{state}-{width}-{theme}.png")
                inner = await on.view.evaluate("document.documentElement.scrollWidth")
                assert inner <= width, f"{inner - width} pixels too wide at {width}"
        await on.view.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert await violations(on.view) == []
        await on.notify("ui/notifications/host-context-changed", {"theme": "light"})
        await on.view.locator("html[data-theme=light]").wait_for()
        # The rest does not depend on colours.
        assert await violations(on.view, only="color-contrast") == []
        assert on.complaints == []
        assert on.requests == []
