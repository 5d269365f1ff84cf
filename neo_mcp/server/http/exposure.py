"""To whom the HTTP endpoint is open: what the settings allow.

Owns the rules on which settings go together. Above all, an endpoint that is reachable from beyond this
machine authenticates its callers. Which Host and Origin headers are accepted:
:mod:`neo_mcp.server.http.header_checks`.
"""

import ipaddress
import logging
from urllib.parse import urlsplit

from mcp.server.auth.provider import TokenVerifier

from neo_mcp.api import check_api_url
from neo_mcp.config import Auth, Settings
from neo_mcp.errors import ConfigurationError
from neo_mcp.secret import command_that_makes
from neo_mcp.server.http.credentials import TokenStore

logger = logging.getLogger(__name__)

_ONLY_WITH = {
    "auth_secret_file": Auth.BEARER,
    "oauth_issuer": Auth.OAUTH,
    "oauth_audience": Auth.OAUTH,
    "oauth_scopes": Auth.OAUTH,
    "oauth_jwks_url": Auth.OAUTH,
    "token_store": Auth.OAUTH,
}


def check_exposure(
    settings: Settings, host: str, verifier: TokenVerifier | None, tokens: TokenStore | None
) -> None:
    """See whether it is safe to serve like this.

    Args:
        settings: As the operator wants it.
        host: The address to bind.
        verifier: The embedding program's own, if it has one.
        tokens: Likewise.

    Raises:
        ConfigurationError: If it is not, or if the settings contradict one another.
    """
    for name, auth in _ONLY_WITH.items():
        if getattr(settings, name) and settings.auth is not auth:
            raise ConfigurationError(f"--{name.replace('_', '-')} is for --auth {auth} only.")
    if settings.public_url is not None and not _is_safe(settings.public_url):
        raise ConfigurationError("--public-url must be an https address, or one of this machine.")
    match settings.auth:
        case Auth.NONE:
            _check_closed(settings, host)
        case Auth.BEARER:
            if settings.auth_secret_file is None and verifier is None:
                raise ConfigurationError(
                    "--auth bearer needs --auth-secret-file.",
                    next_step=f"Make one: {command_that_makes('secrets')}",
                )
        case Auth.OAUTH:
            _check_oauth(settings, tokens)
    if not is_loopback(host) and not (settings.public_url or "").startswith("https:"):
        logger.warning(
            "%s is served without TLS: put a proxy in front that has it, and set --public-url to its address",
            host,
        )


def _check_closed(settings: Settings, host: str) -> None:
    if not is_loopback(host):
        raise ConfigurationError(
            f"Serving on {host or 'every address'} would let everyone on the network use your token.",
            next_step="Serve on 127.0.0.1, or authenticate them with --auth bearer or --auth oauth.",
        )
    if settings.public_url is not None and not is_loopback(urlsplit(settings.public_url).hostname or ""):
        raise ConfigurationError(
            "With a --public-url, everyone could use your token.",
            next_step="Authenticate them with --auth bearer or --auth oauth.",
        )


def _check_oauth(settings: Settings, tokens: TokenStore | None) -> None:
    if settings.oauth_issuer is None:
        raise ConfigurationError("--auth oauth needs --oauth-issuer, the authorization server's address.")
    for name in ("oauth_issuer", "oauth_jwks_url"):
        url = getattr(settings, name)
        if url is not None and not _is_safe(url.partition("?")[0]):
            raise ConfigurationError(f"--{name.replace('_', '-')} must be an https address.")
    has_store = settings.token_store is not None or tokens is not None
    if has_store == settings.pulumi_token_header:
        raise ConfigurationError(
            "--auth oauth needs to know where users' Pulumi access tokens come from.",
            next_step="Give either --token-store or --pulumi-token-header.",
        )


def is_loopback(host: str) -> bool:
    """True if only this machine can reach ``host``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_safe(url: str) -> bool:
    try:
        check_api_url(url)
    except ConfigurationError:
        return False
    return True
