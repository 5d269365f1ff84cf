"""One world per identity: a client with its own access token, and everything that hangs on it.

An identity is a person as far as this server can tell them from others: who they are to it, together with the
Pulumi access token that is used for them. Whatever is remembered, followed, sealed or counted belongs to the
world of one identity, so nothing of one can be found from another. Worlds are made when they are first needed
and closed when nobody has used them for a while.

Who somebody is, and which token is theirs, is found out elsewhere (:mod:`neo_mcp.server.http.auth`).
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc
from pydantic import SecretStr

from neo_mcp.api import NeoClient, check_token
from neo_mcp.errors import NeoError
from neo_mcp.server.call import App
from neo_mcp.server.resources.subscriptions import Subscriptions
from neo_mcp.server.tenants.sessions import Sessions
from neo_mcp.service.quotas import QuotaError

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1800.0
"""How long a world that nobody uses is kept: as long as the SDK keeps an idle session."""

MOST_WORLDS = 500

_SWEEP_SECONDS = 60.0
_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from.

    Attributes:
        token: The Pulumi access token to use, or ``None``.
        principal: Who they are to this server, such as issuer and subject; empty for its operator.
    """

    token: SecretStr | None
    principal: str = ""

    def identity(self, api_url: str) -> str:
        """Tells apart whoever is not to share anything; opaque, and the same in every process."""
        token = self.token.get_secret_value() if self.token else ""
        parts = (api_url, token, self.principal) if self.principal else (api_url, token)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class World:
    """All that one identity has.

    Attributes:
        users: How many requests are being served in it.
        left_at: When the last one was over; seconds of the event loop's clock.
    """

    app: App
    subscriptions: Subscriptions
    sessions: Sessions
    users: int = 0
    left_at: float = 0.0
    over: anyio.Event = field(default_factory=anyio.Event)

    @property
    def is_idle(self) -> bool:
        """Whether nobody would miss it."""
        return not self.users and not self.subscriptions.count

    @contextmanager
    def used(self) -> Iterator["World"]:
        """Keep it for the time of this block."""
        self.users += 1
        try:
            yield self
        finally:
            self.users -= 1
            self.left_at = anyio.current_time()


MakeApp = Callable[[Caller, anyio.abc.TaskGroup], App]


class Identities:
    """The worlds of all identities; their tasks belong to ``task_group``."""

    def __init__(
        self,
        make: MakeApp,
        api_url: str,
        task_group: anyio.abc.TaskGroup,
        *,
        idle_seconds: float,
        most: int = MOST_WORLDS,
    ) -> None:
        """Begin with none.

        Args:
            make: Puts an application together, whose tasks belong to the given group.
            api_url: The API that all of them use.
            task_group: Lives as long as the server.
            idle_seconds: How long a world is kept that nobody uses.
            most: How many there may be at a time.
        """
        self._make = make
        self._api_url = api_url
        self._task_group = task_group
        self._most = most
        self._idle_seconds = idle_seconds
        self._worlds: dict[str, World] = {}
        self._opening = anyio.Lock()
        self._sweeping = False

    def __iter__(self) -> Iterator[World]:
        """Every world there is just now."""
        return iter(list(self._worlds.values()))

    @asynccontextmanager
    async def world_of(self, caller: Caller) -> AsyncIterator[World]:
        """The caller's world, which lives at least as long as this context.

        Raises:
            QuotaError: If there are too many worlds, and all of them are in use.
            ConfigurationError: If the token could be none.
        """
        identity = caller.identity(self._api_url)
        world = self._worlds.get(identity)
        if world is None:
            check_token(caller.token)
            async with self._opening:
                world = self._worlds.get(identity) or await self._open(identity, caller)
                world.left_at = anyio.current_time()
        with world.used():
            yield world

    def stop(self, why: NeoError) -> None:
        """End every wait with ``why``; for a shutdown."""
        for world in self:
            world.app.stop(why)

    def close(self) -> None:
        """Have every world end in order."""
        for identity, world in list(self._worlds.items()):
            self._close(identity, world)

    async def _open(self, identity: str, caller: Caller) -> World:
        self._make_room()
        world: World = await self._task_group.start(self._live, caller)
        self._worlds[identity] = world
        if not self._sweeping:
            self._sweeping = True
            self._task_group.start_soon(self._sweep)
        return world

    async def _live(self, caller: Caller, *, task_status: anyio.abc.TaskStatus[World]) -> None:
        client: NeoClient | None = None
        try:
            async with anyio.create_task_group() as own:
                app = self._make(caller, own)
                client = app.tasks.client
                world = World(app, Subscriptions(app.tasks, own), Sessions(app.tasks.quotas.sessions))
                task_status.started(world)
                await world.over.wait()
                own.cancel_scope.cancel()
        except Exception:
            if not caller.principal:
                raise
            # Whatever went wrong in one world is no reason to end the others.
            logger.exception("the world of one identity failed")
        finally:
            self._worlds = {
                key: world for key, world in self._worlds.items() if world.app.tasks.client is not client
            }
            if client is not None:
                with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                    await client.aclose()

    def _close(self, identity: str, world: World) -> None:
        self._worlds.pop(identity, None)
        world.app.stop(NeoError("This server is stopping.", next_step="Wait again with the same cursor."))
        world.over.set()

    def _make_room(self) -> None:
        if len(self._worlds) < self._most:
            return
        idle = [(world.left_at, identity) for identity, world in self._worlds.items() if world.is_idle]
        if not idle:
            raise QuotaError(
                f"This server serves {len(self._worlds)} identities, which is all it can.",
                next_step="Try again later.",
            )
        _, oldest = min(idle)
        self._close(oldest, self._worlds[oldest])

    async def _sweep(self) -> None:
        """Close what nobody has used for a while."""
        while True:
            await anyio.sleep(min(_SWEEP_SECONDS, self._idle_seconds))
            before = anyio.current_time() - self._idle_seconds
            for identity, world in list(self._worlds.items()):
                if world.is_idle and world.left_at <= before:
                    self._close(identity, world)
