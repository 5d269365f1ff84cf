"""Per-tenant state: one API client, hub and caches for each principal and access token.

A tenant's identity is its principal together with the Pulumi access token that is used for it. Everything
that is remembered, followed, sealed or counted belongs to one tenant, so no tenant sees another's. Tenants
are created when first needed, for tokens that the API accepts (:mod:`neo_mcp.server.tenants.admission`). They
are closed when they have been idle for a while, or when the API refuses the token. A user has a few at most,
which share one allowance (:mod:`neo_mcp.server.tenants.allowances`).

Authentication is in :mod:`neo_mcp.server.http.auth`.
"""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc

from neo_mcp.api import NeoClient, check_token
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.errors import ConfigurationError, NeoError
from neo_mcp.secret import SecretStr
from neo_mcp.server.call import App
from neo_mcp.server.resources.subscriptions import Subscriptions
from neo_mcp.server.tenants.admission import Admission, TokenRefusedError
from neo_mcp.server.tenants.allowances import Allowance, Allowances
from neo_mcp.server.tenants.permits import Permit
from neo_mcp.server.tenants.sessions import Sessions
from neo_mcp.service.quotas import ALONE, QuotaError

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1800.0
"""Seconds after which an idle tenant is closed: as long as the SDK's limit for idle sessions."""

MAX_TENANTS = 500

MAX_TENANTS_OF_USER = 8
"""Tenants of one user, which differ in their access tokens."""

ACCEPTED_SECONDS = 300.0
"""Seconds after which the API is asked again about the token of a tenant in use."""

CONFIRM_SECONDS = 1.0
"""Between an answer that refuses a token and the call that confirms it: a proxy may have been at fault."""

APART_SECONDS = 10.0
"""Between two such calls for the same tenant, at least."""

_SWEEP_SECONDS = 60.0
_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from.

    Attributes:
        token: The Pulumi access token to use, or ``None``.
        principal: Who they are to this server, such as issuer and subject; empty for its operator.
        is_person: Whether the principal is one person, rather than all who share a secret.
        owner: Issuer and subject that the token is stored for; ``None`` if it is not from a token store.
        peer: The address that the request came from.
    """

    token: SecretStr | None
    principal: str = ""
    is_person: bool = False
    owner: tuple[str, str] | None = None
    peer: str = ""

    def identity(self, api_url: str) -> str:
        """A digest of what separates tenants; opaque, and the same in every process."""
        token = self.token.get_secret_value() if self.token else ""
        parts = (api_url, token, self.principal) if self.principal else (api_url, token)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def has_token(self, token: SecretStr | None) -> bool:
        """True if ``token``, as it is stored, is the caller's."""
        try:
            return check_token(token) == self.token
        except ConfigurationError:
            return False


@dataclass(slots=True, eq=False)
class Tenant:
    """The state of one principal and access token.

    Attributes:
        caller: Its principal and token.
        allowance: Limits of its user, shared with the user's other tenants.
        clock: Time.
        permit: What requests that bring no credential are served under, such as those on standard input.
        users: Number of requests that are being served.
        left_at: When the last one was over; monotonic seconds, like the next two.
        accepted_at: When the API last accepted the token, as far as it was asked.
        asked_at: When the API was last asked whether it does.
        is_doubted: True while the API is asked.
        is_ending: True if it ends with its last request.
    """

    app: App
    subscriptions: Subscriptions
    caller: Caller
    allowance: Allowance
    clock: Clock
    permit: Permit = field(init=False)
    users: int = 0
    left_at: float = 0.0
    accepted_at: float = field(init=False)
    asked_at: float = -math.inf
    is_doubted: bool = False
    is_ending: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)
    _permits: set[Permit] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.permit = Permit(self.clock)
        self.accepted_at = self.clock.monotonic()

    @property
    def is_idle(self) -> bool:
        """True if no request is served and nothing is subscribed."""
        return not self.users and not self.subscriptions.count

    def is_unsure(self, now: float) -> bool:
        """True if it is in use and its token was not checked for long; never for the operator's own."""
        is_old = self.accepted_at <= now - ACCEPTED_SECONDS
        return bool(self.caller.principal) and not self.is_idle and is_old

    @property
    def sessions(self) -> Sessions:
        """The handshake-era sessions of its user."""
        return self.allowance.sessions

    @contextmanager
    def used(self) -> Iterator["Tenant"]:
        """Keep the tenant open within this block."""
        self.users += 1
        try:
            yield self
        finally:
            self.users -= 1
            self.left_at = self.clock.monotonic()
            self._finish()

    @contextmanager
    def permitted(self) -> Iterator[Permit]:
        """Yield a permit of its own for a request that is served within this block."""
        permit = Permit(self.clock)
        self._permits.add(permit)
        try:
            yield permit
        finally:
            self._permits.discard(permit)

    def interrupt(self, why: NeoError) -> None:
        """End all that is open in it, and forget what was read of tasks."""
        for permit in (self.permit, *self._permits):
            permit.end(why)
        self.permit = Permit(self.clock)
        self.app.tasks.hub.stop(why)

    def end(self, why: NeoError) -> None:
        """End it, once the requests that are being served have ended."""
        self.interrupt(why)
        self.is_ending = True
        self._finish()

    def _finish(self) -> None:
        if self.is_ending and not self.users:
            self.over.set()


MakeApp = Callable[[Caller, anyio.abc.TaskGroup, Allowance], App]


class Tenants:
    """The tenants of all identities; their tasks belong to ``task_group``."""

    def __init__(
        self,
        make: MakeApp,
        api_url: str,
        task_group: anyio.abc.TaskGroup,
        *,
        idle_seconds: float,
        limit: int = MAX_TENANTS,
        requests: int = ALONE,
        admission: Admission | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Begin with none.

        Args:
            make: Puts an application together, whose tasks belong to the given group.
            api_url: The API that all of them use.
            task_group: Lives as long as the server.
            idle_seconds: How long an unused tenant stays open.
            limit: How many there may be at a time.
            requests: How many requests one user may have in flight.
            admission: Checks the tokens of all but the operator; without it, none is checked.
            clock: Time and sleep.
        """
        self._make = make
        self._api_url = api_url
        self._task_group = task_group
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._admission = admission
        self._clock = clock
        self._allowances = Allowances(requests)
        self._tenants: dict[str, Tenant] = {}
        self._opening = anyio.Lock()
        self._sweeping = False

    def __iter__(self) -> Iterator[Tenant]:
        """Iterate over the tenants that are open."""
        return iter(list(self._tenants.values()))

    @asynccontextmanager
    async def tenant_of(self, caller: Caller) -> AsyncIterator[Tenant]:
        """The caller's tenant, which lives at least as long as this context.

        Raises:
            QuotaError: If there are too many tenants, and all of them are in use.
            ConfigurationError: If the token could be none.
            TokenRefusedError: If the API does not accept it.
            TokenUncheckedError: If the API does not answer.
        """
        identity = caller.identity(self._api_url)
        tenant = self._tenants.get(identity)
        if tenant is None:
            check_token(caller.token)
            user = ""
            if self._admission is not None and caller.principal:
                user = await self._admission.user_of(caller.principal, caller.token, peer=caller.peer)
            async with self._opening:
                tenant = self._tenants.get(identity) or await self._open(identity, caller, user)
                tenant.left_at = self._clock.monotonic()
        with tenant.used():
            yield tenant

    def stop(self, why: NeoError) -> None:
        """End every wait with ``why``; for a shutdown."""
        for tenant in self:
            tenant.app.stop(why)

    def close(self) -> None:
        """Close every tenant."""
        for identity, tenant in list(self._tenants.items()):
            self._close(identity, tenant)

    def end(self, tenant: Tenant, why: NeoError) -> None:
        """End a tenant and all that is open in it: its token is not to be used any more."""
        self._tenants = {key: known for key, known in self._tenants.items() if known is not tenant}
        tenant.end(why)

    def doubt(self, identity: str) -> None:
        """Confirm that the API does not accept a tenant's token any more, as one of its answers reports."""
        tenant = self._tenants.get(identity)
        if tenant is not None:
            self._confirm_later(tenant, refusals=1)

    def _confirm_later(self, tenant: Tenant, *, refusals: int) -> None:
        if self._admission is not None and not tenant.is_doubted:
            tenant.is_doubted = True
            self._task_group.start_soon(self._confirm, self._admission, tenant, refusals)

    async def _confirm(self, admission: Admission, tenant: Tenant, refusals: int) -> None:
        """Ask the API about a tenant's token, and end what is open once it has refused it so many times."""
        apart = tenant.asked_at + APART_SECONDS - self._clock.monotonic()
        try:
            refusal: TokenRefusedError | None = None
            for _ in range(refusals):
                await self._clock.sleep(max(CONFIRM_SECONDS, apart))
                apart = 0.0
                refusal = await self._ask(admission, tenant)
                if refusal is None:
                    return
            if refusal is not None:
                self._revoke(admission, tenant, refusal)
        finally:
            tenant.is_doubted = False

    async def _ask(self, admission: Admission, tenant: Tenant) -> TokenRefusedError | None:
        """The API's refusal of a tenant's token; ``None`` if it accepts it, or does not answer."""
        tenant.asked_at = self._clock.monotonic()
        try:
            await admission.ask(tenant.caller.token)
        except TokenRefusedError as error:
            return error
        except NeoError as error:
            logger.info("the API was asked about an access token: %s", error)
        else:
            tenant.accepted_at = self._clock.monotonic()
        return None

    def _revoke(self, admission: Admission, tenant: Tenant, refusal: NeoError) -> None:
        """End a tenant; the operator's continues, without anything that was open or read."""
        logger.warning("the API does not accept an access token any more: what was open with it has ended")
        if not tenant.caller.principal:
            tenant.interrupt(refusal)
        elif tenant in self._tenants.values():
            admission.refuse(tenant.caller.token)
            self.end(tenant, refusal)

    async def _open(self, identity: str, caller: Caller, user: str) -> Tenant:
        allowance = self._allowances.of(caller.principal, is_person=caller.is_person, user=user)
        self._evict(allowance)
        tenant: Tenant = await self._task_group.start(self._live, caller, allowance)
        self._tenants[identity] = tenant
        if not self._sweeping:
            self._sweeping = True
            self._task_group.start_soon(self._sweep)
        return tenant

    async def _live(
        self, caller: Caller, allowance: Allowance, *, task_status: anyio.abc.TaskStatus[Tenant]
    ) -> None:
        client: NeoClient | None = None
        try:
            async with anyio.create_task_group() as own:
                app = self._make(caller, own, allowance)
                client = app.tasks.client
                tenant = Tenant(app, Subscriptions(app.tasks, own), caller, allowance, self._clock)
                task_status.started(tenant)
                await tenant.over.wait()
                own.cancel_scope.cancel()
        except Exception:
            if not caller.principal:
                raise
            # Whatever went wrong in one tenant is no reason to end the others.
            logger.exception("the tenant of one identity failed")
        finally:
            self._tenants = {
                key: tenant for key, tenant in self._tenants.items() if tenant.app.tasks.client is not client
            }
            if client is not None:
                with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                    await client.aclose()

    def _close(self, identity: str, tenant: Tenant) -> None:
        self._tenants.pop(identity, None)
        tenant.app.stop(NeoError("This server is stopping.", next_step="Wait again with the same cursor."))
        tenant.over.set()

    def _evict(self, allowance: Allowance) -> None:
        """Close an idle tenant where there are too many: one of the same user's, else of who has most."""
        counts = Counter(tenant.allowance.key for tenant in self._tenants.values())
        own = counts[allowance.key]
        if own < MAX_TENANTS_OF_USER and len(self._tenants) < self._limit:
            return
        idle = [
            (-counts[tenant.allowance.key], tenant.left_at, identity)
            for identity, tenant in self._tenants.items()
            if tenant.is_idle and (own < MAX_TENANTS_OF_USER or tenant.allowance is allowance)
        ]
        if not idle:
            raise QuotaError(
                f"{own} Pulumi access tokens are in use by you, which is all that one user may use at a time."
                if own >= MAX_TENANTS_OF_USER
                else f"This server serves {len(self._tenants)} users, which is all it can.",
                next_step="Try again later.",
            )
        _, _, oldest = min(idle)
        self._close(oldest, self._tenants[oldest])

    async def _sweep(self) -> None:
        """Close idle tenants, and check the tokens of the others again."""
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + min(_SWEEP_SECONDS, self._idle_seconds))
            now = self._clock.monotonic()
            for identity, tenant in list(self._tenants.items()):
                if tenant.is_idle and tenant.left_at <= now - self._idle_seconds:
                    self._close(identity, tenant)
                elif tenant.is_unsure(now):
                    self._confirm_later(tenant, refusals=2)
