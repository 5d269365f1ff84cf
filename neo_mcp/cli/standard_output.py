"""Standard output as it is found: closed, full, in another encoding, or read only in part."""

import codecs
import errno
import os
import sys
from contextlib import suppress

# `main` loads this for everything: nothing here takes time to import.
_UNREAD = {errno.EPIPE, errno.ECONNRESET, errno.EINVAL}
_LOST = {
    *(errno.EPIPE, errno.ECONNRESET, errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF),
    *(number for name in ("EDQUOT", "ESTALE") if (number := getattr(errno, name, None)) is not None),
}

_LOOK_ALIKE = {"✓": "+", "✗": "x", "·": "-", "…": "...", "│": "|", "“": '"', "”": '"'}
_ERRORS = "neo-mcp-look-alike"
"""Writes what an encoding lacks: our own marks as others that look like them, the rest as question marks."""


def prepare() -> None:
    """Have every text printed in some form, whatever the encoding, and nowhere if a stream is closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # What is opened next would get its number.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
        elif name == "stdout" and hasattr(stream, "reconfigure"):
            codecs.register_error(_ERRORS, _look_alike)
            stream.reconfigure(errors=_ERRORS)
            if sys.platform != "win32":
                # Else what does not fit at once would be lost: programs that share a pipe set this for all.
                with suppress(OSError):
                    os.set_blocking(stream.fileno(), True)


def _look_alike(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_LOOK_ALIKE.get(character, "?") for character in missing), error.end


def is_lost(error: OSError) -> bool:
    """True if ``error``, which comes from no file, is that standard output takes nothing more."""
    numbers = _LOST | ({errno.EINVAL} if sys.platform == "win32" else set())
    return error.filename is None and error.errno in numbers


def discard() -> None:
    """Have what is left to be printed go nowhere."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def is_unread(error: OSError) -> bool:
    """True if the reader has seen enough, as `head` does."""
    return error.errno in _UNREAD
