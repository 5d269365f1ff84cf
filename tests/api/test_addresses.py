"""The token goes to its exact origin, and to no other place that anything points to."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import pytest
from anyio.abc import SocketStream

from neo_mcp.api import NeoClient
from neo_mcp.errors import NeoError
from neo_mcp.wire import UpdateTask, UserCancel
from tests.api.support import TASK, TASKS, TOKEN, FakeClock, RawServer, Request, answer, client_for, serving
from tests.support.examples import some

pytestmark = pytest.mark.scorecard("the token goes to its exact origin only")

Act = Callable[[NeoClient], Coroutine[Any, Any, object]]

CALLS: dict[str, Act] = {
    "user": lambda client: client.get_user(),
    "list": lambda client: client.list_tasks(),
    "get": lambda client: client.get_task(TASK),
    "create": lambda client: client.create_task("x"),
    "update": lambda client: client.update_task(TASK, UpdateTask(name="x")),
    "respond": lambda client: client.respond(TASK, UserCancel()),
    "cancel": lambda client: client.cancel_task(TASK),
    "events": lambda client: client.list_events(TASK),
    "stream": lambda client: anext(client.stream_events(TASK)),
}
LOCATIONS = [
    "http://127.0.0.1:{other}/stolen",
    "http://localhost:{other}/stolen",
    "//127.0.0.1:{other}/stolen",
    "//localhost:{other}",
    "http://127.0.0.1:{own}@127.0.0.1:{other}/",
    "http://127.0.0.1:{other}#@127.0.0.1:{own}/",
    "http://127.0.0.1:{other}\\@127.0.0.1:{own}/",
    "\\\\127.0.0.1:{other}\\stolen",
    "http:127.0.0.1:{other}/",
    "HTTP://127.0.0.1:{other}/",
    "https://127.0.0.1:{other}/",
    "http://127.0.0.1.:{other}/",
    "http://0x7f000001:{other}/",
    "http://[::ffff:127.0.0.1]:{other}/",
    "ftp://127.0.0.1:{other}/",
    "/api/../../other",
    "?next=http://127.0.0.1:{other}/",
    " http://127.0.0.1:{other}/",
    "http://127.0.0.1:{other}/\r\nX-More: 1",
]


@asynccontextmanager
async def elsewhere() -> AsyncIterator[RawServer]:
    """Another server, that would take whatever comes."""

    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.send(answer(200, {}))

    async with serving(handler) as server:
        yield server


@asynccontextmanager
async def saying(make: Callable[[RawServer], bytes]) -> AsyncIterator[RawServer]:
    """An API that answers everything with what ``make`` makes of it."""
    made: list[RawServer] = []

    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.send(make(made[0]))

    async with serving(handler) as server:
        made.append(server)
        yield server


@pytest.mark.parametrize("status", some(range(300, 309), every=4))
@pytest.mark.parametrize("location", LOCATIONS)
async def test_wherever_an_answer_points_nothing_goes_there(status: int, location: str) -> None:
    async with elsewhere() as other:

        def make(own: RawServer) -> bytes:
            return answer(status, b"", Location=location.format(own=own.port, other=other.port))

        async with saying(make) as api, client_for(api) as client:
            for name, act in CALLS.items():
                before = len(api.requests)
                with pytest.raises(NeoError):
                    await act(client)
                assert len(api.requests) == before + 1, name
        assert other.requests == []
    assert all(request.headers["authorization"] == f"token {TOKEN}" for request in api.requests)


@pytest.mark.parametrize("status", [200, 202, 401, 407, 502])
async def test_no_header_of_an_answer_sends_the_token_elsewhere(status: int) -> None:
    async with elsewhere() as other:
        there = other.url
        headers = {
            **dict.fromkeys(("Location", "Content_Location", "Refresh", "URI", "X_Original_URL"), there),
            "Link": f'<{there}>; rel="preconnect", <{there}/x>; rel="preload"',
            "Alt_Svc": f'h2="127.0.0.1:{other.port}", h3=":{other.port}"',
            "WWW_Authenticate": f'Bearer realm="{there}", authorization_uri="{there}"',
            "Proxy_Authenticate": f'Basic realm="{there}"',
            "Set_Cookie": f"next={there}; Domain=127.0.0.1",
            "Report_To": f'{{"endpoints": [{{"url": "{there}"}}]}}',
        }
        body = {"url": there, "message": there, "continuationToken": ""}
        async with saying(lambda _: answer(status, body, **headers)) as api, client_for(api) as client:
            for act in CALLS.values():
                with suppress(NeoError):
                    await act(client)
        assert len(api.requests) >= len(CALLS)
        assert other.requests == []


async def test_the_name_of_a_page_is_never_an_address() -> None:
    async with elsewhere() as other:
        pages = count()

        def make(_: RawServer) -> bytes:
            number = next(pages)
            names = [f"{other.url}/{number}", f"//127.0.0.1:{other.port}/x?{number}", f"../../{number}", ""]
            return answer(200, {"tasks": [], "events": [], "continuationToken": names[number % len(names)]})

        async with saying(make) as api, client_for(api) as client:
            assert [task async for task in client.iter_tasks()] == []
            assert [event async for event in client.iter_events(TASK)] == []
        assert other.requests == []
    assert {request.path for request in api.requests} == {TASKS, f"{TASKS}/{TASK}/events"}
    assert len(api.requests) == 8


async def test_no_proxy_comes_between_us_and_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with elsewhere() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with saying(lambda _: answer(404, {"message": "no"})) as api, client_for(api) as client:
            for act in CALLS.values():
                with suppress(NeoError):
                    await act(client)
        assert proxy.requests == []
    assert len(api.requests) >= len(CALLS)


@pytest.mark.parametrize("status", [200, 302, 403, 407])
async def test_a_proxy_is_told_where_we_go_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with saying(lambda proxy: answer(status, b"", Location=f"{proxy.url}/stolen")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with client_for("https://api.pulumi.example", FakeClock()) as client:
            for act in CALLS.values():
                with pytest.raises(NeoError):
                    await act(client)
    assert {(request.method, request.target) for request in proxy.requests} == {
        ("CONNECT", "api.pulumi.example:443")
    }
    assert all(TOKEN not in f"{request.headers}{request.body!r}" for request in proxy.requests)
