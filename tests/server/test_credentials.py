"""Whose tasks a server works on: where its token and its organization come from, and what it says of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from tests.support.command_line import run
from tests.support.host import Json
from tests.support.processes import environment, running

TOKEN = "pul-sim-alice"


def text_of(answer: Json) -> str:
    """Both forms of a tool's result: a host shows its model one of them."""
    (block,) = answer["content"]
    note = (answer.get("structuredContent") or {}).get("note", "")
    assert ("acts as" in note) is ("acts as" in block["text"])
    return str(block["text"])


def log_in(home: Path, content: object) -> Path:
    home.mkdir(exist_ok=True)
    file = home / "credentials.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    file.chmod(0o600)
    return file


def logged_in(url: str, token: str = TOKEN, **account: Any) -> Json:  # noqa: ANN401 - any JSON
    return {"current": url, "accessTokens": {url: token}, "accounts": {url: account}}


async def called(tool: str, env: dict[str, str], **arguments: Any) -> str:  # noqa: ANN401 - any JSON
    async with running("serve", env=env) as server:
        await server.initialize()
        return text_of(await server.call(tool, **arguments))


class TestOrganization:
    @pytest.mark.parametrize("default", ["acme-labs", "acme", "", None])
    async def test_it_is_the_default_in_pulumi_cloud_else_the_users_own(
        self, tmp_path: Path, default: str | None
    ) -> None:
        async with running_simulator(SimulatorConfig(default_organization=default)) as simulator:
            env = environment(simulator.url, str(tmp_path))
            del env["NEO_MCP_ORGANIZATION"]
            async with running("serve", env=env) as server:
                await server.initialize()
                for _ in range(2):
                    text = text_of(await server.call("list_tasks"))
                    assert f"0 tasks in {default or 'acme'}" in text
            paths = [request.path for request in simulator.requests]
        assert paths.count("/api/user/organizations/default") == 1
        assert paths.count("/api/user") == (0 if default else 1)

    async def test_a_setting_comes_before_it(self, simulator: Simulator, tmp_path: Path) -> None:
        for name in ("NEO_MCP_ORGANIZATION", "PULUMI_DEFAULT_ORGANIZATION"):
            env = environment(simulator.url, str(tmp_path))
            del env["NEO_MCP_ORGANIZATION"]
            assert "0 tasks in acme-labs" in await called("list_tasks", {**env, name: "acme-labs"})
        assert not [each for each in simulator.requests if each.path.endswith("/default")]

    @pytest.mark.parametrize("name", ["NEO_MCP_ORGANIZATION", "PULUMI_DEFAULT_ORGANIZATION"])
    async def test_one_that_is_refused_is_named_with_its_setting(
        self, simulator: Simulator, tmp_path: Path, name: str
    ) -> None:
        env = environment(simulator.url, str(tmp_path))
        del env["NEO_MCP_ORGANIZATION"]
        text = await called("list_tasks", {**env, name: "globex"})
        assert f"use globex, which is from the environment variable {name}." in text


class TestToken:
    @pytest.mark.parametrize("given", ["${PULUMI_ACCESS_TOKEN}", ""])
    async def test_the_first_result_after_a_fallback_names_the_user_once(
        self, simulator: Simulator, tmp_path: Path, given: str
    ) -> None:
        log_in(tmp_path, logged_in(simulator.url))
        env = environment(None, str(tmp_path), PULUMI_ACCESS_TOKEN=given)
        calls: tuple[tuple[str, Json], ...] = (
            ("list_tasks", {}),
            ("create_task", {"prompt": "Say hello (scenario:hello)"}),
        )
        expected = "PULUMI_ACCESS_TOKEN holds no token, so this acts as alice, by `pulumi login`."
        for tool, arguments in calls:
            async with running("serve", env=env) as server:
                await server.initialize()
                refused = text_of(await server.call("get_task", task_id="no-such-task"))
                texts = [text_of(await server.call(tool, **arguments)) for _ in range(2)]
            assert [expected in text for text in (refused, *texts)] == [False, True, False]
        assert expected in (await run("tasks", env=env)).err

    async def test_a_refused_token_is_named_by_its_source(self, simulator: Simulator, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("pul-wrong-1234567890")
        file.chmod(0o600)
        url = {"PULUMI_BACKEND_URL": simulator.url}
        home = str(tmp_path / "home")
        env = environment(None, home, **url, PULUMI_ACCESS_TOKEN="pul-wrong-1234567890")
        text = await called("list_tasks", env)
        assert "from the environment variable PULUMI_ACCESS_TOKEN" in text
        assert "to log in again changes nothing" in text
        env = environment(None, home, **url, NEO_MCP_TOKEN_FILE=str(file))
        text = await called("list_tasks", env)
        assert f"from the file {file}" in text
        assert "into that file, then restart this server." in text
        login = log_in(tmp_path / "home", logged_in(simulator.url, "pul-wrong-1234567890"))
        text = await called("list_tasks", environment(None, home))
        assert f"from the file {login}: run `pulumi login {simulator.url}` again, then restart" in text

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ({"$pulumiSecureStore": 1, "backend": "x", "data": "y"}, "is encrypted"),
            ("{", "is cut off"),
            ({"current": "s3://bucket"}, "state backend (s3://), which has no Neo"),
        ],
    )
    async def test_a_login_that_is_of_no_use_is_reported_as_what_it_is(
        self, tmp_path: Path, content: object, says: str
    ) -> None:
        log_in(tmp_path, content)
        env = environment(None, str(tmp_path))
        text = await called("list_tasks", env)
        assert says in text
        assert ", then restart this server." in text
        done = await run("tasks", env=env)
        assert says in done.err
        assert done.status == 2


@pytest.mark.parametrize(
    "text", ["http://[", "http://api.here.example", "https://ada:canary@api.here.example"]
)
@pytest.mark.parametrize("name", ["PULUMI_BACKEND_URL", "PULUMI_API"])
async def test_an_address_that_cannot_be_used_is_named_by_its_source(
    tmp_path: Path, name: str, text: str
) -> None:
    done = await run("tasks", env=environment(None, str(tmp_path), **{name: text}))
    assert f"It is from the environment variable {name}." in done.err
    assert "canary" not in done.err
    assert done.status == 2
