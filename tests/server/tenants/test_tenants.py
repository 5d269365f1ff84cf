"""One world per identity: made when needed, shared by all requests of one, closed when nobody uses it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from neo_mcp.errors import ConfigurationError
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.server import running_http
from neo_mcp.server.tenants.tenants import IDLE_SECONDS, Caller, Tenants
from neo_mcp.service.quotas import QuotaError
from tests.support.clocks import ShiftedClock
from tests.support.host import ORG, PATIENCE, World, until
from tests.support.people import Endpoint, by_header, pulumi_token
from tests.support.processes import HELLO

pytestmark = pytest.mark.scorecard("what is one identity's is nobody else's")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
ALICE, BOB, CAROL = (Caller(SecretStr(pulumi_token(who)), "anybody") for who in ("alice", "bob", "carol"))


@asynccontextmanager
async def registry(world: World, *, limit: int = 10, idle_seconds: float = 1800.0) -> AsyncIterator[Tenants]:
    server = NeoServer(world.settings(token=None, organization=None, pulumi_token_header=True))
    async with anyio.create_task_group() as group:
        yield Tenants(server._assemble, world.simulator.url, group, limit=limit, idle_seconds=idle_seconds)
        group.cancel_scope.cancel()


class TestIdentity:
    def test_it_is_the_same_in_every_process_and_tells_nothing(self) -> None:
        identity = ALICE.identity("https://api.example")
        assert identity == Caller(SecretStr("pul-sim-alice"), "anybody").identity("https://api.example")
        assert "alice" not in identity

    def test_token_principal_and_api_tell_apart(self) -> None:
        token = SecretStr("t")
        callers = [
            Caller(token),
            Caller(token, "a"),
            Caller(token, "b"),
            Caller(SecretStr("u"), "a"),
            Caller(None),
        ]
        tenants = {caller.identity(api) for caller in callers for api in ("https://a", "https://b")}
        assert len(tenants) == 10

    def test_the_token_is_in_no_representation(self) -> None:
        assert "pul-sim-alice" not in repr(ALICE)


class TestTenants:
    async def test_one_is_shared_by_all_requests_of_an_identity(self, world: World) -> None:
        async with registry(world) as tenants, tenants.tenant_of(ALICE) as one:
            async with tenants.tenant_of(ALICE) as same, tenants.tenant_of(BOB) as other:
                assert one is same
                assert one.app is not other.app
                assert one.app.tasks.client is not other.app.tasks.client
            assert len(list(tenants)) == 2

    async def test_many_requests_at_once_make_one(self, world: World) -> None:
        seen: set[int] = set()
        async with registry(world) as tenants, anyio.create_task_group() as group:

            async def use() -> None:
                async with tenants.tenant_of(ALICE) as found:
                    seen.add(id(found))
                    await anyio.lowlevel.checkpoint()

            for _ in range(20):
                group.start_soon(use)
        assert len(seen) == 1

    async def test_certificates_are_loaded_once_for_all(self, world: World) -> None:
        async with (
            registry(world) as tenants,
            tenants.tenant_of(ALICE) as one,
            tenants.tenant_of(BOB) as other,
        ):
            transports = [found.app.tasks.client._transport for found in (one, other)]
            assert transports[0]._certificates is transports[1]._certificates

    async def test_one_that_nobody_uses_is_closed(self, world: World) -> None:
        async with registry(world, idle_seconds=0.05) as tenants:
            async with tenants.tenant_of(ALICE) as found:
                await found.app.tasks.client.list_tasks(organization=ORG)
            await until(lambda: found.app.tasks.client._transport._closed)
            assert not list(tenants)
            with pytest.raises(RuntimeError, match="closed"):
                await found.app.tasks.client.list_tasks(organization=ORG)
            async with tenants.tenant_of(ALICE) as again:
                assert again is not found
                await again.app.tasks.client.list_tasks(organization=ORG)

    async def test_one_in_use_is_not(self, world: World) -> None:
        async with registry(world, idle_seconds=0.02) as tenants, tenants.tenant_of(ALICE) as used:
            async with tenants.tenant_of(BOB):
                pass
            await until(lambda: len(list(tenants)) == 1)
            assert list(tenants) == [used]

    async def test_the_one_that_was_left_first_makes_room(self, world: World) -> None:
        async with registry(world, limit=2) as tenants:
            for caller in (ALICE, BOB):
                async with tenants.tenant_of(caller):
                    pass
            async with tenants.tenant_of(ALICE) as alice:
                pass
            async with tenants.tenant_of(CAROL) as carol:
                assert set(tenants) == {alice, carol}

    async def test_without_room_there_is_no_other(self, world: World) -> None:
        async with registry(world, limit=2) as tenants:
            async with tenants.tenant_of(ALICE), tenants.tenant_of(BOB):
                with pytest.raises(QuotaError, match="2 users"):
                    async with tenants.tenant_of(CAROL):
                        pass
                async with tenants.tenant_of(ALICE):
                    pass
            async with tenants.tenant_of(CAROL):
                pass

    async def test_a_failure_in_one_ends_no_other(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with registry(world) as tenants, tenants.tenant_of(BOB) as other:
            async with tenants.tenant_of(ALICE) as broken:

                async def fail() -> None:
                    raise ZeroDivisionError

                broken.subscriptions._task_group.start_soon(fail)
                await until(lambda: set(tenants) == {other})
            await other.app.tasks.client.list_tasks(organization=ORG)
            async with tenants.tenant_of(ALICE) as again:
                await again.app.tasks.client.list_tasks(organization=ORG)
        assert "one identity failed" in caplog.text

    async def test_a_token_that_could_be_none_makes_none(self, world: World) -> None:
        async with registry(world) as tenants:
            with pytest.raises(ConfigurationError):
                async with tenants.tenant_of(Caller(SecretStr("two words"), "anybody")):
                    pass
            assert not list(tenants)


class TestEndpoint:
    async def test_a_subscription_keeps_its_world(self, world: World) -> None:
        """Also while its session has no request in flight."""
        clock = ShiftedClock()
        settings = world.settings(token=None, organization=None, pulumi_token_header=True)
        server = NeoServer(settings, clock=clock)
        uri = f"neo://{ORG}/tasks/{world.simulator.add_task(ORG, status='running')}"
        async with running_http(server, host="127.0.0.1", port=0) as url:
            headers = {"x-pulumi-access-token": pulumi_token("alice")}
            endpoint = Endpoint({"alice": url}, {"alice": headers})
            async with endpoint.http("alice") as http:
                opened = await http.post(url, json=INITIALIZE)
                session = {"mcp-session-id": opened.headers["mcp-session-id"]}
                subscribing = {
                    "jsonrpc": "2.0",
                    "id": 2,
                    "method": "resources/subscribe",
                    "params": {"uri": uri},
                }
                await http.post(url, json=subscribing, headers=session)
                await until(lambda: world.simulator.open_streams)
                (alice,) = server.running.tenants
                async with server.running.tenants.tenant_of(BOB):
                    pass
                clock.shift(IDLE_SECONDS)
                await until(lambda: list(server.running.tenants) == [alice])
                assert world.simulator.open_streams == 1
                await http.delete(url, headers=session)
                await until(lambda: alice.is_idle)
                clock.shift(IDLE_SECONDS)
                await until(lambda: not list(server.running.tenants))

    async def test_the_end_of_the_server_closes_every_world(self, world: World, tmp_path: Path) -> None:
        tasks = {
            who: world.simulator.add_task(ORG, status="running", creator=who) for who in ("alice", "bob")
        }
        texts: list[str] = []
        async with anyio.create_task_group() as group, AsyncExitStack() as stack:
            served = await stack.enter_async_context(by_header(world, tmp_path))

            async def wait(person: str) -> None:
                async with served.host(person) as host:
                    texts.append(
                        await host.refused("wait_for_events", task_id=tasks[person], organization=ORG)
                    )

            for person in tasks:
                group.start_soon(wait, person)
            await until(lambda: world.simulator.open_streams == 2)
            await stack.aclose()
        assert all("same cursor" in text for text in texts)
        assert len(texts) == 2
        with anyio.fail_after(PATIENCE):
            await until(lambda: world.simulator.open_streams == 0)

    async def test_the_operators_world_is_made_once_and_stays(self, world: World) -> None:
        server = NeoServer(world.settings())
        async with running_http(server, host="127.0.0.1", port=0):
            await until(lambda: server._running)
            (operator,) = server.running.tenants
            assert operator is server.running.operator
            assert operator.users == 1
