"""The doctor finds what is wrong, and says what to do about it."""

import json
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSListener, TLSStream
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from neo_mcp.api import StreamState
from neo_mcp.api.probe import Certificate, Reply, Trouble, TroubleKind
from neo_mcp.cli.doctor import command as doctor
from neo_mcp.cli.doctor import findings as verdicts
from neo_mcp.cli.doctor.findings import Finding, Status, without_password
from neo_mcp.cli.install.hosts import Machine
from neo_mcp.cli.main import build_parser
from neo_mcp.config import Settings, load_settings
from neo_mcp.simulator import Fault, Simulator
from tests.api.support import Request, answer, failure, serving
from tests.support.command_line import environment, put_environment, run
from tests.support.host import PATIENCE
from tests.support.processes import CANARY

ORG = "acme"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Findings:
    """What the doctor found, by check."""

    def __init__(self, found: list[Finding]) -> None:
        self.status = verdicts.exit_status(found)
        self.names = [finding.name for finding in found]
        self._findings = {finding.name: finding for finding in found}
        assert len(self._findings) == len(self.names)
        for finding in found:
            assert finding.status in {Status.OK, Status.INFO} or finding.advice, finding
            assert CANARY not in f"{finding.found} {finding.advice}"

    def of(self, name: str) -> tuple[str, str]:
        return str(self._findings[name].status), self._findings[name].found

    def advice(self, name: str) -> str:
        return self._findings[name].advice


class Examine(Protocol):
    """Has the doctor look, with nothing but this environment."""

    async def __call__(self, *arguments: str, env: dict[str, str]) -> Findings: ...


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Examine:
    async def look(*arguments: str, env: dict[str, str]) -> Findings:
        put_environment(monkeypatch, env)
        options = build_parser().parse_args(["doctor", *arguments])
        with anyio.fail_after(PATIENCE):
            settings = doctor.settings_or_fault(options)
            return Findings(await doctor.examine(settings, Machine("Linux", Path(env["HOME"]), env)))

    return look


async def test_where_all_is_well_it_says_so(examine: Examine, simulator: Simulator, tmp_path: Path) -> None:
    simulator.add_task(ORG, events=[("userInput", {"type": "user_message", "content": "hi"})])
    found = await examine(env=environment(tmp_path, simulator.url))
    assert found.status == 0
    assert found.names == [
        *("python", "packages", "settings", "api_url", "credentials", "dns", "proxy", "api", "tls", "clock"),
        *("token", "you", "organizations", "neo", "stream"),
    ]
    # A tick is for what was checked.
    shown = {name for name in found.names if found.of(name)[0] == "info"}
    assert shown == {"settings", "proxy", "tls", "clock"}
    assert {found.of(name)[0] for name in found.names if name not in shown} == {"ok"}
    assert found.of("you")[1] == "alice (Alice Adams)"
    assert found.of("organizations")[1] == "acme, acme-labs"
    assert found.of("stream")[1] == "opens, and delivers"
    assert found.of("api_url")[1] == f"{simulator.url} (environment variable PULUMI_BACKEND_URL)"
    assert found.of("neo")[1] == "acme (the default that is set in Pulumi Cloud) has Neo; there are tasks"
    assert found.of("credentials")[1] == "an access token from the environment variable PULUMI_ACCESS_TOKEN"


async def test_people_get_a_list_with_what_to_do(simulator: Simulator, tmp_path: Path) -> None:
    env = environment(tmp_path, simulator.url, NEO_MCP_ORGANIZATION="globex")
    done = await run("doctor", env=env)
    said = json.loads((await run("doctor", "--json", env=env)).out)
    assert "✓ you" in done.out
    assert "! organizations  acme, acme-labs; not globex, which is configured" in done.out
    assert "✗ neo" in done.out
    assert done.status == 1
    assert said["ok"] is False
    assert {"name": "you", "status": "ok", "found": "alice (Alice Adams)", "advice": ""} in said["checks"]


class TestCredentials:
    async def test_without_a_token_there_is_no_use_in_trying(
        self, examine: Examine, simulator: Simulator, tmp_path: Path
    ) -> None:
        found = await examine(env=environment(tmp_path, PULUMI_BACKEND_URL=simulator.url))
        assert found.of("credentials")[0] == "fail"
        assert "pulumi login" in found.advice("credentials")
        assert found.of("api")[0] == "ok"
        assert found.of("token") == ("warn", "not tried: there is no access token")

    async def test_a_refused_token_is_told_with_its_source(
        self, examine: Examine, simulator: Simulator, tmp_path: Path
    ) -> None:
        env = environment(tmp_path, simulator.url, PULUMI_ACCESS_TOKEN="pul-wrong-1234567890")
        found = await examine(env=env)
        assert found.of("credentials")[0] == "info"
        status, text = found.of("token")
        assert status == "fail"
        assert "environment variable PULUMI_ACCESS_TOKEN" in found.advice("token")
        assert found.of("api_url")[0] == "ok"
        assert "pul-wrong" not in text
        assert found.of("neo")[0] == "warn"

    async def test_credentials_of_pulumi_login_are_found(
        self, examine: Examine, simulator: Simulator, tmp_path: Path
    ) -> None:
        file = tmp_path / ".pulumi" / "credentials.json"
        file.parent.mkdir()
        file.write_text(
            json.dumps({"current": simulator.url, "accessTokens": {simulator.url: "pul-sim-alice"}})
        )
        found = await examine(env=environment(tmp_path))
        assert found.of("token")[0] == "ok"
        assert str(file) in found.of("credentials")[1]
        assert found.of("settings")[0] == ("warn" if file.stat().st_mode & stat.S_IROTH else "info")


async def test_somebody_without_neo_is_told(examine: Examine, simulator: Simulator, tmp_path: Path) -> None:
    env = environment(tmp_path, simulator.url, PULUMI_ACCESS_TOKEN="pul-sim-nobody")
    found = await examine(env=env)
    assert found.of("token")[0] == "ok"
    assert found.of("neo")[0] == "fail"
    assert "HTTP 403" in found.of("neo")[1]
    assert "Neo is enabled" in found.advice("neo")
    assert found.of("stream") == ("warn", "not tried: neo failed")


async def test_a_stream_that_does_not_open_is_told(
    examine: Examine, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.add_task(ORG)
    simulator.faults.add(Fault("status", path="/events/stream", status=503, times=0))
    found = await examine(env=environment(tmp_path, simulator.url))
    status, text = found.of("stream")
    assert status == "warn"
    assert "503" in text
    assert found.status == 0


async def test_settings_that_make_no_sense_are_told(examine: Examine, tmp_path: Path) -> None:
    found = await examine("--wait-seconds", "soon", env=environment(tmp_path))
    assert found.of("settings")[0] == "fail"
    assert "--wait-seconds" in found.of("settings")[1]
    assert "api" not in found.names


class TestNetwork:
    async def test_a_web_page_is_not_the_api(self, examine: Examine, tmp_path: Path) -> None:
        async def page(_: Request, wire: SocketStream) -> None:
            await wire.send(answer(200, b"<html>", Content_Type="text/html"))

        async with serving(page) as server:
            found = await examine(env=environment(tmp_path, server.url))
        assert found.of("api")[0] == "fail"
        assert "not as the API does" in found.of("api")[1]
        assert "PULUMI_BACKEND_URL" in found.advice("api")
        assert found.of("token") == ("warn", "not tried: the API is out of reach")

    async def test_a_port_where_nobody_listens_is_told(self, examine: Examine, tmp_path: Path) -> None:
        async with serving_nobody() as url:
            found = await examine(env=environment(tmp_path, url))
        assert found.of("api")[0] == "fail"
        assert "no answer from" in found.of("api")[1]

    async def test_a_name_without_an_address_is_told(self, examine: Examine, tmp_path: Path) -> None:
        # Too long for any name service to be asked.
        found = await examine(env=environment(tmp_path, f"https://{'a' * 64}.example"))
        assert found.of("dns")[0] == "fail"
        assert found.of("api")[0] == "fail"

    async def test_a_proxy_is_named_without_its_password(self, examine: Examine, tmp_path: Path) -> None:
        env = environment(tmp_path, "https://api.example.com", HTTPS_PROXY="http://ada:s3cret@127.0.0.1:9")
        found = await examine(env=env)
        assert found.of("proxy") == ("info", "http://***@127.0.0.1:9")
        assert found.of("dns")[1] == "127.0.0.1 is 127.0.0.1"
        assert found.of("api")[0] == "fail"
        assert "s3cret" not in found.of("api")[1]

    async def test_a_certificate_that_nobody_vouches_for_is_told(
        self, examine: Examine, tmp_path: Path
    ) -> None:
        async with serving_tls() as url:
            found = await examine(env=environment(tmp_path, url))
        assert found.of("api")[0] == "fail"
        assert "SSL_CERT_FILE" in found.advice("api")

    async def test_so_is_a_login_that_left_it_unchecked(self, examine: Examine, tmp_path: Path) -> None:
        file = tmp_path / ".pulumi" / "credentials.json"
        file.parent.mkdir()
        async with serving_tls() as url:
            account = {"accessToken": CANARY, "insecure": True}
            file.write_text(json.dumps({"current": url, "accounts": {url: account}}))
            file.chmod(0o600)
            env = environment(tmp_path)
            found, done = await examine(env=env), await run("tasks", env=env)
        for text in (found.advice("api"), done.err):
            assert "`pulumi login --insecure`" in text
            assert "SSL_CERT_FILE" in text

    @pytest.mark.parametrize(("seconds", "status"), [(0, "ok"), (120, "warn"), (-3600, "fail")])
    async def test_a_clock_that_is_wrong_is_told(
        self, examine: Examine, tmp_path: Path, seconds: int, status: str
    ) -> None:
        async def late(_: Request, wire: SocketStream) -> None:
            date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
            await wire.send(failure(401, Date=date))

        async with serving(late) as server:
            found = await examine(env=environment(tmp_path, server.url))
        assert found.of("clock")[0] == status
        if seconds:
            assert ("behind" in found.of("clock")[1]) == (seconds > 0)


class TestHosts:
    def host(self, home: Path, text: str) -> None:
        file = home / ".cursor" / "mcp.json"
        file.parent.mkdir()
        file.write_text(text)

    async def test_a_host_that_can_start_it_is_fine(
        self, examine: Examine, simulator: Simulator, tmp_path: Path
    ) -> None:
        env = environment(tmp_path, simulator.url)
        for folder in (".claude", ".gemini", ".codex", ".junie"):
            (tmp_path / folder).mkdir()
        await run("install", "claude-code", "gemini", "codex", "--yes", env=env)
        found = await examine(env=env)
        for name in ("claude-code", "gemini", "codex"):
            assert found.of(f"host {name}") == ("ok", "starts, and has 6 tools")
        assert found.of("host junie") == ("info", "not set up")
        assert found.advice("host junie").endswith("pulumi-neo-mcp install junie")

    async def test_a_host_that_passes_no_token_on_is_told(
        self, examine: Examine, simulator: Simulator, tmp_path: Path
    ) -> None:
        env = environment(tmp_path, simulator.url)
        await run("install", "junie", "--yes", env=env)
        found = await examine(env=env)
        status, text = found.of("host junie")
        assert status == "warn"
        assert "There is no access token" in text
        assert found.status == 0

    async def test_a_token_in_a_host_s_file_is_told_of_and_who_can_get_at_it(
        self, examine: Examine, simulator: Simulator, tmp_path: Path
    ) -> None:
        env = environment(tmp_path, simulator.url)
        await run("install", "junie", "--with-token", "--yes", env=env)
        file = tmp_path / ".junie" / "mcp" / "mcp.json"
        found = await examine(env=env)
        assert found.of("host junie") == ("ok", f"starts, and has 6 tools; {file} holds an access token")
        file.chmod(0o644)
        file.parent.chmod(0o777)
        found = await examine(env=env)
        assert found.of("host junie")[0] == "warn"
        assert f"chmod 600 {file}" in found.advice("host junie")
        assert f"chmod go-w {file.parent}" in found.advice("host junie")

    async def test_a_command_that_is_gone_is_told(
        self, examine: Examine, simulator: Simulator, tmp_path: Path
    ) -> None:
        self.host(tmp_path, '{"mcpServers": {"neo": {"command": "/gone/pulumi-neo-mcp", "args": ["serve"]}}}')
        found = await examine(env=environment(tmp_path, simulator.url))
        assert found.of("host cursor")[0] == "fail"
        assert "does not start" in found.of("host cursor")[1]
        assert "install cursor" in found.advice("host cursor")

    async def test_a_command_that_fails_is_told_with_what_it_said(
        self, examine: Examine, tmp_path: Path
    ) -> None:
        script = tmp_path / "pulumi-neo-mcp"
        script.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
        script.chmod(0o755)
        self.host(tmp_path, json.dumps({"mcpServers": {"neo": {"command": str(script)}}}))
        found = await examine(env=environment(tmp_path))
        assert found.of("host cursor")[0] == "fail"
        assert "the disk is full" in found.of("host cursor")[1]

    async def test_a_broken_configuration_is_told(self, examine: Examine, tmp_path: Path) -> None:
        self.host(tmp_path, '{"mcpServers": ')
        found = await examine(env=environment(tmp_path))
        assert found.of("host cursor")[0] == "fail"
        assert "line 1, column 16" in found.of("host cursor")[1]


class TestVerdicts:
    @pytest.mark.parametrize(
        ("ahead", "status"),
        [
            (None, "info"),
            (0.0, "ok"),
            (-29.0, "ok"),
            (31.0, "warn"),
            (-299.0, "warn"),
            (-300.0, "fail"),
            (1e9, "fail"),
        ],
    )
    def test_clocks_may_differ_a_little(self, ahead: float | None, status: str) -> None:
        assert verdicts.clock(Reply(401, is_json=True, seconds=0.1, ahead=ahead)).status == status

    @pytest.mark.parametrize(("days", "status"), [(90, "ok"), (3, "warn")])
    def test_a_certificate_that_ends_soon_is_worth_a_warning(self, days: int, status: str) -> None:
        certificate = Certificate(NOW + timedelta(days=days), "An authority")
        reply = Reply(401, is_json=True, seconds=0.1, tls="TLSv1.3", certificate=certificate)
        assert verdicts.tls(reply, NOW).status == status

    @pytest.mark.parametrize("kind", list(TroubleKind))
    def test_every_trouble_has_an_advice(self, kind: TroubleKind) -> None:
        finding = verdicts.reachability("https://x:y@api.example.com", Trouble(kind, "because"))
        assert finding.status is Status.FAIL
        assert finding.advice
        assert "y@" not in finding.found

    def test_an_old_python_fails(self) -> None:
        assert verdicts.python((3, 10, 9), "here").status is Status.FAIL
        assert verdicts.packages({"mcp": None}).status is Status.FAIL

    def test_streams_are_told_apart(self) -> None:
        assert verdicts.stream(StreamState.PAGING, has_events=True).status is Status.OK
        assert verdicts.stream(StreamState.OPEN, has_events=False).status is Status.WARN
        assert verdicts.stream(None, has_events=False, why="403").found == "does not open: 403"

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("http://a:b@h:1/p", "http://***@h:1/p"),
            ("http://tok@h", "http://***@h"),
            ("http://h:1", "http://h:1"),
            ("http://[", "an unreadable address"),
        ],
    )
    def test_passwords_in_addresses_are_masked(self, url: str, shown: str) -> None:
        assert without_password(url) == shown

    def test_settings_are_shown_with_where_they_came_from(self) -> None:
        settings = Settings(
            protected_stacks=("*/prod",), sources={"protected_stacks": "environment X"}, warnings=("Beware.",)
        )
        summary, row = verdicts.settings(settings)
        understood = "*/prod (any organization, any project, stack prod)"
        assert (row.found, row.status) == (f"{understood} (environment X)", Status.INFO)
        assert (summary.status, summary.advice) == (Status.WARN, "Beware.")

    def test_a_variable_that_is_no_setting_is_warned_of(self, tmp_path: Path) -> None:
        (finding,) = verdicts.settings(load_settings({"NEO_MCP_READONLY": "1"}, home=tmp_path))
        assert finding.status is Status.WARN
        assert "did you mean NEO_MCP_READ_ONLY?" in finding.advice


@asynccontextmanager
async def serving_nobody() -> AsyncIterator[str]:
    """The address of a port that is taken, but not listened at."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, no query
    await listener.aclose()
    yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def serving_tls() -> AsyncIterator[str]:
    """A server with a certificate of its own making."""

    async def hang_up(wire: TLSStream) -> None:
        await wire.aclose()

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, no query
    listener = TLSListener(plain, _own_context(), standard_compatible=False)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(partial(listener.serve, hang_up))
        yield f"https://localhost:{port}"
        group.cancel_scope.cancel()


def _own_context() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context
