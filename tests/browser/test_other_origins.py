"""A page on another origin uses the endpoint, in a browser that guards it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from neo_mcp.config import Auth
from tests.browser.driver import Browser, Page
from tests.support.host import World
from tests.support.people import KEY, SECRET, secret_file, serving
from tests.support.processes import HELLO

CALL = """async ({url, secret, hello}) => {
  const headers = {
    "Accept": "application/json, text/event-stream",
    "Authorization": `Bearer ${secret}`,
    "Content-Type": "application/json",
  };
  const post = (method, params, more) => fetch(url, {
    method: "POST",
    headers: {...headers, ...more},
    body: JSON.stringify({jsonrpc: "2.0", id: 1, method, params}),
  });
  const session = (await post("initialize", hello)).headers.get("mcp-session-id");
  const listed = await post("tools/list", {}, {
    "Mcp-Session-Id": session,
    "MCP-Protocol-Version": hello.protocolVersion,
  });
  return [session, await listed.text()];
}"""


@asynccontextmanager
async def page_at(browser: Browser, address: str) -> AsyncIterator[Page]:
    # The page there allows itself nothing.
    context = await browser.new_context(bypass_csp=True)
    try:
        page = await context.new_page()
        await page.goto(address)
        yield page
    finally:
        await context.close()


async def test_a_page_that_may_use_it_lists_the_tools(browser: Browser, world: World, tmp_path: Path) -> None:
    async with serving(world.settings()) as elsewhere:
        settings = world.settings(
            auth=Auth.BEARER,
            auth_secret_file=secret_file(tmp_path, SECRET),
            key=KEY,
            allowed_origins=(elsewhere.removesuffix("/mcp"),),
        )
        async with serving(settings) as url:
            given = {"url": url, "secret": SECRET, "hello": HELLO}
            async with page_at(browser, elsewhere) as page:
                session, listed = await page.evaluate(CALL, given)
            assert session
            assert "create_task" in listed
            async with page_at(browser, elsewhere.replace("127.0.0.1", "localhost")) as page:
                failed = await page.evaluate(f"given => ({CALL})(given).catch(error => error.message)", given)
            assert failed == "Failed to fetch"
