"""The doctor's report: one document for a fault report, without anything secret.

Owns what is in it and what is left out: tokens and other secrets, names and passwords in addresses, and the
name of the home directory. Writing it to a file is :mod:`neo_mcp.cli.doctor.command`.
"""

import logging
import os
import platform
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from neo_mcp._version import __version__
from neo_mcp.cli.doctor.findings import Finding, Status, value_of
from neo_mcp.cli.shown import shown_without
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.config import OTHER_NAMES, TOKEN_ENV, Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.core.sanitize import ascii_json
from neo_mcp.errors import NeoError
from neo_mcp.options import SETTINGS, Setting
from neo_mcp.wire.time import format_time

_MAX_LINES = 200
_MAX_LINE = 2000
# With one slash, too: as a path has an address that was given for a file.
_PASSWORD = re.compile(r"(:/{1,2})[^/\s?#@]*@")
_QUERY = re.compile(r"(:/{1,2}[^\s?#]*)[?#][^\s),;]*")
_VARIABLES = re.compile(
    r"(?:PULUMI|NEO_?MCP|OTEL|SSL_CERT|REQUESTS_CA|XDG|LC)_?\w*|LANG|(?:HTTPS?|ALL|NO)_PROXY", re.IGNORECASE
)


Flags = Mapping[str, str | None]
_OWN = tuple(setting for setting in SETTINGS if not setting.is_for_http)
_TOKEN = Setting("token", TOKEN_ENV, "none", "The access token.")


class _Lines(logging.Handler):
    """Stores the last records as lines."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self.lines: deque[str] = deque(maxlen=_MAX_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Store the record's text."""
        self.lines.append(self.format(record))


@contextmanager
def logged() -> Iterator[Sequence[str]]:
    """The last lines that this program logs within the block, whatever its level of logging."""
    logger, handler = logging.getLogger("neo_mcp"), _Lines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def written(
    settings: Settings | NeoError,
    findings: Sequence[Finding],
    lines: Sequence[str],
    environ: Mapping[str, str],
    home: Path,
    clock: Clock = SYSTEM_CLOCK,
    flags: Flags = MappingProxyType({}),
) -> str:
    """The report as JSON.

    Args:
        settings: What was read, or what is wrong with it.
        findings: Of all checks.
        lines: Of the log.
        environ: The environment, of which only names are written.
        home: The home directory, which may name the person.
        clock: Time.
        flags: The options of the command line, by the names of settings.
    """
    remove = _remover(shown_without(None if isinstance(settings, NeoError) else settings.token), home)
    document = {
        "program": f"{PROGRAM} {__version__}",
        "time": format_time(clock.now()),
        "platform": platform.platform(),
        "python": sys.version,
        "encoding": f"{sys.getfilesystemencoding()}, {getattr(sys.stdout, 'encoding', None)}",
        "variables": sorted(name for name in environ if _VARIABLES.fullmatch(name)),
        "settings": _without(settings_of(settings, findings, environ, flags), remove),
        "checks": _without([row(finding) for finding in findings], remove),
        "log": [remove(line[:_MAX_LINE]) for line in lines],
    }
    return ascii_json(document, indent=1) + "\n"


def row(finding: Finding) -> dict[str, str]:
    """A finding as JSON."""
    return {
        "name": finding.name,
        "status": str(finding.status),
        "found": finding.found,
        "advice": finding.advice,
    }


def settings_of(
    settings: Settings | NeoError, findings: Sequence[Finding], environ: Mapping[str, str], flags: Flags
) -> list[dict[str, Any]]:
    """Every setting for this machine's own use: its value, where that is from, and whether it was checked.

    Where one is wrong, no value was read: there are the sources, and which of them is at fault.
    """
    if isinstance(settings, NeoError):
        return [_unread(each, settings, environ, flags) for each in (*_OWN, _TOKEN)]
    checked = {finding.name for finding in findings if finding.status is Status.OK}
    return [
        {
            "name": each.name,
            "value": value_of(settings, each.name) if each.name in settings.sources else each.default,
            "source": settings.sources.get(each.name, "default"),
            "checked": each.name in checked,
        }
        for each in _OWN
    ]


def _unread(setting: Setting, error: NeoError, environ: Mapping[str, str], flags: Flags) -> dict[str, Any]:
    """A setting whose value may be anything, also a secret: all but the value."""
    variables = [each.env for each in (setting, *OTHER_NAMES) if each.name == setting.name]
    given = {f"command line {setting.flag}": flags.get(setting.name)}
    given |= {f"environment variable {name}": environ.get(name, "").strip() or None for name in variables}
    source = next((name for name, text in given.items() if text is not None), "default")
    text = given.get(source)
    named = re.search(rf"{re.escape(source)}(?![\w-])", error.message) is not None
    return {
        "name": setting.name,
        "value": setting.default if text is None else None,
        "source": source,
        "checked": False,
        "at_fault": text is not None and (named or not _is_readable(setting, text, error)),
    }


def _is_readable(setting: Setting, text: str, error: NeoError) -> bool:
    try:
        value = setting.read(text)
    except ValueError:
        return False
    return not (setting.is_file and str(value) in error.message)


def _remover(shown: Callable[[str], str], home: Path) -> Callable[[str], str]:
    folders = {str(home), os.path.realpath(home)} - {os.sep, os.devnull}
    names = sorted(folders, key=len, reverse=True)
    at_home = re.compile("|".join(rf"{re.escape(name)}(?![\w.-])" for name in names) or "(?!)")

    def remove(text: str) -> str:
        # First, as a note in place of a secret would end an address.
        text = _QUERY.sub(r"\1", _PASSWORD.sub(r"\1***@", text))
        return at_home.sub("~", shown(text))

    return remove


def _without(rows: Sequence[Mapping[str, Any]], remove: Callable[[str], str]) -> list[dict[str, Any]]:
    return [
        {name: remove(value) if isinstance(value, str) else value for name, value in each.items()}
        for each in rows
    ]
