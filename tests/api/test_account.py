"""The organization that calls use where none is named."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import SocketStream

from neo_mcp.api import DefaultOrganization, DefaultOrigin
from neo_mcp.api.account import PAUSE_SECONDS
from neo_mcp.errors import AuthenticationError, MissingTokenError
from tests.api.support import FakeClock, RawServer, Request, answer, client_for, failure, reset, serving

USER = {"githubLogin": "alice", "organizations": [{"githubLogin": "alice"}, {"githubLogin": "acme"}]}
DEFAULT = "/api/user/organizations/default"
OWN = DefaultOrganization("alice", DefaultOrigin.USER)
EMPTY: tuple[object, ...] = (b"", b" ", {}, [], "acme", None, 1, {"Messages": ["x"]})
NAMES: tuple[object, ...] = ("", None, 1, [], {}, "..", "a/b", "a b", "x" * 5000)
NAMELESS: list[object] = [{"GitHubLogin": each} for each in NAMES]

Reply = bytes | Callable[[SocketStream], Awaitable[None]]


def account(
    *defaults: Reply, user: bytes | None = None
) -> Callable[[Request, SocketStream], Awaitable[None]]:
    """Answers for the user, and these for the default organization, the last one again and again."""
    left = list(defaults)

    async def handler(request: Request, wire: SocketStream) -> None:
        if request.path != DEFAULT:
            await wire.send(user or answer(200, USER))
            return
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, bytes):
            await wire.send(reply)
        else:
            await reply(wire)

    return handler


def asked(server: RawServer) -> list[str]:
    return [request.path for request in server.requests]


@pytest.mark.parametrize("field", ["GitHubLogin", "githubLogin", "githublogin", "GITHUBLOGIN"])
async def test_the_default_of_the_api_comes_before_the_users_own(field: str) -> None:
    handler = account(answer(200, {field: "acme", "Messages": []}))
    async with serving(handler) as server, client_for(server, organization=None) as client:
        assert await client.default_organization() == ("acme", DefaultOrigin.API)
        assert await client.resolve_organization() == "acme"
        assert await client.resolve_organization("zeta") == "zeta"
    assert asked(server) == [DEFAULT]


async def test_the_clients_own_setting_comes_before_it() -> None:
    async with serving(account(b"")) as server, client_for(server) as client:
        assert await client.default_organization() == ("acme", DefaultOrigin.SETTING)
    assert asked(server) == []


async def test_many_calls_at_once_ask_once() -> None:
    handler = account(answer(200, {"GitHubLogin": "acme"}))
    async with (
        serving(handler) as server,
        client_for(server, organization=None) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(10):
            group.start_soon(client.resolve_organization)
    assert asked(server) == [DEFAULT]


@pytest.mark.parametrize(
    "reply",
    [
        *(failure(status) for status in (400, 403, 404, 405, 410, 501)),
        answer(404),
        *(answer(200, each) for each in (*EMPTY, *NAMELESS)),
        answer(200, b'{"GitHubLogin": "\\ud800"}'),
        answer(200, b"[" * 100_000 + b"]" * 100_000),
    ],
    ids=lambda reply: reply[-40:].decode("ascii", "replace"),
)
async def test_without_one_the_users_own_is_used_and_that_is_remembered(reply: bytes) -> None:
    async with serving(account(reply)) as server, client_for(server, organization=None) as client:
        assert await client.default_organization() == OWN
        assert await client.default_organization() == OWN
    assert asked(server) == [DEFAULT, "/api/user"]


@pytest.mark.parametrize(
    "reply",
    [
        failure(503),
        failure(429),
        failure(408),
        answer(200, b"<html>"),
        answer(200, b"{"),
        answer(302, Location="https://elsewhere.example"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"nonsense\r\n\r\n",
        reset,
    ],
    ids=lambda reply: "reset" if callable(reply) else str(reply)[2:40],
)
async def test_a_failure_breaks_no_call_and_is_not_final(reply: Reply) -> None:
    clock, settings = FakeClock(), {"organization": None}
    handler = account(*[reply] * 4, answer(200, {"GitHubLogin": "acme"}))
    async with serving(handler) as server, client_for(server, clock, **settings) as client:
        assert await client.default_organization() == OWN
        before = len(server.requests)
        assert await client.default_organization() == OWN
        assert len(server.requests) == before
        clock.let_pass(PAUSE_SECONDS)
        while await client.default_organization() == OWN:
            clock.let_pass(PAUSE_SECONDS)
        assert await client.resolve_organization() == "acme"


async def test_a_short_fault_is_waited_out() -> None:
    handler = account(failure(503), reset, answer(200, {"GitHubLogin": "acme"}))
    async with serving(handler) as server, client_for(server, organization=None) as client:
        assert await client.default_organization() == ("acme", DefaultOrigin.API)
    assert asked(server) == [DEFAULT] * 3


async def test_a_refused_token_and_a_missing_one_are_errors() -> None:
    async with serving(account(failure(401))) as server, client_for(server, organization=None) as client:
        with pytest.raises(AuthenticationError):
            await client.resolve_organization()
    assert asked(server) == [DEFAULT]
    async with client_for("http://127.0.0.1:1", organization=None, token=None) as client:
        with pytest.raises(MissingTokenError):
            await client.resolve_organization()
