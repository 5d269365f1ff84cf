"""A host that renders MCP Apps, for tests of the task view: calls its tools as the page does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.extension import advertise
from mcp.client.session import ElicitationFnT

from neo_mcp.core.view.model import TasksView, TaskView
from neo_mcp.server.app import NeoServer
from tests.support.host import MODERN, PATIENCE, Host, Json, World, text_of
from tests.support.shapes import misfit

EXTENSION = "io.modelcontextprotocol/ui"
MIME_TYPE = "text/html;profile=mcp-app"
RENDERS = {"mimeTypes": [MIME_TYPE]}
MAX_BYTES = 512 * 2**10

SHAPES: Json = {"view_task": TaskView, "view_tasks": TasksView}


@dataclass
class Page:
    """What a page does; every answer has the shape that is promised."""

    host: Host

    async def call(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - any JSON
        result = await self.raw(tool, **arguments)
        assert not result.is_error, text_of(result)
        content = result.structured_content
        assert isinstance(content, dict)
        return check(tool, content)

    async def raw(self, tool: str, **arguments: Any) -> types.CallToolResult:  # noqa: ANN401 - any JSON
        with anyio.fail_after(PATIENCE):
            result = await self.host.client.call_tool(tool, arguments)
        assert isinstance(result, types.CallToolResult)
        assert "\n" not in text_of(result) or result.is_error
        return result

    async def look(self, task_id: str, **arguments: Any) -> Json:  # noqa: ANN401 - any JSON
        """One answer of view_task."""
        return await self.call("view_task", task_id=task_id, **arguments)

    async def needs(self, task_id: str, kind: str) -> Json:
        """Look until something of this kind is needed, as the page does: by cursor."""
        seen = await self.look(task_id)
        with anyio.fail_after(PATIENCE):
            while not any(need["kind"] == kind for need in seen["attention"]):
                seen = await self.look(task_id, cursor=seen["cursor"], wait=20)
        return seen


def check(tool: str, content: Json) -> Json:
    """Hold an answer against the shape of its tool: nothing is missing, nothing else is there."""
    assert misfit(content, SHAPES[tool]) is None
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_BYTES
    return content


def rendering(
    server: object, person: ElicitationFnT | None = None, *, mode: str = MODERN, settings: Json = RENDERS
) -> Client:
    """A client that says that it renders pages."""
    return Client(
        server,  # type: ignore[arg-type]  # an address, or a server of this process
        mode=mode,
        elicitation_callback=person,
        extensions=[advertise(EXTENSION, settings)],
        cache=None,
    )


@asynccontextmanager
async def paging(
    world: World,
    person: ElicitationFnT | None = None,
    *,
    mode: str = MODERN,
    **settings: Any,  # noqa: ANN401 - the fields of the settings
) -> AsyncIterator[Page]:
    """A page in a host, and a server of its own."""
    server = NeoServer(world.settings(**settings))
    async with rendering(server.protocol, person, mode=mode) as client:
        yield Page(Host(client, server.settings.budget_tokens))
