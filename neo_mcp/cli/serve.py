"""The ``serve`` command: the server on a transport, against Pulumi Cloud or a simulator of its own."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from neo_mcp.cli.settings import Options
from neo_mcp.config import Auth, LogFormat, Settings, home_folder
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import ConfigurationError
from neo_mcp.front.conversation import Rest
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.stdio.server import on_signal, serve_stdio
from neo_mcp.standard_streams import Wire

logger = logging.getLogger(__name__)


async def serve(
    settings: Settings, options: Options, wire: Wire | None = None, rest: Rest | None = None
) -> None:
    """Serve one host on ``wire``, or any number over HTTP, until it disconnects or a signal arrives.

    Args:
        settings: The settings.
        options: The command line.
        wire: The host's streams.
        rest: The conversation to continue.

    Raises:
        NeoError: If the settings are inconsistent, or the port is not available.
    """
    async with _sandboxed(settings, enabled=options.sandbox) as effective:
        server = NeoServer(effective)
        if wire is None:
            await _serve_http(server, options)
        else:
            await serve_stdio(server, wire, rest)


async def _serve_http(server: NeoServer, options: Options) -> None:
    import anyio  # noqa: PLC0415 - only here

    from neo_mcp.cli.opening import Opening  # noqa: PLC0415 - serving stdio does without
    from neo_mcp.server.http.browser import OneTimeLogin  # noqa: PLC0415 - likewise
    from neo_mcp.server.http.server import running_http  # noqa: PLC0415 - likewise, and without uvicorn

    settings = server.settings
    in_json = settings.log_format is LogFormat.JSON
    is_private = settings.auth is Auth.NONE and not settings.is_shared
    if options.open and not is_private:
        raise ConfigurationError("--open requires --auth none, without --pulumi-token-header.")
    links: list[str] = []
    opening = Opening(home_folder())

    def announce(link: str) -> None:
        links.append(link)
        if links[1:]:
            # The previous link was used.
            opening.close()
        # Printed after the server's URL and never logged: the first to read a link can use it.
        if links[1:] and not in_json:
            _say(f"One-time link for another browser window: {link}")

    login = OneTimeLogin(announce) if is_private and (options.open or not in_json) else None
    async with running_http(server, host=options.host, port=options.port, login=login) as url:
        if in_json:
            logger.info("%s serves %s", PROGRAM, url)
        else:
            _say(f"{PROGRAM} serves {url}")
            for link in links:
                _say(f"One-time link to your tasks in a browser: {link}")
        # Whenever a signal comes, the file that opens the browser is removed.
        with closing(opening):
            async with anyio.create_task_group() as group:
                if options.open:
                    group.start_soon(opening.open, links[0])
                await on_signal(group.cancel_scope.cancel)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line speaks to people


@asynccontextmanager
async def _sandboxed(settings: Settings, *, enabled: bool) -> AsyncIterator[Settings]:
    """Yield the settings, pointed at a simulator if ``enabled``."""
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
        yield settings._replace(
            api_url=simulator.url,
            token=None if settings.is_shared else SecretStr(DEFAULT_TOKEN),
            organization=None if settings.is_shared else DEFAULT_ORGANIZATION,
            token_origin=None,
            sources={name: source for name, source in settings.sources.items() if name != "organization"},
        )
