"""The composition root: builds the server from settings, and wires every request to its handler."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import (
    CallToolRequestParams,
)

from neo_mcp._version import __version__
from neo_mcp.api import Certificates, NeoClient, TokenGuard
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.config import Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import NeoError
from neo_mcp.hints import Hint
from neo_mcp.secret import SecretStr
from neo_mcp.server import handlers
from neo_mcp.server.apps import extension as apps
from neo_mcp.server.call import App
from neo_mcp.server.errors import report_unexpected
from neo_mcp.server.listen import Listeners
from neo_mcp.server.mcp_tasks.handle import EXTENSION
from neo_mcp.server.mcp_tasks.routes import serve_tasks
from neo_mcp.server.middleware.answers import readable_answers
from neo_mcp.server.middleware.arguments import readable_arguments
from neo_mcp.server.middleware.redact import without_token
from neo_mcp.server.middleware.request_sizes import within_sizes, without_body
from neo_mcp.server.middleware.telemetry import Names, discreet, observed_operations
from neo_mcp.server.protocol import ProtocolServer
from neo_mcp.server.running import Running, app_of, permit_of
from neo_mcp.server.seal import Seal
from neo_mcp.server.tenants.admission import Admission
from neo_mcp.server.tenants.allowances import Allowance
from neo_mcp.server.tenants.permits import ended_with_permit
from neo_mcp.server.tenants.tenants import IDLE_SECONDS, Caller, Tenants
from neo_mcp.server.tools import instructions
from neo_mcp.server.wording import wording_of
from neo_mcp.service.acting import Acting
from neo_mcp.service.approvals.used_answers import Ledger
from neo_mcp.service.client import make_client
from neo_mcp.service.quotas import ALONE, ONE_OF_SEVERAL
from neo_mcp.service.tasks import TaskService

logger = logging.getLogger(__name__)

_PUBLIC_HOUR = CacheHint(ttl_ms=3_600_000, scope="public")


class NeoServer:
    """The MCP server of these settings, for any transport.

    Attributes:
        settings: As given.
        clock: Time, sleep and chance.
        guard: Takes the operator's access token out of whatever passes by.
        operator: The token that is used for callers without one.
        certificates: The certificate authorities that TLS connections are checked against.
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
        self._acting = Acting(settings)
        self._used_answers = Ledger.beside(settings.key_file, clock)
        self.protocol = ProtocolServer(
            PROGRAM,
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
            get_tool_input_schema=handlers.input_schema,
            on_list_tools=handlers.list_tools,
            on_list_resources=handlers.list_resources,
            on_list_resource_templates=handlers.list_resource_templates,
            on_read_resource=handlers.read_resource,
            on_subscribe_resource=handlers.subscribe,
            on_unsubscribe_resource=handlers.unsubscribe,
            on_subscriptions_listen=handlers.listen,
            on_list_prompts=handlers.list_prompts,
            on_get_prompt=handlers.get_prompt,
            on_completion=handlers.complete,
        )
        # Not above: a call may also return what an extension defines.
        self.protocol.add_request_handler("tools/call", CallToolRequestParams, handlers.call_tool)
        self.protocol.extensions[EXTENSION] = {}
        self.protocol.extensions[apps.EXTENSION] = {}
        serve_tasks(self.protocol, app_of)
        self._seal = Seal(settings.key)
        # Whatever a person answers is good for their own identity only, not just for their session's owner.
        security = RequestStateSecurity(
            codec=self._seal.codec, bind_principal=lambda ctx: app_of(ctx).identity
        )
        names = Names(self._has_method, handlers.is_target)
        self.protocol.middleware[:] = [
            without_body,
            # Before all others, which copy and search what is asked.
            within_sizes,
            readable_arguments,
            # Before what traces requests, which tells about them, too.
            without_token(lambda ctx: app_of(ctx).tasks.guard),
            *(discreet(tracing, names) for tracing in self.protocol.middleware),
            observed_operations(names),
            ended_with_permit(permit_of),
            RequestStateBoundary(security, default_audience=PROGRAM),
            readable_answers,
            report_unexpected,
        ]

    def end_streams(self) -> None:
        """End every wait and subscription stream gracefully, for a shutdown."""
        self._is_stopping = True
        self._listeners.close()
        for running in self._running:
            running.tenants.stop(
                NeoError("This server is stopping.", next_step="Wait again with the same cursor later.")
            )

    @property
    def running(self) -> Running:
        """The resources of the last start.

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
            tenants = Tenants(
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
                operator = await stack.enter_async_context(tenants.tenant_of(self.operator))
            running = Running(tenants, operator, self._listeners)
            self._running.append(running)
            try:
                yield running
            finally:
                self._running.remove(running)
                tenants.close()
                background.cancel_scope.cancel()

    def _client(
        self, token: SecretStr | None, on_unauthorized: Callable[[], object] | None = None
    ) -> NeoClient:
        return make_client(
            self.settings._replace(token=token), self.clock, self.certificates, on_unauthorized
        )

    def _assemble(self, caller: Caller, background: anyio.abc.TaskGroup, allowance: Allowance) -> App:
        """The application of one identity; its tasks belong to ``background``."""
        settings = self.settings._replace(token=caller.token)
        identity = caller.identity(settings.api_url)
        return App(
            TaskService.of(
                settings,
                self._client(caller.token, lambda: self._doubt(identity)),
                background,
                owner=identity,
                quotas=allowance.quotas,
                wording=self._wording,
            ),
            seal=self._seal,
            identity=identity,
            used_answers=self._used_answers.of(identity, allowance.key),
            acting=self._acting,
        )

    def _doubt(self, identity: str) -> None:
        for running in self._running:
            running.tenants.doubt(identity)
