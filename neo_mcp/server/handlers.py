"""Handlers of the protocol's requests: each calls what serves it, for the caller that the request is from.

What most connections never ask for is loaded when it is asked for.
"""

import logging
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from neo_mcp.errors import NeoError
from neo_mcp.hidden_text import echoed
from neo_mcp.server.apps import extension as apps
from neo_mcp.server.call import Call
from neo_mcp.server.errors import UNEXPECTED, resource_error
from neo_mcp.server.running import Context, app_of, permit_of, tenant_of
from neo_mcp.server.tool_results import OtherResult, tool_error, tool_result
from neo_mcp.server.tools import TOOLS, tools_of

logger = logging.getLogger(__name__)


def input_schema(name: str) -> dict[str, Any] | None:
    """Return the input schema of a tool; ``None`` if there is no such tool."""
    tool = apps.app_tools()[name] if apps.is_app_tool(name) else TOOLS.get(name)
    return tool.definition.input_schema if tool else None


def is_target(name: str) -> bool:
    """True if there is a tool or a prompt of this name."""
    if name in TOOLS:
        return True
    from neo_mcp.server import prompts  # noqa: PLC0415 - see the module's docstring

    return name in prompts.PROMPTS


async def list_tools(ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
    """List the tools that this client and these settings allow."""
    _refuse_cursor(params)
    tools = tools_of(read_only=app_of(ctx).tasks.settings.read_only)
    if apps.shows_apps(ctx):
        return ListToolsResult(tools=apps.with_page(tools), cache_scope="private")
    return ListToolsResult(tools=[tool.definition for tool in tools.values()])


async def call_tool(
    ctx: Context, params: CallToolRequestParams
) -> CallToolResult | InputRequiredResult | dict[str, Any]:
    """Call a tool; errors that the model can act on become the tool's result."""
    tools = tools_of(read_only=app_of(ctx).tasks.settings.read_only)
    tool = tools.get(params.name)
    if apps.is_app_tool(params.name) and apps.shows_apps(ctx):
        tool = apps.app_tools()[params.name]
    if tool is None:
        # As the official SDKs answer it: a model can correct a wrong name, but never sees a protocol error.
        why = " This server is read-only." if params.name in TOOLS else ""
        return tool_error(
            f"There is no tool {echoed(params.name)} here.{why} The tools are: {', '.join(tools)}."
        )
    try:
        result = await tool.call(Call(app_of(ctx), ctx, params), params.arguments)
    except OtherResult as other:
        return other.result
    except NeoError as error:
        logger.info("%s: %s", params.name, error)
        return tool_error(error.text(app_of(ctx).tasks.wording))
    except Exception:
        logger.exception("%s failed", params.name)
        return tool_error(UNEXPECTED)
    return tool_result(result, app_of(ctx).tasks.wording)


async def listen(ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
    """Serve a subscription stream until its client leaves or the server ends it."""
    try:
        return await ctx.lifespan_context.listeners.serve(app_of(ctx), ctx, params, permit_of(ctx))
    except NeoError as error:
        raise MCPError(INTERNAL_ERROR, error.text(app_of(ctx).tasks.wording)) from error


async def list_resources(ctx: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
    """List the resources of the caller, a page at a time."""
    from neo_mcp.server.resources import read as resources  # noqa: PLC0415 - see the module's docstring

    cursor = params.cursor if params else None
    try:
        listed = await resources.list_resources(app_of(ctx).tasks, cursor)
    except NeoError as error:
        raise MCPError(INVALID_PARAMS, error.text(app_of(ctx).tasks.wording)) from error
    if cursor is None and apps.shows_apps(ctx):
        listed.resources.append(apps.page_resource())
    return listed


async def list_resource_templates(
    _: Context, params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    """List the templates of resource addresses."""
    from neo_mcp.server.resources import read as resources  # noqa: PLC0415 - see the module's docstring

    _refuse_cursor(params)
    return resources.TEMPLATES


async def read_resource(ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    """Read a resource."""
    from neo_mcp.server.resources import read as resources  # noqa: PLC0415 - see the module's docstring

    if apps.is_page(params.uri):
        return apps.read_page()
    try:
        return await resources.read_resource(app_of(ctx).tasks, params.uri)
    except NeoError as error:
        raise resource_error(ctx, params.uri, error) from error


async def subscribe(ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
    """Subscribe a session to a resource."""
    try:
        tenant_of(ctx).subscriptions.add(ctx.session, params.uri)
    except NeoError as error:
        raise resource_error(ctx, params.uri, error) from error
    return EmptyResult()


async def unsubscribe(ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
    """Unsubscribe a session from a resource."""
    tenant_of(ctx).subscriptions.remove(ctx.session, params.uri)
    return EmptyResult()


async def list_prompts(ctx: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
    """List the prompts."""
    from neo_mcp.server import prompts  # noqa: PLC0415 - see the module's docstring

    _refuse_cursor(params)
    specs = prompts.prompts_of(read_only=app_of(ctx).tasks.settings.read_only)
    return ListPromptsResult(prompts=[spec.definition(name) for name, spec in specs.items()])


async def get_prompt(ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
    """Fill in a prompt."""
    from neo_mcp.server import prompts  # noqa: PLC0415 - see the module's docstring

    try:
        tasks = app_of(ctx).tasks
        return prompts.get_prompt(
            params.name, params.arguments, tasks.client.task_url, read_only=tasks.settings.read_only
        )
    except NeoError as error:
        raise MCPError(INVALID_PARAMS, error.text(app_of(ctx).tasks.wording)) from error


async def complete(ctx: Context, params: CompleteRequestParams) -> CompleteResult:
    """Complete an argument of a prompt or a resource template."""
    from neo_mcp.server import completions  # noqa: PLC0415 - see the module's docstring

    return await completions.complete(app_of(ctx).tasks, params)


def _refuse_cursor(params: PaginatedRequestParams | None) -> None:
    """These lists are one page: whatever cursor comes, it is not one of ours."""
    if params is not None and params.cursor is not None:
        raise MCPError(INVALID_PARAMS, "Invalid cursor: this list has one page.")
