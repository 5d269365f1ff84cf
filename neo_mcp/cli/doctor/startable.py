"""Check that the hosts on this machine can start this server, by starting it from their configuration.

Owns reading a host's entry back, and starting it in the environment that the host would give it.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import TextContent

from neo_mcp.cli import files
from neo_mcp.cli.doctor.findings import Finding, Status
from neo_mcp.cli.install.document import BrokenDocumentError, entry_in
from neo_mcp.cli.install.entry import is_ours
from neo_mcp.cli.install.hosts import HOSTS, URL_KEYS, Host, Machine, TokenWay
from neo_mcp.cli.install.restrictions import MARK
from neo_mcp.cli.install.tokens import holds_token
from neo_mcp.constants import PROGRAM
from neo_mcp.core.sanitize import one_line
from neo_mcp.errors import NeoError
from neo_mcp.permissions import exposures

_SECONDS = 25.0
_REFERENCE = re.compile(r"\$\{(?:env:)?(\w+)\}|\$(\w+)")


async def hosts(machine: Machine) -> list[Finding]:
    """One finding for every host on ``machine``."""
    present = [host for host in HOSTS if host.file is not None and host.is_on(machine)]
    findings: dict[str, Finding] = {}

    async def check(host: Host) -> None:
        findings[host.name] = await _check(host, machine)

    async with anyio.create_task_group() as group:
        for host in present:
            group.start_soon(check, host)
    return [findings[host.name] for host in present]


async def _check(host: Host, machine: Machine) -> Finding:
    path = machine.path(str(host.file))
    name = f"host {host.name}"
    try:
        text = files.as_text(path, files.read(path))
        own, entry = _own_entry(host, text)
    except (NeoError, BrokenDocumentError) as error:
        return Finding(name, Status.FAIL, f"{path}: {error}", f"Fix {path}.")
    if not entry:
        return Finding(name, Status.INFO, "not set up", f"To set it up: {PROGRAM} install {host.name}")
    finding = await _try(name, host, entry, machine)
    for reason in host.left_out(machine, own, path, entry):
        finding = _with_warning(finding, f"{host.title} will not use it", reason)
    if text.startswith(MARK):
        why = f"{path} begins with a byte-order mark, with which some hosts read no server"
        finding = _with_warning(finding, why, f"Take it out: {PROGRAM} install {host.name}")
    return _with_token_noted(finding, path) if holds_token(entry, "") else finding


def _with_token_noted(finding: Finding, path: Path) -> Finding:
    """``finding`` with the file that holds an access token, and who else can get at it."""
    summary, advice = f"{finding.found}; {path} holds an access token", exposures(path)
    if not advice or finding.status is Status.FAIL:
        return replace(finding, found=summary)
    return replace(
        finding, status=Status.WARN, found=summary, advice=" ".join([finding.advice, *advice]).strip()
    )


def _with_warning(finding: Finding, summary: str, advice: str) -> Finding:
    status = finding.status if finding.status is Status.FAIL else Status.WARN
    advice = f"{finding.advice} {advice}".strip()
    return replace(finding, status=status, found=f"{finding.found}; {summary}", advice=advice)


async def _try(name: str, host: Host, entry: Mapping[str, Any], machine: Machine) -> Finding:
    advice = f"Set it up anew: {PROGRAM} install {host.name}"
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        try:
            with anyio.fail_after(_SECONDS):
                return await _start(name, _target(host, entry, machine.environ), stderr)
        except TimeoutError:
            return Finding(name, Status.FAIL, f"no answer in {_SECONDS:.0f} s", advice)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from starting is what is looked for
            return Finding(name, Status.FAIL, f"does not start: {_why(error, stderr)}", advice)


def _own_entry(host: Host, text: str) -> tuple[str, dict[str, Any]]:
    """Our entry with its name; empty if there is none."""
    servers = entry_in(text, host.form, host.container) or {}
    mine = ((name, entry) for name, entry in servers.items() if isinstance(entry, dict) and is_ours(entry))
    return next(mine, ("", {}))


def _target(host: Host, entry: Mapping[str, Any], environ: Mapping[str, str]) -> StdioServerParameters | str:
    for key in sorted(URL_KEYS):
        if key in entry:
            return str(entry[key])
    env = dict(environ) if host.token_way is TokenWay.INHERITED else {}
    env |= {name: environ[name] for name in entry.get("env_vars") or [] if name in environ}
    given = entry.get("env") or {}
    env |= {
        name: _REFERENCE.sub(lambda m: environ.get(m[1] or m[2], ""), str(v)) for name, v in given.items()
    }
    return StdioServerParameters(
        command=str(entry.get("command", "")), args=[str(arg) for arg in entry.get("args") or []], env=env
    )


async def _start(name: str, target: StdioServerParameters | str, stderr: Any) -> Finding:  # noqa: ANN401 - a text file
    transport = target if isinstance(target, str) else stdio_client(target, errlog=stderr)
    async with Client(transport) as client:
        tools = await client.list_tools()
        result = await client.call_tool("list_tasks", {"page_size": 1})
    summary = f"starts, and has {len(tools.tools)} tools"
    if result.is_error:
        text = " ".join(block.text for block in result.content if isinstance(block, TextContent))
        return Finding(
            name,
            Status.WARN,
            f"{summary}, but they do not work there: {one_line(text, 300)}",
            "The host starts it in another environment than yours: `pulumi login` works in every one.",
        )
    return Finding(name, Status.OK, summary)


def _why(error: BaseException, stderr: Any) -> str:  # noqa: ANN401 - a text file
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    stderr.seek(0, os.SEEK_SET)
    last = next((line for line in reversed(stderr.read().splitlines()) if line.strip()), "")
    return one_line(f"{str(error) or type(error).__name__} {last}".strip(), 300)
