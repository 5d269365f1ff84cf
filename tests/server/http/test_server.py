"""Serving over streamable HTTP: in this process, and as one of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client

from neo_mcp.errors import ConfigurationError
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.server import _listen, running_http
from neo_mcp.watch import Hub
from tests.support.host import LEGACY, MODERN, ORG, Host, Person, World, until
from tests.support.processes import HELLO, environment, running

pytestmark = pytest.mark.usefixtures("hubs")

PING = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
ACCEPT = {"accept": "application/json, text/event-stream"}


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[str]:
    async with running_http(NeoServer(world.settings()), host="127.0.0.1", port=0) as url:
        yield url


async def opened(url: str, streaming: anyio.Event) -> None:
    """Hold the stream of a session open until its server ends it."""
    async with httpx.AsyncClient(headers=ACCEPT, trust_env=False, timeout=60) as http:
        session = (await http.post(url, json=PING)).headers["mcp-session-id"]
        async with http.stream("GET", url, headers={"mcp-session-id": session}) as stream:
            streaming.set()
            with suppress(httpx.RemoteProtocolError):
                await stream.aread()


async def test_a_host_of_either_era_sees_a_task_through(world: World, era: str) -> None:
    person = Person()
    async with (
        serving(world) as url,
        Client(url, mode=era, elicitation_callback=person, cache=None) as client,
    ):
        host = Host(client, 6000)
        task_id, cursor = await host.create("denied-approval")
        waited = await host.wait(task_id, cursor)
        await host.call("respond", task_id=task_id, action="approve")
        waited = await host.wait(task_id, waited["cursor"])
    assert waited["needs"][0]["kind"] == "turn_ended"
    assert len(person.forms) == 1


async def test_local_tools_may_return_a_large_batch_at_once(world: World, era: str) -> None:
    large = "x" * (5 * 2**20 // 2 - 10_000)
    async with serving(world) as url, Client(url, mode=era, cache=None) as client:
        host = Host(client, 6000)
        task_id, cursor = await host.create("local-tools")
        (need,) = (await host.wait(task_id, cursor))["needs"]
        given = [{"tool_call_id": call["tool_call_id"], "content": large} for call in need["calls"]]
        said = await host.call("respond", task_id=task_id, action="tool_results", tool_results=given)
    assert "2 tool results were sent" in said["sent"]


async def test_many_hosts_share_one_upstream_stream(world: World) -> None:
    task_id = world.simulator.add_task(ORG, status="running")
    ended: list[bool] = []
    async with serving(world) as url, anyio.create_task_group() as group:

        async def one() -> None:
            async with Client(url, cache=None) as client:
                ended.append((await Host(client, 6000).wait(task_id))["matched"])

        for _ in range(5):
            group.start_soon(one)
        await until(lambda: world.simulator.open_streams)
        end = {"type": "assistant_message", "content": "Done.", "is_final": True}
        world.simulator.append_event(ORG, task_id, end, kind="agentResponse")
        await until(lambda: len(ended) == 5)
        assert sum(r.path.endswith("/stream") for r in world.simulator.requests) <= 5
    assert ended == [True] * 5


async def test_a_host_that_goes_away_ends_its_wait(world: World, hubs: list[Hub]) -> None:
    """Since 2026-07-28; before, going away is no cancelling, and a wait ends by its own bound."""
    task_id = world.simulator.add_task(ORG, status="running")
    async with serving(world) as url:
        async with anyio.create_task_group() as group:

            async def wait_for_ever() -> None:
                async with Client(url, mode=MODERN, cache=None) as client:
                    await Host(client, 6000).raw("wait_for_events", {"task_id": task_id})

            group.start_soon(wait_for_ever)
            await until(lambda: world.simulator.open_streams)
            group.cancel_scope.cancel()
        await until(lambda: all(f.users == 0 for f in hubs[0]._followed.values()))
        await until(lambda: world.simulator.open_streams == 0)


async def test_a_cancelled_call_ends_its_wait(world: World, era: str, hubs: list[Hub]) -> None:
    task_id = world.simulator.add_task(ORG, status="running")
    async with serving(world) as url, Client(url, mode=era, cache=None) as client:
        host = Host(client, 6000)
        async with anyio.create_task_group() as group:
            group.start_soon(host.raw, "wait_for_events", {"task_id": task_id})
            await until(lambda: world.simulator.open_streams)
            group.cancel_scope.cancel()
        await until(lambda: all(f.users == 0 for f in hubs[0]._followed.values()))
        await until(lambda: world.simulator.open_streams == 0)
        await host.call("list_tasks")


async def test_a_wait_that_the_servers_end_cuts_short_says_so(world: World, era: str) -> None:
    task_id = world.simulator.add_task(ORG, status="running")
    texts: list[str] = []
    server = NeoServer(world.settings())
    async with world.connected(server, mode=era) as host, anyio.create_task_group() as group:

        async def one() -> None:
            texts.append(await host.refused("wait_for_events", task_id=task_id))

        group.start_soon(one)
        await until(lambda: world.simulator.open_streams)
        server.end_streams()
    assert "same cursor" in texts[0]


@pytest.mark.parametrize(
    ("header", "value", "allowed"),
    [
        ("host", "evil.example", False),
        ("host", "evil.example:80", False),
        ("host", "localhost:1234", True),
        ("origin", "https://evil.example", False),
        ("origin", "null", False),
        ("origin", "http://localhost:6274", True),
    ],
)
async def test_only_this_machine_may_ask(world: World, header: str, value: str, *, allowed: bool) -> None:
    async with serving(world) as url, httpx.AsyncClient(verify=False) as client:  # noqa: S501 - plain http; loading certificates is slow
        answer = await client.post(url, json=PING, headers={**ACCEPT, header: value})
    assert answer.is_success is allowed
    assert (answer.status_code in {403, 421}) is not allowed


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104 - refused is the point
async def test_nothing_but_loopback_is_served(world: World, host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1"):
        async with running_http(NeoServer(world.settings()), host=host, port=0):
            pass


async def test_a_taken_port_is_told(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} on 127.0.0.1"):
            async with running_http(NeoServer(world.settings()), host="127.0.0.1", port=port):
                pass


async def test_what_fails_beside_it_ends_it_in_order_too(world: World) -> None:
    before = asyncio.all_tasks()

    async def fail(calls: anyio.abc.TaskGroup) -> None:
        async with serving(world) as url:
            calls.start_soon(opened, url, streaming := anyio.Event())
            await streaming.wait()
            raise ZeroDivisionError

    async with anyio.create_task_group() as calls:
        with pytest.raises(ExceptionGroup) as failed:
            await fail(calls)
    assert failed.group_contains(ZeroDivisionError)
    await until(lambda: not [task for task in asyncio.all_tasks() - before if not _is_sse_starlettes(task)])


def _is_sse_starlettes(task: asyncio.Task[object]) -> bool:
    """It watches for the end of the whole process, once for all servers."""
    return getattr(task.get_coro(), "__name__", "") == "_shutdown_watcher"


def test_answers_are_sent_at_once() -> None:
    """The event loop turns Nagle's algorithm off only for sockets that say that they speak TCP."""
    with _listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


class TestProcess:
    @pytest.fixture
    def env(self, world: World, tmp_path: Path) -> dict[str, str]:
        return environment(world.simulator.url, str(tmp_path))

    async def test_a_signal_ends_open_streams_and_waits(self, world: World, env: dict[str, str]) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        async with running("serve", "--http", "--port", "0", env=env) as server:
            await server.says("/mcp")
            url = next(w for w in server.stderr.decode().split() if w.startswith("http://"))
            async with anyio.create_task_group() as group:

                async def busy(mode: str) -> None:
                    try:
                        async with Client(url, mode=mode, cache=None) as client:
                            await client.call_tool("wait_for_events", {"task_id": task_id})
                    except Exception:  # noqa: BLE001, S110 - however a client learns that its server ended
                        pass

                async def listen() -> None:
                    try:
                        async with (
                            Client(url, cache=None) as client,
                            client.listen(resource_subscriptions=[f"neo://{ORG}/tasks/{task_id}"]) as told,
                        ):
                            async for _ in told:
                                pass
                    except Exception:  # noqa: BLE001, S110 - likewise
                        pass

                group.start_soon(busy, "2026-07-28")
                group.start_soon(busy, LEGACY)
                group.start_soon(listen)
                await until(lambda: world.simulator.open_streams)
                server.process.terminate()
                assert await server.exit_status() == 0
                group.cancel_scope.cancel()
        await until(lambda: world.simulator.open_streams == 0)
        assert b"Traceback" not in server.stderr

    async def test_an_address_for_everybody_is_refused(self, env: dict[str, str]) -> None:
        async with running("serve", "--http", "--host", "0.0.0.0", env=env) as server:  # noqa: S104 - refused is the point
            assert await server.exit_status() == 2
            await server.says("use your token")
        assert b"Traceback" not in server.stderr
