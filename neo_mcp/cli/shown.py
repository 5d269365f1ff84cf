"""Text made fit for terminals and logs: without the access token, other secrets, and what shows nothing."""

from collections.abc import Callable

from neo_mcp.core.sanitize import clean
from neo_mcp.secret import SecretStr
from neo_mcp.token_guard import TokenGuard


def shown_without(token: SecretStr | None) -> Callable[[str], str]:
    """Makes any text fit to be shown: without ``token``, other secrets, and what a terminal would act on."""
    guard = TokenGuard(token).own
    # Once more at the end: what was removed may have been all that parted the token.
    return lambda text: guard.text(clean(guard.text(text)))


def guarded_by(token: SecretStr | None) -> Callable[[str], str]:
    """Takes ``token`` out of text that is clean, with colours or without."""
    return TokenGuard(token).own.text
