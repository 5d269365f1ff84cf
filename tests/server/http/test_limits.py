"""What one connection and one identity may ask of the HTTP server."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
from mcp.shared.exceptions import MCPError

from neo_mcp.server.http.connections import ConnectionLimits
from neo_mcp.server.http.limits import MAX_HEADER_BYTES
from neo_mcp.simulator import Fault
from tests.server.resources.test_subscriptions import subscribe
from tests.support.ends import MODERN_META
from tests.support.host import LEGACY, MODERN, ORG, PATIENCE, Host, World, text_of, until
from tests.support.people import ACCEPT, NO_TLS, Endpoint, by_header, serving
from tests.support.processes import HELLO
from tests.support.sockets import connected, everything, post, request

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
IMPATIENT = ConnectionLimits(arrival_seconds=0.3)
MIB = 2**20


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        headers=ACCEPT, verify=NO_TLS, trust_env=False, timeout=30, limits=limits
    ) as client:
        yield client


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
            # Where nothing was opened yet, less is expected.
            opening = await http.post(url, json={**INITIALIZE, "padding": "x" * 20_000})
            asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": MODERN_META}}
            era = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
            fitting = await http.post(url, json={**asked, "padding": "x" * (4 * MIB)}, headers=era)
        answers = (declared, chunked, opening, fitting)
        assert [answer.status_code for answer in answers] == [413, 413, 413, 200]

    async def test_large_headers_are_refused(self, world: World, http: httpx.AsyncClient) -> None:
        async with serving(world.settings()) as url:
            fitting = await http.post(
                url, json=INITIALIZE, headers={"x-padding": "x" * (MAX_HEADER_BYTES // 2)}
            )
            at_once = await http.post(url, json=INITIALIZE, headers={"x-padding": "x" * MAX_HEADER_BYTES})
            address = await http.post(f"{url}?{'x' * MAX_HEADER_BYTES}", json=INITIALIZE)
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
    @pytest.mark.parametrize(
        ("begun", "status"),
        [
            (b"", b""),
            (b"POST /mcp HT", b" 408 "),
            (b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n", b" 408 "),
        ],
    )
    async def test_slow_headers_end_the_connection(self, world: World, begun: bytes, status: bytes) -> None:
        async with serving(world.settings(), limits=IMPATIENT) as url, connected(url) as connection:
            if begun:
                await connection.send(begun)
            said = await everything(connection)
        assert status in said
        assert bool(said) == bool(status)

    async def test_a_trickle_ends_as_well(self, world: World) -> None:
        """Every byte comes soon after the one before it; the whole takes too long."""
        async with serving(world.settings(), limits=IMPATIENT) as url, connected(url) as connection:
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
        async with serving(world.settings(), limits=IMPATIENT) as url, connected(url) as connection:
            await connection.send(post(url, framing, body=b"1\r\n{\r\n"))
            said = await everything(connection)
        assert b" 408 " in said
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    async def test_a_body_that_nobody_reads_ends_it_as_well(self, world: World, tmp_path: Path) -> None:
        async with by_header(world, tmp_path, limits=IMPATIENT) as endpoint:
            url = endpoint.urls["alice"]
            async with connected(url) as connection:
                await connection.send(post(url, "content-length: 100", body=b"{"))
                said = await everything(connection)
        assert said.startswith(b"HTTP/1.1 401 ")

    async def test_a_client_that_leaves_early_is_nothing_to_report(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(world.settings(), limits=IMPATIENT) as url, AsyncExitStack() as stack:
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
        async with serving(world.settings(), limits=IMPATIENT) as url, by_one(url, era) as host:
            waited = await host.wait(task_id, timeout_seconds=1)
        assert not waited["matched"]


@asynccontextmanager
async def by_one(url: str, mode: str = MODERN) -> AsyncIterator[Host]:
    async with Endpoint({"alice": url}, {"alice": {}}).host("alice", mode=mode) as host:
        yield host


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
            async with endpoint.host("alice") as alice:
                await alice.call("list_tasks", organization=ORG)
            world.simulator.faults.add(Fault("latency", path="/tasks$", seconds=PATIENCE, times=0))
            asking = request(url, "tools/call", headers, name="list_tasks", arguments={"organization": ORG})
            for _ in range(12):
                connection = await stack.enter_async_context(connected(url))
                await connection.send(asking)
            with anyio.fail_after(PATIENCE):
                while (answer := await http.post(url, json=INITIALIZE, headers=headers)).is_success:
                    session = {**headers, "mcp-session-id": answer.headers["mcp-session-id"]}
                    await http.delete(url, headers=session)
            assert answer.status_code == 429
            assert answer.headers["retry-after"]
            assert "12 of at most 12 requests" in answer.json()["error"]["message"]
            others = endpoint.headers["bob"]
            assert (await http.post(url, json=INITIALIZE, headers=others)).is_success

    async def test_half_a_request_takes_no_place(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path, quota=12) as endpoint, AsyncExitStack() as stack:
            url, headers = endpoint.urls["alice"], endpoint.headers["alice"]
            for _ in range(20):
                connection = await stack.enter_async_context(connected(url))
                await connection.send(
                    post(
                        url,
                        *(f"{name}: {value}" for name, value in headers.items()),
                        "content-length: 100",
                        body=b"{",
                    )
                )
            for _ in range(20):
                assert (await http.post(url, json=INITIALIZE, headers=headers)).is_success

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

    async def test_the_session_that_was_idle_for_longest_ends_for_a_new_one(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path, quota=12) as endpoint:
            url, headers = endpoint.urls["alice"], endpoint.headers["alice"]
            others = {**endpoint.headers["bob"]}
            others["mcp-session-id"] = await opened(http, url, others)
            sessions = [{**headers, "mcp-session-id": await opened(http, url, headers)} for _ in range(24)]
            assert await status(http, url, sessions[0]) == 200
            sessions.append({**headers, "mcp-session-id": await opened(http, url, headers)})
            # The first one was used since; its successor was idle for longest.
            assert [await status(http, url, session) for session in sessions] == [200, 404, *[200] * 23]
            assert await status(http, url, others) == 200
            async with endpoint.host("alice") as modern:
                await modern.call("list_tasks", organization=ORG)

    async def test_what_a_session_held_is_gone_with_it(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path, quota=12) as endpoint:
            url, headers = endpoint.urls["alice"], endpoint.headers["alice"]
            for _ in range(24):
                await opened(http, url, headers)
            before = len(asyncio.all_tasks())
            for _ in range(50):
                await opened(http, url, headers)
            # A session has tasks of its own; there may be some of the last request's.
            await until(lambda: len(asyncio.all_tasks()) < before + 50)

    async def test_a_session_in_use_ends_for_no_other(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path, quota=96) as endpoint, AsyncExitStack() as stack:
            url, headers = endpoint.urls["alice"], endpoint.headers["alice"]
            first = {**headers, "mcp-session-id": await opened(http, url, headers)}
            stream = await stack.enter_async_context(http.stream("GET", url, headers=first))
            for _ in range(200):
                await opened(http, url, headers)
            assert await status(http, url, first) == 200
            assert not stream.is_closed


async def opened(http: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> str:
    """Initialize; the new session's id."""
    answer = await http.post(url, json=INITIALIZE, headers=headers)
    assert answer.status_code == 200
    return str(answer.headers["mcp-session-id"])


async def status(http: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> int:
    """What a session's ping is answered."""
    return (
        await http.post(url, json={"jsonrpc": "2.0", "id": 2, "method": "ping"}, headers=headers)
    ).status_code


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
