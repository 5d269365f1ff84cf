"""Watching credentials while requests are open under them: what ends them ends these, within seconds.

Owns the checks. A bearer secret ends when it is not in its file any more, an issuer's access token when it
expires, a stored Pulumi access token when its user's entry is removed or replaced. Each is checked twice
before anything ends, as a file may be caught while it is written. That the API does not accept a token any
more shows in its answers, and is :mod:`neo_mcp.server.tenants.tenants`'s.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import anyio
from mcp.server.auth.provider import AccessToken, TokenVerifier

from neo_mcp.errors import NeoError
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.credentials import TokenStore
from neo_mcp.server.tenants.permits import Permit
from neo_mcp.server.tenants.tenants import Caller, Tenant, Tenants

logger = logging.getLogger(__name__)

WATCH_SECONDS = 5.0
"""Between two checks of expiry times and secrets."""

STORE_SECONDS = 20.0
"""Between two checks of the token store, which may be on a network."""

RECHECK_SECONDS = 1.0

_STORE_PATIENCE = 10.0
_MAX_LOOKS = 8
_AGAIN = "then make the same call again: a wait continues from its cursor."


@runtime_checkable
class Revocable(Protocol):
    """A verifier that knows at any time whether a token is still good, without a request."""

    def still_accepts(self, digest: bytes) -> bool:
        """True if the token with this SHA-256 digest would be accepted now."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential of a request; the secret itself is not stored.

    Attributes:
        digest: SHA-256 of the secret or token; empty if there was none.
        expires_at: When it ends by itself, in seconds since 1970; ``None`` for never.
    """

    digest: bytes = b""
    expires_at: int | None = None

    @classmethod
    def of(cls, token: str, holder: AccessToken) -> "Credential":
        """The credential of a request with ``token``, which the verifier knows as ``holder``'s."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        return cls(digest, holder.expires_at)


class CredentialWatch:
    """Ends requests whose credential has ended, and tenants whose stored token has.

    Attributes:
        verifier: Knows who may use the server; ``None`` if all may.
        store: Where users' Pulumi tokens are, if anywhere.
    """

    def __init__(
        self, server: NeoServer, verifier: TokenVerifier | None = None, store: TokenStore | None = None
    ) -> None:
        self.verifier = verifier
        self.store = store
        self._server = server
        self._open: dict[Permit, Credential] = {}
        self._looks = anyio.Semaphore(_MAX_LOOKS)

    @contextmanager
    def watched(self, permit: Permit, credential: Credential) -> Iterator[None]:
        """End ``permit`` once ``credential`` has ended, for the time of this block."""
        self._open[permit] = credential
        try:
            yield
        finally:
            del self._open[permit]

    async def run(self) -> None:
        """Check from time to time, until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._poll)
            if self.store is not None:
                group.start_soon(self._poll_store, self.store)

    async def _poll(self) -> None:
        while True:
            await self._server.clock.sleep(WATCH_SECONDS)
            try:
                self._end_expired()
                if withdrawn := self._withdrawn():
                    await self._server.clock.sleep(RECHECK_SECONDS)
                    self._end_withdrawn(withdrawn & self._withdrawn())
            except Exception:
                # A look that fails must not be the last.
                logger.exception("checking credentials failed")

    def _end_expired(self) -> None:
        now = self._server.clock.now().timestamp()
        for permit, credential in list(self._open.items()):
            if credential.expires_at is not None and credential.expires_at <= now:
                permit.end(
                    _ended("The access token that this request came with has expired.", "Log in again")
                )

    def _withdrawn(self) -> set[bytes]:
        """The digests in use that are not good any more."""
        verifier: object = self.verifier
        if not isinstance(verifier, Revocable):
            return set()
        digests = {credential.digest for credential in self._open.values()}
        return {digest for digest in digests if not verifier.still_accepts(digest)}

    def _end_withdrawn(self, digests: set[bytes]) -> None:
        why = "The secret that this request came with is not valid any more."
        for permit, credential in list(self._open.items()):
            if credential.digest in digests:
                permit.end(_ended(why, "Get a valid one from the operator of this server"))

    async def _poll_store(self, store: TokenStore) -> None:
        while True:
            await self._server.clock.sleep(STORE_SECONDS)
            # A server that is stopping ends everything itself.
            with suppress(NeoError):
                tenants = self._server.running.tenants
                async with anyio.create_task_group() as checks:
                    for tenant in tenants:
                        if tenant.caller.owner and not tenant.is_idle:
                            checks.start_soon(self._end_replaced, store, tenants, tenant)

    async def _end_replaced(self, store: TokenStore, tenants: Tenants, tenant: Tenant) -> None:
        async with self._looks:
            is_replaced = await self._is_replaced(store, tenant)
        if is_replaced:
            why = "Your Pulumi access token on this server was replaced or removed."
            what_to_do = "If it was removed, ask the operator of this server for another one"
            tenants.end(tenant, _ended(why, what_to_do))

    async def _is_replaced(self, store: TokenStore, tenant: Tenant) -> bool:
        """True if the store has another token now, in two readings."""
        for seconds in (0.0, RECHECK_SECONDS):
            await self._server.clock.sleep(seconds)
            if await self._has_token(store, tenant.caller):
                return False
        return True

    async def _has_token(self, store: TokenStore, caller: Caller) -> bool:
        """True if the caller's token is in the store, or the store cannot be read."""
        try:
            with anyio.fail_after(_STORE_PATIENCE):
                return caller.owner is None or caller.has_token(await store.token_of(*caller.owner))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a store of another program's
            logger.warning("the token store could not be asked: %s", type(error).__name__)
            return True


def _ended(why: str, what_to_do: str) -> NeoError:
    return NeoError(why, next_step=f"{what_to_do}, {_AGAIN}")
