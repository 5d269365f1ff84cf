"""Bodies of requests: too much JSON is refused in words, before it is parsed; large ones take turns."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from neo_mcp.server.http import bodies
from neo_mcp.server.http.bodies import Bodies
from neo_mcp.server.running import TENANT
from tests.support.host import LEGACY, MODERN, ORG, PATIENCE, Json, World, until
from tests.support.people import ACCEPT, NO_TLS, serving
from tests.support.processes import HELLO

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

MIB = 2**20
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Raw:
    """A host that sends whatever bytes it likes, in a session or in none."""

    def __init__(self, http: httpx.AsyncClient, url: str, era: str) -> None:
        self.http = http
        self.url = url
        self.era = era
        self.headers: dict[str, str] = {}

    async def open(self) -> None:
        if self.era == MODERN:
            self.headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "respond"}
            return
        answer = await self.http.post(
            self.url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
        )
        self.headers = {"mcp-session-id": answer.headers["mcp-session-id"]}
        await self.post(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    async def post(self, body: bytes) -> httpx.Response:
        headers = {**self.headers, "content-type": "application/json"}
        return await self.http.post(self.url, content=body, headers=headers)

    def call(self, arguments: bytes) -> bytes:
        meta = json.dumps({"_meta": META} if self.era == MODERN else {})[1:-1].encode()
        params = b'%b"name": "respond", "arguments": %b' % (meta + b", " if meta else b"", arguments)
        return b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {%b}}' % params

    async def result(self, arguments: bytes) -> Json:
        """The result of a call."""
        answer = await self.post(self.call(arguments))
        assert answer.is_success, answer.text
        text = answer.text.partition("data: ")[2] if "event-stream" in answer.headers["content-type"] else ""
        content: Json = json.loads(text or answer.text)
        assert content["id"] == 7
        result: Json = content["result"]
        return result


@asynccontextmanager
async def raw(world: World, era: str) -> AsyncIterator[Raw]:
    async with (
        serving(world.settings()) as url,
        httpx.AsyncClient(headers=ACCEPT, verify=NO_TLS, trust_env=False, timeout=PATIENCE) as http,
    ):
        host = Raw(http, url, era)
        await host.open()
        yield host


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


@pytest.mark.parametrize(
    ("value", "code", "limit"),
    [
        (b"[" + b",".join([nested(40)] * 10_000) + b"]", -32600, "10,000 values"),
        (b"[" + b"[]," * 700_000 + b"[]]", -32600, "10,000 values"),
        (b"[" + b'{"a":{}},' * 200_000 + b"[]]", -32600, "10,000 values"),
        (b"[" + b"1," * MIB + b"1]", -32600, "10,000 values"),
        (b"[" + b'"a",' * 500_000 + b"1]", -32600, "10,000 values"),
        (nested(62), -32600, "64 levels"),
        (nested(200), -32600, "64 levels"),
        (nested(980, b'{"a":', b"}"), -32600, "64 levels"),
        (nested(4_000), -32600, "64 levels"),
        (b'"%b"' % (b"x" * (5 * MIB)), -32600, "5 MiB of text"),
        (b"1" * 100_000, -32600, "100 characters"),
        (b"1e999999", -32600, "too large"),
        (b"NaN", -32700, "NaN"),
        (b"-Infinity", -32700, "Infinity"),
        (b'"\0"', -32700, "UTF-8"),
    ],
)
async def test_json_over_a_limit_is_refused_in_words(
    world: World, era: str, value: bytes, code: int, limit: str
) -> None:
    async with raw(world, era) as host:
        answer = await host.post(host.call(b'{"task_id": "t1", "action": "message", "x": %b}' % value))
        assert answer.status_code == 400
        content = answer.json()
        assert (content["jsonrpc"], content["error"]["code"]) == ("2.0", code)
        assert limit in content["error"]["message"]
        assert not world.bodies()
        assert (await host.result(b"{}"))["isError"]


async def test_json_at_the_limits_reaches_the_tool(world: World, era: str) -> None:
    most = 9_700
    async with raw(world, era) as host:
        for value in (nested(60), b"[" + b"[]," * (most // 2) + b"[]]", b'{"b": [%b0]}' % (b"1," * most)):
            result = await host.result(b'{"x": %b}' % value)
            assert "unknown argument `x`" in result["content"][0]["text"]


@pytest.mark.parametrize(
    "text", ["code([{'a': \"b\\\\\"}, // \U0001f600\n" * 60_000, "[" * 3 * MIB, '"' * MIB, "\\" * MIB]
)
async def test_a_large_text_arrives_whatever_is_in_it(world: World, era: str, text: str) -> None:
    task_id = world.simulator.add_task(ORG, status="idle")
    arguments = {"task_id": task_id, "action": "message", "text": text}
    async with raw(world, era) as host:
        result = await host.result(json.dumps(arguments).encode())
    assert not result.get("isError"), result["content"]
    assert world.sent(task_id)[0]["content"] == text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
async def test_another_encoding_hides_nothing(world: World, era: str, encoding: str) -> None:
    async with raw(world, era) as host:
        body = host.call(b'{"x": ["\xc4\xa2", %b]}' % nested(70)).decode().encode(encoding)
        answer = await host.post(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)


async def test_a_name_that_is_there_twice_counts_once_in_both_eras(world: World, era: str) -> None:
    task_id = world.simulator.add_task(ORG, status="idle")
    async with raw(world, era) as host:
        result = await host.result(
            b'{"task_id": "%b", "action": "message", "text": "first", "text": "second"}' % task_id.encode()
        )
    assert not result.get("isError"), result["content"]
    assert [event["content"] for event in world.sent(task_id)] == ["second"]


async def test_half_of_a_surrogate_pair_is_no_failure_inside(world: World, era: str) -> None:
    async with raw(world, era) as host:
        answer = await host.post(host.call(b'{"task_id": "t1", "action": "message", "text": "\\ud800"}'))
        assert (await host.result(b"{}"))["isError"]
    # The SDK's parser for the older eras does not read it.
    assert "hex escape" in answer.text if era == LEGACY else "surrogate" in answer.text


async def test_what_opens_a_session_is_small(world: World) -> None:
    async with raw(world, LEGACY) as host:
        host.headers = {}
        for padding in ("x" * 20_000, [0] * 1000, json.loads(nested(20))):
            hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {**HELLO, "x": padding}}
            answer = await host.post(json.dumps(hello).encode())
            assert answer.status_code in {400, 413}
            assert answer.json()["error"]["message"]


async def test_a_body_that_belongs_to_no_post_is_small(world: World, era: str) -> None:
    async with raw(world, era) as host:
        answer = await host.http.request("DELETE", host.url, content=b"x" * 70_000, headers=host.headers)
    assert answer.status_code == 413


class App:
    """An application that reads the body and answers when it is told to."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.release = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.read.append(await Request(scope, receive).body())
        await self.release.wait()
        await Response("done")(scope, receive, send)


class User:
    """As much of a world as says whose a request is."""

    def __init__(self, name: str) -> None:
        self.allowance = type("Allowance", (), {"key": name})()


def body_of(size: int, letter: str = "x") -> bytes:
    return f'"{letter * (size // len(letter.encode()))}"'.encode()


async def ask(application: Bodies, body: bytes, user: str = "alice", piece: int = 2**16) -> int:
    """Send a request, and say with what it was answered."""
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]
    messages = iter(pieces)
    left = len(pieces)
    statuses: list[int] = []

    async def receive() -> Message:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(messages), "more_body": left > 0}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "headers": [(b"mcp-session-id", b"s")],
        TENANT: User(user),
    }
    await application(scope, receive, send)
    return statuses[0]


@pytest.fixture
def app() -> App:
    return App()


Start = Callable[..., None]


@pytest.fixture
async def start(app: App) -> AsyncIterator[Start]:
    application = Bodies(app)
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(anyio.create_task_group())

        def begin(*arguments: Any) -> None:  # noqa: ANN401 - as of the function
            group.start_soon(ask, application, *arguments)

        yield begin
        app.release.set()


class TestTurns:
    async def test_a_body_comes_through_unchanged_in_pieces_of_any_size(self, app: App) -> None:
        app.release.set()
        body = json.dumps({"text": 'a\\"[' * 50_000, "more": [1, {"b": "\u00e9"}]}, ensure_ascii=False)
        for piece in (1, 7, 65_536, 10**6):
            assert await ask(Bodies(app), body.encode(), "alice", piece) == 200
        assert app.read == [body.encode()] * 4

    async def test_one_user_waits_and_small_ones_and_others_do_not(self, app: App, start: Start) -> None:
        start(body_of(7 * MIB, r"\u0041"), "alice")
        start(body_of(7 * MIB, r"\u0041"), "alice")
        await until(lambda: len(app.read) == 2)
        start(body_of(7 * MIB, r"\u0041"), "alice")
        start(body_of(50_000), "alice")
        await until(lambda: len(app.read) == 3)
        start(body_of(7 * MIB, r"\u0041"), "bob")
        await until(lambda: len(app.read) == 4)
        assert len(app.read[2]) < 60_000
        app.release.set()
        await until(lambda: len(app.read) == 5)

    async def test_all_together_are_bounded(self, app: App, start: Start) -> None:
        for user in ("alice", "bob", "carol", "dave"):
            start(body_of(7 * MIB, r"\u0041"), user)
        await until(lambda: len(app.read) == 3)
        await anyio.wait_all_tasks_blocked()
        assert len(app.read) == 3
        app.release.set()
        await until(lambda: len(app.read) == 4)

    async def test_what_is_beyond_ascii_takes_twice_the_room(self, app: App, start: Start) -> None:
        start(body_of(9 * MIB // 2, "\u00e9"), "alice")
        await until(lambda: len(app.read) == 1)
        start(body_of(9 * MIB // 2, "\u00e9"), "alice")
        await anyio.wait_all_tasks_blocked()
        assert len(app.read) == 1

    async def test_who_waits_for_too_long_is_told_to_try_again(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bodies, "WAIT_SECONDS", 0.01)
        application = Bodies(app)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(ask, application, body_of(7 * MIB, r"\u0041"))
            await until(lambda: len(app.read) == 2)
            assert await ask(application, body_of(7 * MIB, r"\u0041")) == 503
            app.release.set()
        assert await ask(application, body_of(7 * MIB, r"\u0041")) == 200

    async def test_who_leaves_while_waiting_gives_up_the_turn(self, app: App) -> None:
        application = Bodies(app)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(ask, application, body_of(7 * MIB, r"\u0041"))
            await until(lambda: len(app.read) == 2)
            with anyio.move_on_after(0.01):
                await ask(application, body_of(7 * MIB, r"\u0041"))
            app.release.set()
        for _ in range(3):
            assert await ask(application, body_of(7 * MIB, r"\u0041")) == 200
