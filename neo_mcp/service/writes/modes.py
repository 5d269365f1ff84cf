"""The approval mode of a new task: the caller's, or the organization's default as if the caller had chosen.

Owns the look-up of that default, and the rule for what is sent where the caller chose nothing. The agreement
of a person to a mode is :mod:`neo_mcp.service.commands.create`'s. Where the operator trusts the host, nothing
is looked up and no mode is sent: the organization's default holds. The same goes for the first generation of
the API, which has no modes.

The default is remembered for five minutes, and for one that it could not be read. The mode that was found is
sent by name, so that no task starts in a default that has changed meanwhile.
"""

from dataclasses import dataclass

import anyio

from neo_mcp.api import Clock, NeoClient
from neo_mcp.core.sanitize import quoted
from neo_mcp.errors import ApiError, ConnectionFailedError, NeoError
from neo_mcp.wire import ApprovalMode

LOOK_SECONDS = 3.0
"""How long a creation waits for the organization's default."""

KEEP_SECONDS = 300.0
KEEP_FAILURE_SECONDS = 60.0
"""How long a default is remembered, and that there was none to be had."""

_MAX_ORGANIZATIONS = 100
_MAX_WORD = 40
_UNREAD = "the organization's default could not be read"


@dataclass(frozen=True, slots=True)
class DefaultMode:
    """An organization's default, or why there is none to go by.

    Attributes:
        is_lasting: Whether it is worth remembering.
    """

    mode: ApprovalMode | None
    problem: str = ""
    is_lasting: bool = True


@dataclass(frozen=True, slots=True)
class ChosenMode:
    """What is sent.

    Attributes:
        mode: The mode; ``None`` sends none.
        is_default: Whether it is the organization's and not the caller's choice.
        warning: What the caller should know about it; may be empty.
    """

    mode: ApprovalMode | None
    is_default: bool = False
    warning: str = ""

    @property
    def needs_person(self) -> bool:
        """Whether Neo would ask people less than it can, to which one has to agree."""
        return self.mode not in {None, ApprovalMode.MANUAL}


class DefaultModes:
    """The default approval modes of the organizations of one identity."""

    def __init__(self, client: NeoClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[float, DefaultMode]] = {}
        self._looking = anyio.Lock()

    async def of(self, organization: str) -> DefaultMode:
        """The default of ``organization``: remembered, or asked for once, for a short time."""
        if self._client.is_first_generation:
            return DefaultMode(None)
        name = organization.casefold()
        try:
            with self._clock.fail_after(LOOK_SECONDS):
                async with self._looking:
                    if (known := self._remembered(name)) is not None:
                        return known
                    return self._remember(name, await self._read(organization))
        except TimeoutError:
            return self._remember(name, DefaultMode(None, f"{_UNREAD} in {LOOK_SECONDS:.0f} seconds"))

    async def _read(self, organization: str) -> DefaultMode:
        try:
            found = (await self._client.get_organization(organization)).neo_approval_mode
        except ApiError as error:
            return DefaultMode(None, f"{_UNREAD} (HTTP {error.status})")
        except ConnectionFailedError:
            return DefaultMode(None, f"{_UNREAD} (no connection)", is_lasting=False)
        except NeoError:
            return DefaultMode(None, _UNREAD)
        if isinstance(found, ApprovalMode):
            return DefaultMode(found)
        if found:
            return DefaultMode(None, f"the organization's default, {quoted(found, _MAX_WORD)}, is not known")
        return DefaultMode(None, f"{_UNREAD} (the API does not tell it)")

    def _remembered(self, name: str) -> DefaultMode | None:
        until, known = self._known.get(name, (0.0, None))
        return known if self._clock.monotonic() < until else None

    def _remember(self, name: str, found: DefaultMode) -> DefaultMode:
        self._known.pop(name, None)
        if not found.is_lasting:
            return found
        seconds = KEEP_SECONDS if found.mode else KEEP_FAILURE_SECONDS
        self._known[name] = self._clock.monotonic() + seconds, found
        if len(self._known) > _MAX_ORGANIZATIONS:
            del self._known[next(iter(self._known))]
        return found


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
