"""The front's prepared answers, as the server gives them.

``python -m tests.generate.answers`` writes them.
"""

import json
from functools import partial
from itertools import product
from typing import Any

import anyio
import anyio.lowlevel

from neo_mcp.config import Settings
from neo_mcp.front.answers import FILE, name_of
from neo_mcp.front.conversation import MODERN
from neo_mcp.server.app import NeoServer
from neo_mcp.server.apps.extension import EXTENSION, MIME_TYPE
from neo_mcp.server.stdio.eras import run
from neo_mcp.server.stdio.transport import LineReader, LineWriter

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LISTS = ("tools/list", "resources/templates/list", "prompts/list")
_ROUNDS = 200
"""Rounds of the event loop, of which no request that asks the API nothing takes as many."""

CLIENT = {"name": "host", "version": "1"}
APPS: dict[str, Any] = {"extensions": {EXTENSION: {"mimeTypes": [MIME_TYPE]}}}


class Input:
    """What a host sends, in chunks; its end comes once all is answered that can be."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)

    async def read(self, _: int) -> bytes:
        """The next chunk."""
        if self._chunks:
            return self._chunks.pop(0)
        for _ in range(_ROUNDS):
            await anyio.lowlevel.checkpoint()
        return b""


class Output:
    """What a host receives."""

    unsent = 0

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        """Store it."""
        self.written += data

    async def drain(self) -> None:
        """Nothing is waited for."""


class NoEnd:
    """The end of a process that goes on."""

    has_begun = False

    def begin(self) -> None:
        """Nothing happens."""


async def answers_of(server: NeoServer, *chunks: bytes, rest: Any = None) -> bytes:  # noqa: ANN401 - see below
    """All that the server writes to a host that sends ``chunks``."""
    output = Output()
    end: Any = NoEnd()
    writer = LineWriter(output, end, rest)
    with anyio.fail_after(30):
        await run(server.protocol, LineReader(Input(*chunks), writer, end, rest), writer)
    return output.written


def line(method: str, params: dict[str, Any] | None = None, request_id: int | None = 1) -> bytes:
    """A message as a host sends it; a notification without an id."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}
    if request_id is None:
        del message["id"]
    return json.dumps(message).encode() + b"\n"


def initialize(version: str, capabilities: dict[str, Any], request_id: int = 0) -> bytes:
    """The request that opens a connection with a handshake."""
    hello = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": CLIENT}
    return line("initialize", hello, request_id)


def envelope(capabilities: dict[str, Any], version: str = MODERN) -> dict[str, Any]:
    """The parameters that every request without a handshake carries."""
    prefix = "io.modelcontextprotocol"
    return {
        "_meta": {
            f"{prefix}/protocolVersion": version,
            f"{prefix}/clientCapabilities": capabilities,
            f"{prefix}/clientInfo": CLIENT,
        }
    }


async def _results(*, read_only: bool, shows_apps: bool) -> list[tuple[str, bytes]]:
    """Names and results."""
    capabilities = APPS if shows_apps else {}
    results: list[tuple[str, bytes]] = []
    methods: tuple[str, ...]
    for version in (*HANDSHAKE, MODERN):
        if version == MODERN:
            methods = ("server/discover", *LISTS)
            sent = b"".join(line(method, envelope(capabilities), n) for n, method in enumerate(methods))
        else:
            methods = ("initialize", "ping", *LISTS)
            sent = initialize(version, capabilities) + b"".join(
                line(method, None, n) for n, method in enumerate(methods) if n
            )
        written = await answers_of(NeoServer(Settings(read_only=read_only)), sent)
        for answer in written.splitlines():
            begin, _, result = answer.partition(b',"result":')
            method = methods[int(begin.rpartition(b":")[2])]
            name = name_of(method, version, read_only=read_only, shows_apps=shows_apps)
            results.append((name, result.removesuffix(b"}")))
    return sorted(results)


def generated() -> bytes:
    """The content of the file."""
    names: dict[bytes, list[str]] = {}
    for read_only, shows_apps in product((False, True), repeat=2):
        for name, result in anyio.run(partial(_results, read_only=read_only, shows_apps=shows_apps)):
            names.setdefault(result, []).append(name)
    return b"".join(b"%b\t%b\n" % (",".join(each).encode(), result) for result, each in names.items())


if __name__ == "__main__":
    FILE.write_bytes(generated())
