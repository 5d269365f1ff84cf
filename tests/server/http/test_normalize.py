"""Requests in other forms than the endpoint's own: paths, Accept headers, resumed streams, people."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.server import running_http
from tests.support.host import PATIENCE, World
from tests.support.processes import HELLO

PING = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with running_http(NeoServer(world.settings()), host="127.0.0.1", port=0) as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        yield http


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    "accept",
    [
        ["application/json, text/event-stream"],
        ["application/json", "text/event-stream"],
        ["text/event-stream", "application/json;q=0.9"],
        ["*/*", "text/html"],
    ],
)
async def test_an_endpoint_with_a_slash_and_accept_headers_of_any_number_are_served(
    url: str, http: httpx.AsyncClient, slash: str, accept: list[str]
) -> None:
    headers = [("accept", value) for value in accept]
    answer = await http.post(url + slash, json=PING, headers=headers)
    assert answer.status_code == 200
    assert "serverInfo" in answer.text


async def test_a_stream_is_opened_anew_where_a_client_would_resume_it(
    url: str, http: httpx.AsyncClient
) -> None:
    session = (await http.post(url, json=PING, headers=ACCEPT)).headers["mcp-session-id"]
    for last_event_id in ("5", "x" * 1000, ""):
        headers = {**ACCEPT, "mcp-session-id": session, "last-event-id": last_event_id}
        with anyio.fail_after(PATIENCE):
            async with http.stream("GET", url, headers=headers) as stream:
                assert stream.status_code == 200
                assert stream.headers["content-type"].startswith("text/event-stream")
    assert (await http.post(url, json=PING, headers=ACCEPT)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_person_who_opens_it_in_a_browser_is_told_where_they_are(
    url: str, http: httpx.AsyncClient, method: str
) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = await http.request(method, f"{url}/", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (url in answer.text) == (method == "GET")
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("name", ["mcp-protocol-version", "MCP-Session-Id", "mcp-method"])
async def test_a_header_of_the_protocol_counts_once_or_not_at_all(
    url: str, http: httpx.AsyncClient, name: str
) -> None:
    for values in (("2025-06-18", "2026-07-28"), ("x", "x")):
        headers = [("accept", ACCEPT["accept"]), *((name, value) for value in values)]
        answer = await http.post(url, json=PING, headers=headers)
        assert (answer.status_code, "twice" in answer.text) == (400, True)


async def test_other_paths_stay_unknown(url: str, http: httpx.AsyncClient) -> None:
    for path in ("//", "/x", "/mcp", "%0a", "%00", "%0d/"):
        answer = await http.post(url + path, json=PING, headers=ACCEPT)
        assert answer.status_code == 404
