"""Settings from the command line, the environment and files; and the options of a ``serve`` without any.

That is how hosts start it, so it does without argparse.
"""

import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeAlias

from neo_mcp.config import SETTINGS, TOKEN_ENV, Settings, load_settings

if TYPE_CHECKING:
    from argparse import Namespace

Options: TypeAlias = "Namespace | SimpleNamespace"
"""Options as read, or as they are without any."""

_TOKEN_FILE_ENV = next(setting.env for setting in SETTINGS if setting.name == "token_file")

SERVE: Mapping[str, str | int | bool] = {
    "http": False,
    "host": "127.0.0.1",
    "port": 8365,
    "open": False,
    "sandbox": False,
}
"""The options of ``serve`` and their defaults."""


def settings_of(options: Options, *, needs_account: bool = True) -> Settings:
    """The settings that the command line, the environment and files add up to.

    Args:
        options: The command line.
        needs_account: Whether what is wrong with a token in the environment matters.

    Raises:
        ConfigurationError: If a value is invalid.
    """
    # Settings for HTTP alone mean nothing where it is not served, such as to a person's own commands.
    others = set() if getattr(options, "http", False) else {s.env for s in SETTINGS if s.is_for_http}
    if not needs_account:
        others |= {TOKEN_ENV, _TOKEN_FILE_ENV}
    environ = {name: value for name, value in os.environ.items() if name not in others}
    return load_settings(environ, {s.name: getattr(options, s.name, None) for s in SETTINGS})
