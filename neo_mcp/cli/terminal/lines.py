"""Reading lines that a person types."""

import sys
from typing import TextIO

import anyio

from neo_mcp.cli.interrupts import blocking


async def read_line(stdin: TextIO) -> str | None:
    """The next line that is typed, without keys that are no letters; ``None`` for the end of input."""
    if sys.platform == "win32":
        line = await anyio.to_thread.run_sync(stdin.buffer.readline, abandon_on_cancel=True)
    else:
        # Not in a thread: one that waits for a line would keep the program from ending.
        await anyio.wait_readable(stdin)
        line = await blocking(stdin.buffer.readline)
    return "".join(filter(str.isprintable, line.decode("utf-8", "replace"))) if line else None
