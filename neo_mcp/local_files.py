"""Files that a person names, which need not be files: devices, pipes, standard streams.

Owns reading without end or wait, and writing: a regular file is replaced at once, everything else is written
through. Nothing here knows what is in them. Every failure is an ``OSError``.
"""

import contextlib
import errno
import os
import re
import select
import stat
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

MAX_SECRET_BYTES = 64 * 2**10
"""Bytes of a file that holds tokens, secrets or a key."""

PIPE_SECONDS = 5.0
"""Maximum seconds for reading a pipe."""

_PAUSE = 0.01
_CHUNK = 64 * 2**10
_PRIVATE = 0o600
_FOLDER = 0o755
_MAX_LINKS = 40
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_DESCRIPTOR = r"/(?:dev|proc/(?P<process>\d+))/fd/(?P<number>\d{1,9})"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HOLDS_NOTHING = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENODEV, errno.ESPIPE}
"""Marks of files that are none: those of ``/proc`` have no size and no disk."""


def read(path: Path, limit: int, *, regular: bool = False) -> bytes:
    """The whole content of ``path``, at most ``limit`` bytes.

    Args:
        path: A regular file, or a pipe such as a shell's process substitution.
        limit: Bytes.
        regular: Refuse everything but a regular file, or a link to one.

    Raises:
        OSError: If it cannot be read, is larger, is of another kind, or nothing comes out of it in time.
    """
    with _names():
        # Merely to open some devices does something, and a pipe's writer is woken by it.
        _check_kind(path.stat().st_mode, path, regular=regular)
        # Opening a pipe without a writer would otherwise block.
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    try:
        mode = os.fstat(descriptor).st_mode
        _check_kind(mode, path, regular=regular)
        return _read_all(descriptor, path, limit, is_pipe=stat.S_ISFIFO(mode))
    finally:
        os.close(descriptor)


def _check_kind(mode: int, path: Path, *, regular: bool) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISSOCK(mode):
        raise OSError(errno.ENXIO, "Is a socket", str(path))
    if regular and not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))


def _read_all(descriptor: int, path: Path, limit: int, *, is_pipe: bool) -> bytes:
    content, pauses = bytearray(), PIPE_SECONDS / _PAUSE
    while True:
        chunk: bytes | None = None
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(descriptor, _CHUNK)
        # A pipe is at its end, too, as long as its writer has not come.
        if chunk is None or (not chunk and is_pipe and not content):
            if pauses <= 0:
                raise TimeoutError(errno.ETIMEDOUT, "Nothing came out of it in time", str(path))
            time.sleep(_PAUSE)
            pauses -= 1
            continue
        if not chunk:
            return bytes(content)
        content += chunk
        if len(content) > limit:
            raise OSError(errno.EFBIG, f"Larger than {limit:,} bytes", str(path))


def write(path: Path, content: bytes, *, private: bool = False) -> bool:
    """Write ``content`` to ``path``: in place of a regular file at once, through to anything else.

    Args:
        path: Where to; a new file is its owner's alone.
        content: All of it.
        private: Whether only its owner may read the file from now on.

    Returns:
        Whether it is a regular file.

    Raises:
        OSError: If it cannot be written, such as a pipe without a reader.
    """
    with _names():
        descriptor = _descriptor_named(path)
        if descriptor is not None:
            if descriptor == 1 and sys.stdout is not None:
                sys.stdout.flush()
            _write_all(descriptor, content)
            return False
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        if not stat.S_ISREG(mode):
            _check_kind(mode, path, regular=False)
            _write_through(path, content)
            return False
    replace(path, content, private=private)
    return True


def _descriptor_named(path: Path) -> int | None:
    """The open descriptor that ``path`` names, such as ``/dev/stdout``, or a file that output goes to.

    Opened by its name, the file behind it would be written from its beginning.
    """
    name = os.path.abspath(path)  # noqa: PTH100 - `resolve` follows the name to the file
    for _ in range(_MAX_LINKS):
        name = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))  # noqa: PTH118, PTH119, PTH120 - likewise
        match = re.fullmatch(_DESCRIPTOR, name)
        if match is not None and match["process"] in {None, str(os.getpid())}:
            number = int(match["number"])
            if not _is_given(number):
                raise OSError(errno.EBADF, os.strerror(errno.EBADF), str(path))
            return number
        try:
            target = os.readlink(name)  # noqa: PTH115 - likewise
        except OSError:
            break
        name = os.path.join(os.path.dirname(name), target)  # noqa: PTH118, PTH120 - likewise
    with contextlib.suppress(OSError):
        status = path.stat()
        return next((n for n in (1, 2) if _is_given(n) and os.path.samestat(status, os.fstat(n))), None)
    return None


def _is_given(descriptor: int) -> bool:
    """True if ``descriptor`` was passed on to this process: those that it opened itself are not output."""
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def _write_through(path: Path, content: bytes) -> None:
    # A pipe without a reader is an error at once, and one that is full makes us wait.
    descriptor = os.open(path, os.O_WRONLY | _NO_WAIT | _BINARY)
    try:
        _write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def replace(path: Path, content: bytes, *, private: bool = False, within: Path | None = None) -> None:
    """Replace a regular file at once, or create it; a link stays a link, and so do owner and permissions.

    A file that cannot be replaced without changing more than its content is overwritten instead: one of
    several names or another owner, or in a folder where nothing can be created.

    Args:
        path: The file; folders on the way are made, and a new file is its owner's alone.
        content: All of it.
        private: Whether only its owner may read it from now on.
        within: The folder out of which no link may lead.

    Raises:
        OSError: If it cannot be written; it is as it was, unless the error reports otherwise.
    """
    with _names():
        target = Path(
            os.path.realpath(path)
        )  # not `resolve`, which fails in its own way where links go round
        if within is not None and not target.is_relative_to(within):
            raise OSError(errno.EPERM, f"It leads out of {within}", str(path))
        try:
            before = target.stat()
        except FileNotFoundError:
            before = None
    if before is None:
        _make_folders(target.parent)
    elif not stat.S_ISREG(before.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    mode = stat.S_IMODE(before.st_mode) & 0o777 if before else _PRIVATE
    mode = mode & _PRIVATE if private else mode
    # A name of another file may lie in a project, too: there, it is this name alone that gets a new file.
    may_overwrite = before is not None and within is None
    if may_overwrite and before is not None and before.st_nlink > 1:
        _overwrite(target, content, mode)
        return
    try:
        _replace(target, content, mode, before)
    except OSError as error:
        if not may_overwrite or error.errno in _FULL:
            raise
        _overwrite(target, content, mode)


def create(path: Path, content: bytes, *, mode: int = _PRIVATE, like: os.stat_result | None = None) -> None:
    """Create ``path``, and leave nothing behind where that fails.

    Args:
        path: A name that is not taken; not even a link may be there.
        content: All of it.
        mode: Permissions, whatever the process's mask.
        like: The file whose owner it is to have.

    Raises:
        OSError: If it cannot be written, or cannot belong to that owner.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if hasattr(os, "fchown"):
                # No one else may read it before it has its permissions.
                made = os.fstat(descriptor)
                if like is not None and (like.st_uid, like.st_gid) != (made.st_uid, made.st_gid):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replace(target: Path, content: bytes, mode: int, before: os.stat_result | None) -> None:
    # Not named after the target, whose name may be as long as names can be.
    temporary = target.with_name(f".neo-{os.urandom(8).hex()}.tmp")
    create(temporary, content, mode=mode, like=before)
    try:
        if before is not None:
            _copy_attributes(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _copy_attributes(source: Path, target: Path) -> None:
    """Access control lists and labels, as far as the system has them and lets them be copied."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for name in os.listxattr(source):
                with contextlib.suppress(OSError):
                    os.setxattr(target, name, os.getxattr(source, name))


def _overwrite(target: Path, content: bytes, mode: int) -> None:
    """Write over what is in ``target``, once the disk is known to have space for it."""
    descriptor = os.open(target, os.O_WRONLY | _NO_WAIT | _BINARY)
    try:
        status = os.fstat(descriptor)
        _reserve(descriptor, status.st_size, len(content))
        if stat.S_IMODE(status.st_mode) & 0o777 != mode and hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode)
        try:
            _write_all(descriptor, content)
            with _skipping_what_holds_nothing():
                os.ftruncate(descriptor, len(content))
                os.fsync(descriptor)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; only a part of it was", str(target)) from None
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int, needed: int) -> None:
    if needed <= size or not hasattr(os, "posix_fallocate"):
        return
    try:
        with _skipping_what_holds_nothing():
            os.posix_fallocate(descriptor, size, needed - size)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


@contextlib.contextmanager
def _skipping_what_holds_nothing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _HOLDS_NOTHING:
            raise


def _make_folders(folder: Path) -> None:
    """Make ``folder`` and those above it, which no other user can write to, whatever the process's mask."""
    missing = list(takewhile(lambda each: not each.is_dir(), (folder, *folder.parents)))
    for each in reversed(missing):
        each.mkdir(mode=_FOLDER, exist_ok=True)


@contextlib.contextmanager
def _names() -> Iterator[None]:
    """Report what cannot be the name of a file, such as one with a NUL, as the system reports others."""
    try:
        yield
    except ValueError as error:
        raise OSError(errno.EINVAL, f"No name of a file ({error})") from None
