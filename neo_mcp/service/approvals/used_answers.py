"""Record the answers of people that were used: each counts once.

One ledger serves every tenant for as long as the server runs; an answer belongs to one tenant. Within one
process the ledger is in memory. Processes that share a key also share a folder beside its file, where a used
answer leaves an empty file; creating a file that must not exist is atomic. If that folder cannot be written,
such as beside a mounted secret, each process knows only the answers that it used itself.

An answer is claimed before it takes effect, and there is one way to do so. A claim that cannot be stored has
no effect: the same answer can be given again. A process that ends between the claim and the write leaves an
answer that is used though nothing was sent; a person is then asked again.
"""

import contextlib
import copy
import hashlib
import logging
import math
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.errors import NeoError
from neo_mcp.service.quotas import QuotaError

logger = logging.getLogger(__name__)

RETENTION_SECONDS = 3600.0
"""Seconds for which a used answer to a call is remembered: longer than it is valid."""

SWEEP_SECONDS = 60.0
"""Seconds between removals of old entries of all tenants."""

MAX_USED = 10_000
"""Maximum answers of one user that are remembered; none is dropped early, so further ones are refused."""


@dataclass(slots=True)
class _Memory:
    """The memory that all tenants share.

    Attributes:
        used: Time at which an answer was used, and by which user.
        counts: Number of answers of each user.
        swept_at: When old ones were dropped; monotonic seconds.
    """

    used: dict[str, tuple[float, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    swept_at: float = -math.inf


class Ledger:
    """Used answers, in memory and in ``folder``."""

    def __init__(self, folder: Path | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._folder = folder
        self._clock = clock
        self._memory = _Memory()
        self._owner = ""
        self._user = ""

    @classmethod
    def beside(cls, key_file: Path | None, clock: Clock = SYSTEM_CLOCK) -> "Ledger":
        """The ledger of the processes that share ``key_file``; of this process alone without one."""
        # A key that came through a pipe is shared with no other process.
        if key_file is None or not key_file.is_file():
            return cls(clock=clock)
        folder = key_file.with_name(key_file.name + ".used")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            logger.warning(
                "%s cannot be made (%s): used answers are known to this process only", folder, error.strerror
            )
            return cls(clock=clock)
        return cls(folder, clock)

    def of(self, owner: str, user: str = "") -> "Ledger":
        """The ledger of one tenant's answers, in the same memory and folder.

        Args:
            owner: The tenant.
            user: The tenant's user: the number of remembered answers is bounded for all tenants of one user.
        """
        mine = copy.copy(self)
        mine._owner, mine._user = owner, user  # noqa: SLF001 - a copy of this very object
        return mine

    def claim(self, answer: str, *, seconds: float = RETENTION_SECONDS) -> bool:
        """Mark ``answer`` as used; return whether it was unused.

        Args:
            answer: Any text that names the answer.
            seconds: Seconds for which to remember it.

        Raises:
            NeoError: If that cannot be stored; the answer stays unused, and must not be acted on now.
            QuotaError: The same, if too many are.
        """
        name = self._name(answer)
        now = self._clock.now().timestamp()
        self._forget(now - RETENTION_SECONDS)
        memory = self._memory
        if name in memory.used:
            return False
        if memory.counts[self._user] >= MAX_USED:
            raise QuotaError(
                f"{MAX_USED} answers of yours were taken within a short time, which is all that can be "
                "remembered; nothing was sent.",
                next_step="The same answer can be given again later.",
            )
        # An answer that is remembered for longer than others counts as used later.
        used_at = now + seconds - RETENTION_SECONDS
        if self._folder is not None and not _create(self._folder / name, used_at):
            return False
        memory.used[name] = used_at, self._user
        memory.counts[self._user] += 1
        return True

    def is_used(self, answer: str) -> bool:
        """True if ``answer`` was used; marks nothing."""
        name = self._name(answer)
        is_used = name in self._memory.used
        if is_used or self._folder is None:
            return is_used
        # A folder that cannot be read proves nothing: the claim decides.
        with contextlib.suppress(OSError):
            return (self._folder / name).exists()
        return False

    def _forget(self, before: float) -> None:
        memory, now = self._memory, self._clock.monotonic()
        if now - memory.swept_at < SWEEP_SECONDS:
            return
        memory.swept_at = now
        memory.used = {name: use for name, use in memory.used.items() if use[0] >= before}
        memory.counts = Counter(user for _, user in memory.used.values())
        if self._folder is not None:
            # Another process may remove it at the same time; and no answer depends on this.
            with contextlib.suppress(OSError):
                for file in self._folder.iterdir():
                    with contextlib.suppress(OSError):
                        if file.stat().st_mtime < before:
                            file.unlink()

    def _name(self, answer: str) -> str:
        return hashlib.sha256(f"{self._owner}\0{answer}".encode()).hexdigest()


def _create(file: Path, used_at: float) -> bool:
    """Create ``file`` with that time, or leave nothing behind; false if it exists already.

    Raises:
        NeoError: If it cannot be created.
    """
    try:
        created = file.open("xb")
        # From here on it is this claim's own file: another claim's file is never removed.
        try:
            created.close()
            os.utime(file, (used_at, used_at))
        except OSError:
            file.unlink()
            raise
    except FileExistsError:
        return False
    except OSError as error:
        why = error.strerror or type(error).__name__
        logger.warning("%s cannot be written (%s): an answer was not taken", file.parent, why)
        raise NeoError(
            f"This server could not store that the answer is used ({why}); nothing was sent.",
            next_step="Once its operator has put that right, the same answer can be given again.",
        ) from error
    return True
