"""Running the server on standard input and output, until the host leaves or a signal comes."""

import signal
import sys
from collections.abc import Callable

import anyio

from neo_mcp.server.app import NeoServer
from neo_mcp.server.stdio import stdio_streams


async def serve_stdio(server: NeoServer) -> None:
    """Serve one host on standard input and output, until it closes its end or a signal comes."""
    async with anyio.create_task_group() as group:
        group.start_soon(on_signal, group.cancel_scope.cancel)
        async with stdio_streams() as (incoming, outgoing):
            options = server.protocol.create_initialization_options()
            await server.protocol.run(incoming, outgoing, options)
        group.cancel_scope.cancel()


async def on_signal(act: Callable[[], object]) -> None:
    """Call ``act`` once the process is asked to end."""
    if sys.platform == "win32":
        # Event loops take no signals there: Ctrl+C interrupts the process by itself.
        await anyio.sleep_forever()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            act()
            return
