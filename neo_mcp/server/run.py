"""Running the server on standard input and output, until the host leaves or a signal comes.

Owns the end: clean-up runs, and whatever hangs in it, the process is gone within two seconds.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

import anyio

from neo_mcp.server.app import NeoServer
from neo_mcp.server.stdio import stdio_streams
from neo_mcp.standard_streams import Wire

logger = logging.getLogger(__name__)

_CLEAN_UP_SECONDS = 1.5
_LEAVE_SECONDS = 0.3
"""For what is none of ours: threads that look up a host's name, or that a dependency left behind."""
_LAST_WORDS_SECONDS = 0.1


async def serve_stdio(server: NeoServer, wire: Wire) -> None:
    """Serve one host on standard input and output, until it leaves or a signal comes.

    That ends the process, even where something hangs: with status 1 if it is the clean-up, else with 0.
    """
    end = _End(wire)
    async with anyio.create_task_group() as group:

        def stop() -> None:
            end.begins()
            group.cancel_scope.cancel()

        group.start_soon(on_signal, stop)
        async with stdio_streams(wire, end.begins) as (incoming, outgoing):
            await server.protocol.run(incoming, outgoing, server.protocol.create_initialization_options())
        group.cancel_scope.cancel()
    end.has_cleaned_up()


class _End:
    """Sees to it that the process ends, whatever it is stuck in."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._timer: threading.Timer | None = None

    def begins(self) -> None:
        """From now on there is so much time for the clean-up; the first call counts."""
        if self._timer is None:
            self._start(_CLEAN_UP_SECONDS, status=1)

    def has_cleaned_up(self) -> None:
        """What is left is none of ours."""
        if self._timer is not None:
            self._timer.cancel()
        self._start(_LEAVE_SECONDS, status=0)

    def _start(self, seconds: float, *, status: int) -> None:
        self._timer = threading.Timer(seconds, self._leave, [status])
        self._timer.daemon = True
        self._timer.start()

    def _leave(self, status: int) -> None:
        if status:
            logger.error("the clean-up does not end; leaving without it")
            self._wire.log.flush(_LAST_WORDS_SECONDS)
        os._exit(status)


async def on_signal(act: Callable[[], object]) -> None:
    """Call ``act`` once the process is asked to end."""
    if sys.platform == "win32":
        # Event loops take no signals there: Ctrl+C interrupts the process by itself.
        await anyio.sleep_forever()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            act()
            return
