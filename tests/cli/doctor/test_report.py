"""The report for a fault report has what is needed to help, and nothing that is nobody else's business."""

import json
import logging
import platform
import stat
from pathlib import Path

import anyio
import pytest

from neo_mcp.cli.doctor import command as doctor
from neo_mcp.cli.doctor import findings as verdicts
from neo_mcp.cli.doctor import report
from neo_mcp.cli.install.hosts import Machine
from neo_mcp.cli.main import build_parser
from neo_mcp.config import SETTINGS, TOKEN_ENV, Setting
from neo_mcp.errors import NeoError
from neo_mcp.simulator import Simulator
from tests.support.command_line import environment, put_environment, run
from tests.support.host import PATIENCE

TOKEN = "pul-0123456789abcdef0123456789abcdef01234567"
PASSWORD = "c4nary-p4ssw0rd"
OWN = [setting for setting in SETTINGS if not setting.is_for_http]


def planted(text: str, home: Path, **more: str) -> dict[str, str]:
    """An environment with secrets wherever people put them."""
    return environment(
        home,
        PULUMI_BACKEND_URL="https://127.0.0.1:9",
        HTTPS_PROXY=f"http://ada:{PASSWORD}@127.0.0.1:9",
        ALL_PROXY=f"http://ada:{PASSWORD}@127.0.0.1:9",
        SOME_SECRET=PASSWORD,
        **{"PULUMI_ACCESS_TOKEN": TOKEN, **more},
    ) | ({"NEO_MCP_UNKNOWN": text} if text else {})


async def written(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> str:
    put_environment(monkeypatch, env)
    home = Path(env["HOME"])
    with anyio.fail_after(PATIENCE), report.logged() as lines:
        settings = doctor.settings_or_fault(build_parser().parse_args(["doctor"]))
        findings = await doctor.examine(settings, Machine("Linux", home, env))
        logging.getLogger("neo_mcp.test").info(
            "sent %s by https://ada:%s@h/?key=%s", TOKEN, PASSWORD, PASSWORD
        )
    return report.written(settings, findings, lines, env, home)


def holds_nothing_secret(text: str, home: Path) -> bool:
    return not [each for each in (TOKEN, TOKEN[4:], PASSWORD, str(home)) if each in text]


@pytest.mark.parametrize("setting", OWN, ids=lambda setting: setting.name)
@pytest.mark.parametrize(
    "form",
    ["{token}", "https://ada:{password}@127.0.0.1:9/p?token={password}#{password}", "{home}/{token}"],
    ids=["token", "address", "file"],
)
async def test_no_setting_gives_a_secret_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: Setting, form: str
) -> None:
    home = tmp_path / "ada"
    home.mkdir()
    text = form.format(token=TOKEN, password=PASSWORD, home=home)
    env = planted("", home) | {setting.env: text}
    assert holds_nothing_secret(await written(monkeypatch, env), home)
    # Mixed up with another, and so not known to be the token.
    del env[TOKEN_ENV]
    assert holds_nothing_secret(await written(monkeypatch, env), home)


async def test_files_give_nothing_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "ada"
    (home / ".pulumi").mkdir(parents=True)
    files = {"token": TOKEN, "key": f"{PASSWORD}{'k' * 40}", ".pulumi/credentials.json": f'{{"{PASSWORD}": '}
    for name, content in files.items():
        (home / name).write_text(content)
        (home / name).chmod(0o600)
    given = {"NEO_MCP_TOKEN_FILE": str(home / "token"), "NEO_MCP_KEY_FILE": str(home / "key")}
    text = await written(monkeypatch, planted(PASSWORD, home, **given))
    assert holds_nothing_secret(text, home)
    found = {each["name"]: each for each in json.loads(text)["settings"]}
    assert found["key_file"] == {
        "name": "key_file",
        "value": "~/key",
        "source": "environment variable NEO_MCP_KEY_FILE",
        "checked": False,
    }


async def test_it_has_what_is_needed_to_help(simulator: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.touch(0o644)
    env = environment(tmp_path, simulator.url, NEO_MCP_READ_ONLY="1")
    done = await run("doctor", "--report", str(file), env=env)
    assert done.status == 0
    assert f"The report is in {file}; look it through" in done.out
    assert "✓ api_url" in done.out
    assert "· read_only" in done.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = json.loads(file.read_text())
    assert written["program"].startswith("pulumi-neo-mcp ")
    assert written["platform"] == platform.platform()
    assert {"PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "NEO_MCP_READ_ONLY"} <= set(written["variables"])
    settings = {each["name"]: each for each in written["settings"]}
    assert list(settings) == [setting.name for setting in OWN]
    assert (settings["api_url"]["source"], settings["api_url"]["checked"]) == (
        "environment variable PULUMI_BACKEND_URL",
        True,
    )
    assert (settings["read_only"]["value"], settings["read_only"]["checked"]) == ("True", False)
    assert (settings["wait_seconds"]["value"], settings["wait_seconds"]["source"]) == ("50", "default")
    assert {"python", "api", "you"} <= {each["name"] for each in written["checks"]}
    assert any("GET /api/user 200" in line for line in written["log"])


async def test_a_dash_is_standard_output_and_nothing_else_comes_there(
    simulator: Simulator, tmp_path: Path
) -> None:
    done = await run("doctor", "--report", "-", env=environment(tmp_path, simulator.url))
    assert json.loads(done.out)["checks"]
    assert done.status == 0
    done = await run("doctor", "--report", "-", "--wait-seconds", "soon", env=environment(tmp_path))
    at_fault = [each for each in json.loads(done.out)["settings"] if each["at_fault"]]
    assert [(each["name"], each["source"]) for each in at_fault] == [
        ("wait_seconds", "command line --wait-seconds")
    ]
    assert done.status == 1


@pytest.mark.parametrize(
    ("given", "name", "source"),
    [
        ({"NEO_MCP_APPROVALS": PASSWORD}, "approvals", "NEO_MCP_APPROVALS"),
        ({"NEO_MCP_ORGANIZATION": "null"}, "organization", "NEO_MCP_ORGANIZATION"),
        ({"PULUMI_DEFAULT_ORGANIZATION": "null"}, "organization", "PULUMI_DEFAULT_ORGANIZATION"),
        ({"PULUMI_API": "nowhere"}, "api_url", "PULUMI_API"),
        ({"PULUMI_ACCESS_TOKEN": f"[{TOKEN}]"}, "token", "PULUMI_ACCESS_TOKEN"),
        ({"NEO_MCP_TOKEN_FILE": f"/nowhere/{PASSWORD}"}, "token_file", "NEO_MCP_TOKEN_FILE"),
        ({"NEO_MCP_KEY_FILE": "/nowhere/key"}, "key_file", "NEO_MCP_KEY_FILE"),
    ],
)
async def test_a_wrong_setting_is_marked_and_the_others_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], name: str, source: str
) -> None:
    env = {"HOME": str(tmp_path), TOKEN_ENV: TOKEN, "NEO_MCP_READ_ONLY": "1", **given}
    text = await written(monkeypatch, env)
    assert TOKEN not in text
    settings = {each["name"]: each for each in json.loads(text)["settings"]}
    assert list(settings) == [*(setting.name for setting in OWN), "token"]
    assert [each["name"] for each in settings.values() if each["at_fault"]] == [name]
    assert settings[name]["source"] == f"environment variable {source}"
    assert settings[name]["value"] is None
    read_only = settings["read_only"]
    assert (read_only["source"], read_only["value"]) == ("environment variable NEO_MCP_READ_ONLY", None)
    assert settings["questions"]["source"] == "default"


async def test_a_file_that_cannot_be_written_is_told(simulator: Simulator, tmp_path: Path) -> None:
    env = environment(tmp_path, simulator.url)
    done = await run("doctor", "--report", str(tmp_path), env=env)
    assert "cannot be written" in done.err
    assert done.status == 2


def test_only_the_last_lines_are_in_it_and_the_level_is_as_before(tmp_path: Path) -> None:
    logger = logging.getLogger("neo_mcp")
    level = logger.level
    with report.logged() as lines:
        for number in range(500):
            logger.debug("line %d", number)
    logger.error("later")
    assert logger.level == level
    text = report.written(NeoError("No."), [verdicts.proxy(None)], lines, {}, tmp_path)
    (*_, last) = log = json.loads(text)["log"]
    assert len(log) == 200
    assert last.endswith("line 499")
