"""The MCP Apps extension: who gets the task view, and that nobody else sees a trace of it."""

import anyio
import mcp.server.apps as sdk
import mcp_types as types
import pytest
from mcp import Client

from neo_mcp.server.app import NeoServer
from neo_mcp.server.apps import extension as apps
from neo_mcp.server.http.server import running_http
from tests.server.test_surface import NAMES, definition
from tests.support.host import ERAS, Host, Json, World, text_of
from tests.support.processes import environment, running
from tests.support.view_host import EXTENSION, MIME_TYPE, RENDERS, paging, rendering

pytestmark = pytest.mark.scorecard("who renders no MCP Apps sees nothing of the task view")

BOUND = {"create_task", "get_task", "wait_for_events"}
APP_ONLY = ["view_task", "view_tasks"]
NOT_RENDERING: list[Json] = [{}, {"mimeTypes": []}, {"mimeTypes": ["text/html"]}, {"mimeTypes": MIME_TYPE}]


def dumped(tool: types.Tool) -> Json:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_constants_are_the_extensions() -> None:
    """The SDK has them too, in a module that loads much else."""
    assert apps.EXTENSION == sdk.EXTENSION_ID == EXTENSION
    assert apps.MIME_TYPE == sdk.APP_MIME_TYPE == MIME_TYPE


async def test_a_client_that_renders_pages_gets_the_page_with_the_tools(world: World, era: str) -> None:
    async with paging(world, mode=era) as page:
        tools = {tool.name: dumped(tool) for tool in (await page.host.client.list_tools()).tools}
    assert list(tools) == [*NAMES, *APP_ONLY]
    for name in NAMES:
        meta = tools[name].pop("_meta", None)
        assert meta == ({"ui": {"resourceUri": apps.PAGE_URI}} if name in BOUND else None)
        assert tools[name] == definition(name)
    for name in APP_ONLY:
        assert tools[name]["_meta"] == {"ui": {"visibility": ["app"]}}
        assert tools[name]["annotations"]["readOnlyHint"]


async def test_who_renders_no_pages_gets_the_six_tools_as_they_are(world: World, era: str) -> None:
    for settings in NOT_RENDERING:
        server = NeoServer(world.settings())
        async with rendering(server.protocol, mode=era, settings=settings) as client:
            listed = await client.list_tools()
            assert [dumped(tool) for tool in listed.tools] == [definition(name) for name in NAMES]
            resources = await client.list_resources()
            assert apps.PAGE_URI not in {str(resource.uri) for resource in resources.resources}


@pytest.mark.parametrize("tool", APP_ONLY)
async def test_for_others_a_tool_of_the_page_is_no_tool_at_all(world: World, era: str, tool: str) -> None:
    task_id = world.simulator.add_task("acme", status="running")
    async with world.host(mode=era) as host:
        unknown = await host.refused("no_such_tool", task_id=task_id)
        refused = await host.refused(tool, task_id=task_id)
    assert refused == unknown.replace("no_such_tool", tool)
    assert "view_task" not in unknown


async def test_a_wrong_name_is_never_answered_with_the_tools_of_the_page(world: World) -> None:
    async with paging(world) as page:
        assert "view_task" not in await page.host.refused("no_such_tool")


async def test_the_server_declares_the_extension(world: World) -> None:
    """Where revisions have room for that: in the handshake eras, what is bound to the tools has to do."""
    async with world.host(mode="auto") as host:
        capabilities = host.client.server_capabilities
    assert capabilities is not None
    assert EXTENSION in (capabilities.extensions or {})


async def test_the_page_is_a_resource_of_the_kind_that_hosts_render(world: World, era: str) -> None:
    async with paging(world, mode=era) as page:
        listed = await page.host.client.list_resources()
        (resource,) = [each for each in listed.resources if str(each.uri) == apps.PAGE_URI]
        read = await page.host.client.read_resource(apps.PAGE_URI)
    assert resource.mime_type == MIME_TYPE
    assert isinstance(read, types.ReadResourceResult)
    (content,) = read.contents
    assert isinstance(content, types.TextResourceContents)
    assert content.mime_type == MIME_TYPE
    assert content.text.startswith("<!doctype html>")
    # It asks for no domain: whatever a host allows by default is more than it needs.
    assert "csp" not in ((content.meta or {}).get("ui") or {})


@pytest.mark.parametrize(
    "uri", ["ui://neo/other.html", "ui://neo/task.html/", "ui://neo/task.html?x", "ui://x"]
)
async def test_there_is_no_other_page(world: World, uri: str) -> None:
    async with paging(world) as page:
        await page.host.refused_resource(uri)


async def test_one_server_serves_both_kinds_of_clients_at_a_time(world: World) -> None:
    """What a client renders is its own: also over HTTP, in either era, one after the other."""
    async with running_http(NeoServer(world.settings()), host="127.0.0.1", port=0) as url:
        for era in ERAS:
            for client, count in ((rendering(url, mode=era), 8), (Client(url, mode=era, cache=None), 6)):
                async with client:
                    listed = await client.list_tools()
                    assert len(listed.tools) == count


async def test_a_list_that_depends_on_the_client_is_not_shared(world: World) -> None:
    async with paging(world) as page:
        listed = await page.host.client.list_tools()
        assert listed.cache_scope == "private"
    async with world.host() as host:
        assert (await host.client.list_tools()).cache_scope == "public"


@pytest.mark.parametrize("tool", APP_ONLY)
async def test_strange_arguments_are_refused_in_words(world: World, tool: str) -> None:
    async with paging(world) as page:
        result = await page.raw(tool, task_id="x", nonsense=1)
    assert result.is_error
    assert "nonsense" in text_of(result)


async def test_over_stdio_the_page_is_there_as_well(world: World, tmp_path: object) -> None:
    env = environment(world.simulator.url, str(tmp_path))
    async with running("serve", env=env) as server:
        await server.initialize(extensions={EXTENSION: RENDERS})
        listed = await server.request("tools/list")
        read = await server.request("resources/read", uri=apps.PAGE_URI)
        task_id = world.simulator.add_task("acme", status="running")
        seen = await server.call("view_task", task_id=task_id)
    assert len(listed["result"]["tools"]) == 8
    assert read["result"]["contents"][0]["mimeType"] == MIME_TYPE
    assert seen["structuredContent"]["task_id"] == task_id


async def test_every_call_of_the_page_is_under_way_only_as_long_as_its_host_is(world: World) -> None:
    """A page that goes away ends its wait, and with it what it holds."""
    task_id = world.simulator.add_task("acme", status="running")
    server = NeoServer(world.settings())
    async with rendering(server.protocol) as client:
        host = Host(client, 6000)
        seen = await host.client.call_tool("view_task", {"task_id": task_id})
        assert isinstance(seen, types.CallToolResult)
        assert seen.structured_content is not None
        cursor = seen.structured_content["cursor"]
        waits = server.running.operator.app.tasks.quotas.waits  # type: ignore[union-attr]  # there is an operator
        with anyio.move_on_after(0.3):
            await client.call_tool("view_task", {"task_id": task_id, "cursor": cursor, "wait": 25})
        with anyio.fail_after(20):
            while waits.used:  # noqa: ASYNC110 - the handler ends on its own
                await anyio.sleep(0.01)
