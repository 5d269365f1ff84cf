"""What browsers are told about pages of other origins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from neo_mcp.config import Auth
from tests.support.host import PATIENCE, World
from tests.support.people import ACCEPT, KEY, SECRET, bearer, secret_file, serving
from tests.support.processes import HELLO

ORIGIN = "https://chat.example.com"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,mcp-protocol-version,mcp-session-id",
}
PING = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}


@asynccontextmanager
async def endpoint(world: World, folder: Path, *origins: str) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    settings = world.settings(
        auth=Auth.BEARER, auth_secret_file=secret_file(folder, SECRET), key=KEY, allowed_origins=origins
    )
    async with (
        serving(settings) as url,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
    ):
        yield url, http


@pytest.mark.parametrize("origin", [ORIGIN, "https://CHAT.example.com", "https://chat.example.com:443"])
async def test_a_preflight_needs_no_credentials(world: World, tmp_path: Path, origin: str) -> None:
    async with endpoint(world, tmp_path, f"{ORIGIN}/") as (url, http):
        answer = await http.request("OPTIONS", url, headers={"origin": origin, **PREFLIGHT})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    asked = PREFLIGHT["access-control-request-headers"]
    assert answer.headers["access-control-allow-headers"] == asked
    assert {"GET", "POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]


async def test_a_page_reads_what_it_needs_to_go_on(world: World, tmp_path: Path) -> None:
    async with endpoint(world, tmp_path, ORIGIN) as (url, http):
        refused = await http.post(url, json=PING, headers={**ACCEPT, "origin": ORIGIN})
        served = await http.post(url, json=PING, headers={**ACCEPT, **bearer(SECRET), "origin": ORIGIN})
    assert (refused.status_code, served.status_code) == (401, 200)
    for answer in (refused, served):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"Mcp-Session-Id", "WWW-Authenticate"} <= set(exposed)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:3000", "http://127.0.0.1:8365", "null"]
)
async def test_no_other_page_is_let_in(world: World, tmp_path: Path, origin: str) -> None:
    for origins in ([], [ORIGIN]):
        async with endpoint(world, tmp_path, *origins) as (url, http):
            preflight = await http.request("OPTIONS", url, headers={"origin": origin, **PREFLIGHT})
            headers = {**ACCEPT, **bearer(SECRET), "origin": origin}
            answer = await http.post(url, json=PING, headers=headers)
        assert "access-control-allow-origin" not in {*preflight.headers, *answer.headers}
        assert preflight.status_code >= 400
