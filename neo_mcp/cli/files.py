"""Files of other programs: read whole, replaced whole or not at all, with a copy of what was there.

Owns where copies are stored and the texts of refusals; how files are read and replaced is
:mod:`neo_mcp.local_files`.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from neo_mcp import local_files
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.errors import NeoError

MAX_BYTES = 64 * 2**20
"""Bytes of a file that is read whole."""

_BACKUP = ".neo-backup"


class FileRefusedError(NeoError):
    """A file cannot be read or written; it is as it was."""


def read(path: Path) -> bytes | None:
    """The content of ``path``; ``None`` if there is no such file.

    Raises:
        FileRefusedError: If it cannot be read, or is no regular file.
    """
    try:
        return local_files.read(path, MAX_BYTES, regular=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileRefusedError(f"{path} cannot be read: {error.strerror}.") from None


def as_text(path: Path, content: bytes | None) -> str:
    """``content`` as text, with every character; none is empty.

    Raises:
        FileRefusedError: If it is not UTF-8.
    """
    try:
        return (content or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise FileRefusedError(f"{path} is not UTF-8; nothing was written.") from None


def replace(
    path: Path, new: str, *, expected: bytes | None, private: bool = False, within: Path | None = None
) -> None:
    """Put ``new`` in place of ``expected`` at once; a link stays a link, and permissions stay.

    Args:
        path: The file; folders on the way are made, and a new file is its owner's alone.
        new: All of its text.
        expected: What has to be there; ``None`` for no file.
        private: Whether only its owner may read it from now on.
        within: The folder out of which no link may lead.

    Raises:
        FileRefusedError: If something else is there by now, or it cannot be written.
    """
    if read(path) != expected:
        raise FileRefusedError(f"{path} was changed in the meantime.", next_step="Run this again.")
    with _refusals(path, "written"):
        local_files.replace(path, new.encode(), private=private, within=within)


def write(path: Path, text: str, *, private: bool = False) -> bool:
    """Write ``text`` to ``path``: in place of a regular file at once, through to anything else.

    Args:
        path: Where to.
        text: All of it.
        private: Whether only its owner may read the file from now on.

    Returns:
        Whether it is a regular file.

    Raises:
        FileRefusedError: If it cannot be written.
    """
    with _refusals(path, "written"):
        return local_files.write(path, text.encode(), private=private)


def back_up(path: Path, content: bytes, clock: Clock = SYSTEM_CLOCK) -> Path:
    """Store ``content`` beside ``path``, for the owner of ``path`` alone; returns where.

    Raises:
        FileRefusedError: If it cannot be written.
    """
    stamp = clock.now().strftime("%Y%m%dT%H%M%S%fZ")
    copy = path.with_name(f"{path.name}.{stamp}{_BACKUP}")
    with _refusals(copy, "written"):
        try:
            local_files.create(copy, content, like=path.stat())
        except PermissionError:
            # Only an administrator can give it to the file's owner; without that, it is this user's.
            local_files.create(copy, content)
    return copy


def backups(path: Path) -> list[Path]:
    """The copies of ``path``, latest first; a link is none."""
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        # The stamps sort by time.
        names = sorted(
            (e.name for e in entries if _is_backup_of(path, e.name) and e.is_file(follow_symlinks=False)),
            reverse=True,
        )
        return [path.with_name(name) for name in names]
    return []


def remove(path: Path, *, expected: bytes) -> None:
    """Delete ``path``, if ``expected`` is what is in it.

    Raises:
        FileRefusedError: If something else is there by now, or it cannot be deleted.
    """
    if read(path) != expected:
        raise FileRefusedError(f"{path} was changed in the meantime.", next_step="Run this again.")
    with _refusals(path, "deleted"):
        path.unlink()


def _is_backup_of(path: Path, name: str) -> bool:
    return name.startswith(f"{path.name}.") and name.endswith(_BACKUP)


@contextlib.contextmanager
def _refusals(path: Path, what: str) -> Iterator[None]:
    """Report what the system refuses."""
    try:
        yield
    except BrokenPipeError:
        # The reader of the output has seen enough.
        raise
    except OSError as error:
        why = "no one reads this pipe" if error.errno == errno.ENXIO and path.is_fifo() else error.strerror
        raise FileRefusedError(f"{path} cannot be {what}: {why}.") from None
