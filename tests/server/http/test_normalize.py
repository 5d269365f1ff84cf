"""Requests in other forms than the endpoint's own: paths, Accept headers, resumed streams, people."""

import codecs
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from mcp_types import INVALID_REQUEST

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


async def test_a_body_may_begin_with_a_byte_order_mark(url: str, http: httpx.AsyncClient) -> None:
    body = codecs.BOM_UTF8 + json.dumps(PING).encode()
    headers = {**ACCEPT, "content-type": "application/json"}
    for content in (body, chunks(body)):
        answer = await http.post(url, content=content, headers=headers)
        assert answer.status_code == 200
        assert "serverInfo" in answer.text


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for n in range(len(body)):
        yield body[n : n + 1]


@pytest.mark.parametrize(
    "body", ["[]", "7", '"x"', "{}", "null", json.dumps([PING]), '{"jsonrpc":"1.0","id":1,"method":"ping"}']
)
@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_a_body_that_is_no_message_is_refused_in_words(
    url: str, http: httpx.AsyncClient, body: str, version: str
) -> None:
    headers = {**ACCEPT, "content-type": "application/json", "mcp-protocol-version": version}
    answer = await http.post(url, content=body, headers=headers)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == INVALID_REQUEST
    assert "JSON-RPC" in error["message"]
    assert "pydantic" not in answer.text
    assert "\n" not in error["message"]


@pytest.mark.parametrize(
    ("method", "more"),
    [
        *((method, {}) for method in ("GET", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS")),
        ("POST", {"content": "{"}),
        ("POST", {"content": "[]"}),
        ("POST", {"json": PING, "headers": {"accept": "text/plain"}}),
        ("POST", {"json": {**PING, "method": "ping"}}),
        ("POST", {"json": PING, "headers": {**ACCEPT, "content-type": "text/plain"}}),
    ],
)
async def test_what_is_refused_leaves_no_session_behind(
    world: World, http: httpx.AsyncClient, method: str, more: dict[str, Any]
) -> None:
    server = NeoServer(world.settings())
    async with running_http(server, host="127.0.0.1", port=0) as url:
        for _ in range(3):
            answer = await http.request(method, url, **{"headers": ACCEPT, **more})
            assert answer.status_code >= 400
            assert "mcp-session-id" not in answer.headers
        assert not server.protocol.session_manager._server_instances
        answer = await http.post(url, json=PING, headers=ACCEPT)
        assert answer.headers["mcp-session-id"]


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
