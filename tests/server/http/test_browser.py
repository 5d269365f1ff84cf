"""The way into the task view for browsers of this machine, without a browser."""

import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from neo_mcp.config import Auth
from neo_mcp.errors import ConfigurationError
from neo_mcp.server.app import NeoServer
from neo_mcp.server.apps.bundle import PageError, assemble, bundle, page
from neo_mcp.server.http.browser import MAX_SESSIONS, OneTimeLogin
from neo_mcp.server.http.server import running_http
from tests.support.host import ORG, Json, World
from tests.support.tasks_servers import REQUEST, pending
from tests.support.view_host import EXTENSION, RENDERS, check

pytestmark = pytest.mark.scorecard("the way in for browsers: one use, one page, no other page")

VERSION = "2026-07-28"
META: Json = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "page", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {"form": {}},
        "extensions": {EXTENSION: RENDERS},
    },
}


@dataclass
class Tab:
    """What a browser's tab does, in requests."""

    http: httpx.AsyncClient
    links: list[str]

    @property
    def secret(self) -> str:
        """The newest one that was given out."""
        return self.links[-1].partition("#")[2]

    async def enter(self, secret: str, **headers: str) -> httpx.Response:
        return await self.http.post("/view/session", json={"secret": secret}, headers=headers)

    async def session(self) -> str:
        answer = await self.enter(self.secret)
        assert answer.status_code == 200
        session: str = answer.json()["session"]
        return session

    async def call(self, session: str, tool: str, arguments: Json, **more: Any) -> httpx.Response:  # noqa: ANN401 - any JSON
        headers = {
            "authorization": f"Bearer {session}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": VERSION,
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        params = {"name": tool, "arguments": arguments, "_meta": META, **more}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return await self.http.post("/view/mcp", json=message, headers=headers)


@asynccontextmanager
async def visiting(world: World, **settings: Any) -> AsyncIterator[Tab]:  # noqa: ANN401 - the fields of the settings
    links: list[str] = []
    server = NeoServer(world.settings(**settings))
    async with (
        running_http(server, host="127.0.0.1", port=0, login=OneTimeLogin(links.append)) as url,
        httpx.AsyncClient(base_url=url.removesuffix("/mcp"), verify=False) as http,  # noqa: S501 - plain http; loading certificates is slow
    ):
        yield Tab(http, links)


def check_headers(answer: httpx.Response) -> None:
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_the_page_is_whole_and_bound_by_a_policy_of_its_own(world: World) -> None:
    async with visiting(world) as tab:
        answer = await tab.http.get("/")
        head = await tab.http.head("/")
    check_headers(answer)
    assert head.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy == f"{page(served=True).policy}; frame-ancestors 'none'"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self'" in policy
    assert "connect-src" not in page().policy
    assert answer.text == page(served=True).html
    # Nothing that is loaded from anywhere, this server included.
    assert not re.search(r"<(?:link|img|iframe|script)[^>]*(?:src|href)=", answer.text)


async def test_a_secret_lets_one_page_in_and_the_next_one_is_given_out(world: World) -> None:
    async with visiting(world) as tab:
        first = tab.secret
        answer = await tab.enter(first)
        check_headers(answer)
        assert len(tab.links) == 2
        again = await tab.enter(first)
        assert again.status_code == 403
        assert "serve --http" in again.json()["error"]
        check_headers(again)
        assert (await tab.enter(tab.secret)).json()["session"] != answer.json()["session"]
        assert len({link.partition("#")[2] for link in tab.links}) == 3


@pytest.mark.parametrize("secret", ["", "x", "\u202e", "x" * 5000])
async def test_other_secrets_let_nobody_in_and_use_nothing_up(world: World, secret: str) -> None:
    async with visiting(world) as tab:
        assert (await tab.enter(secret)).status_code == 403
        assert len(tab.links) == 1
        await tab.session()


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"secret": 1}', b'{"secret": null}', b"\xff"])
async def test_a_body_that_holds_no_secret_is_refused(world: World, body: bytes) -> None:
    async with visiting(world) as tab:
        headers = {"content-type": "application/json"}
        assert (await tab.http.post("/view/session", content=body, headers=headers)).status_code == 403


async def test_a_session_sees_a_task_through_with_the_forms_of_the_protocol(world: World) -> None:
    task_id = pending(world, REQUEST)
    async with visiting(world) as tab:
        session = await tab.session()
        seen = (await tab.call(session, "view_task", {"task_id": task_id})).json()["result"]
        (need,) = check("view_task", seen["structuredContent"])["attention"]
        assert need["answers"] == ["approve", "deny"]
        arguments = {"task_id": task_id, "action": "approve", "request_id": need["id"]}
        asked = (await tab.call(session, "respond", arguments)).json()["result"]
        assert asked["resultType"] == "input_required"
        (key,) = asked["inputRequests"]
        answer = {"action": "accept", "content": {"decision": "approve"}}
        more = {"inputResponses": {key: answer}, "requestState": asked["requestState"]}
        done = (await tab.call(session, "respond", arguments, **more)).json()["result"]
    assert not done.get("isError"), done
    assert [event["ok"] for event in world.sent(task_id)] == [True]


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer x"}, {"authorization": "Bearer"}, {"authorization": "Basic x"}]
)
async def test_without_a_session_nothing_is_called(world: World, headers: dict[str, str]) -> None:
    async with visiting(world) as tab:
        await tab.session()
        answer = await tab.http.post("/view/mcp", json={}, headers=headers)
        check_headers(answer)
        once = await tab.call(tab.secret, "view_tasks", {})
    assert answer.status_code == once.status_code == 401
    assert "serve --http" in answer.json()["error"]
    assert not world.simulator.requests


async def test_a_session_that_came_long_ago_makes_room_for_new_ones(world: World) -> None:
    async with visiting(world) as tab:
        first = await tab.session()
        sessions = [await tab.session() for _ in range(MAX_SESSIONS)]
        assert (await tab.call(first, "view_tasks", {})).status_code == 401
        assert (await tab.call(sessions[0], "view_tasks", {})).status_code == 200


FOREIGN: list[dict[str, str]] = [
    {"origin": "http://localhost:1"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"host": "evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"content-type": "text/plain"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: "-".join(*headers.items()))
async def test_no_other_page_gets_in_not_even_one_of_this_machine(
    world: World, headers: dict[str, str]
) -> None:
    async with visiting(world) as tab:
        answer = await tab.enter(tab.secret, **headers)
        assert answer.status_code in {403, 421}
        assert len(tab.links) == 1
        session = await tab.session()
        given = {"authorization": f"Bearer {session}", **headers}
        assert (await tab.http.post("/view/mcp", json={}, headers=given)).status_code in {403, 421}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("PUT", "/"), ("GET", "/view/session"), ("GET", "/view/mcp"), ("DELETE", "/view/mcp")],
)
async def test_other_methods_are_refused(world: World, method: str, path: str) -> None:
    async with visiting(world) as tab:
        answer = await tab.http.request(method, path)
    assert answer.status_code == 405
    check_headers(answer)


@pytest.mark.parametrize("path", ["/view", "/view/", "/view/session/", "/view/mcp/", "/index.html"])
async def test_there_are_no_other_paths(world: World, path: str) -> None:
    async with visiting(world) as tab:
        assert (await tab.http.get(path)).status_code == 404


async def test_the_endpoint_of_hosts_stays_as_it_is(world: World) -> None:
    async with visiting(world) as tab:
        session = await tab.session()
        answer = await tab.call(session, "view_tasks", {})
        direct = await tab.http.post("/mcp", content=answer.request.content, headers=answer.request.headers)
    assert direct.status_code == 200
    assert direct.json()["result"]["structuredContent"]["organization"] == ORG


async def test_without_a_login_there_is_no_page(world: World) -> None:
    async with (
        running_http(NeoServer(world.settings()), host="127.0.0.1", port=0) as url,
        httpx.AsyncClient(base_url=url.removesuffix("/mcp"), verify=False) as http,  # noqa: S501 - as above
    ):
        assert (await http.get("/")).status_code == 404
        assert (await http.post("/view/session", json={"secret": ""})).status_code == 404


@pytest.mark.parametrize(
    "settings", [{"auth": Auth.BEARER}, {"pulumi_token_header": True, "token": None, "organization": None}]
)
async def test_there_is_no_login_where_callers_say_who_they_are(
    world: World,
    settings: Json,
    tmp_path: Any,  # noqa: ANN401 - a path
) -> None:
    if settings.get("auth") is Auth.BEARER:
        secrets = tmp_path / "secrets"
        secrets.write_text("x" * 40)
        secrets.chmod(0o600)
        settings = {**settings, "auth_secret_file": secrets}
    server = NeoServer(world.settings(**settings))
    with pytest.raises(ConfigurationError, match="--auth none"):
        async with running_http(server, host="127.0.0.1", port=0, login=OneTimeLogin(lambda _: None)):
            pass


async def test_no_secret_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with visiting(world) as tab:
        session = await tab.session()
        await tab.call(session, "view_tasks", {})
        await tab.enter("wrong")
        secrets = [session, *(link.partition("#")[2] for link in tab.links)]
    said = "\n".join(map(caplog.handler.format, caplog.records))
    assert said
    assert not [secret for secret in secrets if secret in said]


def test_modules_become_one_script_each_after_those_that_it_needs() -> None:
    script = bundle(
        {
            "main.js": 'import {\n  a,\n  b,\n} from "./x.js";\n\nb(a);\n',
            "x.js": 'import { c } from "./y.js";\nexport const a = c;\nexport async function b() {}\n',
            "y.js": "export class c {}\nfunction own() {}\n",
            "unused.js": "export const z = 1;\n",
        }
    )
    assert (
        script.index('modules["y.js"] =')
        < script.index('modules["x.js"] =')
        < script.index('modules["main.js"] =')
    )
    assert 'const { a, b } = modules["x.js"];' in script
    assert "return { a, b };" in script
    assert "unused" not in script
    assert not re.search(r"^(?:import|export)\b", script, re.MULTILINE)


@pytest.mark.parametrize(
    "modules",
    [
        {},
        {"main.js": 'import { a } from "./gone.js";\n'},
        {"main.js": 'import { a } from "./x.js";\n', "x.js": 'import { b } from "./main.js";\n'},
        {"main.js": "import a from './x.js';\n", "x.js": ""},
        {"main.js": 'import { a as b } from "./x.js";\n', "x.js": "export const a = 1;\n"},
        {"main.js": 'import * as x from "./x.js";\n', "x.js": ""},
        {"main.js": "export default 1;\n"},
        {"main.js": 'export * from "./x.js";\n', "x.js": ""},
    ],
)
def test_a_module_of_another_form_is_refused_when_the_page_is_made(modules: dict[str, str]) -> None:
    with pytest.raises(PageError):
        bundle(modules)


TEMPLATE = (
    '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="style.css">'
    '<script type="module" src="main.js"></script>'
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: assemble(TEMPLATE, "", "let x = '</script>'", connect=False),
        lambda: assemble(TEMPLATE, "a { content: '</style>' }", "", connect=False),
        lambda: assemble(TEMPLATE, "", "<!-- x", connect=False),
        lambda: assemble("<!doctype html>", "", "", connect=False),
    ],
)
def test_what_would_break_the_page_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(PageError):
        make()
