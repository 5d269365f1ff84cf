"""The MCP Apps extension (`io.modelcontextprotocol/ui`): who gets the task view, and what is bound to it.

Owns what the extension adds to the tools: the address of the page for three of them, and two more that only
the page calls. A client that does not declare the extension on its request sees none of this. What the two do
is in :mod:`neo_mcp.server.apps.tools`, the page itself in :mod:`neo_mcp.server.apps.bundle`; both are loaded
when needed.

Source: the extension's text, revision 2026-01-26, sections "Client<>Server Capability Negotiation", "Tool
Metadata" and "Resource Discovery". The SDK has the same constants where loading them loads much else.
"""

from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import ReadResourceResult, Resource, TextResourceContents, Tool

from neo_mcp.server.tools import ToolSpec

EXTENSION = "io.modelcontextprotocol/ui"
MIME_TYPE = "text/html;profile=mcp-app"
PAGE_URI = "ui://neo/task.html"

_BOUND = frozenset({"create_task", "get_task", "wait_for_events"})
"""The tools whose result the page shows as a task."""

VIEW_TASK, VIEW_TASKS = "view_task", "view_tasks"


def shows_apps(ctx: ServerRequestContext[Any, Any]) -> bool:
    """True if the client renders pages of this kind: by this very request, or by its handshake."""
    capabilities = ctx.session.client_capabilities
    settings = (capabilities.extensions or {}).get(EXTENSION) if capabilities else None
    mime_types = settings.get("mimeTypes") if isinstance(settings, dict) else None
    return isinstance(mime_types, list) and MIME_TYPE in mime_types


def app_tools() -> Mapping[str, ToolSpec]:
    """The tools that only the page calls."""
    from neo_mcp.server.apps.tools import APP_TOOLS  # noqa: PLC0415 - who shows no page starts without it

    return APP_TOOLS


def is_app_tool(name: str) -> bool:
    """True if there is such a tool for the page alone."""
    return name in {VIEW_TASK, VIEW_TASKS}


def with_page(tools: Mapping[str, ToolSpec]) -> list[Tool]:
    """The definitions of ``tools`` bound to the page, and of those that are the page's own."""
    bound = [
        _with_meta(tool.definition, {"resourceUri": PAGE_URI}) if name in _BOUND else tool.definition
        for name, tool in tools.items()
    ]
    return bound + [_with_meta(tool.definition, {"visibility": ["app"]}) for tool in app_tools().values()]


def _with_meta(definition: Tool, ui: dict[str, Any]) -> Tool:
    return definition.model_copy(update={"meta": {"ui": ui}})


def page_resource() -> Resource:
    """The page as it is listed."""
    return Resource(
        uri=PAGE_URI,
        name="Neo task view",
        description="Shows a Neo task live, for hosts that render MCP Apps.",
        mime_type=MIME_TYPE,
    )


def is_page(uri: str) -> bool:
    """True if an address is the page's."""
    return uri == PAGE_URI


def read_page() -> ReadResourceResult:
    """The page. It needs nothing from anywhere, so it asks its host for no domain."""
    from neo_mcp.server.apps.bundle import page  # noqa: PLC0415 - as above

    content = TextResourceContents(
        uri=PAGE_URI, text=page().html, mime_type=MIME_TYPE, _meta={"ui": {"prefersBorder": False}}
    )
    return ReadResourceResult(contents=[content])
