"""Running the server over streamable HTTP.

Puts the endpoint together, from the outside in: probes, what is observed of requests, limits of a connection,
Host and Origin headers, authentication with one tenant per identity, limits of bodies, the SDK's transport.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import anyio
import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.provider import TokenVerifier
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types.methods import SERVER_RESULTS, serialize_server_result
from starlette.routing import Route
from starlette.types import ASGIApp

from neo_mcp.config import Auth
from neo_mcp.errors import ConfigurationError
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.auth import AuthMiddleware
from neo_mcp.server.http.bodies import Bodies
from neo_mcp.server.http.browser import PAGE_PATH, PATHS, BrowserView, OneTimeLogin
from neo_mcp.server.http.connections import ConnectionLimits, Connections, Pool
from neo_mcp.server.http.cors import Cors
from neo_mcp.server.http.credential_watch import CredentialWatch
from neo_mcp.server.http.credentials import SecretFile, TokenFolder, TokenStore
from neo_mcp.server.http.descriptors import connections_within_limits
from neo_mcp.server.http.exposure import check_exposure
from neo_mcp.server.http.header_checks import HeaderChecks, accepted_headers
from neo_mcp.server.http.limits import Limits, Outgoing, PatientProtocol
from neo_mcp.server.http.normalize import Normalized
from neo_mcp.server.http.probes import Probes, Reachability
from neo_mcp.server.http.redact import without_token_in_refusals
from neo_mcp.server.middleware.telemetry import ObservedRequests

MCP_PATH = "/mcp"
_GRACE_SECONDS = 1
_ACCEPTED_AT_ONCE = 1 / 28
"""The part of all connections that is accepted before others are closed for it, which takes some moments: all
of them together must leave descriptors for what goes upstream."""

_BACKLOG = 1024
_UNSENT_BYTES = 128 * 2**10
"""Bytes that the system buffers for a client that is slow to read."""

_UNCHECKED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""Of the SDK's transport, which compares less exactly than is done before it."""


def _is_news(record: logging.LogRecord) -> bool:
    """False for a stream that is cut off at the end: hosts leave them open until then."""
    cut_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and "timeout graceful shutdown exceeded" not in record.getMessage()


class _Server(uvicorn.Server):
    """Leaves signals to its caller."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections; many may wait to be accepted, however few are at once."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def hang_up(self) -> None:
        """Accept no more requests, at once: a host that waits again has to reach another replica.

        The server does so by itself, but only after a while.
        """
        for listening in getattr(self, "servers", ()):
            listening.close()
        for connection in list(self.server_state.connections):
            # After its answer, where one is under way.
            connection.shutdown()


@contextlib.asynccontextmanager
async def running_http(
    server: NeoServer,
    *,
    host: str,
    port: int,
    verifier: TokenVerifier | None = None,
    tokens: TokenStore | None = None,
    login: OneTimeLogin | None = None,
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[str]:
    """Serve any number of hosts until the block is left; yields the endpoint's address.

    Args:
        server: What to serve.
        host: The address to bind; without authentication, a loopback address.
        port: TCP port; 0 for any free one.
        verifier: Verifies access tokens, in place of what the settings name.
        tokens: Where OAuth users' Pulumi access tokens are, likewise.
        login: Lets browsers of this machine see tasks at ``/``; only without authentication.
        limits: How much clients may have; by default, what is usual and the process can open.

    Raises:
        ConfigurationError: If that is not safe, the settings contradict one another, or the port is taken.
    """
    settings = server.settings
    check_exposure(settings, host, verifier, tokens)
    if login is not None and (settings.auth is not Auth.NONE or settings.is_shared):
        raise ConfigurationError("Tasks can be seen in a browser only with --auth none, on this machine.")
    watch = _credential_watch(server, verifier, tokens)
    limits = limits or _usual_limits()
    _prepare_results()
    with contextlib.closing(_listen(host, port)) as listener:
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}{MCP_PATH}"
        api = Reachability(settings.api_url, server.certificates)
        endpoint = _endpoint(server, host, settings.public_url or url, watch, login, limits)
        app = Outgoing(Probes(endpoint, server, api), Pool(limits.outgoing_bytes))
        connections = Connections(limits, settings.trusted_proxies, server.clock)
        http = _Server(_config(app, connections))
        async with anyio.create_task_group() as group:
            group.start_soon(_serve, http, listener)
            for run in (api.run, watch.run, connections.sweep_often):
                group.start_soon(run)
            try:
                if login is not None:
                    login.open(url.removesuffix(MCP_PATH) + PAGE_PATH)
                yield url
            finally:
                group.cancel_scope.cancel()
                http.hang_up()
                server.end_streams()
                http.should_exit = True


def _prepare_results() -> None:
    """Build what the SDK takes to send a tool's result, some 30 ms of work, before a client waits for one."""
    for method, version in SERVER_RESULTS:
        if method == "tools/call":
            serialize_server_result(method, version, {"content": [], "resultType": "complete"})


def _credential_watch(
    server: NeoServer, verifier: TokenVerifier | None, tokens: TokenStore | None
) -> CredentialWatch:
    """The watch over these credentials, or over those that the settings name."""
    settings = server.settings
    if verifier is None and settings.auth_secret_file is not None:
        verifier = SecretFile(settings.auth_secret_file)
    if tokens is None and settings.token_store is not None:
        tokens = TokenFolder(settings.token_store)
    return CredentialWatch(server, verifier, tokens)


def _config(app: ASGIApp, connections: Connections) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        # uvicorn only ever calls it, as it would the class.
        http=cast("Any", partial(PatientProtocol, connections=connections)),
        backlog=max(int(connections.limits.connections * _ACCEPTED_AT_ONCE), 1),
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _serve(http: _Server, listener: socket.socket) -> None:
    """Serve until ``should_exit`` is set, also when cancelled: cut off, it would leave requests behind."""
    with anyio.CancelScope(shield=True):
        await http.serve([listener])


def _endpoint(
    server: NeoServer,
    host: str,
    url: str,
    watch: CredentialWatch,
    login: OneTimeLogin | None,
    limits: ConnectionLimits,
) -> ASGIApp:
    settings = server.settings
    routes: list[Route] = []
    metadata = ""
    if settings.auth is Auth.OAUTH and settings.oauth_issuer is not None:
        # Only here, as it brings cryptography along.
        from neo_mcp.server.http.oauth import jwt_verifier, metadata_routes, metadata_url  # noqa: PLC0415 - see above

        routes = metadata_routes(url, settings.oauth_issuer, settings.oauth_scopes)
        metadata = metadata_url(url)
        watch.verifier = watch.verifier or jwt_verifier(
            settings.oauth_issuer,
            settings.oauth_audience or url,
            settings.oauth_jwks_url,
            server.certificates,
            server.clock,
        )
    transport = server.protocol.streamable_http_app(
        streamable_http_path=MCP_PATH,
        transport_security=_UNCHECKED,
        custom_starlette_routes=routes,
    )
    # A redirect would lead to plain http behind a proxy that ends TLS.
    transport.router.redirect_slashes = False
    # Without its own limit of bodies, which copies every one and holds the copy until the answer is sent.
    manager = server.protocol.session_manager
    manager.asgi_app = manager.asgi_app.app  # type: ignore[assignment]  # only ever called, as what it replaces
    auth = AuthMiddleware(
        app=Bodies(AuthContextMiddleware(transport)),
        server=server,
        watch=watch,
        scopes=settings.oauth_scopes,
        metadata=metadata,
        open_paths=frozenset(route.path for route in routes),
    )
    inner: ASGIApp = auth if login is None else BrowserView(auth, login, MCP_PATH)
    inner = Normalized(inner, MCP_PATH, url)
    if settings.allowed_origins:
        inner = Cors(inner, settings.allowed_origins)
    checked = HeaderChecks(inner, *accepted_headers(settings, host))
    guarded = without_token_in_refusals(Limits(checked, Pool(limits.incoming_bytes)), server.guard)
    return ObservedRequests(guarded, server.guard, [MCP_PATH, *(PATHS if login else ()), *auth.open_paths])


def _usual_limits() -> ConnectionLimits:
    usual = ConnectionLimits()
    connections = connections_within_limits(usual.connections)
    return replace(
        usual,
        connections=connections,
        reserved=min(usual.reserved, connections // 4),
        of_address=min(usual.of_address, connections // 2),
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's name the event loop leaves Nagle's algorithm on: 40 ms more for every answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Its connections inherit this.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"Port {port} on {host} is not available: {error.strerror}.") from None
    return listener
