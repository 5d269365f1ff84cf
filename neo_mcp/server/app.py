"""The composition root: builds the server from settings and wires every request to its handler.

Owns the translation of errors at the protocol's boundary: what the model can act on becomes a tool's error,
what the MCP specification calls a protocol error becomes one.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
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
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import SecretStr, ValidationError

from neo_mcp._version import __version__
from neo_mcp.api import SYSTEM_CLOCK, Certificates, Clock, NeoClient, TokenGuard
from neo_mcp.config import Settings
from neo_mcp.errors import InvalidArgumentError, NeoError, NotFoundError
from neo_mcp.hidden_text import echoed
from neo_mcp.hints import Hint
from neo_mcp.server.apps import extension as apps
from neo_mcp.server.call import App, Call
from neo_mcp.server.completions import complete
from neo_mcp.server.elicitation import InputRequired
from neo_mcp.server.listen import Listeners
from neo_mcp.server.mcp_tasks.defer import Deferred
from neo_mcp.server.mcp_tasks.handle import EXTENSION
from neo_mcp.server.mcp_tasks.methods import serve_tasks
from neo_mcp.server.mcp_tasks.status import created_task
from neo_mcp.server.middleware.answers import readable_answers
from neo_mcp.server.middleware.redact import without_token
from neo_mcp.server.middleware.request_sizes import within_sizes
from neo_mcp.server.middleware.telemetry import Names, discreet, observed_operations
from neo_mcp.server.prompts import PROMPTS, get_prompt, prompts_of
from neo_mcp.server.resources.read import TEMPLATES, list_resources, read_resource
from neo_mcp.server.running import Context, Running, app_of, permit_of, world_of
from neo_mcp.server.seal import Seal
from neo_mcp.server.tenants.admission import Admission
from neo_mcp.server.tenants.allowances import Allowance
from neo_mcp.server.tenants.permits import ended_with_permit
from neo_mcp.server.tenants.tenants import IDLE_SECONDS, Caller, Identities
from neo_mcp.server.tool_results import tool_error, tool_result
from neo_mcp.server.tools import TOOLS, instructions, tools_of
from neo_mcp.server.wording import wording_of
from neo_mcp.service.approvals.used_answers import Ledger
from neo_mcp.service.client import make_client
from neo_mcp.service.quotas import ALONE, ONE_OF_SEVERAL
from neo_mcp.service.tasks import TaskService

logger = logging.getLogger(__name__)

NAME = "pulumi-neo-mcp"
RESOURCE_NOT_FOUND = -32002
"""The handshake eras' code for an unknown resource; since 2026-07-28 it is invalid parameters."""

_PUBLIC_HOUR = CacheHint(ttl_ms=3_600_000, scope="public")


class NeoServer:
    """The MCP server of these settings, for any transport.

    Attributes:
        settings: As given.
        clock: Time, sleep and chance.
        guard: Takes the operator's access token out of whatever passes by.
        operator: Whose token is used for whoever brings none.
        certificates: What TLS connections are checked against, whoever's they are.
    """

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Check the settings.

        Raises:
            ConfigurationError: If the API URL or the token cannot be used.
        """
        self.settings = settings
        self.clock = clock
        self._wording = wording_of(settings)
        self._is_stopping = False
        self._running: list[Running] = []
        self.certificates = Certificates()
        self.guard = TokenGuard(settings.token)
        self.operator = Caller(settings.token)
        # What is wrong with the settings is said at once.
        make_client(settings, clock, self.certificates)
        self._listeners = Listeners()
        self._used_answers = Ledger.beside(settings.key_file)
        self.protocol: Server[Running] = Server(
            NAME,
            version=__version__,
            title="Pulumi Neo (independent bridge)",
            description="Delegate infrastructure work to Pulumi Neo and stay in the loop.",
            instructions=instructions(read_only=settings.read_only),
            lifespan=self._lifespan,
            cache_hints={
                "tools/list": _PUBLIC_HOUR,
                "prompts/list": _PUBLIC_HOUR,
                "resources/templates/list": _PUBLIC_HOUR,
            },
            get_tool_input_schema=_input_schema,
            on_list_tools=_list_tools,
            on_list_resources=_list_resources,
            on_list_resource_templates=_list_resource_templates,
            on_read_resource=_read_resource,
            on_subscribe_resource=_subscribe,
            on_unsubscribe_resource=_unsubscribe,
            on_subscriptions_listen=self._listen,
            on_list_prompts=_list_prompts,
            on_get_prompt=_get_prompt,
            on_completion=_complete,
        )
        # Not above: a call may also return what an extension defines.
        self.protocol.add_request_handler("tools/call", CallToolRequestParams, _call_tool)
        self.protocol.extensions[EXTENSION] = {}
        self.protocol.extensions[apps.EXTENSION] = {}
        serve_tasks(self.protocol, app_of)
        self._seal = Seal(settings.key)
        # Whatever a person answers is good for their own identity only, not just for their session's owner.
        security = RequestStateSecurity(
            codec=self._seal.codec, bind_principal=lambda ctx: app_of(ctx).identity
        )
        names = Names(self._has_method, {*TOOLS, *PROMPTS})
        self.protocol.middleware[:] = [
            # Before all others, which copy and search what is asked.
            within_sizes,
            # Before what traces requests, which tells about them, too.
            without_token(lambda ctx: app_of(ctx).tasks.guard),
            *(discreet(tracing, names) for tracing in self.protocol.middleware),
            observed_operations(names),
            ended_with_permit(permit_of),
            RequestStateBoundary(security, default_audience=NAME),
            readable_answers,
            _contain,
        ]

    def end_streams(self) -> None:
        """End every wait and subscription stream in the way that tells its client so; for a shutdown."""
        self._is_stopping = True
        self._listeners.close()
        for running in self._running:
            running.identities.stop(
                NeoError("This server is stopping.", next_step="Wait again with the same cursor later.")
            )

    @property
    def running(self) -> Running:
        """What was started last.

        Raises:
            NeoError: If nothing runs, or not for much longer.
        """
        if self._is_stopping or not self._running:
            raise NeoError("This server is stopping.", next_step="Try again later.")
        return self._running[-1]

    def _has_method(self, name: str) -> bool:
        protocol = self.protocol
        return bool(protocol.get_request_handler(name) or protocol.get_notification_handler(name))

    @asynccontextmanager
    async def _lifespan(self, _: Server[Running]) -> AsyncIterator[Running]:
        async with AsyncExitStack() as stack, anyio.create_task_group() as background:
            settings, clock = self.settings, self.clock
            identities = Identities(
                self._assemble,
                settings.api_url,
                background,
                idle_seconds=IDLE_SECONDS,
                requests=settings.quota or (ONE_OF_SEVERAL if settings.is_shared else ALONE),
                admission=Admission(self._client, background, clock, self._wording[Hint.REPLACE_TOKEN]),
                clock=clock,
            )
            operator = None
            if not settings.is_shared:
                operator = await stack.enter_async_context(identities.world_of(self.operator))
            running = Running(identities, operator)
            self._running.append(running)
            try:
                yield running
            finally:
                self._running.remove(running)
                identities.close()
                background.cancel_scope.cancel()

    def _client(
        self, token: SecretStr | None, on_unauthorized: Callable[[], object] | None = None
    ) -> NeoClient:
        return make_client(
            replace(self.settings, token=token), self.clock, self.certificates, on_unauthorized
        )

    def _assemble(self, caller: Caller, background: anyio.abc.TaskGroup, allowance: Allowance) -> App:
        """The application of one identity; its tasks belong to ``background``."""
        settings = replace(self.settings, token=caller.token)
        identity = caller.identity(settings.api_url)
        return App(
            TaskService.of(
                settings,
                self._client(caller.token, lambda: self._doubt(identity)),
                background,
                owner=identity,
                quotas=allowance.quotas,
                clock=self.clock,
                wording=self._wording,
            ),
            seal=self._seal,
            identity=identity,
            used_answers=self._used_answers.of(identity, allowance.key),
        )

    def _doubt(self, identity: str) -> None:
        for running in self._running:
            running.identities.doubt(identity)

    async def _listen(
        self, ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        try:
            return await self._listeners.serve(app_of(ctx), ctx, params, permit_of(ctx))
        except NeoError as error:
            raise MCPError(INTERNAL_ERROR, error.text(self._wording)) from error


async def _contain(ctx: Context, call_next: CallNext) -> HandlerResult:
    """What nobody foresaw is told as what it is, and its details to the log alone."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception as error:
        logger.exception("%r failed", ctx.method)
        why = "Something went wrong inside pulumi-neo-mcp; its log has the details."
        raise MCPError(INTERNAL_ERROR, why) from error


def _input_schema(name: str) -> dict[str, Any] | None:
    tool = apps.app_tools()[name] if apps.is_app_tool(name) else TOOLS.get(name)
    return tool.definition.input_schema if tool else None


async def _list_tools(ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
    _refuse_cursor(params)
    tools = tools_of(read_only=app_of(ctx).tasks.settings.read_only)
    if apps.shows_apps(ctx):
        return ListToolsResult(tools=apps.with_page(tools), cache_scope="private")
    return ListToolsResult(tools=[tool.definition for tool in tools.values()])


async def _call_tool(
    ctx: Context, params: CallToolRequestParams
) -> CallToolResult | InputRequiredResult | dict[str, Any]:
    tools = tools_of(read_only=app_of(ctx).tasks.settings.read_only)
    tool = tools.get(params.name)
    if apps.is_app_tool(params.name) and apps.shows_apps(ctx):
        tool = apps.app_tools()[params.name]
    if tool is None:
        # As the official SDKs answer it: a model can correct a wrong name, but never sees a protocol error.
        why = " This server only looks." if params.name in TOOLS else ""
        return tool_error(
            f"There is no tool {echoed(params.name)} here.{why} The tools are: {', '.join(tools)}."
        )
    try:
        result = await tool.call(Call(app_of(ctx), ctx, params), params.arguments)
    except InputRequired as wanted:
        return wanted.result
    except Deferred as deferred:
        return created_task(deferred.handle)
    except NeoError as error:
        logger.info("%s: %s", params.name, error)
        return tool_error(error.text(app_of(ctx).tasks.wording))
    except Exception:
        logger.exception("%s failed", params.name)
        return tool_error(
            "Something went wrong inside pulumi-neo-mcp; its log has the details. "
            "Check the task with get_task before you try again."
        )
    return tool_result(result, app_of(ctx).tasks.wording)


async def _list_resources(ctx: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
    cursor = params.cursor if params else None
    try:
        listed = await list_resources(app_of(ctx).tasks, cursor)
    except NeoError as error:
        raise MCPError(INVALID_PARAMS, error.text(app_of(ctx).tasks.wording)) from error
    if cursor is None and apps.shows_apps(ctx):
        listed.resources.append(apps.page_resource())
    return listed


async def _list_resource_templates(
    _: Context, params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    _refuse_cursor(params)
    return TEMPLATES


async def _read_resource(ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    if apps.is_page(params.uri):
        return apps.read_page()
    try:
        return await read_resource(app_of(ctx).tasks, params.uri)
    except NeoError as error:
        raise _resource_error(ctx, params.uri, error) from error


async def _subscribe(ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
    try:
        world_of(ctx).subscriptions.add(ctx.session, params.uri)
    except NeoError as error:
        raise _resource_error(ctx, params.uri, error) from error
    return EmptyResult()


async def _unsubscribe(ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
    world_of(ctx).subscriptions.remove(ctx.session, params.uri)
    return EmptyResult()


async def _list_prompts(ctx: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
    _refuse_cursor(params)
    prompts = prompts_of(read_only=app_of(ctx).tasks.settings.read_only)
    return ListPromptsResult(prompts=[spec.definition(name) for name, spec in prompts.items()])


async def _get_prompt(ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
    try:
        return get_prompt(params.name, params.arguments, read_only=app_of(ctx).tasks.settings.read_only)
    except NeoError as error:
        raise MCPError(INVALID_PARAMS, error.text(app_of(ctx).tasks.wording)) from error


async def _complete(ctx: Context, params: CompleteRequestParams) -> CompleteResult:
    return await complete(app_of(ctx).tasks, params)


def _refuse_cursor(params: PaginatedRequestParams | None) -> None:
    """These lists are one page: whatever cursor comes, it is not one of ours."""
    if params is not None and params.cursor is not None:
        raise MCPError(INVALID_PARAMS, "Invalid cursor: this list has one page.")


def _resource_error(ctx: Context, uri: str, error: NeoError) -> MCPError:
    text = error.text(app_of(ctx).tasks.wording)
    if not isinstance(error, InvalidArgumentError | NotFoundError):
        return MCPError(INTERNAL_ERROR, text, {"uri": uri})
    code = INVALID_PARAMS if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else RESOURCE_NOT_FOUND
    return MCPError(code, text, {"uri": uri})
