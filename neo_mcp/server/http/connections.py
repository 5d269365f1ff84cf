"""The connections of all clients: how many there may be, and which of them has to go for another.

Owns no connection, only their order. One that serves an admitted request is never closed here; of all others
the one goes first that has been without a request for longest, whatever it has sent since: nothing, half of a
request, or something that is none. Those that have had an answer go before those that wait for their first;
those that had an admitted request before go later, those that are being answered last. Some connections are
reserved for new ones, so that probes and new callers have the time to send a request.
"""

import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.errors import NeoError

logger = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_IPV6_PREFIX = 64
"""Bits of an IPv6 address that identify a client: the rest it can choose at will."""

_SWEEPS = 6
"""How often a connection is checked in the time that a client has to take something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits on what all clients use of the server.

    Attributes:
        connections: How many there may be at a time.
        reserved: How many of them are for connections without an admitted request, such as probes'.
        of_address: How many of those that are not admitted may come from one address.
        arrival_seconds: How long a request may take to arrive, from its first byte on; of a large one, each
            part.
        sending_seconds: How long a client may take nothing of what it is sent.
        incoming_bytes: Bodies of requests, all together; short ones are not counted.
        outgoing_bytes: Answers that wait for their clients, all together; short ones are not counted.
    """

    connections: int = 900
    reserved: int = 50
    of_address: int = 225
    arrival_seconds: float = 20.0
    sending_seconds: float = 30.0
    incoming_bytes: int = 40 * 2**20
    outgoing_bytes: int = 24 * 2**20


class Connection(Protocol):
    """The state of one connection.

    Attributes:
        address: The client's; empty where it has none.
    """

    address: str

    def give_up(self) -> None:
        """Close it, with the reason if a request has come."""

    def check_sending(self, now: float) -> None:
        """Close it if its client has taken nothing for too long."""


class Stage(IntEnum):
    """How dispensable a connection is, the most dispensable first.

    Attributes:
        UNADMITTED: Had an answer, but no admitted request, as a probe or a stranger.
        NEW: Has had no answer yet.
        KNOWN: Had an admitted request.
        ANSWERED: Is being answered.
    """

    UNADMITTED = 0
    NEW = 1
    KNOWN = 2
    ANSWERED = 3


class _Dispensable:
    """Connections in the order in which they are closed.

    Args:
        reserved: How many new ones stay while there are others.
    """

    __slots__ = ("_reserved", "_stages")

    def __init__(self, reserved: int) -> None:
        self._reserved = reserved
        self._stages: tuple[OrderedDict[Connection, None], ...] = tuple(OrderedDict() for _ in Stage)

    def __len__(self) -> int:
        return sum(map(len, self._stages))

    def put(self, connection: Connection, stage: Stage) -> None:
        self._stages[stage][connection] = None

    def drop(self, connection: Connection) -> None:
        for stage in self._stages:
            stage.pop(connection, None)

    def first(self) -> Connection | None:
        unadmitted, new, known, answered = self._stages
        waiting = (new, known) if len(new) > self._reserved else (known, new)
        order = (unadmitted, *waiting, answered)
        return next((next(iter(stage)) for stage in order if stage), None)


class Connections:
    """All connections there are.

    Args:
        limits: How many there may be.
        trusted: Proxies, behind each of which are many clients. So are they behind an address of this
            machine.
        clock: Time and sleep.
    """

    def __init__(
        self, limits: ConnectionLimits, trusted: Iterable[Network] = (), clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.limits = limits
        self._trusted = tuple(trusted)
        self._clock = clock
        self._all: set[Connection] = set()
        self._admitted: set[Connection] = set()
        self._dispensable = _Dispensable(limits.reserved)
        self._by_client: dict[str, _Dispensable] = {}
        self._clients: dict[Connection, str] = {}

    def open(self, connection: Connection) -> None:
        """Add a connection, in place of another if there are too many."""
        client = self._client(connection.address)
        of_client = self._by_client.get(client)
        if of_client is not None and len(of_client) >= self.limits.of_address:
            self._dispense(of_client.first())
        if len(self._all) >= self.limits.connections:
            self._dispense(self._dispensable.first() or connection)
        self._all.add(connection)
        self._clients[connection] = client
        self.put(connection, Stage.NEW)

    def close(self, connection: Connection) -> None:
        """Have one less."""
        self._drop(connection)
        self._all.discard(connection)
        self._admitted.discard(connection)
        self._clients.pop(connection, None)

    def put(self, connection: Connection, stage: Stage) -> None:
        """Put a connection behind all others at ``stage``."""
        self._drop(connection)
        if connection in self._all and connection not in self._admitted:
            self._dispensable.put(connection, stage)
            if client := self._clients[connection]:
                part = _Dispensable(min(self.limits.reserved, self.limits.of_address // 4))
                self._by_client.setdefault(client, part).put(connection, stage)

    def admit(self, connection: Connection) -> None:
        """Protect a connection until :meth:`release`.

        Raises:
            NeoError: If too many are protected already.
        """
        if len(self._admitted) >= self.limits.connections - self.limits.reserved:
            raise NeoError(
                f"This server serves {len(self._admitted)} requests, which is all it can.",
                next_step="Try again later.",
            )
        if connection in self._all:
            self._drop(connection)
            self._admitted.add(connection)

    def release(self, connection: Connection, stage: Stage) -> None:
        """Protect it no longer: it is at ``stage`` now."""
        self._admitted.discard(connection)
        self.put(connection, stage)

    def sweep(self, now: float) -> None:
        """Close those whose clients take nothing of what they are sent."""
        for connection in list(self._all):
            connection.check_sending(now)

    async def sweep_often(self) -> None:
        """Sweep from time to time, until cancelled."""
        while True:
            await self._clock.sleep(self.limits.sending_seconds / _SWEEPS)
            self.sweep(self._clock.monotonic())

    def _dispense(self, connection: Connection | None) -> None:
        if connection is not None:
            logger.warning("there are many connections: the one is closed that has been idle for longest")
            self.close(connection)
            connection.give_up()

    def _drop(self, connection: Connection) -> None:
        self._dispensable.drop(connection)
        client = self._clients.get(connection, "")
        if client in self._by_client:
            self._by_client[client].drop(connection)
            if not len(self._by_client[client]):
                del self._by_client[client]

    def _client(self, address: str) -> str:
        """The client of an address; empty where many may share it."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        if isinstance(parsed, ipaddress.IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        if parsed.is_loopback or any(parsed in network for network in self._trusted):
            return ""
        if isinstance(parsed, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
        return str(parsed)


class Pool:
    """Bytes that are held for connections; where they become too many, those go that came first."""

    def __init__(self, capacity: int) -> None:
        self.used = 0
        self._capacity = capacity
        self._held: OrderedDict[Connection, int] = OrderedDict()

    def add(self, connection: Connection, count: int) -> None:
        """Hold more for a connection; close others, or in the end this one, if that is too much."""
        self._held[connection] = self._held.get(connection, 0) + count
        self.used += count
        while self.used > self._capacity:
            oldest = next(iter(self._held))
            logger.warning("much is held for clients: the connection is closed that it was held for longest")
            self.free(oldest)
            oldest.give_up()

    def free(self, connection: Connection) -> None:
        """Release what is counted for it."""
        self.used -= self._held.pop(connection, 0)
