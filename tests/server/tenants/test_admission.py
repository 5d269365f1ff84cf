"""Nothing is made for a Pulumi access token that the API does not accept, and finding out costs little."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.errors import AuthenticationError, ConnectionFailedError, NeoError
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.server import running_http
from neo_mcp.server.tenants import admission as limits
from neo_mcp.server.tenants.admission import Admission, TokenRefusedError, TokenUncheckedError
from neo_mcp.server.tenants.tenants import MAX_TENANTS_OF_USER
from neo_mcp.service.quotas import QuotaError
from neo_mcp.simulator import Fault
from neo_mcp.simulator.config import BY_TOKEN, PEOPLE
from neo_mcp.wire import User
from tests.support.authority import running_authority
from tests.support.clocks import ShiftedClock
from tests.support.host import ORG, PATIENCE, SkippingClock, World, until
from tests.support.people import (
    ACCEPT,
    NO_TLS,
    SECRET,
    Endpoint,
    bearer,
    brought,
    by_header,
    oauth_settings,
    token_folder,
)
from tests.support.processes import HELLO

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    pool = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        headers=ACCEPT, verify=NO_TLS, trust_env=False, timeout=30, limits=pool
    ) as client:
        yield client


def with_token(token: str) -> dict[str, str]:
    return {**bearer(SECRET), "x-pulumi-access-token": token}


def checks(world: World) -> int:
    return sum(request.path == "/api/user" for request in world.simulator.requests)


@asynccontextmanager
async def alone(
    world: World,
    *,
    clock: Clock = SYSTEM_CLOCK,
    **changes: Any,  # noqa: ANN401 - the settings' fields
) -> AsyncIterator[tuple[NeoServer, str]]:
    """A server on this machine to which every request brings its token."""
    settings = world.settings(token=None, organization=None, pulumi_token_header=True, **changes)
    server = NeoServer(settings, clock=clock)
    async with running_http(server, host="127.0.0.1", port=0) as url:
        yield server, url


class TestEndpoint:
    async def test_a_refused_token_has_no_tenant_and_is_asked_about_once(
        self, world: World, http: httpx.AsyncClient
    ) -> None:
        async with alone(world) as (server, url):
            answers: list[httpx.Response] = []
            headers = {"x-pulumi-access-token": "pul-wrong"}

            async def post() -> None:
                answers.append(await http.post(url, json=INITIALIZE, headers=headers))

            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(post)
            await post()
            assert {answer.status_code for answer in answers} == {403}
            assert all(answer.json()["error"]["message"] for answer in answers)
            assert checks(world) == len(world.simulator.requests) == 1
            assert not list(server.running.tenants)

    async def test_many_of_them_leave_everybody_else_what_they_have(
        self, world: World, http: httpx.AsyncClient
    ) -> None:
        """Neither tenants, nor what is remembered for them, nor room for requests."""
        async with alone(world, clock=ShiftedClock()) as (server, url):
            endpoint = Endpoint({"alice": url}, {"alice": {"x-pulumi-access-token": "pul-sim-alice"}})
            arguments = {"organization": ORG, "prompt": "Go (scenario:hello)", "idempotency_key": "mine"}
            async with endpoint.host("alice") as alice:
                first = await alice.call("create_task", **arguments)
            (mine,) = server.running.tenants
            statuses: list[int] = []

            async def attack(number: int) -> None:
                headers = {"x-pulumi-access-token": f"pul-wrong-{number}"}
                statuses.append((await http.post(url, json=INITIALIZE, headers=headers)).status_code)

            async with anyio.create_task_group() as group:
                for number in range(150):
                    group.start_soon(attack, number)
            assert set(statuses) == {403, 429}
            assert list(server.running.tenants) == [mine]
            async with endpoint.host("alice") as alice:
                assert (await alice.call("create_task", **arguments))["task_id"] == first["task_id"]

    async def test_without_the_api_there_are_no_new_tenants_and_the_others_go_on(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "CHECK_SECONDS", 0.2)
        async with by_header(world, tmp_path) as endpoint:
            url = endpoint.urls["alice"]
            assert (await http.post(url, json=INITIALIZE, headers=brought("alice"))).is_success
            world.simulator.faults.add(Fault("status", status=503, times=0))
            refused = await http.post(url, json=INITIALIZE, headers=brought("bob"))
            known = await http.post(url, json=INITIALIZE, headers=brought("alice"))
            world.simulator.faults.clear()
            again = await http.post(url, json=INITIALIZE, headers=brought("bob"))
        assert (refused.status_code, known.status_code, again.status_code) == (503, 200, 200)
        assert refused.headers["retry-after"]

    @pytest.mark.parametrize("status", [403, 404])
    async def test_a_token_whose_user_is_not_told_is_accepted(
        self, world: World, http: httpx.AsyncClient, status: int
    ) -> None:
        world.simulator.faults.add(Fault("status", status=status, path="/api/user$", times=0))
        async with alone(world) as (_, url):
            answer = await http.post(url, json=INITIALIZE, headers={"x-pulumi-access-token": "pul-sim-bob"})
        assert answer.is_success

    async def test_a_stored_token_is_checked_too(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        folder = token_folder(tmp_path, "alice", "bob")
        (folder / "bob").write_text("pul-wrong")
        async with running_authority() as authority:
            server = NeoServer(oauth_settings(world, authority, token_store=folder))
            async with running_http(server, host="127.0.0.1", port=0) as url:
                answers = [
                    await http.post(url, json=INITIALIZE, headers=bearer(authority.token(who)))
                    for who in ("alice", "bob")
                ]
                assert [answer.status_code for answer in answers] == [200, 403]
                assert "operator" in answers[1].text
                assert len(list(server.running.tenants)) == 1

    async def test_the_operators_own_token_is_not(self, world: World, http: httpx.AsyncClient) -> None:
        """Neither a start nor a first request waits for the API."""
        server = NeoServer(world.settings(token=SecretStr("pul-wrong")))
        async with running_http(server, host="127.0.0.1", port=0) as url:
            assert (await http.post(url, json=INITIALIZE)).is_success
        assert world.simulator.requests == []


class TestOneUserWithManyTokens:
    """Several Pulumi access tokens of one user are one user's."""

    @pytest.fixture(autouse=True)
    def tokens(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        made = [f"pul-sim-alice-{number}" for number in range(MAX_TENANTS_OF_USER + 2)]
        for token in made:
            monkeypatch.setitem(BY_TOKEN, token, PEOPLE["alice"])
        return made

    async def test_quotas_are_shared(self, world: World, http: httpx.AsyncClient, tokens: list[str]) -> None:
        """Twelve requests in flight are three streams, whichever token they come with."""
        async with alone(world, quota=12) as (_, url), AsyncExitStack() as stack:
            statuses = []
            for token in [*tokens[:4], "pul-sim-bob"]:
                headers = {"x-pulumi-access-token": token}
                opened = await http.post(url, json=INITIALIZE, headers=headers)
                headers["mcp-session-id"] = opened.headers["mcp-session-id"]
                stream = await stack.enter_async_context(http.stream("GET", url, headers=headers))
                statuses.append(stream.status_code)
        assert statuses == [200, 200, 200, 429, 200]

    async def test_the_tenant_that_is_idle_for_longest_makes_room(
        self, world: World, http: httpx.AsyncClient, tokens: list[str]
    ) -> None:
        async with alone(world) as (server, url):
            bob = await http.post(url, json=INITIALIZE, headers={"x-pulumi-access-token": "pul-sim-bob"})
            assert bob.is_success
            (other,) = server.running.tenants
            for token in tokens:
                headers = {"x-pulumi-access-token": token}
                assert (await http.post(url, json=INITIALIZE, headers=headers)).is_success
            tenants = list(server.running.tenants)
            assert other in tenants
            assert [world.caller.token for world in tenants[1:]] == [
                SecretStr(each) for each in tokens[-MAX_TENANTS_OF_USER:]
            ]

    async def test_there_is_none_where_all_are_in_use(
        self, world: World, http: httpx.AsyncClient, tokens: list[str]
    ) -> None:
        async with alone(world) as (_, url), AsyncExitStack() as stack:
            for token in tokens[:MAX_TENANTS_OF_USER]:
                headers = {"x-pulumi-access-token": token}
                opened = await http.post(url, json=INITIALIZE, headers=headers)
                headers["mcp-session-id"] = opened.headers["mcp-session-id"]
                await stack.enter_async_context(http.stream("GET", url, headers=headers))
            answers = [
                await http.post(url, json=INITIALIZE, headers={"x-pulumi-access-token": token})
                for token in (tokens[-1], "pul-sim-bob")
            ]
        assert [answer.status_code for answer in answers] == [429, 200]
        assert answers[0].headers["retry-after"]


class Api:
    """What the API says of tokens, as slowly as a test wants."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[str], str | NeoError] = lambda token: token
        self.open = anyio.Event()
        self.open.set()

    def client(self, token: SecretStr | None) -> NeoClient:
        assert token is not None
        text = token.get_secret_value()
        api = self

        class Client(NeoClient):
            async def get_user(self) -> User:
                api.asked.append(text)
                await api.open.wait()
                said = api.answer(text)
                if isinstance(said, NeoError):
                    raise said
                return User(github_login=said)

        return Client(token=token, api_url="http://127.0.0.1:1")


@asynccontextmanager
async def checking(api: Api, clock: SkippingClock) -> AsyncIterator[Admission]:
    async with anyio.create_task_group() as group:
        yield Admission(api.client, group, clock, "Ask somebody.")
        group.cancel_scope.cancel()


async def user_of(admission: Admission, principal: str, token: str, peer: int) -> str:
    return await admission.user_of(principal, SecretStr(token), peer=f"192.0.2.{peer}")


def refused(_: str) -> NeoError:
    return AuthenticationError("no", status=401)


class TestChecks:
    async def test_one_principal_gets_a_part_of_the_slots(self) -> None:
        api, clock = Api(), SkippingClock()
        api.open = anyio.Event()
        async with checking(api, clock) as admission, anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(user_of, admission, "one", f"t{number}", number)
            await until(lambda: len(api.asked) == limits.MAX_CHECKS_OF_ONE)
            group.start_soon(admission.user_of, "other", SecretStr("u"))
            await until(lambda: "u" in api.asked)
            assert len(api.asked) == limits.MAX_CHECKS_OF_ONE + 1
            api.open.set()
        assert len(api.asked) == 21

    async def test_too_many_that_wait_are_refused_and_others_are_not(self) -> None:
        api, clock = Api(), SkippingClock()
        api.open = anyio.Event()
        async with checking(api, clock) as admission, anyio.create_task_group() as group:
            for number in range(limits.MAX_WAITING_OF_ONE):
                group.start_soon(user_of, admission, "one", f"t{number}", number)
            await until(lambda: len(api.asked) == limits.MAX_CHECKS_OF_ONE)
            for token in ("new", "t1"):
                with pytest.raises(QuotaError, match="new here"):
                    await admission.user_of("one", SecretStr(token))
            group.start_soon(admission.user_of, "other", SecretStr("u"))
            await until(lambda: "u" in api.asked)
            api.open.set()
        assert not admission._parts

    async def test_a_flood_from_one_address_leaves_room_for_another(self) -> None:
        api, clock = Api(), SkippingClock()
        api.open = anyio.Event()
        async with checking(api, clock) as admission, anyio.create_task_group() as group:
            for number in range(limits.MAX_WAITING_OF_PEER):
                group.start_soon(user_of, admission, "one", f"t{number}", 0)
            await until(lambda: len(api.asked) == limits.MAX_CHECKS_OF_PEER)
            with pytest.raises(QuotaError):
                await user_of(admission, "one", "more", 0)
            group.start_soon(user_of, admission, "one", "u", 1)
            await until(lambda: "u" in api.asked)
            api.open.set()

    async def test_there_is_an_end_to_all_of_them_together(self) -> None:
        api, clock = Api(), SkippingClock()
        api.open = anyio.Event()
        async with checking(api, clock) as admission, anyio.create_task_group() as group:
            for number in range(limits.MAX_WAITING):
                group.start_soon(admission.user_of, f"p{number % 8}", SecretStr(f"t{number}"))
            await until(lambda: len(api.asked) == limits.MAX_CHECKS)
            with pytest.raises(QuotaError):
                await admission.user_of("other", SecretStr("u"))
            api.open.set()

    async def test_requests_with_the_same_token_share_one_but_principals_do_not(self) -> None:
        api, clock = Api(), SkippingClock()
        api.open = anyio.Event()
        users: list[str] = []
        async with checking(api, clock) as admission, anyio.create_task_group() as group:

            async def ask(principal: str) -> None:
                users.append(await admission.user_of(principal, SecretStr("t")))

            for principal in ("one", "one", "other"):
                group.start_soon(ask, principal)
            await until(lambda: len(api.asked) == 2)
            api.open.set()
        assert users == ["t"] * 3

    async def test_a_refusal_is_remembered_for_a_while(self) -> None:
        api, clock = Api(), SkippingClock()
        api.answer = refused
        async with checking(api, clock) as admission:
            for _ in range(5):
                with pytest.raises(TokenRefusedError, match="Ask somebody"):
                    await admission.user_of("one", SecretStr("t"))
            assert api.asked == ["t"]
            api.answer = lambda token: token
            await clock.sleep(limits.REFUSED_SECONDS)
            assert await admission.user_of("one", SecretStr("t")) == "t"

    async def test_only_so_many_are_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MAX_REFUSED", 3)
        api, clock = Api(), SkippingClock()
        api.answer = refused
        async with checking(api, clock) as admission:
            for number in range(10):
                with pytest.raises(TokenRefusedError):
                    await admission.user_of("one", SecretStr(f"t{number}"))
            assert len(admission._refused) == 3

    async def test_a_refused_one_keeps_its_slot_for_a_moment(self) -> None:
        """So that whoever guesses cannot flood the API; what it says is told at once."""
        resumed = anyio.Event()

        class Stopped(SkippingClock):
            async def sleep(self, seconds: float) -> None:
                self.slept.append(seconds)
                await resumed.wait()

        api, clock = Api(), Stopped()
        api.answer = refused
        async with checking(api, clock) as admission, anyio.create_task_group() as group:
            for number in range(limits.MAX_CHECKS_OF_PEER):
                with pytest.raises(TokenRefusedError):
                    await admission.user_of("one", SecretStr(f"t{number}"))

            async def ask() -> None:
                with pytest.raises(TokenRefusedError):
                    await admission.user_of("one", SecretStr("next"))

            group.start_soon(ask)
            await until(lambda: admission._pool.waiting.used == 1)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            assert "next" not in api.asked
            resumed.set()
        assert clock.slept == [limits.PAUSE_SECONDS] * (limits.MAX_CHECKS_OF_PEER + 1)

    @pytest.mark.parametrize(
        "problem", [ConnectionFailedError("no"), NeoError("odd")], ids=lambda error: type(error).__name__
    )
    async def test_what_is_not_known_is_not_remembered(self, problem: NeoError) -> None:
        api, clock = Api(), SkippingClock()
        api.answer = lambda _: problem
        async with checking(api, clock) as admission:
            with pytest.raises(TokenUncheckedError, match="Try again"):
                await admission.user_of("one", SecretStr("t"))
            api.answer = lambda token: token
            assert await admission.user_of("one", SecretStr("t")) == "t"

    async def test_a_check_that_hangs_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "CHECK_SECONDS", 0.01)
        api, clock = Api(), SkippingClock()
        api.open = anyio.Event()
        async with checking(api, clock) as admission:
            with pytest.raises(TokenUncheckedError), anyio.fail_after(PATIENCE):
                await admission.user_of("one", SecretStr("t"))

    async def test_a_failure_ends_nothing_else(self, caplog: pytest.LogCaptureFixture) -> None:
        api, clock = Api(), SkippingClock()

        def fail(_: str) -> str:
            raise ZeroDivisionError

        api.answer = fail
        async with checking(api, clock) as admission:
            with pytest.raises(TokenUncheckedError):
                await admission.user_of("one", SecretStr("t"))
            api.answer = lambda token: token
            assert await admission.user_of("one", SecretStr("t")) == "t"
        assert "check of an access token failed" in caplog.text

    async def test_a_caller_that_leaves_ends_no_check_of_others(self) -> None:
        api, clock = Api(), SkippingClock()
        api.open = anyio.Event()
        users: list[str] = []
        async with checking(api, clock) as admission, anyio.create_task_group() as group:

            async def ask() -> None:
                users.append(await admission.user_of("one", SecretStr("t")))

            async with anyio.create_task_group() as first:
                first.start_soon(ask)
                await until(lambda: api.asked)
                group.start_soon(ask)
                await until(lambda: admission._pool.waiting.used == 2)
                first.cancel_scope.cancel()
            api.open.set()
        assert users == ["t"]
        assert len(api.asked) == 1


class TestWhoSharesAnAllowance:
    async def test_people_behind_one_secret_are_told_apart_by_the_api(
        self, world: World, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with by_header(world, tmp_path, quota=12) as endpoint, AsyncExitStack() as stack:
            url = endpoint.urls["alice"]
            statuses = []
            for person in ("alice", "bob") * 4:
                headers = brought(person)
                opened = await http.post(url, json=INITIALIZE, headers=headers)
                headers["mcp-session-id"] = opened.headers["mcp-session-id"]
                stream = await stack.enter_async_context(http.stream("GET", url, headers=headers))
                statuses.append(stream.status_code)
        assert statuses == [200] * 6 + [429] * 2

    async def test_a_person_of_an_issuer_is_one_whosever_tokens_they_bring(
        self, world: World, http: httpx.AsyncClient
    ) -> None:
        async with running_authority() as authority, AsyncExitStack() as stack:
            settings = oauth_settings(world, authority, pulumi_token_header=True, quota=12)
            url = await stack.enter_async_context(running_http(NeoServer(settings), host="127.0.0.1", port=0))
            statuses = []
            for subject, person in [("a", "alice"), ("a", "bob"), ("a", "carol"), ("a", "bob"), ("b", "bob")]:
                headers = {
                    **bearer(authority.token(subject)),
                    "x-pulumi-access-token": f"pul-sim-{person}",
                }
                opened = await http.post(url, json=INITIALIZE, headers=headers)
                headers["mcp-session-id"] = opened.headers["mcp-session-id"]
                stream = await stack.enter_async_context(http.stream("GET", url, headers=headers))
                statuses.append(stream.status_code)
        assert statuses == [200, 200, 200, 429, 200]
