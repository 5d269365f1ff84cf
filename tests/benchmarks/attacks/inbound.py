"""Attacks by requests: bodies, connections, sessions, headers, and clients that do not read answers."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count, cycle, islice

from tests.benchmarks.attacks.client import ERAS, HANDSHAKE_ERA, MODERN_ERA, Answer, Client, rpc
from tests.benchmarks.attacks.play import Attack, Scene, for_everybody, together
from tests.benchmarks.process import HANDSHAKE, MODERN

TOOLS = ("create_task", "respond", "get_task", "list_tasks", "update_task", "wait_for_events")
_DEPTH = 190
_SHAPES = {
    "arrays 190 deep": b"[" * _DEPTH + b"]" * _DEPTH,
    "empty arrays": b"[]",
    "objects 190 deep": b'{"a":' * _DEPTH + b"1" + b"}" * _DEPTH,
    "empty objects": b"{}",
    "empty texts": b'""',
    "texts of 2,000 characters": b'"' + b"x" * 2000 + b'"',
    "one long text": b"",
}
_DEPTHS = (200, 500, 980, 5000, 100_000)
_CALLS_MIB = 40.0
"""Memory that one call may take."""

_LOOP_MS = 200.0
"""How long one call may keep the server from others."""

_AT_ONCE = 8
_INITIALIZES_A_SECOND = 160.0
_PATIENCE = 120.0
_IDLE_AGAIN, _AT_ONCE_AGAIN = 4.0, 0.1
"""Seconds until a connection that the server ended is opened again."""


def attacks() -> Iterator[Attack]:
    """All of them."""
    nested = partial(Attack, above_mib=_CALLS_MIB, probe_ms=_LOOP_MS, seconds=120)
    yield nested("nested JSON, 2 MiB", partial(_nested, which=0))
    yield nested("nested JSON, 5 MiB", partial(_nested, which=1))
    yield nested("nested JSON, 16 MiB", partial(_nested, which=2))
    yield nested("JSON 200 to 100,000 levels deep", _deep)
    yield Attack("nested JSON, eight at a time", partial(_nested, which=-1, at_once=_AT_ONCE), seconds=120)
    yield Attack("bodies of 16 MiB that do not end", _open_bodies)
    for name, begun in _BEGUN.items():
        yield Attack(f"idle connections, {name}", partial(_hold, begun=begun))
    yield Attack("idle connections from the user's address", _hold, source="127.0.0.1")
    yield Attack("idle connections from many addresses", partial(_hold, sources=250))
    yield Attack("connections, opened again at once", partial(_hold, again=_AT_ONCE_AGAIN))
    yield Attack("idle connections, nobody is asked who they are", _hold, access=for_everybody)
    yield Attack("sessions opened and left", _sessions, also_attackers=True)
    yield Attack("a transcript that is not read", _unread, prepare=_long_transcript, seconds=330)
    yield Attack("Content-Length with Transfer-Encoding", _smuggled, access=for_everybody)
    yield Attack("foreign Host headers of 3 KB", _foreign_hosts, log_kib=64)
    yield Attack("odd Host and Origin headers", _odd_headers, access=for_everybody)


def nested(unit: bytes, size: int) -> bytes:
    """An array of so many bytes that holds nothing but ``unit``; without one, a text."""
    if not unit:
        return b'"' + b"x" * (size - 2) + b'"'
    return b"[" + b",".join([unit] * ((size - 2) // (len(unit) + 1))) + b"]"


def tool_call(tool: str, value: bytes, era: str) -> bytes:
    """The body of a call with a value in an argument: of the tool's own where that may be anything."""
    arguments = b'{"task_id":"x","action":"tool_results","tool_results":[{"tool_call_id":"x","content":@}]}'
    if tool != "respond":
        arguments = b'{"task_id":"x","x":@}'
    params = {"name": tool, "arguments": "@", **(MODERN if era == MODERN_ERA else {})}
    return rpc("tools/call", params).replace(b'"@"', arguments).replace(b"@", value)


async def _nested(scene: Scene, which: int, at_once: int = 1) -> None:
    """Every tool, in both eras, with every shape; each call on its own unless ``at_once`` says otherwise."""
    sessions = [await _session(scene)]
    size = scene.size.bodies[which]

    async def one(tool: str, era: str, shape: bytes) -> None:
        room = size - len(tool_call(tool, b"", era))
        body = tool_call(tool, nested(shape, room), era)
        scene.count(await _send_call(scene, tool, era, body, sessions[0]))

    tools = TOOLS[: scene.size.tools] if at_once == 1 else ("respond",) * scene.size.tools
    acts = [partial(one, tool, era, shape) for tool in tools for era in ERAS for shape in _SHAPES.values()]
    await together(acts, at_once)


async def _deep(scene: Scene) -> None:
    session = await _session(scene)
    for depth in _DEPTHS:
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            value = opening * depth + b"1" + closing * depth
            for tool in TOOLS[: scene.size.tools]:
                for era in ERAS:
                    scene.count(await _send_call(scene, tool, era, tool_call(tool, value, era), session))
    internal = sum(number for kind, number in scene.answers.items() if kind.startswith("5"))
    scene.goal("answers 5xx", "answers", internal, 0)


async def _session(scene: Scene) -> str:
    _, session = await scene.attacker.open_session()
    return session


async def _send_call(scene: Scene, tool: str, era: str, body: bytes, session: str) -> Answer:
    client = scene.attacker.within(_PATIENCE)
    params = {"name": tool}
    return await client.send(client.request("tools/call", params, era=era, session=session, body=body))


async def _open_bodies(scene: Scene) -> None:
    """All but the last byte of large requests, held."""
    size = scene.size.bodies[-1]
    request = scene.attacker.post({**scene.attacker.headers, "Content-Length": str(size)}, b"x" * (size - 1))
    client = scene.attacker.within(scene.size.hold_seconds)

    async def one() -> None:
        scene.count(await client.send(request))

    await together([one] * scene.size.open_bodies, scene.size.open_bodies)


_BEGUN = {
    "silent": b"",
    "half-sent headers": b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n",
    "half-sent bodies": b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{",
    "answered before": b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
}


async def _hold(scene: Scene, begun: bytes = b"", sources: int = 1, again: float = _IDLE_AGAIN) -> None:
    """Keep as many connections as one can, and open another for each that the server ends."""
    addresses = (
        cycle(f"127.0.1.{number}" for number in range(1, sources + 1))
        if sources > 1
        else cycle(["127.0.0.1"])
    )

    async def hold(source: str) -> None:
        client = Client(scene.served.port, source=source)
        while True:
            with suppress(OSError):
                reader, writer = await client.connect()
                try:
                    writer.write(begun)
                    while chunk := await reader.read(2**12):
                        scene.answers[_status(chunk)] += 1
                    scene.answers["ended by the server"] += 1
                finally:
                    writer.transport.abort()
            await asyncio.sleep(again)

    holders = [asyncio.create_task(hold(source)) for source in islice(addresses, scene.size.connections)]
    await asyncio.sleep(scene.size.hold_seconds)
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)


def _status(chunk: bytes) -> str:
    words = chunk.split(b" ", 2)
    return words[1].decode("latin-1") if chunk.startswith(b"HTTP/1.1 ") and len(words) > 1 else "other bytes"


async def _sessions(scene: Scene) -> None:
    """Open sessions and end none, while the same person's other program goes on."""

    async def one() -> None:
        scene.count(await scene.attacker.ask("initialize", HANDSHAKE, era=HANDSHAKE_ERA))

    await together([one] * scene.size.initializes, 64, a_second=_INITIALIZES_A_SECOND)
    answer, session = await scene.attacker.open_session()
    scene.goal("new sessions refused afterwards", "sessions", float(not (answer.is_good and session)), 0)


def _long_transcript(scene: Scene) -> None:
    scene.api.serve_history("long-transcript", "messages", scene.size.transcript_events, 120 * 1024)


async def _unread(scene: Scene) -> None:
    """Ask for a long transcript, and for its events, again and again, and read none of the answers."""
    size = scene.size
    held: list[socket.socket] = []
    session = await _session(scene)
    for number in range(size.reads):
        era = ERAS[number % 2]
        uri = f"neo://long-transcript/tasks/task-1/{('transcript', 'events')[number // 2 % 2]}"
        request = scene.attacker.request("resources/read", {"uri": uri}, era=era, session=session)
        held.append(await _ask_and_ignore(scene.served.port, request))
    started = time.perf_counter()
    try:
        await _until_ended(scene, {connection.getsockname()[1] for connection in held})
    finally:
        seconds = time.perf_counter() - started
        scene.goal("until their connections ended", "s", seconds, size.unread_seconds)
        left = len(held) if seconds > size.unread_seconds else 0
        scene.goal("connections held too long", "connections", left, 0)
        scene.answers["not read"] += len(held)
        for connection in held:
            connection.close()


async def _until_ended(scene: Scene, ports: set[int]) -> None:
    while scene.served.held(ports):  # noqa: ASYNC110 - another process ends them
        await asyncio.sleep(0.2)


async def _ask_and_ignore(port: int, request: bytes) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(connection, request)
    return connection


async def _smuggled(scene: Scene) -> None:
    """Requests whose length two readers would understand differently."""
    body = rpc("tools/list", MODERN)
    chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    framings = {
        "both": ["Content-Length: 5", "Transfer-Encoding: chunked"],
        "both, the other way round": ["Transfer-Encoding: chunked", f"Content-Length: {len(chunked)}"],
        "two lengths": [f"Content-Length: {len(chunked)}", "Content-Length: 5"],
        "not chunked last": ["Transfer-Encoding: chunked, identity"],
        "unknown coding": ["Transfer-Encoding: xchunked"],
    }
    served = 0
    for lines in framings.values():
        head = ["POST /mcp HTTP/1.1", f"Host: 127.0.0.1:{scene.served.port}", *_MODERN_LIST, *lines]
        request = "\r\n".join([*head, "Connection: close", "", ""]).encode() + chunked
        answer = scene.count(await scene.stranger.within(5).send(request))
        served += answer.status == 200
    scene.goal("served", "requests", served, 0)


_MODERN_LIST = (
    "Content-Type: application/json",
    "Accept: application/json, text/event-stream",
    f"MCP-Protocol-Version: {MODERN_ERA}",
    "Mcp-Method: tools/list",
)


async def _foreign_hosts(scene: Scene) -> None:
    """A stranger's requests for another host, whose names fill the log."""
    numbers = count()

    async def one() -> None:
        name = f"{next(numbers)}-".ljust(3000, "x") + ".example"
        request = scene.stranger.head("GET", {"Host": name})
        scene.count(await scene.stranger.send(request))

    await together([one] * scene.size.refusals, 16)
    served = sum(number for kind, number in scene.answers.items() if kind.startswith("200"))
    scene.goal("served", "requests", served, 0)


async def _odd_headers(scene: Scene) -> None:
    """Host and Origin headers that begin like a good one, and more than one of them."""
    port = scene.served.port
    good = f"127.0.0.1:{port}"
    hosts = [
        *(f"127.0.0.1:{port}@evil.example", "localhost:80.evil.example", f"localhost:{port}.evil.example"),
        *("127.0.0.1.evil.example", "evil.example", f"evil.example:{port}", "localhost:x"),
        *(
            f"user@127.0.0.1:{port}",
            f"127.0.0.1:{port}/",
            f"127.0.0.1:{port}#",
            f"127.0.0.1:{port}?",
            "",
            "[::1",
        ),
        *(
            f"localhost:{port}:{port}",
            f"127.0.0.1:+{port}",
            f"127.0.0.1:{port} ",
            f"127.0.0.1:{port},evil.example",
        ),
    ]
    origins = [
        *("https://evil.example", "null", "http://localhost:80.evil.example", f"http://{good}@evil.example"),
        *(
            f"http://{good}.evil.example",
            f"http://{good}/",
            "http://localhost:x",
            "http://127.0.0.1.evil.example",
        ),
    ]
    # White space around a value is no part of it.
    asked = [[("Host", host)] for host in hosts if host.strip() != good]
    asked += [[("Host", good), ("Origin", origin)] for origin in origins]
    asked += [
        [("Host", good), ("Host", "evil.example")],
        [("Host", "evil.example"), ("Host", good)],
        [("Host", good), ("Origin", f"http://{good}"), ("Origin", "https://evil.example")],
        [("Host", good), ("Origin", "https://evil.example"), ("Origin", f"http://{good}")],
    ]
    body = rpc("tools/list", MODERN)
    served: list[str] = []
    for pairs in asked:
        lines = [
            *(f"{name}: {value}" for name, value in pairs),
            *_MODERN_LIST,
            f"Content-Length: {len(body)}",
        ]
        request = "\r\n".join(["POST /mcp HTTP/1.1", *lines, "Connection: close", "", ""]).encode() + body
        answer = scene.count(await scene.stranger.within(5).send(request))
        if answer.status == 200:
            served.append("; ".join(f"{name}: {value}" for name, value in pairs))
    scene.remarks += [f"served: {text}" for text in served]
    scene.goal("served", "requests", len(served), 0)
