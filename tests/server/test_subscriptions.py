"""Subscribers hear of changes in the way of their protocol era, for as long as they are there."""

import anyio
import pytest
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from neo_mcp.api import NeoClient
from neo_mcp.server.app import NeoServer
from neo_mcp.simulator import Fault
from neo_mcp.watch import Hub
from tests.server.support import LEGACY, ORG, Host, World, until


@pytest.fixture(autouse=True)
def hubs(monkeypatch: pytest.MonkeyPatch) -> list[Hub]:
    made: list[Hub] = []

    def make(client: NeoClient, task_group: anyio.abc.TaskGroup) -> Hub:
        made.append(Hub(client, task_group, linger=0.0))
        return made[-1]

    monkeypatch.setattr("neo_mcp.server.app.Hub", make)
    return made


def say(world: World, task_id: str) -> None:
    body = {"type": "assistant_message", "content": "Hm.", "is_final": False}
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def updates(world: World) -> list[str]:
    return [m.params.uri for m in world.notified if isinstance(m, ResourceUpdatedNotification)]


async def subscribe(host: Host, uri: str) -> None:
    request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
    await host.client.session.send_request(request, EmptyResult)


async def unsubscribe(host: Host, uri: str) -> None:
    request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
    await host.client.session.send_request(request, EmptyResult)


class TestHandshakeEras:
    async def test_a_subscriber_is_told_until_it_unsubscribes(self, world: World) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        uri = f"neo://{ORG}/tasks/{task_id}/transcript"
        async with world.host(mode=LEGACY) as host:
            assert host.client.server_capabilities.resources is not None
            assert host.client.server_capabilities.resources.subscribe is True
            await subscribe(host, uri)
            await subscribe(host, uri)
            await until(lambda: world.simulator.open_streams)
            say(world, task_id)
            await until(lambda: updates(world) == [uri])
            await unsubscribe(host, uri)
            await unsubscribe(host, uri)
            await until(lambda: world.simulator.open_streams == 0)
            say(world, task_id)
            await host.call("get_task", task_id=task_id)
        assert updates(world) == [uri]

    async def test_an_address_that_is_not_ours_is_refused(self, world: World) -> None:
        async with world.host(mode=LEGACY) as host:
            with pytest.raises(MCPError) as caught:
                await subscribe(host, "file:///etc/passwd")
        assert caught.value.error.code == -32002

    async def test_a_task_that_cannot_be_followed_leaves_the_connection_alone(self, world: World) -> None:
        async with world.host(mode=LEGACY) as host:
            await subscribe(host, f"neo://{ORG}/tasks/no-such-task")
            await until(lambda: any(r.status == 404 for r in world.simulator.requests))
            await host.call("list_tasks")
            await unsubscribe(host, f"neo://{ORG}/tasks/no-such-task")

    async def test_followers_end_with_the_connection(self, world: World, hubs: list[Hub]) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        async with world.host(mode=LEGACY) as host:
            await subscribe(host, f"neo://{ORG}/tasks/{task_id}")
            await until(lambda: world.simulator.open_streams)
        await until(lambda: world.simulator.open_streams == 0)
        assert all(followed.users == 0 for followed in hubs[0]._followed.values())


class TestModernEra:
    async def test_a_listener_is_told_of_its_resources_only(self, world: World) -> None:
        mine, other = (world.simulator.add_task(ORG, status="running") for _ in range(2))
        uri = f"neo://{ORG}/tasks/{mine}"
        async with world.host() as host, host.client.listen(resource_subscriptions=[uri]) as listening:
            await until(lambda: world.simulator.open_streams)
            say(world, other)
            say(world, mine)
            assert await anext(listening) == ResourceUpdated(uri)
            assert world.simulator.open_streams == 1

    async def test_followers_end_with_the_stream(self, world: World, hubs: list[Hub]) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        async with world.host() as host:
            async with host.client.listen(resource_subscriptions=[f"neo://{ORG}/tasks/{task_id}"]):
                await until(lambda: world.simulator.open_streams)
            await until(lambda: world.simulator.open_streams == 0)
            await until(lambda: not hubs[0]._followed)

    async def test_a_stream_that_cannot_be_served_stays_silent(self, world: World) -> None:
        world.simulator.faults.add(Fault("status", status=401, times=0))
        uris = [f"neo://{ORG}/tasks/x", "file:///etc/passwd", f"neo://{ORG}/tasks"]
        async with world.host() as host:
            async with host.client.listen(resource_subscriptions=uris):
                await until(lambda: world.simulator.requests)
            assert len((await host.client.list_tools()).tools) == 6

    async def test_the_servers_end_is_told(self, world: World) -> None:
        server = NeoServer(world.settings())
        task_id = world.simulator.add_task(ORG, status="running")
        async with (
            world.connected(server) as host,
            host.client.listen(resource_subscriptions=[f"neo://{ORG}/tasks/{task_id}"]) as listening,
        ):
            server.end_streams()
            with anyio.fail_after(10):
                assert [event async for event in listening] == []
