"""Which answers of people were used: each counts once.

One ledger serves every identity for as long as the server runs; an answer is one identity's. Within one
process that is a matter of memory. Processes that share a key also share a folder beside its file, where a
used answer leaves an empty file; creating a file that must not exist is atomic. Where that folder cannot be
written, such as beside a mounted secret, each process only knows what it used itself.
"""

import contextlib
import copy
import hashlib
import logging
import os
import time
from pathlib import Path

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
            OSError: If the folder cannot be written any more; the answer must not be used then.
        """
        name = self._name(answer)
        now = time.time()
        self._forget(now - KEEP_SECONDS)
        if name in self._used:
            return False
        # What is to be kept longer than others counts as used later.
        used_at = self._used[name] = now + keep - KEEP_SECONDS
        if self._folder is None:
            return True
        try:
            (self._folder / name).touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return False
        os.utime(self._folder / name, (used_at, used_at))
        return True

    def is_used(self, answer: str) -> bool:
        """Whether ``answer`` was used; uses nothing."""
        name = self._name(answer)
        return name in self._used or (self._folder is not None and (self._folder / name).exists())

    def _forget(self, before: float) -> None:
        old = [name for name, used_at in self._used.items() if used_at < before]
        for name in old:
            del self._used[name]
        if self._folder is not None:
            for file in self._folder.iterdir():
                # Another process may forget it at the same time.
                with contextlib.suppress(FileNotFoundError):
                    if file.stat().st_mtime < before:
                        file.unlink()

    def _name(self, answer: str) -> str:
        return hashlib.sha256(f"{self._owner}\0{answer}".encode()).hexdigest()
