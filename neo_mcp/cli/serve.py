"""The ``serve`` command: the server on a transport, against Pulumi Cloud or a simulator of its own."""

import argparse
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from pydantic import SecretStr

from neo_mcp.api import TokenGuard
from neo_mcp.config import Auth, LogFormat, Settings
from neo_mcp.core.sanitize import clean
from neo_mcp.errors import ConfigurationError
from neo_mcp.server.app import NeoServer
from neo_mcp.server.run import on_signal, serve_stdio
from neo_mcp.standard_streams import Wire

logger = logging.getLogger(__name__)


async def serve(settings: Settings, options: argparse.Namespace, wire: Wire | None = None) -> None:
    """Serve until the host leaves or a signal comes: a host on ``wire``, or any number over HTTP.

    Raises:
        NeoError: If the settings make no sense, or the port cannot be had.
    """
    if not options.http and (settings.auth is not Auth.NONE or settings.is_shared):
        raise ConfigurationError(
            "--auth and --pulumi-token-header are for --http: on stdio there is one host, and your token."
        )
    for warning in settings.warnings:
        logger.warning("%s", warning)
    async with _sandboxed(settings, enabled=options.sandbox) as settled:
        server = NeoServer(settled)
        if wire is None:
            await _serve_http(server, options)
        else:
            await serve_stdio(server, wire)


def shown_without(token: SecretStr | None) -> Callable[[str], str]:
    """Makes text fit for logs: without ``token``, other secrets, and what a terminal would act on."""
    guard = TokenGuard(token)
    return lambda text: clean(guard.text(text))


async def _serve_http(server: NeoServer, options: argparse.Namespace) -> None:
    import anyio  # noqa: PLC0415 - only here

    from neo_mcp.server.http import running_http  # noqa: PLC0415 - serving stdio does without uvicorn

    stop = anyio.Event()
    async with running_http(server, host=options.host, port=options.port) as url:
        if server.settings.log_format is LogFormat.JSON:
            logger.info("pulumi-neo-mcp serves %s", url)
        else:
            print(f"pulumi-neo-mcp serves {url}", file=sys.stderr)  # noqa: T201 - the command line speaks to people
        await on_signal(stop.set)


@asynccontextmanager
async def _sandboxed(settings: Settings, *, enabled: bool) -> AsyncIterator[Settings]:
    """The settings, turned to a simulator that runs as long as this block where ``enabled``."""
    if not enabled:
        yield settings
        return
    from neo_mcp.simulator import (  # noqa: PLC0415 - not needed outside the sandbox
        DEFAULT_ORGANIZATION,
        DEFAULT_TOKEN,
        SimulatorConfig,
        running_simulator,
    )

    async with running_simulator(SimulatorConfig()) as simulator:
        yield replace(
            settings,
            api_url=simulator.url,
            token=None if settings.is_shared else SecretStr(DEFAULT_TOKEN),
            organization=None if settings.is_shared else DEFAULT_ORGANIZATION,
        )
