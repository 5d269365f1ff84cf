"""The command line."""

import argparse
import signal
import socket
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from neo_mcp import __version__
from neo_mcp.cli import main
from neo_mcp.cli.main import build_parser
from neo_mcp.cli.settings import settings_of
from neo_mcp.config import SETTINGS, ApprovalPolicy, Settings
from neo_mcp.errors import NeoError
from neo_mcp.front.conversation import Rest
from tests.support.processes import environment, running


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Settings, argparse.Namespace]]:
    """What the server would be started with."""
    calls: list[tuple[Settings, argparse.Namespace]] = []

    def note(_: object, settings: Settings, options: argparse.Namespace) -> None:
        calls.append((settings, options))

    monkeypatch.setattr(anyio, "run", note)
    monkeypatch.setattr("neo_mcp.telemetry.configure_logging", lambda *_, **__: None)
    # A host whose first message needs the server.
    monkeypatch.setattr(
        "neo_mcp.front.host.converse", lambda *_: Rest(b"", "", b"{", has_ended=False, unsent=b"")
    )
    for setting in SETTINGS:
        monkeypatch.delenv(setting.env, raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    return calls


COMMANDS = [
    *("install", "doctor", "tasks", "create", "watch", "respond", "export"),
    *("serve", "simulate", "demo", "docs"),
]
Served = list[tuple[Settings, argparse.Namespace]]


class TestServe:
    @pytest.mark.parametrize("arguments", [[], ["serve"]])
    def test_without_options_it_serves_stdio(self, served: Served, arguments: list[str]) -> None:
        assert main(arguments) == 0
        ((settings, options),) = served
        assert settings == Settings()
        assert (options.http, options.host, options.port, options.sandbox) == (
            False,
            "127.0.0.1",
            8365,
            False,
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--approvals", "deny", "--http", "--port", "1", "--sandbox"],
            ["serve", "--approvals", "deny", "--http", "--port", "1", "--sandbox"],
            ["--approvals", "deny", "--http", "serve", "--port", "1", "--sandbox"],
            ["--approvals=deny", "--http", "--port=1", "--sandbox", "serve"],
        ],
    )
    def test_options_count_before_and_after_the_command(self, served: Served, arguments: list[str]) -> None:
        assert main(arguments) == 0
        ((settings, options),) = served
        assert settings.approvals is ApprovalPolicy.DENY
        assert (options.http, options.port, options.sandbox) == (True, 1, True)

    def test_the_later_one_wins(self, served: Served) -> None:
        main(["--approvals", "host", "serve", "--approvals", "deny"])
        assert served[0][0].approvals is ApprovalPolicy.DENY

    def test_options_win_over_the_environment(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NEO_MCP_APPROVALS", "host")
        main(["--approvals", "deny"])
        assert served[0][0].approvals is ApprovalPolicy.DENY

    def test_what_the_environment_says_of_http_counts_only_there(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A person's own commands keep their token where a server of a team has its settings."""
        monkeypatch.setenv("NEO_MCP_PULUMI_TOKEN_HEADER", "true")
        monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "pul-own")
        for arguments, is_shared in (([], False), (["--http"], True)):
            main(arguments)
            assert served[-1][0].is_shared is is_shared
            assert (served[-1][0].token is None) is is_shared

    def test_settings_that_make_no_sense_are_told(
        self, served: Served, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--wait-seconds", "soon"]) == 2
        assert "command line --wait-seconds must be a number" in capsys.readouterr().err
        assert served == []


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_fails_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, wrapped: bool
) -> None:
    def fail(*_: object) -> None:
        error = NeoError("It broke.", next_step="Mend it.")
        raise ExceptionGroup("tasks", [ExceptionGroup("more", [error])]) if wrapped else error

    monkeypatch.setattr(anyio, "run", fail)
    assert main(["demo"]) == (1 if wrapped else 2)
    assert capsys.readouterr().err == "pulumi-neo-mcp: It broke. Mend it.\n"


class TestUsage:
    def exit_status(self, *arguments: str) -> Any:  # noqa: ANN401 - as sys.exit takes it
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        return caught.value.code

    def test_the_version_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"pulumi-neo-mcp {__version__}\n"

    @pytest.mark.parametrize("command", [[], ["serve"]])
    def test_help_names_every_setting(self, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert self.exit_status(*command, "--help") == 0
        text = capsys.readouterr().out
        for setting in SETTINGS:
            assert setting.flag in text
            assert setting.env in text

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_help(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.exit_status(command, "--help") == 0
        assert f"usage: pulumi-neo-mcp {command}" in capsys.readouterr().out

    def test_the_commands_are_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.exit_status("--help") == 0
        text = capsys.readouterr().out
        assert all(f"\n    {command} " in text for command in COMMANDS)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_settings_count_before_and_after_every_command(self, command: str) -> None:
        rest = {"watch": ["t"], "respond": ["t", "deny"], "create": ["p"], "export": ["t"]}.get(command, [])
        before = ["--organization", "acme", command, *rest]
        assert build_parser(before).parse_args(before).organization == "acme"
        if command not in {"simulate", "demo", "docs"}:
            after = [command, *rest, "--organization", "acme"]
            assert build_parser(after).parse_args(after).organization == "acme"

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--protected-stacks", "a/b", "--protected-stacks", "c/d"],
            ["--protected-stacks", "a/b,c/d"],
            ["--protected-stacks=a/b", "serve", "--protected-stacks=c/d"],
            ["serve", "--protected-stacks", '["a/b"]', "--protected-stacks", "'c/d'"],
            ["doctor", "--protected-stacks", "a/b", "--protected-stacks", "c/d"],
        ],
    )
    def test_a_list_is_given_at_once_or_bit_by_bit(self, arguments: list[str]) -> None:
        assert settings_of(build_parser().parse_args(arguments)).protected_stacks == ("a/b", "c/d")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--protected-stacks", "a/b;c/d"],
            ["--protected-stacks", "a/b", "--protected-stacks", ""],
            ["--protected-stacks", "${PROTECTED}"],
            ["--approvals", "${APPROVALS}"],
        ],
    )
    def test_a_safety_setting_that_is_not_understood_stops_the_start(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["serve", "--http", *arguments]) == 2
        assert f"command line {arguments[0]} must be " in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments", [["--no-such"], ["no-such"], ["--port", "x"], ["simulate", "--port"], ["demo", "--fast"]]
    )
    def test_bad_usage_is_told(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert self.exit_status(*arguments) == 2
        *_, problem, usage = capsys.readouterr().err.splitlines()
        assert ": error: " in problem
        command = usage.removeprefix("Usage: pulumi-neo-mcp ").split()
        assert self.exit_status(*command) == 0


class TestSimulate:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_it_tells_its_address_and_stops_on_a_signal(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        async with running("simulate", "--port", "0", env=environment(None, str(tmp_path))) as process:
            first = (await process.stdout.receive_until(b"\n", 1000)).decode()
            url = first.split()[-1]
            async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 - plain http; loading certificates is slow
                answer = await client.get(f"{url}/api/user", headers={"authorization": "token pul-sim-alice"})
            assert answer.json()["githubLogin"] == "alice"
            process.process.send_signal(number)
            assert await process.exit_status() == 0
        assert process.stderr == b""

    def test_a_fault_that_makes_no_sense_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["simulate", "--fault", "explode"]) == 2
        assert "--fault: unknown fault 'explode'" in capsys.readouterr().err

    def test_a_taken_port_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            assert main(["simulate", "--port", str(port)]) == 2
        assert f"Port {port} on 127.0.0.1 is not available" in capsys.readouterr().err


@pytest.mark.parametrize("token", [None, "<your-token>", "${PULUMI_ACCESS_TOKEN}"])
async def test_a_sandbox_needs_no_account(tmp_path: Path, token: str | None) -> None:
    given = {"PULUMI_ACCESS_TOKEN": token, "NEO_MCP_TOKEN_FILE": "/not/there"} if token else {}
    async with running("serve", "--sandbox", env=environment(None, str(tmp_path), **given)) as server:
        await server.initialize()
        created = await server.call("create_task", prompt="Say hello (scenario:hello)")
        assert created["structuredContent"]["organization"] == "acme"
