"""Setting the server up in the hosts on a machine, and taking it out again."""

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from neo_mcp.cli import files, main
from neo_mcp.cli.files import FileRefusedError
from neo_mcp.cli.install.entry import is_ours, own_command
from neo_mcp.cli.install.patch import changes
from neo_mcp.config import SETTINGS
from tests.support.command_line import environment, run, terminal

TOKEN = "pul-canary-77"
CURSOR = """{
  // my servers
  "mcpServers": {
    "other": { "command": "x", "env": { "API_KEY": "hush-hush" } }, // keep
  }
}
"""


class Person:
    """Somebody with a home and a command line."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys
        self.said = ""
        self.complained = ""

    @property
    def cursor(self) -> Path:
        return self.home / ".cursor" / "mcp.json"

    @property
    def backups(self) -> list[Path]:
        return sorted(self.home.rglob("*.neo-backup"))

    def install(self, *arguments: str) -> int:
        status = main(["install", *arguments])
        self.said, self.complained = self._capsys.readouterr()
        assert TOKEN not in self.said + self.complained
        return status

    def write(self, text: str) -> None:
        self.cursor.parent.mkdir(exist_ok=True)
        self.cursor.write_bytes(text.encode())

    def text(self) -> str:
        return self.cursor.read_bytes().decode()

    def entry(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text())["mcpServers"]["neo"]
        return found


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Person:
    for name in [s.env for s in SETTINGS] + [
        "PULUMI_HOME",
        "PULUMI_API",
        "XDG_CONFIG_HOME",
        "CODEX_HOME",
        "APPDATA",
    ]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", TOKEN)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    return Person(tmp_path, capsys)


class TestInstall:
    def test_it_comes_into_every_host_that_is_there_and_no_other(self, person: Person) -> None:
        (person.home / ".gemini").mkdir()
        person.write(CURSOR)
        assert person.install("--yes") == 0
        assert "Cursor" in person.said
        assert "Gemini CLI" in person.said
        assert "Zed" not in person.said
        assert (person.home / ".gemini" / "settings.json").exists()
        assert "// my servers" in person.text()
        assert '"other": { "command": "x", "env": { "API_KEY": "hush-hush" } }, // keep' in person.text()

    def test_it_comes_into_the_hosts_that_are_named(self, person: Person) -> None:
        person.write(CURSOR)
        assert person.install("codex", "--yes") == 0
        assert person.text() == CURSOR
        assert "[mcp_servers.neo]" in (person.home / ".codex" / "config.toml").read_text()

    def test_the_command_can_be_started_from_anywhere(self, person: Person) -> None:
        person.install("cursor", "--yes")
        command = Path(person.entry()["command"])
        assert command.is_absolute()
        assert command.exists()
        assert person.entry()["args"][-1] == "serve"

    def test_a_second_time_there_is_nothing_to_do(self, person: Person) -> None:
        person.write(CURSOR)
        person.install("--yes")
        before, copies = person.text(), person.backups
        assert person.install() == 0
        assert "is set up already" in person.said
        assert (person.text(), person.backups) == (before, copies)

    def test_what_was_there_is_kept_beside_it(self, person: Person) -> None:
        person.write(CURSOR)
        person.cursor.chmod(0o640)
        person.install("--yes")
        (copy,) = person.backups
        assert copy.parent == person.cursor.parent
        assert copy.read_bytes() == CURSOR.encode()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert copy.name in person.said

    def test_permissions_and_links_stay(self, person: Person) -> None:
        real = person.home / "dotfiles.json"
        real.write_text("{}")
        real.chmod(0o640)
        person.cursor.parent.mkdir()
        person.cursor.symlink_to(real)
        person.install("--yes")
        assert person.cursor.is_symlink()
        assert stat.S_IMODE(real.stat().st_mode) == 0o640
        assert "neo" in real.read_text()
        assert list(person.home.rglob("*.tmp")) == []

    @pytest.mark.parametrize("broken", ['{"mcpServers": ', '{"mcpServers": []}', "[1]", '{"a": 1, "a": 2}'])
    def test_a_broken_file_is_left_alone(self, person: Person, broken: str) -> None:
        person.write(broken)
        assert person.install("--yes") == 1
        assert "nothing was written" in person.said
        assert str(person.cursor) in person.said
        assert person.text() == broken
        assert person.backups == []

    def test_a_file_that_is_no_text_is_left_alone(self, person: Person) -> None:
        person.write("")
        person.cursor.write_bytes(b'{"a": "\xff"}')
        assert person.install("--yes") == 1
        assert "is not UTF-8; nothing was written" in person.said

    def test_one_broken_file_does_not_keep_the_others_from_it(self, person: Person) -> None:
        person.write("{")
        (person.home / ".gemini").mkdir()
        assert person.install("--yes") == 1
        assert (person.home / ".gemini" / "settings.json").exists()

    def test_another_server_of_that_name_is_left_alone(self, person: Person) -> None:
        text = '{"mcpServers": {"neo": {"command": "/opt/matrix/neo", "args": []}}}'
        person.write(text)
        assert person.install("--yes") == 1
        assert "another server of the name 'neo'" in person.said
        assert person.text() == text
        assert person.install("--yes", "--name", "pulumi") == 0
        assert json.loads(person.text())["mcpServers"]["neo"]["command"] == "/opt/matrix/neo"

    def test_what_a_person_added_to_the_entry_stays(self, person: Person) -> None:
        person.install("cursor", "--yes")
        changed = json.loads(person.text())
        changed["mcpServers"]["neo"] |= {"disabled": True, "env": {"MINE": "1"}}
        person.write(json.dumps(changed))
        assert person.install("cursor", "--yes", "--organization", "acme", "--read-only") == 0
        entry = person.entry()
        assert entry["disabled"] is True
        assert entry["env"]["MINE"] == "1"
        assert entry["args"][-4:] == ["serve", "--organization", "acme", "--read-only"]

    def test_settings_of_the_environment_go_along_and_the_token_by_reference(
        self, person: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.example.com")
        monkeypatch.setenv("NEO_MCP_APPROVALS", "deny")
        vendors = {"PULUMI_CREDENTIALS_PATH": "~/there", "PULUMI_DEFAULT_ORGANIZATION": "acme"}
        for name, value in vendors.items():
            monkeypatch.setenv(name, value)
        person.install("cursor", "--yes", "--env", "HTTPS_PROXY=http://proxy:1")
        assert person.entry()["env"] == {
            **vendors,
            "PULUMI_BACKEND_URL": "https://api.example.com",
            "NEO_MCP_APPROVALS": "deny",
            "HTTPS_PROXY": "http://proxy:1",
            "PULUMI_ACCESS_TOKEN": "${env:PULUMI_ACCESS_TOKEN}",
        }

    def test_a_host_that_sees_no_environment_is_told_of(self, person: Person) -> None:
        person.install("claude-desktop", "--yes")
        assert "does not see your shell's environment" in person.said
        assert "pulumi login" in person.said

    def test_nothing_is_written_without_a_yes(self, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        person.write(CURSOR)
        assert person.install() == 1
        assert "no terminal to ask at" in person.said
        assert person.text() == CURSOR

    def test_a_machine_without_hosts_is_told_of(self, person: Person) -> None:
        assert person.install("--yes") == 1
        assert "--print" in person.said

    def test_a_project_has_files_of_its_own(self, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(person.home)
        assert person.install("vscode", "claude-code", "--project", "--yes") == 0
        assert "neo" in json.loads(Path(".vscode/mcp.json").read_text())["servers"]
        assert "neo" in json.loads(Path(".mcp.json").read_text())["mcpServers"]
        assert person.install("windsurf", "--project", "--yes") == 1

    @pytest.mark.parametrize("link", [".vscode", ".vscode/mcp.json"])
    def test_no_link_leads_out_of_a_project(
        self, person: Person, monkeypatch: pytest.MonkeyPatch, link: str
    ) -> None:
        outside, project = person.home / "outside", person.home / "project"
        for folder in (outside, project):
            folder.mkdir()
        (outside / "mcp.json").write_text("{}")
        (project / link).parent.mkdir(exist_ok=True)
        (project / link).symlink_to(outside if link == ".vscode" else outside / "mcp.json")
        monkeypatch.chdir(project)
        assert person.install("vscode", "--project", "--yes") == 1
        assert "leads out of this project" in person.said + person.complained
        assert (outside / "mcp.json").read_text() == "{}"

    def test_a_link_that_came_while_a_person_read_is_not_followed(
        self, person: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project, outside = person.home / "project", person.home / "outside"
        for folder in (project / ".vscode", outside):
            folder.mkdir(parents=True)
        monkeypatch.chdir(project)

        def answer(_: str) -> str:
            (project / ".vscode").rmdir()
            (project / ".vscode").symlink_to(outside)
            return "y"

        monkeypatch.setattr("builtins.input", answer)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        assert person.install("vscode", "--project") == 1
        assert "leads out of this project" in person.said
        assert list(outside.iterdir()) == []

    def test_a_project_may_be_reached_by_a_link_and_have_links_of_its_own(
        self, person: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (person.home / "real" / "config").mkdir(parents=True)
        (person.home / "real" / ".vscode").symlink_to("config")
        (person.home / "project").symlink_to("real")
        monkeypatch.chdir(person.home / "project")
        assert person.install("vscode", "--project", "--yes") == 0
        assert (person.home / "real" / "config" / "mcp.json").is_file()

    @pytest.mark.parametrize("target", ["/dev/null", "/dev/full", "mcp.json", "../../elsewhere/mcp.json"])
    def test_whatever_a_link_of_a_project_leads_to_it_is_not_written(
        self, person: Person, monkeypatch: pytest.MonkeyPatch, target: str
    ) -> None:
        (person.home / "project" / ".vscode").mkdir(parents=True)
        (person.home / "project" / ".vscode" / "mcp.json").symlink_to(target)
        monkeypatch.chdir(person.home / "project")
        assert person.install("vscode", "--project", "--yes") == 1
        assert not (person.home / "elsewhere").exists()
        assert Path("/dev/null").is_char_device()

    def test_a_pipe_in_the_place_of_a_file_is_refused(self, person: Person) -> None:
        person.cursor.parent.mkdir()
        os.mkfifo(person.cursor)
        assert person.install("cursor", "--yes") == 1
        assert "Not a regular file" in person.said + person.complained

    def test_a_server_that_runs_is_connected_to(self, person: Person) -> None:
        url = "http://127.0.0.1:8365/mcp"
        assert person.install("cursor", "--http", url, "--yes") == 0
        assert person.entry() == {"url": url}
        assert person.install("cursor", "--undo", "--yes") == 0
        assert person.install("claude-desktop", "--http", url, "--yes") == 1
        assert person.install("cursor", "--http", "ftp://x") == 2

    @pytest.mark.parametrize(
        "url",
        [
            "http://user:hunter2@host/mcp",
            "https://hunter2@host",
            "HTTP://user:hunter2@127.0.0.1:80/mcp",
            "https://host/mcp?key=ghp_" + "hunter2a" * 5,
        ],
    )
    def test_no_secret_in_an_address_is_written(self, person: Person, url: str) -> None:
        for more in ("--yes", "--print", "--links"):
            assert person.install("cursor", "--http", url, more) == 2
        assert "Leave it out of the address" in person.complained
        assert "hunter2" not in person.said + person.complained
        assert not person.cursor.exists()

    def test_an_unknown_host_is_told_of(self, person: Person) -> None:
        assert person.install("emacs") == 2
        assert "Known: claude-desktop, claude-code" in person.complained


class TestToken:
    def test_it_is_in_no_file(self, person: Person) -> None:
        for name in (".cursor", ".codex", ".gemini", ".junie", ".claude", ".config/zed", ".config/Claude"):
            (person.home / name).mkdir(parents=True)
        person.install("--yes")
        written = [path.read_text() for path in person.home.rglob("*") if path.is_file()]
        assert len(written) == 7
        assert not any(TOKEN in text for text in written)

    def test_it_is_in_a_file_only_if_they_say_so_and_then_nobody_else_can_read_it(
        self, person: Person
    ) -> None:
        person.write("{}")
        person.cursor.chmod(0o664)
        assert person.install("cursor", "--yes", "--with-token") == 0
        assert person.entry()["env"]["PULUMI_ACCESS_TOKEN"] == TOKEN
        assert stat.S_IMODE(person.cursor.stat().st_mode) == 0o600
        assert "will have your access token" in person.said
        assert person.install("cursor", "--undo", "--yes") == 0
        assert person.text() == "{}"

    @pytest.mark.parametrize("given", [f"PULUMI_ACCESS_TOKEN={TOKEN}", f"OTHER=x{TOKEN}x"])
    def test_it_comes_by_no_back_door(self, person: Person, given: str) -> None:
        assert person.install("cursor", "--yes", "--env", given) == 2
        assert "--with-token" in person.complained
        assert not person.cursor.exists()

    def test_it_is_never_printed(self, person: Person) -> None:
        assert person.install("--print", "--with-token") == 2
        assert person.install("--print", "cursor", "vscode", "codex") == 0
        assert person.install("jetbrains") == 0

    def test_other_secrets_are_not_shown_either(self, person: Person) -> None:
        person.write(CURSOR)
        person.install("--yes")
        assert "hush-hush" not in person.said
        assert "[not shown]" in person.said
        assert "hush-hush" in person.text()


HOST_FILES = {
    "cursor": (".cursor/mcp.json", '{"a": 1}\n'),
    "vscode": (".config/Code/User/mcp.json", '{\n  // mine\n  "inputs": [],\n}\n'),
    "claude-code": (".claude.json", '{"projects": {}}'),
    "gemini": (".gemini/settings.json", "{}"),
    "codex": (".codex/config.toml", 'model = "x"  # mine\n'),
    "zed": (".config/zed/settings.json", '{"theme": "One", /* mine */}'),
}


class TestTokenInCopies:
    """Nothing that this program leaves behind holds the access token."""

    @pytest.fixture(params=HOST_FILES)
    def host(self, request: pytest.FixtureRequest, person: Person) -> tuple[str, Path]:
        name = str(request.param)
        file, content = HOST_FILES[name]
        path = person.home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return name, path

    def holders(self, person: Person) -> list[str]:
        found = (path for path in person.home.rglob("*") if path.is_file())
        return sorted(path.name for path in found if TOKEN in path.read_text())

    @pytest.mark.parametrize("runs", [1, 3])
    def test_after_undo_no_file_holds_it(self, person: Person, host: tuple[str, Path], runs: int) -> None:
        name, path = host
        before = path.read_text()
        for run_number in range(runs):
            assert person.install(name, "--yes", "--with-token", "--organization", f"acme-{run_number}") == 0
            assert f"{path} holds an access token." in person.said
            assert self.holders(person) == [path.name]
        assert person.install(name, "--undo", "--yes") == 0
        assert self.holders(person) == []
        assert path.read_text() == before
        assert "holds an access token" not in person.said

    def test_a_second_time_without_it_cleans(self, person: Person, host: tuple[str, Path]) -> None:
        name, path = host
        person.install(name, "--yes", "--with-token")
        assert person.install(name, "--yes") == 0
        assert "The access token is taken out" in person.said
        assert self.holders(person) == []
        assert path.exists()

    def test_a_copy_holds_none_from_the_start(
        self, person: Person, host: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("neo_mcp.cli.install.command.clean_copies", lambda *_: [])
        name, path = host
        for organization in ("acme", "another"):
            person.install(name, "--yes", "--with-token", "--organization", organization)
        assert len(person.backups) == 2
        assert self.holders(person) == [path.name]

    def test_a_file_that_came_with_it_leaves_none(self, person: Person) -> None:
        person.install("cursor", "--yes", "--with-token")
        person.install("cursor", "--yes", "--with-token", "--organization", "acme")
        assert person.install("cursor", "--undo", "--yes") == 0
        assert not person.cursor.exists()
        assert self.holders(person) == []

    @pytest.mark.parametrize("arguments", [["--undo", "--yes"], ["--yes"]])
    def test_copies_of_earlier_versions_are_cleaned_and_that_is_said(
        self, person: Person, host: tuple[str, Path], arguments: list[str]
    ) -> None:
        name, path = host
        person.install(name, "--yes", "--with-token")
        old = path.with_name(f"{path.name}.20200101T000000000000Z.neo-backup")
        old.write_text(path.read_text())
        old.chmod(0o644)
        assert person.install(name, *arguments) == 0
        assert f"taken out of {old.name}" in person.said
        assert self.holders(person) == []
        assert stat.S_IMODE(old.stat().st_mode) == 0o600

    def test_a_token_that_is_no_longer_in_use_is_known_too(
        self, person: Person, host: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name, _ = host
        person.install(name, "--yes", "--with-token")
        person.install(name, "--yes", "--with-token", "--organization", "acme")
        monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "pul-another")
        assert person.install(name, "--undo", "--yes") == 0
        assert self.holders(person) == []

    def test_what_else_a_copy_holds_stays(self, person: Person) -> None:
        person.write(CURSOR)
        person.install("cursor", "--yes", "--with-token")
        person.install("cursor", "--yes", "--with-token", "--organization", "acme")
        assert all('"API_KEY": "hush-hush" } }, // keep' in copy.read_text() for copy in person.backups)

    def test_a_copy_that_cannot_be_edited_is_deleted(self, person: Person) -> None:
        person.install("cursor", "--yes", "--with-token")
        broken = person.cursor.with_name("mcp.json.20200101T000000000000Z.neo-backup")
        broken.write_text('{"mcpServers": {"neo": ' + TOKEN)
        assert person.install("cursor", "--undo", "--yes") == 0
        assert not broken.exists()
        assert self.holders(person) == []

    def test_the_token_of_another_server_stays_and_is_reported(self, person: Person) -> None:
        theirs = (
            f'{{"mcpServers": {{"pulumi": {{"command": "x", "env": {{"PULUMI_ACCESS_TOKEN": "{TOKEN}"}}}}}}}}'
        )
        person.write(theirs)
        person.install("cursor", "--yes")
        assert person.install("cursor", "--undo", "--yes") == 0
        assert person.text() == theirs
        assert f"{person.cursor} holds an access token." in person.said

    def test_a_token_in_another_variable_or_argument_goes_as_well(self, person: Person) -> None:
        person.write("{}")
        person.install("cursor", "--yes", "--with-token", "--env", f"OTHER=x{TOKEN}x")
        changed = json.loads(person.text())
        changed["mcpServers"]["neo"]["args"].append(TOKEN)
        person.write(json.dumps(changed))
        person.install("cursor", "--yes", "--with-token", "--organization", "acme")
        assert TOKEN not in "".join(copy.read_text() for copy in person.backups)

    def test_a_copy_that_is_a_link_is_left_alone(self, person: Person) -> None:
        person.install("cursor", "--yes", "--with-token")
        theirs = person.home / "theirs.json"
        theirs.write_text(person.text())
        link = person.cursor.with_name("mcp.json.20200101T000000000000Z.neo-backup")
        link.symlink_to(theirs)
        person.install("cursor", "--undo", "--yes")
        assert TOKEN in theirs.read_text()
        assert link.is_symlink()


class TestPrint:
    def test_it_is_what_the_host_takes(self, person: Person) -> None:
        assert person.install("--print") == 0
        printed = json.loads(person.said)
        assert printed["mcpServers"]["neo"]["args"][-1] == "serve"
        assert "Any host" in person.complained
        assert list(person.home.iterdir()) == []

    def test_links_are_printed_alone(self, person: Person) -> None:
        assert person.install("--links") == 0
        schemes = [line.split(":")[0] for line in person.said.splitlines()]
        assert schemes == ["cursor", "vscode"]


class TestUndo:
    @pytest.mark.parametrize("text", [CURSOR, "{}", '{"mcpServers":{}}', "", "\ufeff{\r\n}\r\n"])
    def test_every_byte_is_as_it_was(self, person: Person, text: str) -> None:
        person.write(text)
        person.install("--yes")
        person.install("--yes", "--organization", "acme")
        assert person.text() != text
        assert person.install("--undo", "--yes") == 0
        assert person.text() == text

    def test_a_file_that_came_with_it_goes_with_it(self, person: Person) -> None:
        person.install("cursor", "--yes")
        person.install("cursor", "--yes", "--organization", "acme")
        assert person.install("cursor", "--undo", "--yes") == 0
        assert not person.cursor.exists()

    def test_what_came_later_stays(self, person: Person) -> None:
        person.write(CURSOR)
        person.install("--yes")
        person.write(person.text().replace("// keep", "// keep this"))
        assert person.install("--undo", "--yes") == 0
        assert person.text() == CURSOR.replace("// keep", "// keep this")

    def test_there_may_be_nothing_to_undo(self, person: Person) -> None:
        person.write(CURSOR)
        assert person.install("--undo", "--yes") == 0
        assert "is not set up" in person.said
        assert person.text() == CURSOR

    def test_the_server_of_somebody_else_stays(self, person: Person) -> None:
        person.write('{"mcpServers": {"neo": {"command": "/opt/matrix/neo"}}}')
        assert person.install("--undo", "--yes") == 1
        assert "matrix" in person.text()


class TestAtTerminal:
    @pytest.mark.parametrize(("answer", "written"), [("n", False), ("", False), ("y", True)])
    async def test_a_person_sees_the_change_and_says_yes_or_no(
        self, tmp_path: Path, answer: str, *, written: bool
    ) -> None:
        file = tmp_path / ".cursor" / "mcp.json"
        file.parent.mkdir()
        async with terminal("install", "cursor", env=environment(tmp_path)) as person:
            await person.sees("Write it? [y/N] ")
            assert f"{file} (new file):" in person.screen
            assert '"command":' in person.screen
            assert not file.exists()
            await person.types(answer)
            assert await person.status() == 0
        assert file.exists() is written

    async def test_in_a_pipe_nobody_is_asked(self, tmp_path: Path) -> None:
        done = await run("install", "cursor", env=environment(tmp_path))
        assert done.status == 1
        assert not (tmp_path / ".cursor").exists()


class TestFiles:
    def test_a_file_that_changed_in_the_meantime_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        path.write_text("new")
        with pytest.raises(FileRefusedError, match="changed in the meantime"):
            files.replace(path, "mine", expected=b"old")
        with pytest.raises(FileRefusedError, match="changed in the meantime"):
            files.replace(path, "mine", expected=None)
        with pytest.raises(FileRefusedError, match="changed in the meantime"):
            files.remove(path, expected=b"old")
        assert path.read_text() == "new"

    def test_a_folder_that_cannot_be_written_is_told_of(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a file, no folder")
        with pytest.raises(FileRefusedError, match="cannot be"):
            files.replace(tmp_path / "a" / "b.json", "x", expected=None)


class TestCommand:
    def test_uvx_is_started_by_uvx(self) -> None:
        prefix = "/home/ada/.cache/uv/archive-v0/AbC"
        assert own_command(prefix, f"{prefix}/bin/python")[-1] == "pulumi-neo-mcp"
        assert own_command(prefix, f"{prefix}/bin/python")[0].endswith("uvx")

    def test_without_a_script_python_starts_it(self, tmp_path: Path) -> None:
        python = str(tmp_path / "python")
        assert own_command(str(tmp_path), python) == [python, "-m", "neo_mcp"]

    @pytest.mark.parametrize(
        ("entry", "ours"),
        [
            ({"command": "/opt/bin/pulumi-neo-mcp", "args": ["serve"]}, True),
            ({"command": "C:\\bin\\pulumi-neo-mcp.exe"}, True),
            ({"command": "uvx", "args": ["pulumi-neo-mcp@0.1", "serve"]}, True),
            ({"command": "python", "args": ["-m", "neo_mcp", "serve"]}, True),
            ({"url": "http://127.0.0.1:8365/mcp"}, True),
            ({"command": "/home/ada/pulumi-neo-mcp/other"}, False),
            ({"command": "neo"}, False),
            ({"url": "https://mcp.example.com/mcp"}, False),
            ({}, False),
        ],
    )
    def test_our_own_entries_are_known(self, entry: dict[str, Any], *, ours: bool) -> None:
        assert is_ours(entry) is ours


def test_a_small_change_in_a_large_file_is_shown_small() -> None:
    before = "\n".join(f"line {n}" for n in range(100_000))
    after = before.replace("line 50000\n", "line 50000\nnew\n")
    shown = list(changes(before, after))
    assert "+new" in shown
    assert len(shown) == 7


def test_an_option_that_makes_no_sense_is_refused(person: Person) -> None:
    assert person.install("--env", "NONSENSE", "--print") == 2


def test_the_token_is_not_shown_wherever_it_stands() -> None:
    shown = list(changes("{\n}", f'{{\n  "args": ["x", "{TOKEN}"]\n}}', [TOKEN]))
    assert '+  "args": ["x", "[access token]"]' in shown
