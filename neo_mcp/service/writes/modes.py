"""Choose the approval mode of a new task: the caller's, or the organization's default by name.

Owns the look-up of that default, and the rule for the mode to send if the caller chose none. A person agrees
to a mode in :mod:`neo_mcp.service.commands.create`. If the operator trusts the host, nothing is looked up and
no mode is sent: the organization's default applies. The same is true for the first generation of the API,
which has no modes.

The default is remembered for five minutes, and a failure to read it for one. The default is sent by name, so
that no task starts in one that has changed meanwhile.
"""

from dataclasses import dataclass

import anyio

from neo_mcp.api import NeoClient
from neo_mcp.core.sanitize import quoted
from neo_mcp.errors import ApiError, ConnectionFailedError, NeoError
from neo_mcp.wire import ApprovalMode
from neo_mcp.wire.ids import organization_key

READ_SECONDS = 3.0
"""Maximum seconds that a creation waits for the organization's default."""

CACHE_SECONDS = 300.0
FAILURE_CACHE_SECONDS = 60.0
"""Seconds for which a default is remembered, and for which a failure to read it is."""

_MAX_ORGANIZATIONS = 100
_MAX_WORD = 40
_UNREAD = "the organization's default could not be read"


@dataclass(frozen=True, slots=True)
class DefaultMode:
    """An organization's default, or the reason why it is unknown.

    Attributes:
        is_lasting: Whether it is worth remembering.
    """

    mode: ApprovalMode | None
    problem: str = ""
    is_lasting: bool = True


@dataclass(frozen=True, slots=True)
class ChosenMode:
    """The mode to send.

    Attributes:
        mode: The mode; ``None`` sends none.
        is_default: Whether it is the organization's choice, not the caller's.
        warning: A note for the caller; may be empty.
    """

    mode: ApprovalMode | None
    is_default: bool = False
    warning: str = ""

    @property
    def needs_person(self) -> bool:
        """True if Neo would ask people less than it can, which a person has to agree to."""
        return self.mode not in {None, ApprovalMode.MANUAL}


class DefaultModes:
    """The default approval modes of one tenant's organizations."""

    def __init__(self, client: NeoClient) -> None:
        self._client = client
        self._clock = client.clock
        self._known: dict[str, tuple[float, DefaultMode]] = {}
        self._looking = anyio.Lock()

    async def of(self, organization: str) -> DefaultMode:
        """The default of ``organization``: remembered, or read once with a short time limit."""
        if self._client.is_first_generation:
            return DefaultMode(None)
        name = organization_key(organization)
        try:
            with self._clock.fail_after(READ_SECONDS):
                async with self._looking:
                    if (known := self._remembered(name)) is not None:
                        return known
                    return self._remember(name, await self._read(organization))
        except TimeoutError:
            return self._remember(name, DefaultMode(None, f"{_UNREAD} in {READ_SECONDS:.0f} seconds"))

    async def _read(self, organization: str) -> DefaultMode:
        try:
            mode = (await self._client.get_organization(organization)).neo_approval_mode
        except ApiError as error:
            return DefaultMode(None, f"{_UNREAD} (HTTP {error.status})")
        except ConnectionFailedError:
            return DefaultMode(None, f"{_UNREAD} (no connection)", is_lasting=False)
        except NeoError:
            return DefaultMode(None, _UNREAD)
        if isinstance(mode, ApprovalMode):
            return DefaultMode(mode)
        if mode:
            return DefaultMode(None, f"the organization's default, {quoted(mode, _MAX_WORD)}, is not known")
        return DefaultMode(None, f"{_UNREAD} (the API does not return it)")

    def _remembered(self, name: str) -> DefaultMode | None:
        until, known = self._known.get(name, (0.0, None))
        return known if self._clock.monotonic() < until else None

    def _remember(self, name: str, default: DefaultMode) -> DefaultMode:
        self._known.pop(name, None)
        if not default.is_lasting:
            return default
        seconds = CACHE_SECONDS if default.mode else FAILURE_CACHE_SECONDS
        self._known[name] = self._clock.monotonic() + seconds, default
        if len(self._known) > _MAX_ORGANIZATIONS:
            del self._known[next(iter(self._known))]
        return default


def choose(default: DefaultMode, *, can_ask: bool) -> ChosenMode:
    """The mode of a task for which the caller chose none.

    Args:
        default: The organization's.
        can_ask: Whether a person can agree to it.
    """
    if default.mode is None:
        return ChosenMode(ApprovalMode.MANUAL, warning=_in_manual_mode(default.problem))
    if default.mode is not ApprovalMode.MANUAL and not can_ask:
        why = f"the organization's default, {default.mode}, needs a person's agreement, and none can be asked"
        return ChosenMode(ApprovalMode.MANUAL, warning=_in_manual_mode(why))
    return ChosenMode(default.mode, is_default=True)


def _in_manual_mode(why: str) -> str:
    return f"Started in manual mode, because {why}."
