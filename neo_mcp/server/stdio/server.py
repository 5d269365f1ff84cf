"""Running the server on standard input and output, until the host leaves or a signal comes."""

import signal
import sys
from collections.abc import Callable

import anyio

from neo_mcp.front.conversation import Rest
from neo_mcp.server.app import NeoServer
from neo_mcp.server.stdio.eras import run
from neo_mcp.server.stdio.shutdown import End
from neo_mcp.server.stdio.transport import stdio_streams
from neo_mcp.standard_streams import Wire


async def serve_stdio(server: NeoServer, wire: Wire, rest: Rest | None = None) -> None:
    """Serve one host on standard input and output, until it leaves or a signal comes.

    That ends the process, even where something hangs: with status 1 if it is the clean-up, else with 0.

    Args:
        server: What serves it.
        wire: The descriptors.
        rest: The conversation to continue.
    """
    end = End(wire.log)
    async with anyio.create_task_group() as group:

        def stop() -> None:
            end.begin()
            group.cancel_scope.cancel()

        group.start_soon(on_signal, stop)
        async with stdio_streams(wire, end, rest) as (incoming, outgoing):
            await run(server.protocol, incoming, outgoing)
        group.cancel_scope.cancel()
    end.clean_up_is_over()


async def on_signal(act: Callable[[], object]) -> None:
    """Call ``act`` once the process is asked to end."""
    if sys.platform == "win32":
        # Event loops take no signals there: Ctrl+C interrupts the process by itself.
        await anyio.sleep_forever()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            act()
            break
    # A second one ends the process at once, in place of an exception in the middle of the first one's work.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
