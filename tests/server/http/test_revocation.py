"""What is open under a credential ends with it: every kind of credential, by everything that can be open.

A new way for a credential to end is one more function in ``ENDS``; something new that stays open for long is
one more in ``OPEN``.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import anyio
import pytest
from mcp.client.subscriptions import ResourceUpdated

from neo_mcp.config import Auth, Settings
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.credentials import SecretFile
from neo_mcp.server.http.server import running_http
from neo_mcp.server.tenants.tenants import ACCEPTED_SECONDS
from neo_mcp.simulator import Fault
from neo_mcp.simulator.config import BY_TOKEN
from tests.support.authority import Authority, running_authority
from tests.support.clocks import ShiftedClock
from tests.support.host import LEGACY, MODERN, ORG, PATIENCE, Host, World, until
from tests.support.people import (
    SECRET,
    SECRETS,
    Endpoint,
    bearer,
    brought,
    oauth_settings,
    pulumi_token,
    secret_file,
    token_folder,
)
from tests.support.processes import HELLO
from tests.support.tasks_client import Http, TasksClient

pytestmark = pytest.mark.scorecard("what is open ends with the credential that opened it")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
OTHER = SECRETS["bob"]


@dataclass
class Scene:
    """A server, alice who uses it, and a task of hers that runs."""

    world: World
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    url: str = ""
    task_id: str = ""
    server: NeoServer | None = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(dict.fromkeys(self.headers, self.url), self.headers)

    @property
    def uri(self) -> str:
        return f"neo://{ORG}/tasks/{self.task_id}"

    @asynccontextmanager
    async def serving(self, settings: Settings) -> AsyncIterator["Scene"]:
        self.task_id = self.world.simulator.add_task(ORG, status="running")
        self.server = NeoServer(settings, clock=self.clock)
        async with running_http(self.server, host="127.0.0.1", port=0) as self.url:
            yield self

    def say(self, text: str) -> None:
        event = {"type": "assistant_message", "content": text, "is_final": False}
        self.world.simulator.append_event(ORG, self.task_id, event, kind="agentResponse")


class Secret:
    """A secret that is taken out of its file."""

    @staticmethod
    @asynccontextmanager
    async def served(scene: Scene) -> AsyncIterator[None]:
        (scene.folder / "secrets").mkdir()
        file = secret_file(scene.folder / "secrets", SECRET, OTHER)
        settings = scene.world.settings(auth=Auth.BEARER, auth_secret_file=file)
        scene.headers = {"alice": bearer(SECRET), "other": bearer(OTHER)}
        async with scene.serving(settings):
            yield

    @staticmethod
    async def end(scene: Scene) -> None:
        (file,) = (scene.folder / "secrets").iterdir()
        file.write_text(f"{OTHER}\n")


async def _authority(scene: Scene, stack: AsyncExitStack) -> Authority:
    authority = await stack.enter_async_context(running_authority())
    scene.headers = {"alice": bearer(authority.token("alice")), "other": bearer(authority.token("bob"))}
    return authority


class Expiry:
    """An issuer's token whose time is over; the other's is not."""

    @staticmethod
    @asynccontextmanager
    async def served(scene: Scene) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            authority = await _authority(scene, stack)
            late = authority.token("bob", exp=datetime.now().timestamp() + 86_400)  # noqa: DTZ005 - a number of seconds
            scene.headers["other"] = bearer(late)
            settings = oauth_settings(
                scene.world, authority, token_store=token_folder(scene.folder, "alice", "bob")
            )
            await stack.enter_async_context(scene.serving(settings))
            yield

    @staticmethod
    async def end(scene: Scene) -> None:
        scene.clock.shift(3600)


class Store:
    """A user's entry in the token store that is taken away."""

    @staticmethod
    @asynccontextmanager
    async def served(scene: Scene) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            authority = await _authority(scene, stack)
            settings = oauth_settings(
                scene.world, authority, token_store=token_folder(scene.folder, "alice", "bob")
            )
            await stack.enter_async_context(scene.serving(settings))
            yield

    @staticmethod
    async def end(scene: Scene) -> None:
        (scene.folder / "tokens" / "alice").unlink()


class Replaced(Store):
    """A user's entry in the token store that is replaced."""

    @staticmethod
    async def end(scene: Scene) -> None:
        (scene.folder / "tokens" / "alice").write_text(pulumi_token("carol"))


class Refused:
    """A token that the API does not accept any more, as it says to the next call."""

    @staticmethod
    @asynccontextmanager
    async def served(scene: Scene) -> AsyncIterator[None]:
        (scene.folder / "secrets").mkdir()
        file = secret_file(scene.folder / "secrets", SECRET)
        settings = scene.world.settings(
            token=None, organization=None, auth=Auth.BEARER, auth_secret_file=file, pulumi_token_header=True
        )
        scene.headers = {"alice": brought("alice"), "other": brought("bob")}
        async with scene.serving(settings):
            yield

    @staticmethod
    async def end(scene: Scene) -> None:
        scene.monkeypatch.delitem(BY_TOKEN, pulumi_token("alice"))
        async with scene.endpoint.http("alice") as http:
            client = TasksClient(Http(scene.url, http), {})
            await client.call("list_tasks", organization=ORG)


class Operator(Refused):
    """The operator's own token, likewise."""

    @staticmethod
    @asynccontextmanager
    async def served(scene: Scene) -> AsyncIterator[None]:
        (scene.folder / "secrets").mkdir()
        file = secret_file(scene.folder / "secrets", SECRET)
        scene.headers = {"alice": bearer(SECRET)}
        async with scene.serving(scene.world.settings(auth=Auth.BEARER, auth_secret_file=file)):
            yield


ENDS = (Secret, Expiry, Store, Replaced, Refused, Operator)
NO_LONGER = r"not valid any more|has expired|replaced or removed|not accept"


async def get_stream(scene: Scene, end: Callable[[], Awaitable[None]]) -> None:
    """The stream of a session, with a subscription: it ends properly, and nothing more came on it."""
    async with scene.endpoint.http("alice") as http:
        opened = await http.post(scene.url, json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        subscribing = {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "resources/subscribe",
            "params": {"uri": scene.uri},
        }
        async with http.stream("GET", scene.url, headers=session) as stream:
            assert stream.is_success
            assert (await http.post(scene.url, json=subscribing, headers=session)).is_success
            await until(lambda: scene.world.simulator.open_streams)
            await end()
            read = ""
            with anyio.fail_after(PATIENCE):
                async for line in stream.aiter_lines():
                    read += line
            assert "updated" not in read


async def _waits(scene: Scene, end: Callable[[], Awaitable[None]], mode: str) -> None:
    texts: list[str] = []
    async with scene.endpoint.host("alice", mode=mode) as host, anyio.create_task_group() as group:

        async def wait() -> None:
            texts.append(
                await host.refused(
                    "wait_for_events", organization=ORG, task_id=scene.task_id, timeout_seconds=60
                )
            )

        group.start_soon(wait)
        await until(lambda: scene.world.simulator.open_streams)
        await end()
    assert_says_why(texts[0])


def assert_says_why(text: str) -> None:
    assert any(words in text for words in NO_LONGER.split("|")), text


async def wait_legacy(scene: Scene, end: Callable[[], Awaitable[None]]) -> None:
    """A wait of the handshake eras, with progress."""
    await _waits(scene, end, LEGACY)


async def wait_modern(scene: Scene, end: Callable[[], Awaitable[None]]) -> None:
    """A wait of the present era."""
    await _waits(scene, end, MODERN)


async def listen(scene: Scene, end: Callable[[], Awaitable[None]]) -> None:
    """A stream of notifications about a resource."""
    async with (
        scene.endpoint.host("alice") as host,
        host.client.listen(resource_subscriptions=[scene.uri]) as listening,
    ):
        await until(lambda: scene.world.simulator.open_streams)
        await end()
        with anyio.fail_after(PATIENCE):
            assert [event async for event in listening if isinstance(event, ResourceUpdated)] == []


async def listen_to_task(scene: Scene, end: Callable[[], Awaitable[None]]) -> None:
    """A stream of notifications about a task of the Tasks extension."""
    async with scene.endpoint.http("alice") as http:
        client = TasksClient(Http(scene.url, http))
        handle = await client.deferred(scene.task_id, organization=ORG)
        async with client.listen(taskIds=[handle]) as frames:
            await frames.until(handle, "working")
            await end()
            while "method" in (last := await frames.following()):
                assert last["params"]["status"] == "working"
            assert "result" in last


OPEN = (get_stream, wait_legacy, wait_modern, listen, listen_to_task)


@pytest.mark.parametrize("opened", OPEN, ids=lambda each: each.__name__)
@pytest.mark.parametrize("ends", ENDS, ids=lambda each: each.__name__)
async def test_what_is_open_ends_with_its_credential(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: type[Secret],
    opened: Callable[[Scene, Callable[[], Awaitable[None]]], Awaitable[None]],
) -> None:
    scene = Scene(world, tmp_path, monkeypatch)
    async with ends.served(scene):
        await opened(scene, lambda: ends.end(scene))


@pytest.mark.parametrize("ends", ENDS[:-1], ids=lambda each: each.__name__)
async def test_what_is_open_under_another_credential_goes_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: type[Secret]
) -> None:
    scene = Scene(world, tmp_path, monkeypatch)
    async with ends.served(scene), AsyncExitStack() as stack:
        host = await stack.enter_async_context(scene.endpoint.host("other"))
        mine = world.simulator.add_task(ORG, status="running", creator="alice" if ends is Secret else "bob")
        listening = await stack.enter_async_context(
            host.client.listen(resource_subscriptions=[f"neo://{ORG}/tasks/{mine}"])
        )
        await until(lambda: world.simulator.open_streams)
        await listen(scene, lambda: ends.end(scene))
        event = {"type": "assistant_message", "content": "Hm.", "is_final": False}
        world.simulator.append_event(ORG, mine, event, kind="agentResponse")
        with anyio.fail_after(PATIENCE):
            assert isinstance(await anext(aiter(listening)), ResourceUpdated)


class TestARefusedToken:
    async def test_nothing_that_was_read_with_it_is_served_any_more(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not from the log of a task either, whose stream is still open."""
        scene = Scene(world, tmp_path, monkeypatch)
        async with Refused.served(scene), AsyncExitStack() as stack:
            host = await stack.enter_async_context(scene.endpoint.host("alice"))
            scene.say("a secret plan")
            transcript = f"{scene.uri}/transcript"
            assert "secret plan" in await host.resource_text(transcript)
            await listen(scene, lambda: Refused.end(scene))
            http = await stack.enter_async_context(scene.endpoint.http("alice"))
            assert scene.server is not None
            await until(lambda: not list(scene.server.running.tenants))  # type: ignore[union-attr]  # it is there
            asked = len(world.simulator.requests)
            answer = await http.post(scene.url, json=INITIALIZE)
            assert answer.status_code == 403
            assert "X-Pulumi-Access-Token" in answer.text
            # That much is known without asking anew.
            assert len(world.simulator.requests) == asked
            await until(lambda: not world.simulator.open_streams)

    async def test_the_operators_own_is_asked_about_anew_with_every_call(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene = Scene(world, tmp_path, monkeypatch)
        async with Operator.served(scene), scene.endpoint.host("alice") as host:
            scene.say("a secret plan")
            assert "secret plan" in await host.resource_text(f"{scene.uri}/transcript")
            with monkeypatch.context() as revoked:
                scene.monkeypatch = revoked
                await listen(scene, lambda: Operator.end(scene))
                text = await host.refused("wait_for_events", organization=ORG, task_id=scene.task_id)
                assert "401" in text
                assert "secret plan" not in text
            assert "secret plan" in await host.resource_text(f"{scene.uri}/transcript")

    @pytest.mark.parametrize("ends", [Refused, Operator], ids=lambda each: each.__name__)
    async def test_one_refusal_that_is_not_confirmed_ends_nothing(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: type[Refused]
    ) -> None:
        scene = Scene(world, tmp_path, monkeypatch)
        async with ends.served(scene), AsyncExitStack() as stack:
            host = await stack.enter_async_context(scene.endpoint.host("alice"))
            listening = await stack.enter_async_context(
                host.client.listen(resource_subscriptions=[scene.uri])
            )
            await until(lambda: world.simulator.open_streams)
            checks = _checks(world)
            world.simulator.faults.add(Fault("status", status=401, path="/tasks$", times=1))
            assert "401" in await host.refused("list_tasks", organization=ORG)
            await until(lambda: _checks(world) > checks)
            await host.call("list_tasks", organization=ORG)
            scene.say("still here")
            with anyio.fail_after(PATIENCE):
                assert isinstance(await anext(aiter(listening)), ResourceUpdated)

    async def test_one_that_nobody_uses_upstream_is_asked_about_after_a_while(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene = Scene(world, tmp_path, monkeypatch)

        async def revoke() -> None:
            monkeypatch.delitem(BY_TOKEN, pulumi_token("alice"))
            scene.clock.shift(ACCEPTED_SECONDS)

        async with Refused.served(scene):
            await listen(scene, revoke)


def _checks(world: World) -> int:
    return sum(request.path == "/api/user" for request in world.simulator.requests)


class TestASecretFile:
    async def test_one_that_is_caught_while_it_is_written_ends_nothing(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A look that finds it empty is not the last."""
        looks: list[bool] = []
        real = SecretFile.still_accepts

        def still_accepts(self: SecretFile, digest: bytes) -> bool:
            looks.append(len(looks) % 2 == 1 and real(self, digest))
            return looks[-1]

        scene = Scene(world, tmp_path, monkeypatch)
        async with Secret.served(scene), AsyncExitStack() as stack:
            host = await stack.enter_async_context(scene.endpoint.host("alice"))
            listening = await stack.enter_async_context(
                host.client.listen(resource_subscriptions=[scene.uri])
            )
            await until(lambda: world.simulator.open_streams)
            with monkeypatch.context() as flickering:
                flickering.setattr(SecretFile, "still_accepts", still_accepts)
                await until(lambda: len(looks) > 6)
            scene.say("still here")
            with anyio.fail_after(PATIENCE):
                assert isinstance(await anext(aiter(listening)), ResourceUpdated)

    async def test_a_store_that_fails_ends_nothing(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.CRITICAL)
        is_down, asked = False, 0

        class Vault:
            async def token_of(self, issuer: str, subject: str) -> SecretStr:  # noqa: ARG002 - the protocol's
                nonlocal asked
                asked += is_down
                if is_down:
                    raise OSError
                return SecretStr(pulumi_token(subject))

        scene = Scene(world, tmp_path, monkeypatch)
        async with AsyncExitStack() as stack:
            authority = await _authority(scene, stack)
            scene.task_id = world.simulator.add_task(ORG, status="running")
            server = NeoServer(oauth_settings(world, authority), clock=scene.clock)
            scene.url = await stack.enter_async_context(
                running_http(server, host="127.0.0.1", port=0, tokens=Vault())
            )
            host = await stack.enter_async_context(scene.endpoint.host("alice"))
            listening = await stack.enter_async_context(
                host.client.listen(resource_subscriptions=[scene.uri])
            )
            await until(lambda: world.simulator.open_streams)
            is_down = True
            await until(lambda: asked > 3)
            scene.say("still here")
            with anyio.fail_after(PATIENCE):
                assert isinstance(await anext(aiter(listening)), ResourceUpdated)


class TestACallThatWrites:
    async def test_it_may_finish_what_it_has_begun(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene = Scene(world, tmp_path, monkeypatch)
        async with Secret.served(scene), scene.endpoint.http("alice") as http:
            client = TasksClient(Http(scene.url, http))
            world.simulator.faults.add(Fault("latency", method="PATCH", seconds=0.5))
            results: list[str] = []
            async with anyio.create_task_group() as group:

                async def rename() -> None:
                    results.append(
                        str(await client.call("update_task", task_id=scene.task_id, name="Better"))
                    )

                group.start_soon(rename)
                await until(lambda: any(r.method == "PATCH" for r in world.simulator.requests))
                await listen(scene, lambda: Secret.end(scene))
            assert "Better" in results[0]
            assert "'isError': True" not in results[0]

    async def test_but_not_for_long(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Hurried(ShiftedClock):
            def deadline(self, seconds: float) -> float:
                return super().deadline(seconds / 200)

        scene = Scene(world, tmp_path, monkeypatch, Hurried())
        async with Secret.served(scene), scene.endpoint.host("alice") as host:
            world.simulator.faults.add(Fault("latency", method="PATCH", seconds=15.0))
            texts: list[str] = []
            async with anyio.create_task_group() as group:

                async def rename() -> None:
                    texts.append(await host.refused("update_task", task_id=scene.task_id, name="Better"))

                group.start_soon(rename)
                await until(lambda: any(r.method == "PATCH" for r in world.simulator.requests))
                await Secret.end(scene)
        assert_says_why(texts[0])
        assert "get_task" in texts[0]


async def test_a_wait_on_standard_input_ends_with_the_operators_token(
    world: World, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    task_id = world.simulator.add_task(ORG, status="running")
    texts: list[str] = []
    async with world.host(mode=era, clock=ShiftedClock()) as host, anyio.create_task_group() as group:

        async def wait() -> None:
            texts.append(await _refusal(host, task_id))

        group.start_soon(wait)
        await until(lambda: world.simulator.open_streams)
        monkeypatch.delitem(BY_TOKEN, pulumi_token("alice"))
        assert "401" in await host.refused("list_tasks")
        await until(lambda: texts)
        assert_says_why(texts[0])
        assert "pulumi login" in texts[0]
        # One call ends; the server goes on, and says what there is to say about the next.
        assert "401" in await host.refused("list_tasks")


async def _refusal(host: Host, task_id: str) -> str:
    return await host.refused("wait_for_events", task_id=task_id, timeout_seconds=60)
