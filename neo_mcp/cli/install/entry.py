"""How a host is to start this server: the command, its options, and the environment that it needs.

Owns what of a person's settings goes into a host's configuration. The access token only if they allow it.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neo_mcp.cli.install.hosts import URL_KEYS, Server
from neo_mcp.config import SETTINGS, TOKEN_ENV, Setting, Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.core.redact import redact
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed

_OWN_WORD = re.compile(rf"(?:^|[/\\]){PROGRAM}(?:\.exe)?(?:$|[@=<>~\[])")
_OWN_URL = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\]):\d+/mcp$")
_PATHS = {"token_file", "key_file"}
# The vendor's client has them, too; a host may be started without.
_VENDORS = ("PULUMI_HOME", "PULUMI_CREDENTIALS_PATH", "PULUMI_API", "PULUMI_DEFAULT_ORGANIZATION")


def server_for(options: argparse.Namespace, settings: Settings, environ: Mapping[str, str]) -> Server:
    """The server with the settings that are in force here.

    Raises:
        InvalidArgumentError: If an option is invalid, or would give the token away.
    """
    if options.http_url:
        return Server(url=_checked_url(options.http_url))
    command, *first = own_command(sys.prefix, sys.executable)
    args = [*first, "serve", *(["--sandbox"] if options.sandbox else [])]
    for setting in SETTINGS:
        value = getattr(options, setting.name, None)
        if value is not None:
            args += [setting.flag] if setting.is_switch else [setting.flag, _portable(setting, value)]
    env = {
        s.env: environ[s.env]
        for s in SETTINGS
        if settings.sources.get(s.name) == f"environment variable {s.env}"
    }
    env |= {name: environ[name] for name in _VENDORS if environ.get(name)}
    token = settings.token.get_secret_value() if settings.token else ""
    env |= _given(options.env, token, with_token=options.with_token)
    if options.with_token and not options.sandbox:
        if not token:
            raise InvalidArgumentError("There is no access token to write.", next_step="Set one, or log in.")
        env[TOKEN_ENV] = token
    in_environment = settings.sources.get("token") == f"environment variable {TOKEN_ENV}"
    passes_token = in_environment and TOKEN_ENV not in env and not options.sandbox
    return Server(command=command, args=tuple(args), env=env, passes_token=passes_token)


def own_command(prefix: str, executable: str) -> list[str]:
    """The command that starts this program from anywhere: hosts differ in working directory and path.

    Args:
        prefix: Where Python runs from, as in ``sys.prefix``.
        executable: The interpreter, as in ``sys.executable``.
    """
    if {"archive-v0", "environments-v2"} & set(Path(prefix).parts):
        # Run by uvx, from a cache that may be emptied at any time.
        return [shutil.which("uvx") or "uvx", PROGRAM]
    for name in (PROGRAM, f"{PROGRAM}.exe"):
        script = Path(executable).with_name(name)
        if script.is_file():
            return [str(script)]
    return [executable, "-m", "neo_mcp"]


def is_ours(entry: Mapping[str, Any], url: str | None = None) -> bool:
    """True if an entry of a host starts this server, or connects to it at ``url`` or on this machine."""
    addresses = {str(entry[key]) for key in URL_KEYS if key in entry}
    if addresses:
        return url in addresses or any(map(_OWN_URL.match, addresses))
    words = [str(entry.get("command", "")), *map(str, entry.get("args") or [])]
    return any(_OWN_WORD.search(word) or word == "neo_mcp" for word in words)


def _portable(setting: Setting, value: str) -> str:
    return str(Path(value).expanduser().absolute()) if setting.name in _PATHS else value


def _checked_url(url: str) -> str:
    if not url.lower().startswith(("http://", "https://")):
        raise InvalidArgumentError(f"{echoed(url)} is no http address.", next_step="See `serve --http`.")
    if "@" in re.split(r"[/?#]", url.partition("://")[2])[0] or redact(url) != url:
        raise InvalidArgumentError(
            "This would write the password or the secret that the address holds into files and links.",
            next_step="Leave it out of the address: the host asks for what the server needs.",
        )
    return url


def _given(pairs: list[str], token: str, *, with_token: bool) -> dict[str, str]:
    env: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InvalidArgumentError("--env takes NAME=VALUE.")
        if not with_token and (name == TOKEN_ENV or (token and token in value)):
            raise InvalidArgumentError(
                "This would write the access token into a file.",
                next_step="Use `pulumi login` or --token-file; or allow it with --with-token.",
            )
        env[name] = value
    return env
