"""Files of other programs: read whole, replaced whole or not at all, with a copy of what was there.

Owns atomic replacement, permissions, symbolic links, and where copies are kept; not what is in them.
"""

import contextlib
import errno
import os
import secrets
import stat
from datetime import UTC, datetime
from pathlib import Path

from neo_mcp import local_files
from neo_mcp.errors import NeoError

MAX_BYTES = 64 * 2**20
"""Bytes of a file that is read whole."""

_BACKUP = ".neo-backup"
_PRIVATE = 0o600


class FileRefusedError(NeoError):
    """A file cannot be read or written; it is as it was."""


def read(path: Path) -> bytes | None:
    """What is in ``path``; ``None`` if there is no such file.

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
    """``content`` as text, with every character kept; none is empty.

    Raises:
        FileRefusedError: If it is not UTF-8.
    """
    try:
        return (content or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise FileRefusedError(f"{path} is not UTF-8; nothing was written.") from None


def replace(path: Path, new: str, *, expected: bytes | None, private: bool = False) -> None:
    """Put ``new`` in the place of ``expected`` at once; a link stays a link, and permissions stay.

    Args:
        path: The file; folders on the way are made, and a new file is its owner's alone.
        new: All of its text.
        expected: What has to be there; ``None`` for no file.
        private: Whether nobody but its owner may read it from now on.

    Raises:
        FileRefusedError: If something else is there by now, or it cannot be written.
    """
    if read(path) != expected:
        raise FileRefusedError(f"{path} was changed in the meantime.", next_step="Run this again.")
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.stat() if expected is not None else None
        mode = stat.S_IMODE(before.st_mode) if before else _PRIVATE
        _replace(target, new.encode(), mode & _PRIVATE if private else mode, before)
    except OSError as error:
        raise FileRefusedError(f"{path} cannot be written: {error.strerror}.") from None


def write(path: Path, text: str) -> None:
    """Write ``text`` to ``path``: in the place of a regular file at once, through to anything else.

    Raises:
        FileRefusedError: If it cannot be written.
    """
    if local_files.is_replaceable(path):
        replace(path, text, expected=read(path))
        return
    try:
        local_files.write_through(path, text.encode())
    except OSError as error:
        why = "no one reads this pipe" if error.errno == errno.ENXIO else error.strerror
        raise FileRefusedError(f"{path} cannot be written: {why}.") from None


def back_up(path: Path, content: bytes, *, now: datetime) -> Path:
    """Keep ``content`` beside ``path``, readable for the same people; says where.

    Raises:
        FileRefusedError: If it cannot be written.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    copy = path.with_name(f"{path.name}.{stamp}{_BACKUP}")
    try:
        _write_new(copy, content, stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise FileRefusedError(f"{copy} cannot be written: {error.strerror}.") from None
    return copy


def backups(path: Path) -> list[Path]:
    """The copies of ``path``, newest first."""
    with contextlib.suppress(OSError):
        # The stamps sort by time.
        names = sorted(
            (copy.name for copy in path.parent.iterdir() if _is_backup_of(path, copy.name)), reverse=True
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
    try:
        path.unlink()
    except OSError as error:
        raise FileRefusedError(f"{path} cannot be deleted: {error.strerror}.") from None


def _is_backup_of(path: Path, name: str) -> bool:
    return name.startswith(f"{path.name}.") and name.endswith(_BACKUP)


def _replace(target: Path, content: bytes, mode: int, before: os.stat_result | None) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        _write_new(temporary, content, mode)
        if before is not None and hasattr(os, "chown"):
            # Where an administrator runs this, the file stays its owner's.
            with contextlib.suppress(OSError):
                os.chown(temporary, before.st_uid, before.st_gid)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _write_new(path: Path, content: bytes, mode: int) -> None:
    # Nobody else may look before it has the permissions that it is to have.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(mode)
