"""Files that a person names, which need not be files: devices, pipes, standard streams.

Owns reading without end or wait, and writing to what cannot be replaced. Nothing here knows what is in them.
"""

import errno
import os
import stat
import sys
import time
from pathlib import Path

MAX_SECRET_BYTES = 64 * 2**10
"""Bytes of a file that holds tokens, secrets or a key."""

PIPE_SECONDS = 5.0
"""How long a pipe may take to deliver what is in it."""

_PAUSE = 0.01
_CHUNK = 64 * 2**10
_SPECIAL = ("/dev/", "/proc/")


def read(path: Path, limit: int, *, regular: bool = False) -> bytes:
    """The whole content of ``path``, at most ``limit`` bytes.

    Args:
        path: A regular file, or a pipe such as a shell's process substitution.
        limit: Bytes.
        regular: Refuse everything but a regular file, or a link to one.

    Raises:
        OSError: If it cannot be read, is larger, is of another kind, or nothing comes out of it in time.
    """
    # A pipe that nobody writes to would otherwise hold up whoever opens it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if regular and not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return _read_all(descriptor, path, limit)
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, path: Path, limit: int) -> bytes:
    content, deadline = bytearray(), time.monotonic() + PIPE_SECONDS
    while True:
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "Nothing came out of it in time", str(path)) from None
            time.sleep(_PAUSE)
            continue
        if not chunk:
            return bytes(content)
        content += chunk
        if len(content) > limit:
            raise OSError(errno.EFBIG, f"Larger than {limit:,} bytes", str(path))


def is_replaceable(path: Path) -> bool:
    """Whether a new file may take the place of ``path``: there is none, or it is a regular one.

    A name of a device is none, whatever it leads to, and neither is the file that a standard stream goes to.
    """
    if os.path.abspath(path).startswith(_SPECIAL):  # noqa: PTH100 - `resolve` follows the name to what it leads to
        return False
    try:
        found = path.stat()
    except FileNotFoundError:
        return True
    return stat.S_ISREG(found.st_mode) and not any(_is_stream(found, stream) for stream in (1, 2))


def _is_stream(found: os.stat_result, descriptor: int) -> bool:
    try:
        return os.path.samestat(found, os.fstat(descriptor))
    except OSError:
        return False


def write_through(path: Path, content: bytes) -> None:
    """Write ``content`` to something that is not to be replaced.

    Raises:
        OSError: If it cannot be written, such as a pipe that nobody reads.
    """
    if _is_stream(path.stat(), 1):
        sys.stdout.flush()
    # A pipe that nobody reads is an error at once, and one that is full makes us wait.
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, True)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
