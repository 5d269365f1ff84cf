"""A real server and a simulated Neo behind the page: the host's side of a connection, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from neo_mcp.server.app import NeoServer
from tests.browser.driver import Browser
from tests.browser.support import HOST_PAGE, Json, Stage, stage
from tests.support.host import Host, World
from tests.support.view_host import rendering

OVER = ("Done", "Failed", "Cancelled", "Stopped")


@dataclass
class Passing:
    """Passes the page's calls on to the server, as hosts do."""

    client: Client

    async def __call__(self, tool: str, arguments: Json) -> Json | None:
        try:
            result = await self.client.call_tool(tool, arguments)
        except MCPError as error:
            return {"error": {"code": error.error.code, "message": error.error.message}}
        assert isinstance(result, CallToolResult)
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)


@asynccontextmanager
async def hosting(
    browser: Browser,
    world: World,
    person: ElicitationFnT | None,
    *,
    host_page: str = HOST_PAGE,
    **settings: Any,  # noqa: ANN401 - the fields of the settings
) -> AsyncIterator[tuple[Stage, Host]]:
    """A host in a browser, connected to a server of its own; and the host's side of that connection."""
    server = NeoServer(world.settings(**settings))
    async with (
        rendering(server.protocol, person) as client,
        stage(browser, Passing(client), host_page=host_page) as on,
    ):
        yield on, Host(client, server.settings.budget_tokens)


RESTS = """over => {
  if (document.querySelector(".card:not(.settled):not(.failure)")) return "needed";
  const word = document.querySelector("#bar .badge")?.textContent;
  return over.includes(word) && word;
}"""


async def rests(on: Stage) -> str:
    """Wait until somebody is needed, or the turn is over; gives back how the task stands then."""
    handle = await on.view.wait_for_function(RESTS, arg=OVER)
    word: str = await handle.json_value()
    return word


async def reply(on: Stage, host: Host, task_id: str) -> str:
    """Say yes to the first thing that waits, by the page where the page can; gives back what it was."""
    card = on.view.locator(".card:not(.settled):not(.failure)").first
    what = await card.locator(".what").inner_text()
    if "on your machine" in what:
        (need,) = (await host.wait(task_id))["needs"]
        results = [{"tool_call_id": call["tool_call_id"], "content": "ok"} for call in need["calls"]]
        shown = await card.element_handle()
        await host.call("respond", task_id=task_id, action="tool_results", tool_results=results)
        await on.view.wait_for_function("card => !card.isConnected", arg=shown)
        return "local tools"
    if "question" in what:
        options = card.get_by_role("radio")
        if await options.count():
            await options.first.check()
        else:
            await card.get_by_label("Your answer").fill("The first.")
    shown = await card.element_handle()
    await card.locator("button.primary").click()
    # Not by their number: one that was settled before may leave the page meanwhile.
    settled = "card => card.classList.contains('settled') || !card.isConnected"
    await on.view.wait_for_function(settled, arg=shown)
    return what
