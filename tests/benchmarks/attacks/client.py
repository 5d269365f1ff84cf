"""A bare HTTP client: the bytes of MCP requests of both protocol eras, sent once, with the answer classified.

There is no HTTP library in between: an attack decides itself what is on the wire, and hundreds of connections
must cost the attacker little.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tests.benchmarks.process import HANDSHAKE, MODERN

Json = dict[str, Any]

ERAS = ("2026-07-28", "2025-11-25")
MODERN_ERA, HANDSHAKE_ERA = ERAS
PATH = "/mcp"
MAX_KEPT = 64 * 2**20
"""Bytes of an answer that are kept; the rest is counted."""

_CHUNK = 2**18
_IDS = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    Attributes:
        status: The HTTP status; 0 where none came.
        body: The body.
        seconds: From before the connection was opened to the end of the answer.
        problem: Why there is no answer: ``timeout``, ``reset``, ``closed`` or ``no connection``.
        head: The status line and the headers.
    """

    status: int
    body: bytes
    seconds: float
    problem: str = ""
    head: bytes = b""

    @cached_property
    def message(self) -> Json:
        """The JSON-RPC message that ends the answer; empty where there is none."""
        lines = [line.partition(b":")[2] for line in self.body.splitlines() if line.startswith(b"data:")]
        for text in reversed([self.body, *lines]):
            with suppress(ValueError):
                value = json.loads(text)
                if isinstance(value, dict) and {"result", "error"} & value.keys():
                    return value
        return {}

    @property
    def result(self) -> Json:
        """The result of the call; empty where there is none."""
        result = self.message.get("result")
        return result if isinstance(result, dict) else {}

    @property
    def text(self) -> str:
        """The text of a tool's result or of an error."""
        if "error" in self.message:
            return str(self.message["error"].get("message"))
        return "\n".join(str(block.get("text")) for block in self.result.get("content", ()))

    @property
    def kind(self) -> str:
        """The class of the answer, such as ``200 result``, ``200 tool error``, ``413`` or ``timeout``."""
        if not self.status:
            return self.problem
        if self.problem:
            return f"{self.status}, then {self.problem}"
        if "error" in self.message:
            return f"{self.status} protocol error"
        if self.result.get("isError"):
            return f"{self.status} tool error"
        return f"{self.status} result" if self.result else str(self.status)

    @property
    def is_good(self) -> bool:
        """Whether a well-behaved caller got what it asked for."""
        return self.kind in {"200 result", "202", "204"}

    def header(self, name: str) -> str:
        """A header's value, or an empty text."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


@dataclass(frozen=True)
class Client:
    """One caller.

    Attributes:
        port: The server's, on 127.0.0.1.
        headers: What identifies the caller.
        source: The loopback address that connections come from.
        timeout: Seconds for a whole request.
    """

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str = "127.0.0.1"
    timeout: float = 30.0

    def within(self, seconds: float) -> "Client":
        """The same caller with another time limit."""
        return replace(self, timeout=seconds)

    def request(
        self,
        method: str,
        params: Json,
        *,
        era: str = MODERN_ERA,
        session: str = "",
        body: bytes | None = None,
    ) -> bytes:
        """The bytes of a JSON-RPC request; ``body`` replaces what would be made of the first two."""
        if body is None:
            envelope = {**params, **MODERN} if era == MODERN_ERA else params
            body = rpc(method, envelope)
        headers = dict(self.headers)
        if era == MODERN_ERA:
            headers |= {"MCP-Protocol-Version": era, "Mcp-Method": method}
            name = params.get("name", params.get("uri"))
            headers |= {"Mcp-Name": name} if name else {}
        elif session:
            headers |= {"MCP-Protocol-Version": era, "Mcp-Session-Id": session}
        return self.post(headers, body)

    def post(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """The bytes of a POST."""
        given = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Content-Length": str(len(body)),
            **headers,
        }
        return self.head("POST", given) + body

    def head(self, verb: str, headers: Mapping[str, str], path: str = PATH) -> bytes:
        """The bytes before a body; the connection ends with the answer."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **headers}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{verb} {path} HTTP/1.1\r\n{text}\r\n".encode("latin-1")

    async def call(self, tool: str, arguments: Json, *, era: str = MODERN_ERA, session: str = "") -> Answer:
        """Call a tool."""
        params = {"name": tool, "arguments": arguments}
        return await self.send(self.request("tools/call", params, era=era, session=session))

    async def ask(self, method: str, params: Json, *, era: str = MODERN_ERA, session: str = "") -> Answer:
        """Send any request."""
        return await self.send(self.request(method, params, era=era, session=session))

    async def open_session(self) -> tuple[Answer, str]:
        """Open a session of the handshake era; the answer to ``initialize``, and the session's id."""
        answer = await self.ask("initialize", HANDSHAKE, era=HANDSHAKE_ERA)
        session = answer.header("mcp-session-id")
        if session:
            ready = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()
            await self.send(self.request("", {}, era=HANDSHAKE_ERA, session=session, body=ready))
        return answer, session

    async def close_session(self, session: str) -> Answer:
        """End a session."""
        return await self.send(self.head("DELETE", self.in_session(session)))

    def in_session(self, session: str) -> dict[str, str]:
        """The headers of a request in a session that is no JSON-RPC message of its own."""
        accept = "application/json, text/event-stream"
        version = {"MCP-Protocol-Version": HANDSHAKE_ERA, "Mcp-Session-Id": session}
        return {**self.headers, **version, "Accept": accept}

    async def get(self, path: str) -> Answer:
        """Ask for a page, such as a probe's."""
        return await self.send(self.head("GET", {}, path))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection.

        Raises:
            OSError: If there is none to be had.
        """
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.source, 0))

    async def send(self, request: bytes) -> Answer:
        """Send a request on a connection of its own, and read until the server ends it; never raises."""
        started = time.perf_counter()
        received = bytearray()
        problem = ""
        try:
            async with asyncio.timeout(self.timeout):
                problem = await self._exchange(request, received)
        except TimeoutError:
            problem = "timeout"
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        words = head.split(b" ", 2)
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        # An answer that has come is an answer, whatever became of the connection while the request was sent.
        if status and problem == "reset":
            problem = ""
        if b"\r\ntransfer-encoding: chunked" in head.lower():
            body = without_chunks(body)
        return Answer(
            status, body, time.perf_counter() - started, problem or ("" if status else "closed"), head
        )

    async def _exchange(self, request: bytes, received: bytearray) -> str:
        try:
            reader, writer = await self.connect()
        except OSError:
            return "no connection"
        writing = asyncio.create_task(_write(writer, request))
        try:
            while chunk := await reader.read(_CHUNK):
                received += chunk[: max(0, MAX_KEPT - len(received))]
        except OSError:
            return "reset"
        finally:
            writing.cancel()
            writer.transport.abort()
        return ""


def without_chunks(body: bytes) -> bytes:
    """The body of a chunked answer, as far as it came."""
    parts: list[bytes] = []
    start = 0
    while (end := body.find(b"\r\n", start)) >= 0:
        digits = body[start:end].partition(b";")[0].strip()
        size = int(digits, 16) if digits else 0
        if not size:
            break
        parts.append(body[end + 2 : end + 2 + size])
        start = end + 2 + size + 2
    return b"".join(parts)


async def _write(writer: asyncio.StreamWriter, request: bytes) -> None:
    with suppress(OSError):
        writer.write(request)
        await writer.drain()


def rpc(method: str, params: Json) -> bytes:
    """A JSON-RPC request with an id of its own."""
    message = {"jsonrpc": "2.0", "id": next(_IDS), "method": method, "params": params}
    return json.dumps(message, separators=(",", ":")).encode()
