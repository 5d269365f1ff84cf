"""Admission of Pulumi access tokens: only for a token that the API accepts is anything made and stored.

Owns the check of a token that is new here, and what a flood of such tokens may cost. Requests that wait for a
check come out of one small pool, of which a principal has a part, and each of their addresses a part of that.
A refused token is remembered for a while, and costs nothing.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc

from neo_mcp.api import NeoClient
from neo_mcp.clock import Clock
from neo_mcp.errors import (
    AuthenticationError,
    ConfigurationError,
    NeoError,
    NotFoundError,
    PermissionDeniedError,
)
from neo_mcp.secret import SecretStr
from neo_mcp.service.quotas import Quota

logger = logging.getLogger(__name__)

MAX_CHECKS, MAX_CHECKS_OF_ONE, MAX_CHECKS_OF_PEER = 8, 4, 3
"""Checks in flight: of all principals together, of one, and of one from one address."""

MAX_WAITING, MAX_WAITING_OF_ONE, MAX_WAITING_OF_PEER = 64, 32, 24
"""Requests that wait for a check, likewise."""

CHECK_SECONDS = 10.0
"""Maximum seconds of one check."""

REFUSED_SECONDS = 30.0
"""Seconds for which a refused token is remembered: a new one may not be known everywhere at once."""

MAX_REFUSED = 1000

PAUSE_SECONDS = 1.0
"""Seconds for which a refused check counts as in flight, so that wrong tokens do not flood the API."""

MakeClient = Callable[[SecretStr | None], NeoClient]


class TokenRefusedError(NeoError):
    """The API does not accept the caller's Pulumi access token."""


class TokenUncheckedError(NeoError):
    """It is not known whether the API accepts the caller's Pulumi access token."""

    default_next_step = "Try again in a moment."


@dataclass(slots=True)
class _Check:
    """One check, and its result: the user's name, or why there is none."""

    done: anyio.Event = field(default_factory=anyio.Event)
    result: str | NeoError = field(
        default_factory=lambda: TokenUncheckedError("The access token could not be checked.")
    )


class _Pool:
    """Limits of checks, and of requests that wait for them.

    Attributes:
        users: How many requests and checks refer to it.
    """

    def __init__(self, max_checks: int, max_waiting: int) -> None:
        self.checks = anyio.Semaphore(max_checks)
        self.waiting = Quota(
            max_waiting,
            what="requests with access tokens that are new here",
            next_step="Try again in a moment.",
        )
        self.users = 0


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a token comes from.

    Attributes:
        principal: Who brings it.
        peer: The address that they bring it from; empty if there is none.
    """

    principal: str
    peer: str


class Admission:
    """Checks access tokens with the API, each once, however many requests bring it."""

    def __init__(
        self, make_client: MakeClient, task_group: anyio.abc.TaskGroup, clock: Clock, advice: str
    ) -> None:
        """Know no token yet.

        Args:
            make_client: Makes an API client for a token.
            task_group: Lives as long as the server; checks belong to it, not to requests.
            clock: Time and sleep.
            advice: The next step for a caller whose token is refused.
        """
        self._advice = advice
        self._make_client = make_client
        self._task_group = task_group
        self._clock = clock
        self._checks: dict[tuple[str, bytes], _Check] = {}
        self._pool = _Pool(MAX_CHECKS, MAX_WAITING)
        self._parts: dict[str | _Origin, _Pool] = {}
        self._refused: dict[bytes, float] = {}

    async def user_of(self, principal: str, token: SecretStr | None, *, peer: str = "") -> str:
        """The API's name of the token's user; empty if the API accepts the token but does not name them.

        Args:
            principal: Who brings the token.
            token: The token.
            peer: The address that they bring it from: a flood from there leaves capacity for others.

        Raises:
            TokenRefusedError: If the API does not accept the token.
            TokenUncheckedError: If the API does not answer.
            QuotaError: If too many requests wait for such checks.
        """
        key = principal, _digest(token)
        if self._refused.get(key[1], 0.0) > self._clock.monotonic():
            raise self._refusal()
        origin = _Origin(principal, peer)
        with ExitStack() as places:
            for pool in places.enter_context(self._pools(origin)):
                places.enter_context(pool.waiting.taken())
            check = self._checks.get(key)
            if check is None:
                check = self._checks[key] = _Check()
                self._task_group.start_soon(self._run, key, check, token, origin)
            await check.done.wait()
        if isinstance(check.result, NeoError):
            raise check.result.with_traceback(None)
        return check.result

    async def ask(self, token: SecretStr | None) -> str:
        """Ask the API now; result and errors as of :meth:`user_of`."""
        client = self._make_client(token)
        try:
            with anyio.fail_after(CHECK_SECONDS):
                return (await client.get_user()).github_login
        except AuthenticationError as error:
            raise self._refusal() from error
        except (NotFoundError, PermissionDeniedError):
            # No refusal of the token: it is not for this endpoint, or the endpoint is not there.
            return ""
        except ConfigurationError as error:
            # The operator's: it lasts until they correct it.
            raise TokenUncheckedError(
                f"The Pulumi API cannot be asked about this access token. {error.message}",
                next_step=error.hint,
            ) from error
        except (NeoError, TimeoutError) as error:
            raise TokenUncheckedError("The Pulumi API cannot be asked about this access token.") from error
        finally:
            with anyio.move_on_after(1, shield=True):
                await client.aclose()

    def refuse(self, token: SecretStr | None) -> None:
        """Remember that the API does not accept the token."""
        key = _digest(token)
        self._refused.pop(key, None)
        self._refused[key] = self._clock.monotonic() + REFUSED_SECONDS
        while len(self._refused) > MAX_REFUSED:
            del self._refused[next(iter(self._refused))]

    def _refusal(self) -> TokenRefusedError:
        return TokenRefusedError("The Pulumi API does not accept this access token.", next_step=self._advice)

    async def _run(
        self, key: tuple[str, bytes], check: _Check, token: SecretStr | None, origin: _Origin
    ) -> None:
        async with self._slot(origin):
            try:
                check.result = await self.ask(token)
            except TokenRefusedError as error:
                check.result = error
                self.refuse(token)
                logger.info("the API does not accept an access token that a request brought")
            except NeoError as error:
                check.result = error
            except Exception:
                # One token whose check fails must not end the server.
                logger.exception("the check of an access token failed")
            finally:
                del self._checks[key]
                check.done.set()
            if isinstance(check.result, TokenRefusedError):
                await self._clock.sleep(PAUSE_SECONDS)

    @asynccontextmanager
    async def _slot(self, origin: _Origin) -> AsyncIterator[None]:
        async with AsyncExitStack() as places:
            for pool in places.enter_context(self._pools(origin)):
                await places.enter_async_context(pool.checks)
            yield

    @contextmanager
    def _pools(self, origin: _Origin) -> Iterator[Sequence[_Pool]]:
        """The pool and the parts of it that a token comes out of, the smallest first.

        A part exists as long as it is used.
        """
        of_peer = self._parts.setdefault(origin, _Pool(MAX_CHECKS_OF_PEER, MAX_WAITING_OF_PEER))
        of_one = self._parts.setdefault(origin.principal, _Pool(MAX_CHECKS_OF_ONE, MAX_WAITING_OF_ONE))
        parts: dict[str | _Origin, _Pool] = {origin: of_peer, origin.principal: of_one}
        for part in parts.values():
            part.users += 1
        try:
            yield of_peer, of_one, self._pool
        finally:
            for key, part in parts.items():
                part.users -= 1
                if not part.users:
                    del self._parts[key]


def _digest(token: SecretStr | None) -> bytes:
    return hashlib.sha256((token.get_secret_value() if token else "").encode()).digest()
