"""The gate: bearer secrets, Pulumi tokens that requests bring, and what is never told."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from neo_mcp.config import Auth
from neo_mcp.errors import ConfigurationError
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.credentials import SecretFile, TokenFolder, file_name
from neo_mcp.server.http.server import running_http
from tests.support.authority import running_authority
from tests.support.host import ORG, World
from tests.support.people import (
    ACCEPT,
    NO_TLS,
    SECRET,
    SECRETS,
    WAYS,
    Endpoint,
    bearer,
    by_bearer,
    by_header,
    oauth_settings,
    pulumi_token,
    secret_file,
    serving,
    token_folder,
)
from tests.support.processes import CANARY, HELLO, environment, running

pytestmark = pytest.mark.scorecard("HTTP serves those only who may use it")

OTHER = "another-secret-that-is-long-enough-to-be-one"
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=ACCEPT, verify=NO_TLS, trust_env=False, timeout=30) as client:
        yield client


class TestSecrets:
    async def test_whoever_knows_it_is_let_in(self, world: World, tmp_path: Path, era: str) -> None:
        async with by_bearer(world, tmp_path) as endpoint, endpoint.host("alice", mode=era) as host:
            assert await host.call("list_tasks", organization=ORG)

    @pytest.mark.parametrize(
        "given",
        [
            None,
            "",
            "Bearer",
            f"Bearer {SECRET[:-1]}",
            f"Bearer {SECRET}x",
            f"Bearer {SECRET.upper()}",
            f"Basic {SECRET}",
            SECRET,
            f"Bearer {SECRET} {SECRET}",
            f"Bearer {SECRET},{SECRET}",
            "Bearer " + "x" * 8000,
            b"Bearer \xff\xfe\xfd",
        ],
    )
    async def test_nobody_else_is(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient, given: str | bytes | None
    ) -> None:
        settings = world.settings(auth=Auth.BEARER, auth_secret_file=secret_file(tmp_path, SECRET))
        async with serving(settings) as url:
            raw = [(b"authorization", given.encode() if isinstance(given, str) else given)] if given else []
            for method in ("POST", "GET", "DELETE", "PUT", "OPTIONS"):
                answer = await http.request(method, url, json=INITIALIZE, headers=raw)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.headers["cache-control"] == "no-store"
                assert SECRET not in answer.text
        assert world.simulator.requests == []

    async def test_the_scheme_is_spelt_in_any_case(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        settings = world.settings(auth=Auth.BEARER, auth_secret_file=secret_file(tmp_path, SECRET))
        async with serving(settings) as url:
            for scheme in ("bearer", "BEARER", "Bearer "):
                headers = {"authorization": f"{scheme} {SECRET}"}
                assert (await http.post(url, json=INITIALIZE, headers=headers)).is_success

    async def test_two_at_once_are_none(self, world: World, tmp_path: Path, http: httpx.AsyncClient) -> None:
        settings = world.settings(auth=Auth.BEARER, auth_secret_file=secret_file(tmp_path, SECRET))
        async with serving(settings) as url:
            twice = [("authorization", f"Bearer {SECRET}"), ("authorization", "Bearer x")]
            assert (await http.post(url, json=INITIALIZE, headers=twice)).status_code == 401

    async def test_a_secret_is_replaced_without_a_restart(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = secret_file(tmp_path, SECRET)

        async def let_in() -> list[bool]:
            answers = [
                await http.post(url, json=INITIALIZE, headers=bearer(secret)) for secret in (SECRET, OTHER)
            ]
            return [answer.is_success for answer in answers]

        async with serving(world.settings(auth=Auth.BEARER, auth_secret_file=file)) as url:
            assert await let_in() == [True, False]
            file.write_text(f"{SECRET}\n\n  {OTHER}\n")
            assert await let_in() == [True, True]
            file.write_text(f"too short\n{OTHER}\n")
            assert await let_in() == [False, True]
            file.unlink()
            assert await let_in() == [False, False]
            assert await let_in() == [False, False]
            file.write_text(f"{SECRET}\n{OTHER}\n")
            assert await let_in() == [True, True]
        told = [
            record.getMessage()
            for record in caplog.records
            if record.name == "neo_mcp.server.http.credentials"
        ]
        assert len(told) == 2
        assert "[1]" in told[0]
        assert not any(secret in line for secret in (SECRET, OTHER, "too short") for line in told)

    async def test_a_session_outlives_the_change(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        """Every secret is the same operator's."""
        file = secret_file(tmp_path, SECRET, OTHER)
        async with serving(world.settings(auth=Auth.BEARER, auth_secret_file=file)) as url:
            opened = await http.post(url, json=INITIALIZE, headers=bearer(SECRET))
            session = {"mcp-session-id": opened.headers["mcp-session-id"], **bearer(OTHER)}
            listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
            assert (await http.post(url, json=listing, headers=session)).is_success

    @pytest.mark.parametrize(
        "content", ["", "\n\n", "short\n", f"{SECRET}\nshort\n", "white space " * 4, "ä" * 40]
    )
    def test_a_file_without_good_secrets_is_refused(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "secrets"
        file.write_text(content)
        with pytest.raises(ConfigurationError, match="token_hex") as caught:
            SecretFile(file)
        assert not content.strip() or content.split(maxsplit=1)[0] not in str(caught.value)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be read"):
            SecretFile(tmp_path / "missing")


class TestBroughtTokens:
    async def test_each_request_is_served_with_its_own(self, world: World, tmp_path: Path, era: str) -> None:
        async with by_header(world, tmp_path) as endpoint:
            for person in ("alice", "bob", "alice"):
                async with endpoint.host(person, mode=era) as host:
                    task_id, _ = await host.create("hello", organization=ORG)
                    assert world.simulator.store.get(ORG, task_id).creator == person

    @pytest.mark.parametrize("given", [None, "", "two words", "caf\xe9"])
    async def test_a_request_without_one_is_told_how(
        self, world: World, http: httpx.AsyncClient, given: str | None
    ) -> None:
        """Even where the operator has one: it is never used for others."""
        settings = world.settings(pulumi_token_header=True)
        async with serving(settings) as url:
            headers = {} if given is None else {b"x-pulumi-access-token": given.encode()}
            answer = await http.post(url, json=INITIALIZE, headers=headers)
            twice = [("x-pulumi-access-token", pulumi_token(person)) for person in ("alice", "bob")]
            both = await http.post(url, json=INITIALIZE, headers=twice)
        assert (answer.status_code, both.status_code) == (400, 400)
        assert "X-Pulumi-Access-Token" in answer.text
        assert world.simulator.requests == []

    async def test_one_without_the_setting_is_ignored(self, world: World, era: str) -> None:
        async with serving(world.settings()) as url:
            endpoint = Endpoint({"bob": url}, {"bob": {"x-pulumi-access-token": pulumi_token("bob")}})
            async with endpoint.host("bob", mode=era) as host:
                task_id, _ = await host.create("hello")
        assert world.simulator.store.get(ORG, task_id).creator == "alice"

    async def test_a_wrong_one_is_told_with_what_to_do(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path) as endpoint:
            headers = {**bearer(SECRET), "x-pulumi-access-token": "pul-wrong"}
            answer = await http.post(endpoint.urls["bob"], json=INITIALIZE, headers=headers)
        assert answer.status_code == 403
        assert "X-Pulumi-Access-Token" in answer.text
        assert "pulumi login" not in answer.text


class TestTokenFolder:
    async def test_each_user_has_a_file(self, tmp_path: Path) -> None:
        store = TokenFolder(token_folder(tmp_path, "alice"))
        assert await store.token_of("", "alice") == SecretStr(pulumi_token("alice"))
        assert await store.token_of("", "bob") is None

    @pytest.mark.parametrize(
        ("subject", "name"),
        [
            ("alice@example.com", "alice@example.com"),
            ("auth0|5f7c", "auth0%7C5f7c"),
            ("../alice", "%2E.%2Falice"),
            ("..", "%2E."),
            (".", "%2E"),
            ("/etc/passwd", "%2Fetc%2Fpasswd"),
            ("a\0b", "a%00b"),
            ("älice", "%C3%A4lice"),
        ],
    )
    async def test_no_subject_leads_elsewhere(self, tmp_path: Path, subject: str, name: str) -> None:
        folder = token_folder(tmp_path, "alice")
        (tmp_path / "alice").write_text("stray")
        store = TokenFolder(folder)
        assert file_name(subject) == name
        assert await store.token_of("", subject) is None
        (folder / name).write_text("pul-found")
        assert await store.token_of("", subject) == SecretStr("pul-found")

    async def test_a_name_counts_as_it_is_spelt(self, tmp_path: Path) -> None:
        store = TokenFolder(token_folder(tmp_path, "alice"))
        for subject in ("Alice", "alice ", "alice\n", "x" * 5000, "\udcff"):
            assert await store.token_of("", subject) is None

    @pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
    async def test_what_is_no_token_is_none(self, tmp_path: Path, content: bytes) -> None:
        folder = token_folder(tmp_path, "alice")
        (folder / "alice").write_bytes(content)
        assert await TokenFolder(folder).token_of("", "alice") is None


class TestOwnParts:
    async def test_an_embedding_program_brings_its_own(self, world: World, http: httpx.AsyncClient) -> None:
        asked: list[tuple[str, str]] = []

        class Opaque:
            async def verify_token(self, token: str) -> AccessToken | None:
                person = token.removeprefix("opaque-")
                return AccessToken(token=token, client_id="x", scopes=[], subject=person)

        class Vault:
            async def token_of(self, issuer: str, subject: str) -> SecretStr | None:
                asked.append((issuer, subject))
                return SecretStr(pulumi_token(subject)) if subject != "nobody" else None

        async with running_authority() as authority:
            settings = oauth_settings(world, authority)
            async with serving(settings, verifier=Opaque(), tokens=Vault()) as url:
                answer = await http.post(url, json=INITIALIZE, headers=bearer("opaque-bob"))
                refused = await http.post(url, json=INITIALIZE, headers=bearer("opaque-nobody"))
        assert answer.is_success
        assert refused.status_code == 403
        assert "operator" in refused.text
        assert asked == [("", "bob"), ("", "nobody")]


async def test_past_the_gate_there_are_no_tokens(
    world: World, tmp_path: Path, http: httpx.AsyncClient
) -> None:
    """What handlers, logs and traces could show of a request holds none."""
    seen: list[str] = []

    async def look(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        assert ctx.request is not None
        seen.append(f"{ctx.request.scope['headers']} {vars(ctx.request.scope['user'])}")
        return await call_next(ctx)

    file = secret_file(tmp_path, SECRET)
    server = NeoServer(
        world.settings(token=None, auth=Auth.BEARER, auth_secret_file=file, pulumi_token_header=True)
    )
    server.protocol.middleware.append(look)
    async with running_http(server, host="127.0.0.1", port=0) as url:
        headers = {**bearer(SECRET), "x-pulumi-access-token": pulumi_token("alice")}
        assert (await http.post(url, json=INITIALIZE, headers=headers)).is_success
    assert seen
    assert not any(secret in each for each in seen for secret in (SECRET, pulumi_token("alice")))


@pytest.mark.parametrize("way", WAYS)
async def test_no_token_is_in_any_log_error_or_result(
    world: World, tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    async with WAYS[way](world, tmp_path) as endpoint:
        async with endpoint.host("alice") as host:
            task_id, cursor = await host.create("hello", organization=ORG)
            said.append(str(await host.wait(task_id, cursor, organization=ORG)))
            said.append(await host.refused("get_task", organization=ORG, task_id="nothing"))
        secrets = {
            value.removeprefix("Bearer ") for sent in endpoint.headers.values() for value in sent.values()
        }
        for spoiled in ({"mcp-session-id": "unknown"}, {"authorization": "Bearer x"}, {"content-type": "x"}):
            async with endpoint.http("alice") as http:
                for method in ("POST", "GET", "DELETE", "PATCH"):
                    answer = await http.request(method, endpoint.urls["alice"], headers=spoiled, content="{")
                    said.append(f"{answer.headers} {answer.text}")
    secrets |= {pulumi_token(person) for person in ("alice", "bob", "carol")}
    said += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
    assert len(caplog.records) > 10
    assert not [(secret, line) for secret in secrets for line in said if secret in line]


async def test_no_secret_is_in_what_a_process_writes(world: World, tmp_path: Path) -> None:
    env = environment(world.simulator.url, str(tmp_path), NEO_MCP_LOG_LEVEL="debug")
    file = secret_file(tmp_path, SECRET, SECRETS["bob"])
    arguments = ["--auth", "bearer", "--auth-secret-file", str(file), "--pulumi-token-header"]
    async with running("serve", "--http", "--port", "0", *arguments, env=env) as server:
        await server.says("/mcp")
        url = next(w for w in server.stderr.decode().split() if w.startswith("http://"))
        async with httpx.AsyncClient(headers=ACCEPT, verify=NO_TLS, trust_env=False, timeout=30) as http:
            for token in ("pul-sim-alice", "pul-wrong"):
                headers = {**bearer(SECRET), "x-pulumi-access-token": token}
                opened = await http.post(url, json=INITIALIZE, headers=headers)
                assert opened.is_success == (token == CANARY)
                headers["mcp-session-id"] = opened.headers.get("mcp-session-id", "none")
                call = {"name": "list_tasks", "arguments": {"organization": ORG}}
                message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}
                answer = await http.post(url, json=message, headers=headers)
                assert answer.is_success == (token == CANARY)
            await http.post(url, json=INITIALIZE, headers=bearer("a-wrong-secret"))
        server.process.terminate()
        assert await server.exit_status() == 0
    assert b"DEBUG" in server.stderr
    for secret in (SECRET, "a-wrong-secret", "pul-sim-alice", "pul-wrong"):
        assert secret.encode() not in server.stderr
