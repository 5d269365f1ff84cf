"""Which answers of people were used: each counts once.

One ledger serves every identity for as long as the server runs; an answer is one identity's. Within one
process that is a matter of memory. Processes that share a key also share a folder beside its file, where a
used answer leaves an empty file; creating a file that must not exist is atomic. Where that folder cannot be
written, such as beside a mounted secret, each process only knows what it used itself.

An answer is claimed before anything is done with it, and there is one way to do so. A claim that cannot be
stored claims nothing: the same answer can be given again. A process that ends between the claim and what
follows it leaves an answer that is used though nothing was sent; a person is then asked again.
"""

import contextlib
import copy
import hashlib
import logging
import os
import time
from pathlib import Path

from neo_mcp.errors import NeoError

logger = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0
"""How long a used answer to a call is remembered: longer than it is valid."""


class Ledger:
    """Used answers, in memory and in ``folder``."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._used: dict[str, float] = {}
        self._owner = ""

    @classmethod
    def beside(cls, key_file: Path | None) -> "Ledger":
        """The ledger of the processes that share ``key_file``; of this process alone without one."""
        if key_file is None:
            return cls()
        folder = key_file.with_name(key_file.name + ".used")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            logger.warning(
                "%s cannot be made (%s): used answers are known to this process only", folder, error.strerror
            )
            return cls()
        return cls(folder)

    def of(self, owner: str) -> "Ledger":
        """The ledger of one identity's answers, in the same memory and folder."""
        mine = copy.copy(self)
        mine._owner = owner  # noqa: SLF001 - a copy of this very object
        return mine

    def claim(self, answer: str, *, keep: float = KEEP_SECONDS) -> bool:
        """Whether ``answer`` is unused; from now on it is used.

        Args:
            answer: Any text that names the answer.
            keep: For how many seconds to remember it.

        Raises:
            NeoError: If that cannot be stored; the answer stays unused, and must not be acted on now.
        """
        name = self._name(answer)
        now = time.time()
        self._forget(now - KEEP_SECONDS)
        if name in self._used:
            return False
        # What is to be kept longer than others counts as used later.
        used_at = now + keep - KEEP_SECONDS
        if self._folder is not None and not _create(self._folder / name, used_at):
            return False
        self._used[name] = used_at
        return True

    def is_used(self, answer: str) -> bool:
        """Whether ``answer`` was used; uses nothing."""
        name = self._name(answer)
        if name in self._used or self._folder is None:
            return name in self._used
        # A folder that cannot be read says nothing: the claim decides.
        with contextlib.suppress(OSError):
            return (self._folder / name).exists()
        return False

    def _forget(self, before: float) -> None:
        old = [name for name, used_at in self._used.items() if used_at < before]
        for name in old:
            del self._used[name]
        if self._folder is not None:
            # Another process may forget it at the same time; and no answer depends on this.
            with contextlib.suppress(OSError):
                for file in self._folder.iterdir():
                    with contextlib.suppress(OSError):
                        if file.stat().st_mtime < before:
                            file.unlink()

    def _name(self, answer: str) -> str:
        return hashlib.sha256(f"{self._owner}\0{answer}".encode()).hexdigest()


def _create(file: Path, used_at: float) -> bool:
    """Create ``file`` with that time, or leave nothing behind; false if it is there already.

    Raises:
        NeoError: If it cannot be created.
    """
    try:
        created = file.open("xb")
        # From here on it is this claim's own file: nobody else's is ever taken away.
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
