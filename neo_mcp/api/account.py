"""The account that a token belongs to: its user, and the organization to work in where none is named.

Owns the order of default organizations and what is remembered of the account; each is requested once.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import NamedTuple

import anyio

from neo_mcp.api.calls import Call
from neo_mcp.api.responses import read
from neo_mcp.api.retry import FailureKind, kind_of_status
from neo_mcp.clock import Clock
from neo_mcp.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    InvalidArgumentError,
    NeoError,
)
from neo_mcp.wire import User, check_organization
from neo_mcp.wire.json_limits import without_depth

logger = logging.getLogger("neo_mcp.api")

_USER = Call("GET", "/api/user")
_DEFAULT = Call("GET", "/api/user/organizations/default")
_FIELD = "githublogin"

PAUSE_SECONDS = 60.0
"""Seconds after a failure to ask for the default organization in which the user's own is used at once."""


class DefaultOrigin(Enum):
    """Where the default organization comes from."""

    SETTING = "the settings"
    API = "the default that is set in Pulumi Cloud"
    USER = "the user's own, as no default is set"


class DefaultOrganization(NamedTuple):
    """The organization for calls that name none."""

    name: str
    origin: DefaultOrigin


class Account:
    """The user and the default organization of one client."""

    def __init__(
        self, call: Callable[[Call], Awaitable[bytes]], organization: str | None, clock: Clock
    ) -> None:
        """Ask nothing yet.

        Args:
            call: Makes a call to the API.
            organization: The default organization by the settings, which comes before all others.
            clock: Time.

        Raises:
            InvalidArgumentError: If the organization's name is not one.
        """
        self.organization = check_organization(organization) if organization else None
        self._call = call
        self._clock = clock
        self._ask_after = 0.0
        self._user: User | None = None
        self._chosen: str | None = None
        self._failure: NeoError | None = None  # of the search for the default
        self._user_lock, self._default_lock = anyio.Lock(), anyio.Lock()

    async def user(self) -> User:
        """The token's user."""
        async with self._user_lock:
            if self._user is None:
                self._user = read(_USER, await self._call(_USER), User.model_validate_json)
            return self._user

    async def default(self) -> DefaultOrganization:
        """The organization to work in, in the order of the vendor's client."""
        if self.organization is not None:
            return DefaultOrganization(self.organization, DefaultOrigin.SETTING)
        async with self._default_lock:
            if self._chosen is None and self._ask_after <= self._clock.monotonic():
                self._chosen = await self._ask()
                self._ask_after = self._clock.monotonic() + PAUSE_SECONDS
        if self._chosen:
            return DefaultOrganization(self._chosen, DefaultOrigin.API)
        user = await self.user()
        if self._failure is not None:
            # Only now: where nothing can be reached, the caller gets that as an error.
            text = "the default organization is not known, so the user's own is used: %s"
            logger.warning(text, self._failure)
            self._failure = None
        return DefaultOrganization(user.own_organization, DefaultOrigin.USER)

    async def _ask(self) -> str | None:
        """The default that the API names; empty if it has none, ``None`` if that is not known.

        Raises:
            AuthenticationError: If the API does not accept the token.
            ConfigurationError: If there is no token, or no way to send it.
        """
        try:
            return read(_DEFAULT, await self._call(_DEFAULT), _named)
        except (AuthenticationError, ConfigurationError):
            raise
        except NeoError as error:
            if isinstance(error, ApiError) and kind_of_status(error.status) is FailureKind.FINAL:
                # Older services have no such endpoint, and some tokens may not use it.
                return ""
            self._failure = error.copy()
            return None


def _named(body: bytes) -> str:
    """The organization that an answer names; empty if none.

    Raises:
        ValueError: If it is no JSON.
    """
    answer = json.loads(without_depth(body)) if body.strip() else None
    fields = answer.items() if isinstance(answer, dict) else ()
    name = next((value for field, value in fields if field.lower() == _FIELD), None)
    try:
        return check_organization(name) if isinstance(name, str) else ""
    except InvalidArgumentError:
        return ""
