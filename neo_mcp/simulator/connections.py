"""Connections as the rest of the simulator sees them, and the register of those that carry an event stream.

Not here: the socket behind a connection (`serve`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from neo_mcp.simulator.task import Signal


class Connection(Protocol):
    """The socket a request came in on; a request's scope has it as `state.connection`."""

    def cut(self) -> None:
        """Send what was written, then close, whether or not the response is complete."""

    def reset(self) -> None:
        """Reset the TCP connection now; what was not sent yet is lost."""


class OpenStreams:
    """The event streams that are connected right now."""

    def __init__(self) -> None:
        self._connections: set[Connection] = set()
        self._changed = Signal()

    def __len__(self) -> int:
        return len(self._connections)

    @contextmanager
    def carrying(self, connection: Connection) -> Iterator[None]:
        """Count the connection while a stream runs on it."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)
            self._changed.notify()

    async def drop(self) -> None:
        """Reset those connections, and wait until their streams have ended."""
        dropped = frozenset(self._connections)
        for connection in dropped:
            connection.reset()
        while dropped & self._connections:
            await self._changed.wait()
