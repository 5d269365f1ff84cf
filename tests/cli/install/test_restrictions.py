"""Hosts whose own settings leave our entry out, and files with a byte-order mark, are reported."""

import json
import platform
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from neo_mcp.cli.doctor import startable
from neo_mcp.cli.doctor.findings import Finding, Status
from neo_mcp.cli.doctor.startable import hosts
from neo_mcp.cli.install.document import Format, with_entry
from neo_mcp.cli.install.hosts import BY_NAME, HOSTS, Host, Machine
from neo_mcp.cli.install.restrictions import MARK, Entry, Kind, Restriction, left_out
from neo_mcp.cli.main import main

COMMAND = ["/opt/bin/pulumi-neo-mcp", "serve"]
CONTENT = {"command": COMMAND[0], "args": COMMAND[1:]}
RULES = [(host, rule) for host in HOSTS for rule in host.restrictions]
USERS = [(host, rule) for host, rule in RULES if not rule.is_for_projects and "managed" not in str(rule.file)]


def ids(value: object) -> str:
    return (
        value.name
        if isinstance(value, Host)
        else ".".join(value.path)
        if isinstance(value, Restriction)
        else ""
    )


def values(rule: Restriction) -> tuple[list[Any], list[Any]]:
    """Values that leave ``neo`` out, and values that do not."""
    match rule.kind:
        case Kind.ALLOWS if rule.path == ("mcpServers",):
            return [{}, {"other": {}}], [{"neo": {}}, {"neo": {}, "other": {}}]
        case Kind.ALLOWS:
            return [
                [],
                ["other"],
                [{"serverName": "other"}],
                [{"serverCommand": ["x"]}, {"serverName": "neo"}],
            ], [
                ["neo"],
                ["other", "neo"],
                [{"serverName": "neo"}],
                [{"serverName": "neo"}, {"serverUrl": "https://x/*"}],
                [{"serverCommand": COMMAND}],
            ]
        case Kind.DENIES:
            return [["neo"], ["a", "neo"], [{"serverName": "neo"}], [{"serverCommand": COMMAND}]], [
                [],
                ["other"],
                [{"serverName": "other"}],
                [{"serverCommand": COMMAND[:1]}],
            ]
        case Kind.SWITCHES:
            return list(rule.off), [json.loads(rule.use), None]


def nested(path: tuple[str, ...], value: object) -> Any:  # noqa: ANN401 - any JSON
    for name in reversed(path):
        value = {name.format(name="neo", folder="/project"): value}
    return value


def written(host: Host, rule: Restriction, value: object) -> str:
    """A file with a setting in it."""
    if rule.file is None and host.form is Format.TOML:
        *path, key = rule.path
        return f"[{'.'.join(path).format(name='neo')}]\n{key} = {json.dumps(value)}\n"
    return json.dumps(nested(rule.path, value))


@pytest.mark.parametrize(("host", "rule"), RULES, ids=ids)
def test_every_setting_of_every_host_is_read_as_it_is_documented(
    host: Host, rule: Restriction, tmp_path: Path
) -> None:
    form = host.form if rule.file is None else Format.JSON
    file = tmp_path / "settings"
    entry = Entry("neo", file, form, CONTENT, "/project")
    for number, texts in enumerate(values(rule)):
        for value in texts:
            if value is None:
                file.write_text("" if form is Format.TOML else "{}")
            else:
                file.write_text(written(host, rule, value))
            reasons = list(left_out(entry, [rule], lambda _: file))
            assert len(reasons) == (number == 0), (value, reasons)
            if reasons:
                assert str(file) in reasons[0]
                assert rule.path[-1].format(name="neo") in reasons[0]
                assert re.search(r": (add 'neo' to it|take it off that list|set it to \S+)\.$", reasons[0])


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
@pytest.mark.parametrize(("host", "rule"), RULES, ids=ids)
def test_every_file_has_a_place_on_every_system(host: Host, rule: Restriction, system: str) -> None:
    machine = Machine(system, Path("/home/ada"), {})
    path = machine.path(rule.file or str(host.file))
    assert "{" not in str(path)
    assert path.suffix in {".json", ".toml"}


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b"\xff\xfe", b'{"mcp": 5}', b'{"mcp": {"allowed": "x"}}']
)
def test_a_setting_that_cannot_be_read_is_none(broken: bytes, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(broken)
    rules = [rule._replace(file=None) for rule in BY_NAME["gemini"].restrictions]
    entry = Entry("neo", tmp_path / "settings.json", Format.JSON, CONTENT)
    assert not list(left_out(entry, rules, lambda _: tmp_path / "none"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("XDG_CONFIG_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Machine(platform.system(), tmp_path, {"HOME": str(tmp_path)})


def put(host: Host, rule: Restriction, value: object, machine: Machine) -> None:
    path = machine.path(rule.file or str(host.file))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else ""
    form = host.form if path == machine.path(str(host.file)) else Format.JSON
    if rule.path[-1] in {"enabled", "disabled"}:
        there = tomllib.loads(text) if form is Format.TOML else json.loads(text)
        entry = there[rule.path[0]]["neo"]
        text = with_entry(text, form, [rule.path[0], "neo"], {**entry, rule.path[-1]: value})
    else:
        whole = json.loads(text or "{}")
        target = whole
        for name in rule.path[:-1]:
            target = target.setdefault(name, {})
        target[rule.path[-1]] = value
        text = json.dumps(whole)
    path.write_text(text)


@pytest.fixture
def _starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry starts: what is tested here does not depend on it, and it takes a second each time."""

    async def start(name: str, *_: object) -> Finding:
        return Finding(name, Status.OK, "starts")

    monkeypatch.setattr(startable, "_try", start)


@pytest.mark.usefixtures("_starts")
@pytest.mark.parametrize(("host", "rule"), USERS, ids=ids)
async def test_install_and_doctor_report_it_and_the_advice_works(
    host: Host, rule: Restriction, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", host.name, "--yes", "--sandbox"]) == 0
    assert "will not use it" not in capsys.readouterr().out
    off, on = values(rule)
    put(host, rule, off[0], machine)
    assert main(["install", host.name, "--yes", "--sandbox"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{host.title} will not use it: `" in said
    (finding,) = [each for each in await hosts(machine) if each.name == f"host {host.name}"]
    assert finding.status == "warn"
    assert f"{host.title} will not use it" in finding.found
    assert finding.advice in said
    # As the advice has it.
    right = [] if rule.kind is Kind.DENIES else next(value for value in on if value not in (None, []))
    put(host, rule, right, machine)
    assert main(["install", host.name, "--yes", "--sandbox"]) == 0
    assert "will not use it" not in capsys.readouterr().out
    (finding,) = [each for each in await hosts(machine) if each.name == f"host {host.name}"]
    assert "will not use it" not in finding.found


@pytest.mark.parametrize("name", ["disabledMcpServers", "disabledMcpjsonServers"])
def test_a_project_has_lists_of_its_own(
    name: str, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = machine.home / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    lists = {"projects": {str(project): {name: ["neo"]}}}
    (machine.home / ".claude.json").write_text(json.dumps(lists))
    assert main(["install", "claude-code", "--project", "--yes", "--sandbox"]) == 0
    assert f".{name}` in {machine.home / '.claude.json'} leaves it out" in capsys.readouterr().out
    assert main(["install", "claude-code", "--yes", "--sandbox"]) == 0
    assert "will not use it" not in capsys.readouterr().out


FILES = [host for host in HOSTS if host.file]


@pytest.mark.usefixtures("_starts")
@pytest.mark.parametrize("host", FILES, ids=ids)
@pytest.mark.parametrize("had", [False, True])
async def test_a_byte_order_mark_is_reported_and_taken_out(
    host: Host, had: bool, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machine.path(str(host.file))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a = 1\n" if host.form is Format.TOML else '{"a": 1}\n')
    if had:
        main(["install", host.name, "--yes", "--sandbox"])
        capsys.readouterr()
    text = path.read_text()
    path.write_text(MARK + text)
    if had:
        (finding,) = [each for each in await hosts(machine) if each.name == f"host {host.name}"]
        assert (finding.status, "byte-order mark" in finding.found) == ("warn", True)
        assert finding.advice.endswith(f"pulumi-neo-mcp install {host.name}")
    assert main(["install", host.name, "--yes", "--sandbox"]) == 0
    assert "byte-order mark at its start is taken out" in capsys.readouterr().out
    assert not path.read_bytes().startswith(MARK.encode())
    if had:
        assert path.read_text() == text
        (finding,) = [each for each in await hosts(machine) if each.name == f"host {host.name}"]
        assert "byte-order" not in finding.found
    else:
        main(["install", host.name, "--undo", "--yes"])
        assert path.read_text() == MARK + text
