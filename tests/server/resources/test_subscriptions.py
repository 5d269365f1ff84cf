"""Subscribers hear of changes in the way of their protocol era, for as long as they are there."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

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
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from neo_mcp.server.app import NeoServer
from neo_mcp.simulator import Fault
from neo_mcp.watch import Hub
from tests.support.clocks import SteppedClock
from tests.support.host import LEGACY, ORG, PATIENCE, Host, World, until

pytestmark = pytest.mark.usefixtures("hubs")


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


def lists_read(world: World) -> int:
    return sum(r.path.endswith("/tasks") for r in world.simulator.requests)


@asynccontextmanager
async def told_of(world: World, host: Host, uri: str) -> AsyncIterator[Callable[[], list[str]]]:
    """A subscription in the way of the host's era, and what came of it."""
    if host.client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        await subscribe(host, uri)
        yield lambda: updates(world)
        await unsubscribe(host, uri)
        return
    told: list[str] = []
    async with (
        host.client.listen(resource_subscriptions=[uri]) as listening,
        anyio.create_task_group() as group,
    ):

        async def note() -> None:
            async for event in listening:
                assert isinstance(event, ResourceUpdated)
                told.append(event.uri)

        group.start_soon(note)
        yield lambda: told
        group.cancel_scope.cancel()


class TestHandshakeEras:
    @pytest.mark.parametrize("other", ["Acme", "ACME"])
    async def test_a_subscription_is_the_same_for_any_spelling_of_the_organization(
        self, world: World, other: str
    ) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        uri, same = (f"neo://{each}/tasks/{task_id}/transcript" for each in (ORG, other))
        async with world.host(mode=LEGACY) as host:
            await subscribe(host, uri)
            await subscribe(host, same)
            await until(lambda: world.simulator.open_streams == 1)
            say(world, task_id)
            await until(lambda: updates(world))
            await unsubscribe(host, same)
            await until(lambda: not world.simulator.open_streams)
        assert updates(world) == [uri]

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

    async def test_a_subscriber_is_told_once_a_request_needs_a_person_after_all(self, world: World) -> None:
        task_id = world.simulator.add_task(ORG, status="running", approval_mode="auto")
        uri, clock = f"neo://{ORG}/tasks/{task_id}", SteppedClock()
        async with world.host(mode=LEGACY, clock=clock) as host:
            await subscribe(host, uri)
            await until(lambda: world.simulator.open_streams)
            body = {"type": "user_approval_request", "id": "a1", "message": "Go?"}
            world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
            await until(lambda: updates(world) == [uri])
            assert (await host.call("get_task", task_id=task_id))["needs"] == []
            clock.advance(2.0)
            await until(lambda: updates(world) == [uri, uri])
            (need,) = (await host.call("get_task", task_id=task_id))["needs"]
        assert need["request_id"] == "a1"

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

    async def test_a_task_that_could_not_be_followed_can_be_subscribed_to_again(self, world: World) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        uri = f"neo://{ORG}/tasks/{task_id}"
        world.simulator.faults.add(Fault("status", status=403, path="/events"))
        async with world.host(mode=LEGACY) as host:
            await subscribe(host, uri)
            await until(lambda: any(r.status == 403 for r in world.simulator.requests))

            async def is_followed() -> bool:
                await subscribe(host, uri)
                return world.simulator.open_streams == 1

            with anyio.fail_after(PATIENCE):
                while not await is_followed():
                    pass
            say(world, task_id)
            await until(lambda: updates(world) == [uri])

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


class TestCoalescing:
    async def test_many_events_at_once_are_few_notifications(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        uri = f"neo://{ORG}/tasks/{task_id}/transcript"
        async with world.host(mode=era) as host, told_of(world, host, uri) as told:
            await until(lambda: world.simulator.open_streams)
            for _ in range(200):
                say(world, task_id)
            await until(told)
            # The end of the burst is told too: whoever reads then has all of it.
            seen = len(told())
            say(world, task_id)
            await until(lambda: len(told()) > seen)
        assert set(told()) == {uri}
        assert len(told()) <= 4

    async def test_history_is_no_change(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        for _ in range(20):
            say(world, task_id)
        async with world.host(mode=era) as host, told_of(world, host, f"neo://{ORG}/tasks/{task_id}") as told:
            await until(lambda: world.simulator.open_streams)
            await host.call("get_task", task_id=task_id)
            assert told() == []


class TestWhoIsTold:
    async def test_only_those_who_asked(self, world: World) -> None:
        mine, other = (world.simulator.add_task(ORG, status="running") for _ in range(2))
        uris = [f"neo://{ORG}/tasks/{task_id}/transcript" for task_id in (mine, other)]
        server = NeoServer(world.settings())
        quiet = World(world.simulator)
        async with world.connected(server, mode=LEGACY) as one, quiet.connected(server, mode=LEGACY) as two:
            await subscribe(one, uris[0])
            await subscribe(two, uris[1])
            await until(lambda: world.simulator.open_streams == 2)
            for _ in range(3):
                say(world, mine)
            await until(lambda: updates(world))
            say(world, other)
            await until(lambda: updates(quiet))
        assert set(updates(world)) == {uris[0]}
        assert set(updates(quiet)) == {uris[1]}

    async def test_a_task_that_the_person_may_not_see_stays_silent(self, world: World, era: str) -> None:
        hidden = world.simulator.add_task(ORG, creator="bob", status="running")
        uri = f"neo://{ORG}/tasks/{hidden}/transcript"
        async with world.host(mode=era) as host, told_of(world, host, uri) as told:
            await until(lambda: any(r.status in {403, 404} for r in world.simulator.requests))
            say(world, hidden)
            await host.call("list_tasks")
            assert told() == []
        assert world.simulator.open_streams == 0


class TestOutages:
    async def test_a_subscription_outlives_them_and_tells_what_happened_meanwhile(
        self, world: World, era: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("neo_mcp.server.resources.subscriptions.RETRY_SECONDS", 0.02)
        task_id = world.simulator.add_task(ORG, status="running")
        say(world, task_id)
        uri = f"neo://{ORG}/tasks/{task_id}"
        async with world.host(mode=era, call_timeout=0.5) as host, told_of(world, host, uri) as told:
            await until(lambda: world.simulator.open_streams)
            # Neither the stream nor the pages: the watcher gives up.
            world.simulator.faults.add(Fault("status", status=500, path="[^m]$", times=0))
            world.simulator.faults.add(Fault("status", status=501, path="/stream$", times=0))
            await world.simulator.drop_streams()
            await until(lambda: sum(r.status == 500 for r in world.simulator.requests) >= 4)
            say(world, task_id)
            world.simulator.faults.clear()
            await until(lambda: told() == [uri])
            seen = len(told())
            say(world, task_id)
            await until(lambda: len(told()) > seen)
        assert set(told()) == {uri}


class TestLists:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("neo_mcp.server.resources.subscriptions.LIST_SECONDS", 0.02)

    async def test_a_change_of_the_list_is_told(self, world: World, era: str) -> None:
        uri = f"neo://{ORG}/tasks"
        world.simulator.add_task(ORG)
        async with world.host(mode=era) as host, told_of(world, host, uri) as told:
            await until(lambda: lists_read(world) >= 3)
            assert told() == []
            world.simulator.add_task(ORG)
            await until(lambda: told() == [uri])
            asked = lists_read(world)
            await until(lambda: lists_read(world) >= asked + 3)
            assert told() == [uri]

    async def test_a_failure_that_passes_ends_nothing(self, world: World, era: str) -> None:
        uri = f"neo://{ORG}/tasks"
        world.simulator.faults.add(Fault("status", status=500, path="/tasks$", times=4))
        async with world.host(mode=era) as host, told_of(world, host, uri) as told:
            await until(lambda: lists_read(world) >= 7)
            world.simulator.add_task(ORG)
            await until(lambda: told() == [uri])

    async def test_nobody_looks_when_nobody_is_subscribed(self, world: World) -> None:
        uri = f"neo://{ORG}/tasks"
        async with world.host(mode=LEGACY) as host:
            await subscribe(host, uri)
            await until(lambda: lists_read(world) >= 2)
            await unsubscribe(host, uri)
            asked = lists_read(world)
            world.simulator.add_task(ORG)
            for _ in range(20):
                await host.client.list_tools()
                await anyio.sleep(0.005)
        # One look may have been under way.
        assert lists_read(world) <= asked + 1
        assert updates(world) == []
