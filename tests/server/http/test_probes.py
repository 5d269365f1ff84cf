"""What balancers and orchestrators ask is answered to anybody, tells nothing, and costs the API nothing."""

from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.responses import PlainTextResponse

from neo_mcp.api import Certificates
from neo_mcp.config import Auth, Settings
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.probes import Probes, Reachability
from neo_mcp.server.http.server import running_http
from neo_mcp.simulator import Fault
from tests.support.host import TOKEN, World, until

FOREIGN = {"host": "10.1.2.3:8365", "origin": "https://evil.example"}


async def test_they_are_answered_without_authentication_under_any_host(world: World, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("s" * 40)
    secrets.chmod(0o600)
    server = NeoServer(world.settings(auth=Auth.BEARER, auth_secret_file=secrets))
    async with running_http(server, host="127.0.0.1", port=0) as url, httpx.AsyncClient() as http:
        answers = {"/healthz": {"status": "alive"}, "/readyz": {"status": "ready", "api": "reachable"}}
        for path, said in answers.items():
            answer = await http.get(url.replace("/mcp", path), headers=FOREIGN)
            assert (answer.status_code, answer.json()) == (200, said)
            assert answer.headers["cache-control"] == "no-store"
            assert (await http.head(url.replace("/mcp", path), headers=FOREIGN)).status_code == 200
            assert (await http.post(url.replace("/mcp", path), headers=FOREIGN)).status_code == 405
        # Everything else is as closed as before.
        for path in ("/mcp", "/healthz/", "/readyz/x", "/metrics"):
            assert (await http.get(url.replace("/mcp", path), headers=FOREIGN)).status_code in {401, 403, 421}


async def test_readiness_says_whether_the_api_was_reached_and_asks_it_once_for_many_probes(
    world: World,
) -> None:
    async with (
        running_http(NeoServer(world.settings()), host="127.0.0.1", port=0) as url,
        httpx.AsyncClient() as http,
    ):
        ready = url.replace("/mcp", "/readyz")
        assert world.simulator.requests == []

        for _ in range(50):
            answer = await http.get(ready)
            assert (answer.status_code, answer.json()) == (200, {"status": "ready", "api": "reachable"})
    (asked,) = world.simulator.requests
    assert asked.path == "/api/user"
    # Without our token.
    assert TOKEN not in str(asked.headers)


async def test_a_server_is_ready_again_when_the_api_is_back(world: World) -> None:
    world.simulator.faults.add(Fault("reset_before_response", times=1))
    api = Reachability(world.simulator.url, Certificates(), check_seconds=0.0, recheck_seconds=0.0)
    async with anyio.create_task_group() as group:
        group.start_soon(api.run)
        assert await api.ask() == "unreachable"
        assert api.failure == "connection"
        while await api.ask() == "unreachable":
            await anyio.lowlevel.checkpoint()
        assert (api.status, api.failure) == ("reachable", "")
        group.cancel_scope.cancel()


async def test_a_server_without_its_api_starts_says_so_and_stays(free_tcp_port: int) -> None:
    settings = Settings(api_url=f"http://127.0.0.1:{free_tcp_port}", token=SecretStr(TOKEN))
    async with (
        running_http(NeoServer(settings), host="127.0.0.1", port=0) as url,
        httpx.AsyncClient() as http,
    ):
        for _ in range(3):
            answer = await http.get(url.replace("/mcp", "/readyz"))
            assert answer.status_code == 503
            said = answer.json()
            assert (said["status"], said["api"]) == ("not ready", "unreachable")
            assert said["reason"] == "connection"
        assert (await http.get(url.replace("/mcp", "/healthz"))).status_code == 200


async def test_a_check_that_fails_in_an_unknown_way_ends_no_server(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OverflowError

    monkeypatch.setattr("neo_mcp.server.http.probes.probe", fail)
    async with (
        running_http(NeoServer(world.settings()), host="127.0.0.1", port=0) as url,
        httpx.AsyncClient() as http,
    ):
        for _ in range(2):
            answer = await http.get(url.replace("/mcp", "/readyz"))
            assert (answer.status_code, answer.json()["reason"]) == (503, "unexpected")


async def test_a_server_is_ready_from_its_start_until_it_is_asked_to_stop(world: World) -> None:
    server = NeoServer(world.settings())
    probes = Probes(PlainTextResponse("the rest"), server, Reachability(world.simulator.url, Certificates()))
    transport = httpx.ASGITransport(app=probes)
    async with httpx.AsyncClient(transport=transport, base_url="http://10.1.2.3") as http:
        before = await http.get("/readyz")
        async with running_http(server, host="127.0.0.1", port=0):
            await until(lambda: server._running)
            assert (await http.get("/readyz")).status_code == 200
            server.end_streams()
            stopping = await http.get("/readyz")
            # It is not to be killed while it ends well.
            assert (await http.get("/healthz")).status_code == 200
    for answer in (before, stopping):
        assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
