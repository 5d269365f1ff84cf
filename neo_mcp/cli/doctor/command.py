"""The ``doctor`` command: check everything that has to be right, and advise on what is not."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import anyio

from neo_mcp.cli import files
from neo_mcp.cli.doctor import checks, report
from neo_mcp.cli.doctor import findings as verdicts
from neo_mcp.cli.doctor.findings import Finding, Status
from neo_mcp.cli.doctor.startable import hosts
from neo_mcp.cli.install.hosts import Machine
from neo_mcp.cli.settings import settings_of
from neo_mcp.cli.shown import shown_without
from neo_mcp.cli.terminal.paint import LiveLine, Painter
from neo_mcp.config import Settings, home_folder
from neo_mcp.constants import PROGRAM
from neo_mcp.core.sanitize import ascii_json
from neo_mcp.errors import NeoError
from neo_mcp.options import SETTINGS
from neo_mcp.secret import SecretStr

_PACKAGES = (PROGRAM, "mcp", "httpx", "pydantic", "anyio")
_CALL_SECONDS = 10.0


async def doctor(options: argparse.Namespace) -> int:
    """Check everything, and report.

    Returns:
        0 if all is fine or only worth a warning, 1 if something fails.
    """
    paint = Painter.for_terminal(sys.stdout, os.environ)
    waiting = LiveLine(paint)
    waiting.draw("checking …")
    with report.logged() if options.report is not None else nullcontext(()) as lines:
        settings = settings_or_fault(options)
        findings = await examine(settings, Machine(platform.system(), home_folder(), os.environ))
    waiting.clear()
    where, flags = options.report, {each.name: getattr(options, each.name, None) for each in SETTINGS}
    if where is not None:
        text = report.written(settings, findings, lines, os.environ, home_folder(), flags=flags)
        if where == "-":
            paint.plain(text.rstrip("\n"))
            return verdicts.exit_status(findings)
        files.write(Path(where), text, private=True)
    if options.json:
        document = {
            "ok": not verdicts.exit_status(findings),
            "checks": [report.row(finding) for finding in findings],
            "settings": report.settings_of(settings, findings, os.environ, flags),
        }
        paint.plain(ascii_json(document, indent=2))
        return verdicts.exit_status(findings)
    _show(paint, findings)
    if where is not None:
        paint.plain(f"The report is in {where}; look it through before you give it away.")
    return verdicts.exit_status(findings)


def settings_or_fault(options: argparse.Namespace) -> Settings | NeoError:
    """The settings, or what is wrong with them."""
    try:
        return settings_of(options)
    except NeoError as error:
        return error


async def examine(settings: Settings | NeoError, machine: Machine) -> list[Finding]:
    """Every check's finding, in the order in which to read them."""
    findings = [
        verdicts.python(sys.version_info[:3], sys.executable),
        verdicts.packages({name: _version(name) for name in _PACKAGES}),
    ]
    if isinstance(settings, NeoError):
        findings.append(verdicts.broken_settings(settings))
    else:
        findings += [*verdicts.settings(settings), verdicts.credentials(settings)]
    online: list[Finding] = []
    on_hosts: list[Finding] = []

    async def check_online() -> None:
        if not isinstance(settings, NeoError):
            online.extend(await _online(settings))

    async def check_hosts() -> None:
        on_hosts.extend(await hosts(machine))

    async with anyio.create_task_group() as group:
        group.start_soon(check_online)
        group.start_soon(check_hosts)
    token = None if isinstance(settings, NeoError) else settings.token
    return _without_token(verdicts.completed([*findings, *online, *on_hosts]), token)


async def _online(settings: Settings) -> list[Finding]:
    try:
        way = await checks.network(settings)
    except NeoError as error:
        return [verdicts.failed("api", error), *checks.no_account("the API's address cannot be used")]
    if any(finding.name == "api" and finding.status is Status.FAIL for finding in way):
        return [*way, *checks.no_account("the API is out of reach")]
    if settings.token is None:
        return [*way, *checks.no_account("there is no access token")]
    return [*way, *await checks.account(settings._replace(call_timeout=_CALL_SECONDS))]


def _without_token(findings: Sequence[Finding], token: SecretStr | None) -> list[Finding]:
    """The findings, should a server or a library have repeated the token."""
    shown = shown_without(token)
    return [replace(each, found=shown(each.found), advice=shown(each.advice)) for each in findings]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _show(paint: Painter, findings: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        paint.finding(str(finding.status), finding.name.ljust(width), finding.found, finding.advice)
    failures = sum(finding.status is Status.FAIL for finding in findings)
    warnings = sum(finding.status is Status.WARN for finding in findings)
    if failures:
        paint.bad(f"\n{failures} of {len(findings)} checks failed.")
    else:
        paint.good(f"\nNothing fails{f'; warnings: {warnings}' if warnings else ''}.")
