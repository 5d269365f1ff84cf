"""What is known of each host, against its own documentation of its configuration.

``golden`` holds a configuration of each as a person may have it, and the same with our entry in it. After a
change that is meant, write the second anew with ``NEO_MCP_WRITE_GOLDEN=1``.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from neo_mcp.cli.install.document import Format, entry_in, with_entry, without_entry
from neo_mcp.cli.install.hosts import BY_NAME, HOSTS, Host, Machine, Server

GOLDEN = Path(__file__).parent / "golden"
COMMAND = "/opt/neo/bin/pulumi-neo-mcp"
SERVER = Server(
    COMMAND, ("serve",), {"PULUMI_BACKEND_URL": "https://api.pulumi.example.com"}, passes_token=True
)
WITH_FILE = [host for host in HOSTS if host.file is not None]
HOME = "/home/ada"


def machine(system: str, **environ: str) -> Machine:
    return Machine(system, Path(HOME), environ)


def file_of(name: str, on: Machine) -> str:
    template = BY_NAME[name].file
    assert template is not None
    return str(on.path(template))


@pytest.mark.parametrize("host", WITH_FILE, ids=lambda host: host.name)
def test_the_entry_goes_where_the_host_looks_for_it(host: Host) -> None:
    suffix = "toml" if host.form is Format.TOML else "json"
    before = (GOLDEN / f"{host.name}.before.{suffix}").read_bytes().decode()
    after = GOLDEN / f"{host.name}.after.{suffix}"
    path = [*host.container, "neo"]
    edited = with_entry(before, host.form, path, host.entry(SERVER))
    if os.environ.get("NEO_MCP_WRITE_GOLDEN"):
        after.write_bytes(edited.encode())
    assert edited == after.read_bytes().decode()
    back = without_entry(edited, host.form, path)
    assert back.rstrip() == before.rstrip()


ENTRIES: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "claude-desktop": ({}, None),
    "claude-code": ({"type": "stdio"}, {"type": "http", "url": "U"}),
    "cursor": ({"env": {"PULUMI_ACCESS_TOKEN": "${env:PULUMI_ACCESS_TOKEN}"}}, {"url": "U"}),
    "vscode": ({"type": "stdio"}, {"type": "http", "url": "U"}),
    "windsurf": ({"env": {"PULUMI_ACCESS_TOKEN": "${env:PULUMI_ACCESS_TOKEN}"}}, {"serverUrl": "U"}),
    "zed": ({}, {"url": "U"}),
    "codex": ({"env_vars": ["PULUMI_ACCESS_TOKEN"]}, {"url": "U"}),
    "gemini": ({"env": {"PULUMI_ACCESS_TOKEN": "$PULUMI_ACCESS_TOKEN"}}, {"httpUrl": "U"}),
    "junie": ({}, None),
    "jetbrains": ({}, {"url": "U"}),
}


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_an_entry_has_the_shape_that_the_host_documents(host: Host) -> None:
    more, http = ENTRIES[host.name]
    server = Server(COMMAND, ("serve",), passes_token=True)
    assert host.entry(server) == {"command": COMMAND, "args": ["serve"], **more}
    if http is None:
        assert host.url_key is None
    else:
        assert host.entry(Server(url="U")) == http


PATHS = {
    "claude-desktop": (
        "/home/ada/Library/Application Support/Claude/claude_desktop_config.json",
        "/home/ada/.config/Claude/claude_desktop_config.json",
        "C:/Roaming/Claude/claude_desktop_config.json",
    ),
    "claude-code": ("/home/ada/.claude.json",) * 3,
    "cursor": ("/home/ada/.cursor/mcp.json",) * 3,
    "vscode": (
        "/home/ada/Library/Application Support/Code/User/mcp.json",
        "/home/ada/.config/Code/User/mcp.json",
        "C:/Roaming/Code/User/mcp.json",
    ),
    "windsurf": ("/home/ada/.codeium/windsurf/mcp_config.json",) * 3,
    "zed": (
        "/home/ada/.config/zed/settings.json",
        "/home/ada/.config/zed/settings.json",
        "C:/Roaming/zed/settings.json",
    ),
    "codex": ("/home/ada/.codex/config.toml",) * 3,
    "gemini": ("/home/ada/.gemini/settings.json",) * 3,
    "junie": ("/home/ada/.junie/mcp/mcp.json",) * 3,
}


@pytest.mark.parametrize("name", PATHS)
def test_the_file_is_where_the_host_has_it_on_every_system(name: str) -> None:
    systems = ("Darwin", "Linux", "Windows")
    found = tuple(file_of(name, machine(system, APPDATA="C:/Roaming")) for system in systems)
    assert found == PATHS[name]


def test_every_host_with_a_file_has_a_known_place() -> None:
    assert set(PATHS) == {host.name for host in WITH_FILE}


def test_folders_that_people_moved_are_followed() -> None:
    moved = machine("Linux", XDG_CONFIG_HOME="/etc/x", CODEX_HOME="/c", CLAUDE_CONFIG_DIR="/cc")
    assert file_of("vscode", moved) == "/etc/x/Code/User/mcp.json"
    assert file_of("codex", moved) == "/c/config.toml"
    assert file_of("claude-code", moved) == "/cc/.claude.json"


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_a_host_is_found_by_its_traces_and_only_then(host: Host, tmp_path: Path) -> None:
    here = Machine("Linux", tmp_path, {"PATH": str(tmp_path / "bin")})
    assert not host.is_on(here)
    here.path(host.signs[0]).mkdir(parents=True)
    assert host.is_on(here)


def test_a_host_is_found_by_its_command(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "codex"
    command.parent.mkdir()
    command.touch(mode=0o755)
    assert BY_NAME["codex"].is_on(Machine("Linux", tmp_path, {"PATH": str(command.parent)}))


def test_links_carry_the_whole_entry() -> None:
    entry = BY_NAME["cursor"].entry(SERVER)
    cursor, vscode = BY_NAME["cursor"].link, BY_NAME["vscode"].link
    assert cursor is not None
    assert vscode is not None
    link = urlsplit(cursor("neo", entry))
    query = parse_qs(link.query)
    assert (link.scheme, link.netloc, link.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    assert query["name"] == ["neo"]
    assert json.loads(base64.b64decode(query["config"][0])) == entry
    head, _, rest = vscode("neo", entry).partition("?")
    assert head == "vscode:mcp/install"
    assert json.loads(unquote(rest)) == {"name": "neo", **entry}


def test_a_configuration_of_another_kind_has_no_entry() -> None:
    assert entry_in("{}", Format.JSON, ["mcpServers", "neo"]) is None
    assert entry_in("", Format.TOML, ["mcp_servers", "neo"]) is None
