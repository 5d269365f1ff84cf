"""Whoever does what a server over HTTP advises at its start, or the doctor finds, gets further."""

import json
import re
import subprocess
from pathlib import Path

import anyio
import pytest

from neo_mcp.cli.doctor import command as doctor
from neo_mcp.cli.doctor.findings import Finding, Status
from neo_mcp.cli.install.hosts import Machine
from neo_mcp.cli.main import build_parser
from neo_mcp.constants import PROGRAM
from neo_mcp.simulator import Simulator
from tests.support.command_line import environment, put_environment, run
from tests.support.host import ORG, PATIENCE, until
from tests.support.processes import CANARY, running

OAUTH = ["--auth", "oauth", "--oauth-issuer", "https://login.example", "--oauth-audience", "neo"]


async def refusal(folder: Path, *options: str, warning: str = "") -> str:
    """The words of a server that does not start; empty if it does, with this ``warning``."""
    env = {**environment(folder), "PULUMI_ACCESS_TOKEN": CANARY}
    async with running("serve", "--http", "--port", "0", *options, env=env) as server:
        await until(lambda: server.process.returncode is not None or b" serves http" in server.stderr)
        await server.says(warning)
        return "" if server.process.returncode is None else server.stderr.decode()


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "secrets"


def put(file: Path, content: str) -> None:
    """Write ``content`` for its owner alone."""
    file.write_text(content)
    file.chmod(0o600)


def make(text: str) -> None:
    """Run the shell command that ``text`` names."""
    assert "Make one: " in text
    subprocess.run(["/bin/sh", "-c", text.partition("Make one: ")[2]], check=True)  # noqa: S603 - what it says


async def test_serving_beyond_this_machine_comes_to_work_step_by_step(tmp_path: Path, secrets: Path) -> None:
    everywhere = ["--host", "0.0.0.0"]  # noqa: S104 - what is refused
    text = await refusal(tmp_path, *everywhere)
    assert "Serve on 127.0.0.1, or authenticate them with --auth bearer or --auth oauth." in text
    assert not await refusal(tmp_path, "--host", "127.0.0.1")
    text = await refusal(tmp_path, *everywhere, "--auth", "bearer")
    assert "--auth bearer needs --auth-secret-file." in text
    make(text)
    bearer = ["--auth", "bearer", "--auth-secret-file", str(secrets)]
    warning = "put a proxy in front that has it, and set --public-url to its address"
    assert not await refusal(tmp_path, *everywhere, *bearer, warning=warning)
    assert not await refusal(tmp_path, *everywhere, *bearer, "--public-url", "https://neo.example")


@pytest.mark.parametrize("content", ["", "short\n", "two words\n"])
async def test_a_refused_secret_file_is_made_anew(content: str, tmp_path: Path, secrets: Path) -> None:
    put(secrets, content)
    options = ["--auth", "bearer", "--auth-secret-file", str(secrets)]
    text = await refusal(tmp_path, *options)
    make(text)
    assert not await refusal(tmp_path, *options)


@pytest.mark.usefixtures("secrets")
async def test_an_address_of_its_own_needs_authentication_and_works_with_it(tmp_path: Path) -> None:
    url = ["--public-url", "https://neo.example"]
    assert "Authenticate them with --auth bearer or --auth oauth." in await refusal(tmp_path, *url)
    text = await refusal(tmp_path, "--public-url", "http://neo.example")
    assert "--public-url must be an https address, or one of this machine." in text
    assert not await refusal(tmp_path, "--public-url", "http://127.0.0.1:8080")
    for way in (["--pulumi-token-header"], ["--token-store", str(tmp_path / "tokens")]):
        (tmp_path / "tokens").mkdir(mode=0o700, exist_ok=True)
        assert not await refusal(tmp_path, *url, *OAUTH, *way), way


async def test_users_of_a_shared_server_get_their_tokens_as_it_says(tmp_path: Path) -> None:
    text = await refusal(tmp_path, "--auth", "oauth")
    assert "--auth oauth needs --oauth-issuer" in text
    text = await refusal(tmp_path, *OAUTH)
    assert "Give either --token-store or --pulumi-token-header." in text
    assert not await refusal(tmp_path, *OAUTH, "--pulumi-token-header")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--auth-secret-file", "secrets"),
        ("--oauth-issuer", "https://login.example"),
        ("--oauth-audience", "neo"),
        ("--oauth-scopes", "neo"),
        ("--oauth-jwks-url", "https://login.example/keys"),
        ("--token-store", "tokens"),
    ],
)
async def test_an_option_of_another_way_to_authenticate_names_its_own(
    option: str, value: str, tmp_path: Path
) -> None:
    text = await refusal(tmp_path, option, value)
    way = re.search(rf"{option} is for --auth (\w+) only\.", text)
    assert way
    assert f"{option} is for" not in await refusal(tmp_path, option, value, "--auth", way[1])


class Doctor:
    """A person's machine, and what the doctor finds on it."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._monkeypatch = monkeypatch

    async def finding(self, name: str, env: dict[str, str], *options: str) -> Finding:
        put_environment(self._monkeypatch, env)
        parsed = build_parser().parse_args(["doctor", *options])
        with anyio.fail_after(PATIENCE):
            settings = doctor.settings_or_fault(parsed)
            found = await doctor.examine(settings, Machine("Linux", self.home, env))
        return next(each for each in found if each.name == name)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    return Doctor(tmp_path, monkeypatch)


def log_in(home: Path, url: str) -> None:
    """Write what `pulumi login` does."""
    (home / ".pulumi").mkdir(exist_ok=True)
    put(home / ".pulumi" / "credentials.json", json.dumps({"current": url, "accessTokens": {url: CANARY}}))


async def test_a_missing_token_can_be_given_in_both_ways(at: Doctor, simulator: Simulator) -> None:
    env = environment(at.home, PULUMI_BACKEND_URL=simulator.url)
    finding = await at.finding("credentials", env)
    assert finding.status is Status.FAIL
    assert re.search(r"Run `pulumi login \S+`, or set PULUMI_ACCESS_TOKEN", finding.advice)
    for name in ("credentials", "token"):
        given = await at.finding(name, {**env, "PULUMI_ACCESS_TOKEN": CANARY})
        assert given.status is Status.OK
    log_in(at.home, simulator.url)
    assert (await at.finding("token", env)).status is Status.OK


async def test_a_refused_token_can_be_replaced_or_taken_away(at: Doctor, simulator: Simulator) -> None:
    log_in(at.home, simulator.url)
    env = environment(at.home, simulator.url) | {"PULUMI_ACCESS_TOKEN": "pul-" + "0" * 40}
    finding = await at.finding("token", env)
    assert finding.status is Status.FAIL
    assert "Set PULUMI_ACCESS_TOKEN to" in finding.advice
    assert "or unset it to use `pulumi login`" in finding.advice
    assert (await at.finding("token", {**env, "PULUMI_ACCESS_TOKEN": CANARY})).status is Status.OK
    del env["PULUMI_ACCESS_TOKEN"]
    assert (await at.finding("token", env)).status is Status.OK


async def test_the_address_of_something_else_can_be_corrected(at: Doctor, simulator: Simulator) -> None:
    env = environment(at.home, simulator.url)
    wrong = f"{simulator.url}/console"
    finding = await at.finding("api", {**env, "PULUMI_BACKEND_URL": wrong})
    assert finding.status is Status.FAIL
    assert "Correct the API's address (--api-url or PULUMI_BACKEND_URL)" in finding.advice
    assert (await at.finding("api", env)).status is Status.OK
    right = {**env, "PULUMI_BACKEND_URL": wrong}
    assert (await at.finding("api", right, "--api-url", simulator.url)).status is Status.OK


async def test_an_organization_of_others_can_be_corrected(at: Doctor, simulator: Simulator) -> None:
    env = environment(at.home, simulator.url)
    wrong = {**env, "NEO_MCP_ORGANIZATION": "nobodys"}
    finding = await at.finding("organizations", wrong)
    assert finding.status is Status.WARN
    assert "Correct --organization, NEO_MCP_ORGANIZATION or `pulumi org set-default`" in finding.advice
    assert (await at.finding("organizations", {**env, "NEO_MCP_ORGANIZATION": ORG})).status is Status.OK
    assert (await at.finding("organizations", wrong, "--organization", ORG)).status is Status.OK


async def install(text: str, env: dict[str, str]) -> None:
    """Run the command of ``install`` that ``text`` names."""
    words = re.search(rf"{PROGRAM} (install [\w-]+)", text)
    assert words, text
    done = await run(*words[1].split(), "--yes", env=env)
    assert done.status == 0, done.err


@pytest.mark.parametrize("fault", ["not set up", "does not start", "begins with a byte-order mark"])
async def test_a_host_can_be_set_up_as_its_finding_says(fault: str, at: Doctor, simulator: Simulator) -> None:
    env = environment(at.home, simulator.url)
    log_in(at.home, simulator.url)
    file = at.home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    if fault != "not set up":
        assert (await run("install", "cursor", "--yes", env=env)).status == 0
        text = file.read_text("utf-8")
        if fault == "does not start":
            entry = json.loads(text)
            entry["mcpServers"]["neo"]["command"] = str(at.home / "moved" / PROGRAM)
            file.write_text(json.dumps(entry), "utf-8")
        else:
            file.write_text(text, "utf-8-sig")
    finding = await at.finding("host cursor", env)
    assert fault in finding.found
    await install(finding.advice, env)
    assert (await at.finding("host cursor", env)).status is Status.OK


async def test_a_host_without_ones_token_works_after_a_login(at: Doctor, simulator: Simulator) -> None:
    env = environment(at.home, PULUMI_BACKEND_URL=simulator.url)
    (at.home / ".cursor").mkdir()
    assert (await run("install", "cursor", "--yes", env=env)).status == 0
    finding = await at.finding("host cursor", env)
    assert finding.status is Status.WARN
    assert "`pulumi login` works in every one" in finding.advice
    log_in(at.home, simulator.url)
    assert (await at.finding("host cursor", env)).status is Status.OK


async def test_the_option_that_an_unexplained_failure_names_is_taken(
    simulator: Simulator, tmp_path: Path
) -> None:
    done = await run("doctor", "--log-level", "debug", env=environment(tmp_path, simulator.url))
    assert done.status == 0, done.err
