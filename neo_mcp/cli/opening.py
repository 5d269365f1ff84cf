"""Opening a browser at an address that holds a secret, which no command line shows to other users.

A program that is started shows its arguments to all users of the machine. So the browser is given a file that
this user alone can read, and the file sends it on to the address.
"""

import contextlib
import html
import logging
import os
import tempfile
import webbrowser
from pathlib import Path

import anyio.to_thread

from neo_mcp.constants import PROGRAM

logger = logging.getLogger(__name__)

_PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>{title}</title>
<p><a href="{address}">Open the tasks</a>
"""


class Opening:
    """The file that leads a browser to an address, for as long as it is of use."""

    def __init__(self, home: Path) -> None:
        """Write nothing yet.

        Args:
            home: The user's home directory: a browser that runs confined, as in a snap, sees nothing else of
                this machine, and of that no hidden folder.
        """
        self._folders = (home, Path(tempfile.gettempdir()))
        self._file: Path | None = None

    async def open(self, address: str) -> None:
        """Open a browser at ``address``; where there is none, log that."""
        page = _PAGE.format(title=PROGRAM, address=html.escape(address))
        for folder in self._folders:
            with contextlib.suppress(OSError):
                self._file = _private_file(page.encode(), folder)
                break
        is_open = self._file is not None and await anyio.to_thread.run_sync(
            webbrowser.open, self._file.as_uri(), abandon_on_cancel=True
        )
        if not is_open:
            self.close()
            logger.warning("no browser could be opened here")

    def close(self) -> None:
        """Remove the file: it was used, or is of no use any more."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)


def _private_file(content: bytes, folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f"{PROGRAM}-", suffix=".html", dir=folder.absolute())
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
