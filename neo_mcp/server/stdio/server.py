"""Running the server on standard input and output, until the host leaves or a signal comes."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

import anyio

from neo_mcp.front.conversation import Rest
from neo_mcp.server.app import NeoServer
from neo_mcp.server.stdio.eras import run
from neo_mcp.server.stdio.shutdown import End
from neo_mcp.server.stdio.transport import stdio_streams
from neo_mcp.signals import ENDING
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
    loop, came = asyncio.get_running_loop(), anyio.Event()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as handlers are called
        # A second one ends the process at once, in place of an exception in the midst of clean-up.
        for each in ENDING:
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(came.set)

    # Not by the loop's own means, which Windows lacks.
    before = [(number, signal.signal(number, note)) for number in ENDING]
    try:
        await came.wait()
        act()
    finally:
        for number, handler in before:
            if signal.getsignal(number) is note:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
