"""What one connection and one identity may ask of the HTTP server."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
from mcp.shared.exceptions import MCPError

from neo_mcp.server.http.limits import MOST_HEADER_BYTES, PatientProtocol
from tests.server.people import ACCEPT, NO_TLS, Endpoint, by_header, serving
from tests.server.processes import HELLO
from tests.server.support import LEGACY, MODERN, ORG, PATIENCE, Host, World, text_of, until
from tests.server.test_subscriptions import subscribe

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
MIB = 2**20


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        headers=ACCEPT, verify=NO_TLS, trust_env=False, timeout=30, limits=limits
    ) as client:
        yield client


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[anyio.abc.SocketStream]:
    address = httpx.URL(url)
    async with await anyio.connect_tcp(address.host, address.port or 80) as connection:
        yield connection


async def everything(connection: anyio.abc.SocketStream) -> bytes:
    """What the server says until it closes the connection."""
    said = b""
    with anyio.fail_after(PATIENCE):
        try:
            while True:
                said += await connection.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return said


def post(url: str, *lines: str, body: bytes = b"") -> bytes:
    head = ["POST /mcp HTTP/1.1", f"host: 127.0.0.1:{httpx.URL(url).port}", "content-type: application/json"]
    accept = "accept: application/json, text/event-stream"
    return "\r\n".join([*head, accept, *lines, "", ""]).encode() + body


class TestSize:
    async def test_a_large_body_is_refused(self, world: World, http: httpx.AsyncClient) -> None:
        large = json.dumps({**INITIALIZE, "padding": "x" * (16 * MIB)})

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(large), MIB):
                yield large[start : start + MIB].encode()

        headers = {"content-type": "application/json"}
        async with serving(world.settings()) as url:
            declared = await http.post(url, content=large, headers=headers)
            chunked = await http.post(url, content=pieces(), headers=headers)
            fitting = await http.post(url, json={**INITIALIZE, "padding": "x" * (15 * MIB)})
        assert [answer.status_code for answer in (declared, chunked, fitting)] == [413, 413, 200]

    async def test_large_headers_are_refused(self, world: World, http: httpx.AsyncClient) -> None:
        async with serving(world.settings()) as url:
            fitting = await http.post(
                url, json=INITIALIZE, headers={"x-padding": "x" * (MOST_HEADER_BYTES // 2)}
            )
            at_once = await http.post(url, json=INITIALIZE, headers={"x-padding": "x" * MOST_HEADER_BYTES})
            address = await http.post(f"{url}?{'x' * MOST_HEADER_BYTES}", json=INITIALIZE)
            async with connected(url) as connection:
                await connection.send(post(url)[:-2])
                in_pieces = b""
                with anyio.move_on_after(PATIENCE):
                    try:
                        while True:
                            await connection.send(b"x-padding: " + b"x" * 1000 + b"\r\n")
                            await anyio.lowlevel.checkpoint()
                    except (anyio.BrokenResourceError, OSError):
                        in_pieces = b"closed"
        assert fitting.is_success
        assert at_once.status_code in {400, 431}
        assert address.status_code in {400, 431}
        assert in_pieces == b"closed"


class TestSlowness:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(PatientProtocol, "arrival_seconds", 0.3)

    @pytest.mark.parametrize(
        ("begun", "status"),
        [
            (b"", b""),
            (b"POST /mcp HT", b" 408 "),
            (b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n", b" 408 "),
        ],
    )
    async def test_slow_headers_end_the_connection(self, world: World, begun: bytes, status: bytes) -> None:
        async with serving(world.settings()) as url, connected(url) as connection:
            if begun:
                await connection.send(begun)
            said = await everything(connection)
        assert status in said
        assert bool(said) == bool(status)

    async def test_a_trickle_ends_as_well(self, world: World) -> None:
        """Every byte comes soon after the one before it; the whole takes too long."""
        async with serving(world.settings()) as url, connected(url) as connection:
            ended = False
            with anyio.move_on_after(PATIENCE):
                try:
                    while True:
                        await connection.send(b"G")
                        await anyio.sleep(0.02)
                except (anyio.BrokenResourceError, OSError):
                    ended = True
        assert ended

    @pytest.mark.parametrize("framing", ["content-length: 100", "transfer-encoding: chunked"])
    async def test_a_slow_body_ends_the_connection(
        self, world: World, framing: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(world.settings()) as url, connected(url) as connection:
            await connection.send(post(url, framing, body=b"1\r\n{\r\n"))
            said = await everything(connection)
        assert b" 408 " in said
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    async def test_a_body_that_nobody_reads_ends_it_as_well(self, world: World, tmp_path: Path) -> None:
        async with by_header(world, tmp_path) as endpoint:
            url = endpoint.urls["alice"]
            async with connected(url) as connection:
                await connection.send(post(url, "content-length: 100", body=b"{"))
                said = await everything(connection)
        assert said.startswith(b"HTTP/1.1 401 ")

    async def test_a_client_that_leaves_early_is_nothing_to_report(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(world.settings()) as url, AsyncExitStack() as stack:
            async with connected(url) as connection:
                await connection.send(post(url, "content-length: 100", body=b"{"))
            http = await stack.enter_async_context(
                httpx.AsyncClient(headers=ACCEPT, trust_env=False, verify=NO_TLS)
            )
            assert (await http.post(url, json=INITIALIZE)).is_success
        assert not [record for record in caplog.records if record.levelname in {"ERROR", "WARNING"}]

    async def test_what_takes_long_to_answer_has_all_the_time(self, world: World, era: str) -> None:
        """A quick request whose wait takes longer than a request may take to arrive."""
        task_id = world.simulator.add_task(ORG, status="running")
        async with serving(world.settings()) as url, by_one(url, era) as host:
            waited = await host.wait(task_id, timeout_seconds=1)
        assert not waited["matched"]


@asynccontextmanager
async def by_one(url: str, mode: str = MODERN) -> AsyncIterator[Host]:
    async with Endpoint({"alice": url}, {"alice": {}}).host("alice", mode=mode) as host:
        yield host


async def test_there_is_an_end_to_connections(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "most_connections", 5)
    async with serving(world.settings()) as url, AsyncExitStack() as stack:
        held = [await stack.enter_async_context(connected(url)) for _ in range(5)]
        async with connected(url) as one_more:
            said = await everything(one_more)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after" in said
        await held[0].aclose()
        answered = b""
        with anyio.fail_after(PATIENCE):
            while not answered.startswith(b"HTTP/1.1 200 "):
                async with connected(url) as later:
                    body = json.dumps(INITIALIZE).encode()
                    await later.send(
                        post(url, f"content-length: {len(body)}", "connection: close", body=body)
                    )
                    answered = await everything(later)


class TestQuotas:
    """Twelve requests in flight: eight waits, three streams, twenty-four sessions."""

    async def test_a_wait_too_many_says_what_to_do_and_others_still_work(
        self, world: World, tmp_path: Path, era: str
    ) -> None:
        tasks = [world.simulator.add_task(ORG, status="running", creator=who) for who in ("alice", "bob")]
        texts: list[str] = []
        async with (
            by_header(world, tmp_path, quota=12) as endpoint,
            endpoint.host("alice", mode=era) as alice,
            endpoint.host("bob", mode=era) as bob,
            anyio.create_task_group() as group,
        ):

            async def wait() -> None:
                arguments = {"task_id": tasks[0], "organization": ORG}
                texts.append(text_of(await alice.raw("wait_for_events", arguments)))

            for _ in range(9):
                group.start_soon(wait)
            await until(lambda: texts)
            assert "8 of at most 8" in texts[0]
            assert "same cursor" in texts[0]
            await alice.call("get_task", task_id=tasks[0], organization=ORG)
            await bob.wait(tasks[1], organization=ORG, timeout_seconds=1)
            event = {"type": "assistant_message", "content": "Done.", "is_final": True}
            world.simulator.append_event(ORG, tasks[0], event, kind="agentResponse")
        assert len(texts) == 9

    async def test_a_request_too_many_is_told_when_to_try_again(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path, quota=12) as endpoint, AsyncExitStack() as stack:
            url, headers = endpoint.urls["alice"], endpoint.headers["alice"]
            for _ in range(12):
                connection = await stack.enter_async_context(connected(url))
                lines = [f"{name}: {value}" for name, value in headers.items()]
                await connection.send(post(url, *lines, "content-length: 100", body=b"{"))
            with anyio.fail_after(PATIENCE):
                while (answer := await http.post(url, json=INITIALIZE, headers=headers)).is_success:
                    pass
            assert answer.status_code == 429
            assert answer.headers["retry-after"]
            assert answer.json()["error"]["message"]
            others = endpoint.headers["bob"]
            assert (await http.post(url, json=INITIALIZE, headers=others)).is_success

    async def test_streams_and_subscriptions_count_together(self, world: World, tmp_path: Path) -> None:
        uris = [f"neo://{ORG}/tasks/{world.simulator.add_task(ORG)}" for _ in range(4)]
        async with by_header(world, tmp_path, quota=12) as endpoint, endpoint.host("alice") as alice:
            async with alice.client.listen(resource_subscriptions=uris[:3]):
                with pytest.raises(MCPError, match="at most 3"):
                    async with alice.client.listen(resource_subscriptions=uris[3:]):
                        pass
                async with endpoint.host("bob") as bob, bob.client.listen(resource_subscriptions=uris[3:]):
                    pass
            with anyio.fail_after(PATIENCE):
                await _listens(alice, uris[3])

    async def test_subscriptions_of_a_session_count_until_it_ends_them(
        self, world: World, tmp_path: Path
    ) -> None:
        uris = [f"neo://{ORG}/tasks/{world.simulator.add_task(ORG)}" for _ in range(4)]
        async with by_header(world, tmp_path, quota=12) as endpoint:
            async with endpoint.host("alice", mode=LEGACY) as alice:
                # The session's own stream is one of the three.
                for uri in uris[:2]:
                    await subscribe(alice, uri)
                with pytest.raises(MCPError, match="at most 3"):
                    await subscribe(alice, uris[2])
            async with endpoint.host("alice", mode=LEGACY) as again:
                with anyio.fail_after(PATIENCE):
                    await _subscribes(again, uris[3])

    async def test_sessions_are_counted_until_they_end(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path, quota=12) as endpoint:
            url, headers = endpoint.urls["alice"], endpoint.headers["alice"]
            opened = [await http.post(url, json=INITIALIZE, headers=headers) for _ in range(25)]
            assert [answer.status_code for answer in opened] == [200] * 24 + [429]
            assert (await http.post(url, json=INITIALIZE, headers=endpoint.headers["bob"])).is_success
            session = {**headers, "mcp-session-id": opened[0].headers["mcp-session-id"]}
            assert (await http.delete(url, headers=session)).is_success
            assert (await http.post(url, json=INITIALIZE, headers=headers)).is_success
            async with endpoint.host("alice") as modern:
                await modern.call("list_tasks", organization=ORG)


async def _listens(host: Host, uri: str) -> None:
    """What was given back is there again, in a moment."""
    while True:
        try:
            async with host.client.listen(resource_subscriptions=[uri]):
                return
        except MCPError:
            await anyio.sleep(0.01)


async def _subscribes(host: Host, uri: str) -> None:
    while True:
        try:
            return await subscribe(host, uri)
        except MCPError:
            await anyio.sleep(0.01)
