"""A proxy or a certificate file that cannot be used is named on every surface, and no part fails inside."""

import itertools
import os
from pathlib import Path

import httpx
import pytest

from neo_mcp.cli import main
from neo_mcp.config import Auth, Settings
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.server import running_http
from neo_mcp.server.tools import TOOLS
from neo_mcp.simulator import Simulator
from tests.api.support import answer, answering
from tests.support.command_line import environment, put_environment, run
from tests.support.examples import some
from tests.support.host import World
from tests.support.processes import CANARY, running

API = "https://api.pulumi.example"
USER, PASSWORD = "ada-l0velace", "s3cret-pass"
INSIDE = ("Something went wrong", "Traceback", "Internal error")

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
ODD_PROXIES = {
    "an unknown scheme": "foo://proxy.corp:8080",
    "an unknown scheme with credentials": f"foo://{USER}:{PASSWORD}@proxy.corp:8080",
    "version 4 of SOCKS": "socks4://proxy.corp:1080",
    "no host": "http://",
    "no host but a port": "http://:8080",
    "credentials alone": f"http://{USER}:{PASSWORD}@",
    "credentials without a host": f"http://{USER}:{PASSWORD}",
    "a port of letters": "http://proxy.corp:port",
    "a port that is too large": "proxy.corp:99999",
    "port 0": "proxy.corp:0",
    "a port beyond all numbers": "proxy.corp:" + "1" * 5000,
    "half an address": "http://[::1",
    "an address in brackets that is none": "http://[::zz]:8080",
    "blanks": "http://proxy corp:8080",
    "a control character": "http://proxy\x07.corp:8080",
    "letters beyond ASCII": "http://pröxy.corp:8080",
    "a password in pieces": f"http://{USER}:{PASSWORD}/#?@proxy.corp:x",
    "an unfilled placeholder": "${CORPORATE_PROXY}",
    "only a scheme": "http:",
    "a very long one": "http://" + "a" * 3000 + ":x",
}


def odd_certificates(folder: Path) -> dict[str, tuple[str, str]]:
    """Variables that name no certificates, by what is wrong."""
    cut, empty, text = folder / "cut.pem", folder / "empty.pem", folder / "text.pem"
    cut.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    empty.touch()
    text.write_bytes(b"\xff\x00no certificate")
    (folder / "none").mkdir()
    os.mkfifo(folder / "pipe")
    return {
        "a file that is not there": ("SSL_CERT_FILE", str(folder / "missing.pem")),
        "a folder in place of a file": ("SSL_CERT_FILE", str(folder)),
        "a pipe": ("SSL_CERT_FILE", str(folder / "pipe")),
        "a file in a file": ("SSL_CERT_FILE", str(empty / "ca.pem")),
        "an empty file": ("SSL_CERT_FILE", str(empty)),
        "a file of text": ("SSL_CERT_FILE", str(text)),
        "a broken certificate": ("SSL_CERT_FILE", str(cut)),
        "a name that is too long": ("SSL_CERT_FILE", "/" + "x" * 5000),
        "a folder that is not there": ("SSL_CERT_DIR", str(folder / "missing")),
        "a folder without certificates": ("SSL_CERT_DIR", str(folder / "none")),
        "a file in place of a folder": ("SSL_CERT_DIR", str(text)),
    }


KINDS = [
    *(f"{variable}: {kind}" for variable, kind in itertools.product(PROXY_VARIABLES, ODD_PROXIES)),
    *(
        f"certificates: {kind}"
        for kind in (
            *("a file that is not there", "a folder in place of a file", "a pipe", "a file in a file"),
            *("an empty file", "a file of text", "a broken certificate", "a name that is too long"),
            *("a folder that is not there", "a folder without certificates", "a file in place of a folder"),
        )
    ),
]


def odd(kind: str, folder: Path) -> tuple[str, str]:
    """A variable and its value."""
    first, _, what = kind.partition(": ")
    return odd_certificates(folder)[what] if first == "certificates" else (first, ODD_PROXIES[what])


def check(text: str, variable: str, value: str) -> None:
    """The text names the variable, and nothing of its credentials; it says what to do."""
    assert variable in text
    assert not [word for word in (*INSIDE, USER, PASSWORD, CANARY) if word in text], text
    assert ("Correct it" in text) or ("unset" in text)
    assert value.isprintable() or value not in text


EXCEPTIONS = [
    *("::1/128", "fd07::/64", "[::1]", "[::1]:8080", "10.0.0.0/8", " .other.example", "*.other.example"),
    *(
        "localhost,127.0.0.1,::1",
        "other.example:443",
        ", ,",
        ":",
        "://",
        "http://",
        "[",
        "10.0.0.0/99",
        "::/0/0",
    ),
    *(
        "http://[::1",
        "${NO_PROXY}",
        "a" * 5000,
        "\x07",
        "bücher.example",
        "other.example:port",
        "@",
        "*.",
        "**x",
    ),
]
"""Values of NO_PROXY that do not name the API's host."""


@pytest.fixture
def settings() -> Settings:
    return Settings(api_url=API, token=SecretStr(CANARY), organization="acme")


@pytest.mark.parametrize("kind", some(KINDS, every=3))
async def test_every_tool_and_the_probe_name_it(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    variable, value = odd(kind, tmp_path)
    put_environment(monkeypatch, environment(tmp_path, **{variable: value}))
    arguments = {
        "create_task": {"prompt": "Hello"},
        "list_tasks": {},
        "get_task": {"task_id": "t-1"},
        "wait_for_events": {"task_id": "t-1"},
        "update_task": {"task_id": "t-1", "name": "x"},
        "respond": {"task_id": "t-1", "action": "message", "text": "x"},
    }
    server = NeoServer(settings)
    assert set(arguments) <= set(TOOLS)
    caplog.set_level("WARNING", "neo_mcp.server.http.probes")
    async with World(simulator).connected(server) as host:
        assert (await host.client.list_tools()).tools
        for tool, given in arguments.items():
            check(await host.refused(tool, **given), variable, value)
    async with (
        running_http(NeoServer(settings), host="127.0.0.1", port=0) as url,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        for _ in range(2):
            answer = await http.get(url.replace("/mcp", "/readyz"))
            assert answer.status_code == 503
            assert answer.json() == {"status": "not ready", "api": "unreachable", "reason": "configuration"}
    # The words are for the operator, not for strangers.
    (said,) = [record.getMessage() for record in caplog.records if "cannot be reached" in record.getMessage()]
    check(said, variable, value)


@pytest.mark.parametrize("command", [["doctor"], ["doctor", "--json"], ["tasks"], ["create", "Hello"]])
@pytest.mark.parametrize("kind", KINDS)
def test_every_command_names_it(
    kind: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    variable, value = odd(kind, tmp_path)
    put_environment(monkeypatch, environment(tmp_path, API, NEO_MCP_ORGANIZATION="acme", **{variable: value}))
    assert main(command) in {1, 2}
    out, err = capsys.readouterr()
    check(out + err, variable, value)


async def test_a_process_of_its_own_does_the_same(tmp_path: Path) -> None:
    env = environment(tmp_path, API, SSL_CERT_FILE="/missing.pem")
    for command in ("doctor", "tasks"):
        done = await run(command, env=env)
        assert done.status in {1, 2}
        check(done.out + done.err, "SSL_CERT_FILE", "/missing.pem")


@pytest.mark.parametrize(
    ("variable", "value"), [("SSL_CERT_FILE", "/missing.pem"), ("ALL_PROXY", f"foo://{USER}:{PASSWORD}@p")]
)
async def test_a_server_on_stdio_starts_lists_its_tools_and_says_it(
    variable: str, value: str, tmp_path: Path
) -> None:
    env = {**environment(tmp_path, API, NEO_MCP_ORGANIZATION="acme"), variable: value}
    async with running("serve", env=env) as server:
        await server.initialize()
        assert len((await server.request("tools/list"))["result"]["tools"]) == len(TOOLS)
        for _ in range(2):
            result = (await server.request("tools/call", name="list_tasks", arguments={}))["result"]
            assert result["isError"]
            check(result["content"][0]["text"], variable, value)
        assert server.process.stdin is not None
        await server.process.stdin.aclose()
        assert await server.exit_status() == 0
    check(bytes(server.written).decode() + bytes(server.stderr).decode(), variable, value)


async def test_a_server_of_many_users_says_it_to_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("s" * 40)
    secrets.chmod(0o600)
    put_environment(monkeypatch, environment(tmp_path, SSL_CERT_FILE="/missing.pem"))
    settings = Settings(api_url=API, auth=Auth.BEARER, auth_secret_file=secrets, pulumi_token_header=True)
    headers = {"Authorization": f"Bearer {'s' * 40}", "X-Pulumi-Access-Token": CANARY}
    async with (
        running_http(NeoServer(settings), host="127.0.0.1", port=0) as url,
        httpx.AsyncClient(trust_env=False, headers=headers) as http,
    ):
        for _ in range(2):
            answer = await http.post(
                url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
            )
            assert answer.status_code == 503
            check(answer.text, "SSL_CERT_FILE", "/missing.pem")


@pytest.mark.parametrize("value", some(EXCEPTIONS, every=3))
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
async def test_no_exception_stops_anything_and_a_proxy_that_refuses_is_named(
    name: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with answering(answer(407)) as proxy:
        proxies = {"HTTPS_PROXY": f"http://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}", name: value}
        put_environment(monkeypatch, environment(tmp_path, **proxies))
        async with World(simulator).connected(NeoServer(settings)) as host:
            texts = [await host.refused("list_tasks")]
        async with (
            running_http(NeoServer(settings), host="127.0.0.1", port=0) as url,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            assert (await http.get(url.replace("/mcp", "/readyz"))).json()["reason"] == "proxy"
        texts += [text for text in caplog.messages if "the API cannot be reached" in text]
        assert len(texts) == 2
        asked = len(proxy.requests)
    assert asked == 2
    for text in texts:
        assert f"http://***@127.0.0.1:{proxy.port} (HTTPS_PROXY)" in text
        assert "407" in text
        assert not [word for word in (*INSIDE, USER, PASSWORD, CANARY) if word in text], text


async def test_the_doctor_names_a_proxy_that_refuses(tmp_path: Path) -> None:
    async with answering(answer(407)) as proxy:
        address = f"http://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}"
        done = await run("doctor", env=environment(tmp_path, API, HTTPS_PROXY=address, NO_PROXY="fd07::/64"))
    assert done.status == 1
    assert "HTTPS_PROXY" in done.out
    assert "407" in done.out
    assert not [word for word in (*INSIDE, USER, PASSWORD) if word in done.out + done.err]
