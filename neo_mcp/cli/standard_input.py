"""Standard input as text: whatever its encoding, with a word to whoever sits at a terminal."""

import codecs
import sys
from contextlib import suppress
from typing import TextIO

from neo_mcp.cli import interrupts
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import is_blank

_MAX_TEXT = 2**20
_MAX_BYTES = 4 * (_MAX_TEXT + 2)
_MARKS = (
    # The longer ones begin with the shorter ones.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte-order marks, and the encodings that take them off."""


async def text_from(given: str | None) -> str | None:
    """A text argument; ``-`` stands for standard input.

    Raises:
        InvalidArgumentError: If what comes from there is no text, blank, or more than a message can be.
    """
    if given != "-":
        return given
    announce("the text")
    content = await interrupts.blocking(_read, sys.stdin)
    text = decoded(content, sys.stdin.encoding) if len(content) < _MAX_BYTES else ""
    if len(text) > _MAX_TEXT or len(content) == _MAX_BYTES:
        raise InvalidArgumentError(f"Standard input holds more than {_MAX_TEXT:,} characters.")
    if is_blank(text):
        raise InvalidArgumentError(
            "Standard input was empty; nothing was sent.",
            next_step="Pipe the text into the command, or give it in place of -.",
        )
    return text.strip()


def announce(what: str) -> None:
    """Tell a person at a terminal that ``what`` is read from it, and how to end it."""
    if sys.stdin.isatty():
        keys = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
        print(f"{PROGRAM}: Type {what}; {keys} on a line of its own ends it.", file=sys.stderr)  # noqa: T201 - the command line speaks to people


def decoded(content: bytes, encoding: str = "utf-8") -> str:
    """Standard input's ``content`` as text, without its byte-order mark.

    Args:
        content: All of it.
        encoding: The system's, for what is not UTF-8.

    Raises:
        InvalidArgumentError: If it is no text in any of these.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not marked and b"\0" in content:
        raise _refused("holds NUL: it is UTF-16 without a byte-order mark, or no text", "UTF-16LE")
    # An encoding of single bytes takes everything, so it comes last.
    for name in (marked,) if marked else ("utf-8", encoding):
        with suppress(UnicodeDecodeError, LookupError):
            return content.decode(name)
    raise _refused(f"is not {marked.removesuffix('-sig').upper() or 'UTF-8'}")


def _refused(why: str, encoding: str = "LATIN1") -> InvalidArgumentError:
    convert = f", or convert it first, as with: iconv -f {encoding} -t UTF-8"
    return InvalidArgumentError(
        f"Standard input {why}.",
        next_step="Save it as UTF-8" + ("." if sys.platform == "win32" else convert),
    )


def _read(stdin: TextIO) -> bytes:
    return stdin.buffer.read(_MAX_BYTES)
