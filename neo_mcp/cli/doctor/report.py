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
from typing import Any

from neo_mcp._version import __version__
from neo_mcp.cli.doctor.findings import Finding, Status, value_of
from neo_mcp.cli.shown import shown_without
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.config import Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.core.sanitize import ascii_json
from neo_mcp.errors import NeoError
from neo_mcp.options import SETTINGS
from neo_mcp.wire.time import format_time

_MAX_LINES = 200
_MAX_LINE = 2000
# With one slash, too: as a path has an address that was given for a file.
_PASSWORD = re.compile(r"(:/{1,2})[^/\s?#@]*@")
_QUERY = re.compile(r"(:/{1,2}[^\s?#]*)[?#][^\s),;]*")
_VARIABLES = re.compile(
    r"(?:PULUMI|NEO_?MCP|OTEL|SSL_CERT|REQUESTS_CA|XDG|LC)_?\w*|LANG|(?:HTTPS?|ALL|NO)_PROXY", re.IGNORECASE
)


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
) -> str:
    """The report as JSON.

    Args:
        settings: What was read, or what is wrong with it.
        findings: Of all checks.
        lines: Of the log.
        environ: The environment, of which only names are told.
        home: The home directory, which may name the person.
        clock: Time.
    """
    remove = _remover(shown_without(None if isinstance(settings, NeoError) else settings.token), home)
    document = {
        "program": f"{PROGRAM} {__version__}",
        "time": format_time(clock.now()),
        "platform": platform.platform(),
        "python": sys.version,
        "encoding": f"{sys.getfilesystemencoding()}, {getattr(sys.stdout, 'encoding', None)}",
        "variables": sorted(name for name in environ if _VARIABLES.fullmatch(name)),
        "settings": _without(settings_of(settings, findings), remove),
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


def settings_of(settings: Settings | NeoError, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Every setting for this machine's own use: its value, where that is from, and whether it was checked."""
    if isinstance(settings, NeoError):
        return []
    checked = {finding.name for finding in findings if finding.status is Status.OK}
    return [
        {
            "name": each.name,
            "value": value_of(settings, each.name) if each.name in settings.sources else each.default,
            "source": settings.sources.get(each.name, "default"),
            "checked": each.name in checked,
        }
        for each in SETTINGS
        if not each.is_for_http
    ]


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
