"""As whom this program acts, where that may not be who was meant.

A variable that should hold a token may hold none: a host did not put its value in. Then the login is used,
and its user is named once.
"""

from contextlib import suppress

from neo_mcp.api import NeoClient
from neo_mcp.config import TOKEN_ENV, Settings
from neo_mcp.core.sanitize import one_line
from neo_mcp.errors import NeoError


class Acting:
    """Names the user once after a fallback."""

    def __init__(self, settings: Settings) -> None:
        self._is_due = settings.is_fallback

    async def note(self, client: NeoClient) -> str:
        """A sentence about the user of ``client``; empty if none is due, or they are not known."""
        if not self._is_due:
            return ""
        self._is_due, name = False, ""
        with suppress(NeoError):
            try:
                name = (await client.get_user()).github_login
            finally:
                self._is_due = not name
        return (
            f"{TOKEN_ENV} holds no token, so this acts as {one_line(name)}, by `pulumi login`."
            if name
            else ""
        )
