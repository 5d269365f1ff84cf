"""Next steps that depend on where a setting came from: they name the very thing to change.

Owns what a person is told about a token that is missing or refused, an organization that is not accepted, and
a certificate that is not trusted. A surface puts these words into its table of hints.
"""

from neo_mcp.config import TOKEN_ENV, Settings, TokenOrigin
from neo_mcp.hints import Hint, Wording

_NEW_TOKEN = "a token from the Pulumi Cloud console (Settings > Access tokens)"  # noqa: S105 - advice


def worded(surface: Wording, settings: Settings, *, then: str = "") -> Wording:
    """The words of ``surface`` for these settings.

    Args:
        surface: Its table.
        settings: Whose sources are named.
        then: What else to do once a token has changed, as the end of a sentence.
    """
    words = dict(surface)
    if source := settings.sources.get("organization"):
        named = f" Calls that name no organization use {settings.organization}, which is from the {source}."
        words |= {hint: words[hint] + named for hint in (Hint.CHECK_ID, Hint.CHECK_ACCESS)}
    if settings.is_insecure_login:
        words[Hint.TRUST_CERTIFICATE] = (
            "The Pulumi CLI leaves it unchecked, as `pulumi login --insecure` told it; here it never is. "
            f"{words[Hint.TRUST_CERTIFICATE]}"
        )
    if not settings.is_shared:
        missing, refused = settings.no_token, _replacement(settings)
        words |= {Hint.SET_TOKEN: f"{missing[:-1]}{then}."} if missing else {}
        words |= {Hint.REPLACE_TOKEN: f"{refused}{then}."} if refused else {}
    return words


def _replacement(settings: Settings) -> str:
    source = settings.sources.get("token", "")
    before = f"The token is from the {source}, which comes before the login: to log in again changes nothing."
    match settings.token_origin:
        case TokenOrigin.VARIABLE:
            return f"{before} Set {TOKEN_ENV} to {_NEW_TOKEN}, or unset it to use `pulumi login`"
        case TokenOrigin.FILE:
            return f"{before} Put {_NEW_TOKEN} into that file"
        case TokenOrigin.LOGIN:
            return f"The token is from the {source}: run `pulumi login {settings.api_url}` again"
        case None:
            return ""
