"""The MCP hosts that this program can be set up in: a table, one row each.

Owns where each host has its configuration, what an entry looks like there, how it starts servers, and how
to detect it on this machine. Reads and writes no configuration.

Sources, read in November 2026: each host's own documentation of its configuration, and for Claude Code, Codex
and Gemini CLI what their own ``mcp add`` writes.
"""

import base64
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neo_mcp.cli.install.document import Format
from neo_mcp.cli.install.restrictions import Entry, Kind, Restriction, left_out
from neo_mcp.config import TOKEN_ENV

_SYSTEM_FOLDERS = {
    "Darwin": {
        "claude_managed": "/Library/Application Support/ClaudeCode",
        "gemini_managed": "/Library/Application Support/GeminiCli",
    },
    "Windows": {
        "claude_managed": "C:/Program Files/ClaudeCode",
        "gemini_managed": "C:/ProgramData/gemini-cli",
    },
    "Linux": {"claude_managed": "/etc/claude-code", "gemini_managed": "/etc/gemini-cli"},
}
"""Where administrators set something for everyone on a machine."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things are on a computer, for one person.

    Attributes:
        system: ``Darwin``, ``Linux`` or ``Windows``, as ``platform.system`` has it.
        home: The person's home directory.
        environ: The environment.
    """

    system: str
    home: Path
    environ: Mapping[str, str]

    def path(self, template: str) -> Path:
        """``template`` with the names of folders in braces filled in."""
        return Path(template.format_map(self._folders()))

    def has_command(self, name: str) -> bool:
        """True if ``name`` is a command on the path."""
        return shutil.which(name, path=self.environ.get("PATH", "")) is not None

    def _folders(self) -> dict[str, str]:
        home, get = str(self.home), self.environ.get
        dot_config = get("XDG_CONFIG_HOME") or f"{home}/.config"
        roaming = get("APPDATA") or f"{home}/AppData/Roaming"
        roots = _SYSTEM_FOLDERS.get(self.system, _SYSTEM_FOLDERS["Linux"])
        applications = {"Darwin": f"{home}/Library/Application Support", "Windows": roaming}
        return {
            "home": home,
            "applications": applications.get(self.system, dot_config),
            "config": roaming if self.system == "Windows" else dot_config,
            "codex": get("CODEX_HOME") or f"{home}/.codex",
            "claude": get("CLAUDE_CONFIG_DIR") or home,
            "claude_settings": get("CLAUDE_CONFIG_DIR") or f"{home}/.claude",
            **roots,
        }


@dataclass(frozen=True, slots=True)
class Server:
    """How a host reaches this server: by a command that it starts, or at an address.

    Attributes:
        env: Environment variables for the command, as far as they are no secret.
        url: The address of a server that runs already; then there is no command.
        passes_token: Whether the access token is in the person's environment, where a host has to be told to
            pass it on.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    passes_token: bool = False


class TokenWay(Enum):
    """How an access token in the person's environment comes to a server that the host starts."""

    INHERITED = auto()
    """The server has the host's environment."""

    REFERENCE = auto()
    """By a reference to the variable, in place of its value."""

    LISTED = auto()
    """By naming the variable in a list."""

    NOT_AT_ALL = auto()
    """The host starts servers with little of the environment, or without a shell's."""


@dataclass(frozen=True, slots=True)
class Host:
    """One row.

    Attributes:
        name: What people type.
        title: What people call it.
        file: Its configuration, as a template of :meth:`Machine.path`; ``None`` if it has no documented file.
        container: Where in the file the servers are.
        signs: Folders that are there if the host is.
        commands: Commands that are there if the host is.
        project: The file for one project, below its folder.
        form: How the file is written.
        kinds: Whether an entry says of which kind it is.
        url_key: What the address of an HTTP server is called; ``None`` if the file takes none.
        token_way: How a token in the environment comes to the server.
        reference: For ``TokenWay.REFERENCE``: the reference.
        then: What a person does once the file is written.
        link: Makes the link that installs the server at a click.
        restrictions: Settings by which it may leave the server out.
    """

    name: str
    title: str
    file: str | None
    container: tuple[str, ...] = ("mcpServers",)
    signs: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    project: str | None = None
    form: Format = Format.JSON
    kinds: bool = False
    url_key: str | None = "url"
    token_way: TokenWay = TokenWay.NOT_AT_ALL
    reference: str = ""
    then: str = ""
    link: Callable[[str, Mapping[str, Any]], str] | None = None
    restrictions: tuple[Restriction, ...] = ()

    def is_on(self, machine: Machine) -> bool:
        """True if the host is on ``machine``, as far as its traces show."""
        # What this user may not look into is not theirs.
        return any(os.path.exists(machine.path(sign)) for sign in self.signs) or any(  # noqa: PTH110 - raises nothing
            machine.has_command(command) for command in self.commands
        )

    def left_out(
        self, machine: Machine, name: str, file: Path, entry: Mapping[str, Any], folder: str = ""
    ) -> list[str]:
        """Why this host does not use an entry of ours, and what to change."""
        ours = Entry(name, file, self.form, entry, folder)
        return list(left_out(ours, self.restrictions, machine.path))

    def entry(self, server: Server) -> dict[str, Any]:
        """The entry of ``server`` in this host's configuration."""
        if server.url is not None:
            kind = {"type": "http"} if self.kinds else {}
            return {**kind, str(self.url_key): server.url}
        entry: dict[str, Any] = {"type": "stdio"} if self.kinds else {}
        entry |= {"command": server.command, "args": list(server.args)}
        env = dict(server.env)
        if server.passes_token and self.token_way is TokenWay.REFERENCE:
            env[TOKEN_ENV] = self.reference
        if env:
            entry["env"] = env
        if server.passes_token and self.token_way is TokenWay.LISTED:
            entry["env_vars"] = [TOKEN_ENV]
        return entry


def _cursor_link(name: str, entry: Mapping[str, Any]) -> str:
    config = base64.b64encode(json.dumps(entry).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={quote(name)}&config={quote(config)}"


def _vscode_link(name: str, entry: Mapping[str, Any]) -> str:
    return f"vscode:mcp/install?{quote(json.dumps({'name': name, **entry}), safe='')}"


_IN_ENVIRONMENT = f"${{env:{TOKEN_ENV}}}"

_CLAUDE_LISTS = (
    Restriction(("mcpServers",), Kind.ALLOWS, "{claude_managed}/managed-mcp.json"),
    *(
        Restriction((name,), kind, file)
        for file in ("{claude_managed}/managed-settings.json", "{claude_settings}/settings.json")
        for name, kind in (("allowedMcpServers", Kind.ALLOWS), ("deniedMcpServers", Kind.DENIES))
    ),
    *(
        Restriction(("disabledMcpjsonServers",), Kind.DENIES, file, is_for_projects=True)
        for file in (
            "{claude_settings}/settings.json",
            ".claude/settings.json",
            ".claude/settings.local.json",
        )
    ),
    *(
        Restriction(
            ("projects", "{folder}", name), Kind.DENIES, "{claude}/.claude.json", is_for_projects=True
        )
        for name in ("disabledMcpServers", "disabledMcpjsonServers")
    ),
)
_GEMINI_LISTS = tuple(
    Restriction(path, kind, file)
    for file in (None, "{home}/.gemini/settings.json", "{gemini_managed}/settings.json")
    for path, kind in (
        (("mcp", "allowed"), Kind.ALLOWS),
        (("mcp", "excluded"), Kind.DENIES),
        # Its name before version 0.3.
        (("allowMCPServers",), Kind.ALLOWS),
        (("excludeMCPServers",), Kind.DENIES),
    )
)


HOSTS: tuple[Host, ...] = (
    Host(
        name="claude-desktop",
        title="Claude Desktop",
        file="{applications}/Claude/claude_desktop_config.json",
        signs=("{applications}/Claude",),
        url_key=None,
        then="Quit Claude Desktop and start it again.",
    ),
    Host(
        name="claude-code",
        title="Claude Code",
        file="{claude}/.claude.json",
        signs=("{claude}/.claude.json", "{home}/.claude"),
        commands=("claude",),
        project=".mcp.json",
        kinds=True,
        token_way=TokenWay.INHERITED,
        then="Check with: claude mcp list",
        restrictions=_CLAUDE_LISTS,
    ),
    Host(
        name="cursor",
        title="Cursor",
        file="{home}/.cursor/mcp.json",
        signs=("{home}/.cursor",),
        commands=("cursor",),
        project=".cursor/mcp.json",
        token_way=TokenWay.REFERENCE,
        reference=_IN_ENVIRONMENT,
        then="Switch it on under Settings > Tools & MCP.",
        link=_cursor_link,
    ),
    Host(
        name="vscode",
        title="VS Code",
        file="{applications}/Code/User/mcp.json",
        container=("servers",),
        signs=("{applications}/Code/User",),
        commands=("code",),
        project=".vscode/mcp.json",
        kinds=True,
        token_way=TokenWay.INHERITED,
        then="Start it with the command “MCP: List Servers”.",
        link=_vscode_link,
        restrictions=(
            Restriction(
                ("chat.mcp.access",),
                Kind.SWITCHES,
                "{applications}/Code/User/settings.json",
                off=("none", "registry"),
                use='"all"',
            ),
        ),
    ),
    Host(
        name="windsurf",
        title="Windsurf",
        file="{home}/.codeium/windsurf/mcp_config.json",
        signs=("{home}/.codeium/windsurf",),
        commands=("windsurf",),
        url_key="serverUrl",
        token_way=TokenWay.REFERENCE,
        reference=_IN_ENVIRONMENT,
        then="Press the refresh button of Cascade's MCP servers.",
        restrictions=(
            Restriction(("mcpServers", "{name}", "disabled"), Kind.SWITCHES, off=(True,), use="false"),
        ),
    ),
    Host(
        name="zed",
        title="Zed",
        file="{config}/zed/settings.json",
        container=("context_servers",),
        signs=("{config}/zed",),
        commands=("zed",),
        project=".zed/settings.json",
        then="Zed starts it by itself; Agent settings show its state.",
        restrictions=(Restriction(("context_servers", "{name}", "enabled"), Kind.SWITCHES, off=(False,)),),
    ),
    Host(
        name="codex",
        title="Codex CLI",
        file="{codex}/config.toml",
        container=("mcp_servers",),
        signs=("{codex}",),
        commands=("codex",),
        project=".codex/config.toml",
        form=Format.TOML,
        token_way=TokenWay.LISTED,
        then="Check with: codex mcp list",
        restrictions=(Restriction(("mcp_servers", "{name}", "enabled"), Kind.SWITCHES, off=(False,)),),
    ),
    Host(
        name="gemini",
        title="Gemini CLI",
        file="{home}/.gemini/settings.json",
        signs=("{home}/.gemini",),
        commands=("gemini",),
        project=".gemini/settings.json",
        url_key="httpUrl",
        token_way=TokenWay.REFERENCE,
        reference=f"${TOKEN_ENV}",
        then="Check in a trusted folder with: gemini mcp list",
        restrictions=_GEMINI_LISTS,
    ),
    Host(
        name="junie",
        title="JetBrains Junie",
        file="{home}/.junie/mcp/mcp.json",
        signs=("{home}/.junie",),
        project=".junie/mcp/mcp.json",
        url_key=None,
        then="See Settings > Tools > Junie > MCP Settings.",
    ),
    Host(
        name="jetbrains",
        title="JetBrains AI Assistant",
        file=None,
        signs=("{applications}/JetBrains",),
        then="Add it as JSON under Settings > Tools > AI Assistant > Model Context Protocol (MCP).",
    ),
)

BY_NAME: Mapping[str, Host] = {host.name: host for host in HOSTS}

URL_KEYS = frozenset(host.url_key for host in HOSTS if host.url_key)
"""Keys under which hosts have the address of an HTTP server."""

ANY_HOST = Host(name="any", title="Any host", file=None, then="Put it where your host has its servers.")
"""Stands for hosts without a row of their own."""
