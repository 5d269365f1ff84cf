"""The simulator on a real socket.

Owns: listening, the connection that can be cut or reset on purpose, starting and stopping, the blocking
command. uvicorn's HTTP protocol does the parsing; its server object is left aside, because it installs signal
handlers, polls, and waits for open streams before it stops.
Not here: the application (`app`), faults (`gate`).
"""

import asyncio
import contextlib
import logging
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from neo_mcp.simulator.app import TasksApi, build
from neo_mcp.simulator.banner import banner
from neo_mcp.simulator.config import SimulatorConfig
from neo_mcp.simulator.control import ControlApi
from neo_mcp.simulator.first_generation import FirstGenerationApi
from neo_mcp.simulator.gate import FaultMiddleware
from neo_mcp.simulator.simulator import Simulator

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_SILENT: Final = logging.getLogger("neo_mcp.simulator.silent")
_SILENT.disabled = True


class _Connection(H11Protocol):
    """A connection that requests can find in their scope, and end without finishing the response."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self})
        self.logger = _SILENT
        self.access_log = False

    def cut(self) -> None:
        """Send what was written, then close."""
        self.transport.close()

    def reset(self) -> None:
        """Reset the TCP connection now."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            # It may be closed already: its stream's end is then under way.
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()


def application(simulator: Simulator) -> FaultMiddleware:
    """The whole ASGI application of a simulator."""
    api = FirstGenerationApi(simulator) if simulator.config.first_generation else TasksApi(simulator)
    routes = [*api.routes(), *ControlApi(simulator).routes()]
    return FaultMiddleware(build(routes), simulator.faults, simulator.requests)


@contextlib.asynccontextmanager
async def serving(
    config: SimulatorConfig, around: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> AsyncIterator[Simulator]:
    """Run a simulator in this event loop until the block is left, open streams or not.

    ``around`` wraps its application, to answer what no simulator would.
    """
    simulator = Simulator(config)
    state = ServerState()
    app = around(application(simulator))
    settings = Config(app, http=_Connection, ws="none", lifespan="off", log_config=None)
    settings.load()
    listener = await asyncio.get_running_loop().create_server(
        lambda: _Connection(settings, state, {}), config.host, config.port
    )
    host = f"[{config.host}]" if ":" in config.host else config.host
    simulator.url = f"http://{host}:{listener.sockets[0].getsockname()[1]}"
    try:
        yield simulator
    finally:
        listener.close()
        await _close_connections(state)
        await simulator.aclose()


async def _close_connections(state: ServerState) -> None:
    for connection in tuple(state.connections):
        connection.transport.abort()
    handlers = tuple(state.tasks)
    for handler in handlers:
        handler.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)
    await asyncio.sleep(0)


def run(config: SimulatorConfig) -> int:
    """Serve until interrupted; print how to use it."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(config))
    return 0


async def _run(config: SimulatorConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows has none; there Ctrl-C is a KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    async with serving(config) as simulator:
        sys.stdout.write(banner(simulator))
        sys.stdout.flush()
        await stop.wait()
