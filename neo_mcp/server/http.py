"""Running the server over streamable HTTP.

Loopback only: there is no authentication here yet, and whoever reaches the endpoint uses the operator's
token. Host and Origin headers are always checked, so that no web page can reach it through a browser.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from neo_mcp.errors import ConfigurationError
from neo_mcp.server.app import NeoServer

MCP_PATH = "/mcp"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_GRACE_SECONDS = 1
_MAX_BODY = 16 * 2**20
"""Bytes of one request: room for a whole batch of local tools' results, however it is escaped."""


def _is_news(record: logging.LogRecord) -> bool:
    """Hosts keep streams open until the very end: that those are cut off then is nothing to report."""
    cut_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and "timeout graceful shutdown exceeded" not in record.getMessage()


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running_http(server: NeoServer, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve any number of hosts until the block is left; yields the endpoint's address.

    Args:
        server: What to serve.
        host: A loopback address.
        port: TCP port; 0 for any free one.

    Raises:
        ConfigurationError: If ``host`` is no loopback address, or the port cannot be had.
    """
    listener = _listen(host, port)
    bound = listener.getsockname()[1]
    app = server.protocol.streamable_http_app(
        streamable_http_path=MCP_PATH,
        host=host,
        transport_security=_header_checks(),
        max_request_body_size=_MAX_BODY,
    )
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=_GRACE_SECONDS
    )
    http = _Server(config)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    async with anyio.create_task_group() as group:
        group.start_soon(http.serve, [listener])
        try:
            yield f"http://{f'[{host}]' if ':' in host else host}:{bound}{MCP_PATH}"
        finally:
            server.end_streams()
            http.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    if host not in _LOOPBACK:
        raise ConfigurationError(
            f"Serving on {host} would let anybody on the network use your token.",
            next_step="Serve on 127.0.0.1.",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's name the event loop leaves Nagle's algorithm on: 40 ms more for every answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"Port {port} on {host} cannot be had: {error.strerror}.") from None
    return listener


def _header_checks() -> TransportSecuritySettings:
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=["127.0.0.1:*", "localhost:*", "[::1]:*"],
        allowed_origins=["http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*"],
    )
