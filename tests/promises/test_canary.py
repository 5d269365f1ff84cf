"""A canary for a token, in every position, comes out nowhere: real processes, in eighteen encodings."""

import json
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, Span, SpanKind

from neo_mcp.api import NeoClient, Timeouts
from neo_mcp.config import load_settings
from neo_mcp.errors import NeoError
from neo_mcp.secret import SecretStr
from neo_mcp.simulator import Fault
from neo_mcp.wire import Event
from tests.support.canary import CANARY, EVERY_WAY, Echo, all_leaks, echoing, leaks
from tests.support.everything import from_neo, from_people, requests, seed
from tests.support.examples import long, some
from tests.support.host import ORG, TOKEN, Json, Person, World
from tests.support.processes import HELLO, environment, running

pytestmark = pytest.mark.scorecard("the token comes out nowhere, in no encoding")


@pytest.fixture
async def echo(world: World) -> AsyncIterator[Echo]:
    async with echoing(world.simulator.url, TOKEN) as api:
        yield api


@pytest.fixture(params=["environment", long("credentials file"), long("token file")])
def given(request: pytest.FixtureRequest, echo: Echo, tmp_path: Path) -> dict[str, str]:
    """The canary as the token, from one of the places where it can be."""
    return _given(request.param, echo, tmp_path)


def _given(place: str, echo: Echo, tmp_path: Path) -> dict[str, str]:
    env = environment(echo.url, str(tmp_path), NEO_MCP_LOG_LEVEL="debug")
    token = env.pop("PULUMI_ACCESS_TOKEN")
    assert token != CANARY
    match place:
        case "environment":
            env["PULUMI_ACCESS_TOKEN"] = CANARY
        case "token file":
            file = tmp_path / "token"
            file.write_text(CANARY, "utf-8")
            env["NEO_MCP_TOKEN_FILE"] = str(file)
        case "credentials file":
            stored = {"current": echo.url, "accessTokens": {echo.url: CANARY}}
            (tmp_path / "credentials.json").write_text(json.dumps(stored), "utf-8")
    return env


async def test_nothing_written_by_a_process_on_stdio_holds_it(
    world: World, echo: Echo, given: dict[str, str]
) -> None:
    task_ids = seed(world, EVERY_WAY, CANARY)
    async with running("serve", env=given) as server:
        await server.initialize()
        answers = [
            await server.request(method, **params) for method, params in requests(task_ids, EVERY_WAY, CANARY)
        ]
        await server.send_line(
            json.dumps({"jsonrpc": "2.0", "method": CANARY, "params": {CANARY: 1}}).encode()
        )
        await server.send_line(f'{{"jsonrpc": "2.0", "id": 1, "method": "{CANARY}"'.encode())
        await server.request("ping")
        world.simulator.faults.add(Fault("status", status=400, times=0, body=_refusal()))
        for status in (400, 401, 403, 404, 409, 500):
            world.simulator.faults.clear()
            world.simulator.faults.add(Fault("status", status=status, times=0, body=_refusal()))
            answers.append(await server.call("get_task", task_id=task_ids[0]))
            answers.append(await server.request("resources/read", uri=f"neo://{ORG}/tasks/{task_ids[0]}"))
        assert server.process.stdin is not None
        await server.process.stdin.aclose()
        assert await server.exit_status() == 0
    assert any("result" in answer for answer in answers)
    assert any("error" in answer for answer in answers)
    assert all_leaks(bytes(server.written)) == []
    assert all_leaks(bytes(server.stderr)) == []
    assert b"Pulumi Cloud warns: you sent [access token]" in server.stderr
    assert b"[access token]" in server.written
    assert echo.leaks() == []
    assert len(echo.sent) > 50


def _refusal() -> bytes:
    return json.dumps(
        {"code": 400, "message": f"bad header Authorization: token {CANARY} {EVERY_WAY}"}
    ).encode()


async def test_no_answer_of_a_process_over_http_holds_it(world: World, echo: Echo, tmp_path: Path) -> None:
    task_ids = seed(world, EVERY_WAY, CANARY)
    env = _given("environment", echo, tmp_path)
    async with running("serve", "--http", "--port", "0", env=env) as server:
        await server.says("/mcp")
        url = next(word for word in server.stderr.decode().split() if word.startswith("http://"))
        async with _posting(url) as post:
            for method, params in requests(task_ids, EVERY_WAY, CANARY):
                assert (
                    all_leaks(await post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
                    == []
                )
            for bad in (f'{{"a": "{CANARY}"', f'"{CANARY}"', f'[{{"jsonrpc": "{CANARY}"}}]', CANARY):
                assert all_leaks(await post(bad)) == []
        server.process.terminate()
        await server.exit_status()
    assert all_leaks(bytes(server.stderr)) == []
    assert echo.leaks() == []


CARELESS = """
import logging, os, sys
import neo_mcp.server.tools as tools
async def careless(call, args):
    token = os.environ["PULUMI_ACCESS_TOKEN"]
    logging.getLogger("dependency").error("\\x1b[31msending %s to AKIA%s", token, "IOSFODNN7EXAMPLE")
    raise RuntimeError(f"cannot send {token.encode().hex()}")
object.__setattr__(tools.TOOLS["list_tasks"], "run", careless)
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""


async def test_no_record_of_a_careless_dependency_holds_it(echo: Echo, tmp_path: Path) -> None:
    env = _given("environment", echo, tmp_path)
    async with running("serve", env=env, code=CARELESS) as server:
        await server.initialize()
        answer = await server.call("list_tasks")
        await server.says("RuntimeError: cannot send [access token]")
    assert answer["isError"]
    assert b"sending [access token] to [redacted: AWS access key id]" in server.stderr
    assert b"\x1b" not in server.stderr
    assert all_leaks(bytes(server.stderr + server.written)) == []


@asynccontextmanager
async def _posting(url: str) -> AsyncIterator[Any]:
    """Sends messages, in a session of its own, and gives back all that is answered: headers and body."""
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:

        async def post(message: Json | str) -> bytes:
            content = message if isinstance(message, str) else json.dumps(message)
            response = await http.post(url, content=content)
            http.headers.update({k: v for k, v in response.headers.items() if k.lower() == "mcp-session-id"})
            return repr(response.headers.raw).encode() + b"\n" + response.content

        await post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
        await post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield post


async def test_no_form_and_no_answer_to_one_holds_it(world: World, echo: Echo, era: str) -> None:
    task_ids = seed(world, EVERY_WAY, CANARY)
    # Only what runs can be killed.
    world.simulator.store.get(ORG, task_ids[3]).turn_is_running = True
    person = Person(guidance=EVERY_WAY)
    told: list[str] = []
    async with world.host(person, mode=era, token=SecretStr(CANARY), api_url=echo.url) as host:
        for tool, arguments in (
            ("respond", {"task_id": task_ids[0], "action": "approve", "text": CANARY}),
            ("respond", {"task_id": task_ids[3], "action": "cancel", "force": True}),
            ("create_task", {"prompt": f"{EVERY_WAY} scenario:hello", "approval_mode": "auto"}),
            ("update_task", {"task_id": task_ids[1], "approval_mode": "auto"}),
        ):
            told += [str(await host.raw(tool, arguments))]
    assert len(person.forms) == 4
    assert leaks("\n".join(person.forms)) == []
    assert leaks("\n".join(told)) == []
    assert echo.leaks() == []


@pytest.mark.parametrize("status", some([301, 400, 401, 403, 404, 409, 429, 500, 502], every=3))
async def test_no_exception_holds_it(
    world: World, echo: Echo, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG, "neo_mcp")
    body = _refusal() if status % 2 else f"<html>{EVERY_WAY}".encode()
    world.simulator.faults.add(Fault("status", status=status, times=0, body=body))
    settings = load_settings({"PULUMI_ACCESS_TOKEN": CANARY, "PULUMI_BACKEND_URL": echo.url})
    timeouts = Timeouts(call=1.0, create=1.0)
    client = NeoClient(token=settings.token, api_url=settings.api_url, organization=ORG, timeouts=timeouts)
    shown = [repr(settings), str(settings), repr(client), repr(vars(client))]
    async with client:
        for attempt in (
            client.get_task("t"),
            client.create_task(EVERY_WAY),
            client.get_user(),
            _streamed(client, "t"),
        ):
            with pytest.raises(NeoError) as caught:
                await attempt
            error = caught.value
            shown += [str(error), repr(error), repr(error.args), repr(vars(error))]
            shown += ["".join(traceback.format_exception(error))]
    assert leaks("\n".join(shown)) == []
    assert leaks(caplog.text) == []


async def test_nothing_that_the_client_gives_back_holds_it(world: World, echo: Echo) -> None:
    task_ids = seed(world, EVERY_WAY, CANARY)
    async with NeoClient(token=CANARY, api_url=echo.url, organization=ORG) as client:
        got: list[object] = [await client.list_tasks(), await client.get_user()]
        for task_id in task_ids:
            got.append(await client.get_task(task_id))
            got.append(await client.list_events(task_id))
            got += await _streamed(client, task_id)
    assert leaks("\n".join(map(repr, got))) == []


async def _streamed(client: NeoClient, task_id: str) -> list[Event]:
    """All of a task's events, which are as many as were seeded."""
    events: list[Event] = []
    async with aclosing(client.stream_events(task_id)) as stream:
        async for event in stream:
            events.append(event)
            if len(events) > len(from_neo("", "")) + len(from_people("", "")):
                break
    return events


class _Noting(NonRecordingSpan):
    """A span that keeps everything that it is told."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self._told = told

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - any method
        if name not in {"set_attribute", "set_attributes", "set_status", "record_exception", "add_event"}:
            return super().__getattribute__(name)
        return lambda *arguments, **named: self._told.append(f"{name} {arguments} {named}")


class _Tracer:
    """Keeps what the spans of the server are told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextmanager
    def start_as_current_span(
        self,
        name: str,
        *,
        kind: SpanKind,
        **named: Any,  # noqa: ANN401 - any JSON
    ) -> Iterator[Span]:
        told = self.told if kind is SpanKind.SERVER else []
        told.append(f"{name} {named}")
        yield _Noting(told)


async def test_no_span_holds_it(world: World, echo: Echo, monkeypatch: pytest.MonkeyPatch, era: str) -> None:
    tracer = _Tracer()
    monkeypatch.setattr("mcp.shared._otel._tracer", tracer)
    monkeypatch.setattr("neo_mcp.instruments.has_traces", lambda: True)
    task_ids = seed(world, EVERY_WAY, CANARY)
    async with world.host(mode=era, token=SecretStr(CANARY), api_url=echo.url) as host:
        for method, params in requests(task_ids[:1], EVERY_WAY, CANARY):
            if method == "tools/call" and isinstance(params["name"], str):
                await host.raw(params["name"], params["arguments"])
            elif method == "prompts/get":
                with pytest.raises(MCPError):
                    await host.client.get_prompt(params["name"], {"task_id": CANARY})
        world.simulator.faults.add(Fault("status", status=403, times=0, body=_refusal()))
        await host.refused("get_task", task_id=task_ids[0])
    # A name that is not ours is not told at all.
    assert any("_OTHER" in text for text in tracer.told)
    assert leaks("\n".join(tracer.told)) == []


@pytest.mark.parametrize(
    "name", ["PULUMI_BACKEND_URL", "NEO_MCP_APPROVALS", "NEO_MCP_CALL_TIMEOUT", "NEO_MCP_ORGANIZATION"]
)
async def test_a_token_in_the_wrong_setting_is_not_repeated(tmp_path: Path, name: str) -> None:
    env = environment("http://127.0.0.1:9", str(tmp_path), **{name: CANARY, "PULUMI_ACCESS_TOKEN": CANARY})
    async with running("serve", env=env) as server:
        assert server.process.stdin is not None
        await server.process.stdin.aclose()
        assert await server.exit_status() == 2
    assert all_leaks(bytes(server.stderr)) == []
    assert all_leaks(bytes(server.written)) == []
