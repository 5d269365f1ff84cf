"""Requests as bytes, on connections that a test holds in its own hand."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import httpx

from tests.support.ends import MODERN_META
from tests.support.host import MODERN, PATIENCE

_ACCEPT = "accept: application/json, text/event-stream"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[anyio.abc.SocketStream]:
    address = httpx.URL(url)
    async with await anyio.connect_tcp(address.host, address.port or 80) as connection:
        yield connection


async def everything(connection: anyio.abc.SocketStream) -> bytes:
    """What the server says until it closes the connection."""
    said = b""
    with anyio.fail_after(PATIENCE):
        try:
            while True:
                said += await connection.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return said


async def answer_on(connection: anyio.abc.SocketStream) -> bytes:
    """The head of one answer, and whatever came with it."""
    said = b""
    with anyio.fail_after(PATIENCE):
        while b"\r\n\r\n" not in said:
            said += await connection.receive()
    return said


def post(url: str, *lines: str, body: bytes = b"") -> bytes:
    """A request to the endpoint; its length is among the lines, or nowhere."""
    head = ["POST /mcp HTTP/1.1", f"host: 127.0.0.1:{httpx.URL(url).port}", "content-type: application/json"]
    return "\r\n".join([*head, _ACCEPT, *lines, "", ""]).encode() + body


def request(url: str, method: str, headers: Mapping[str, str] | None = None, /, **params: Any) -> bytes:  # noqa: ANN401 - any JSON
    """A complete request of the present era."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": MODERN_META}}
    body = json.dumps(message).encode()
    name = params.get("name") or params.get("uri")
    lines = [f"{key}: {value}" for key, value in (headers or {}).items()]
    lines += [f"mcp-protocol-version: {MODERN}", f"mcp-method: {method}", f"content-length: {len(body)}"]
    lines += [f"mcp-name: {name}"] if name else []
    return post(url, *lines, body=body)


def probe(path: str = "/readyz") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: balancer\r\n\r\n".encode()
