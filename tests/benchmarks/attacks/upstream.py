"""The API in a process of its own: the simulator, and beside it organizations whose answers are attacks.

The organization in a request's path chooses the attack, so that a user of another one is served as always. A
line in is a command, a line out its answer, as in :mod:`tests.benchmarks.simulated`.
"""

import asyncio
import json
import re
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from neo_mcp.simulator import Simulator, SimulatorConfig
from neo_mcp.simulator.serve import serving
from tests.benchmarks.attacks import histories
from tests.benchmarks.attacks.histories import MIB, TASK_ID, History
from tests.benchmarks.events import conversation
from tests.benchmarks.process import Process

Json = dict[str, Any]

BOMB, ENDLESS, MANY_TASKS, UNPAGED, LONG_IDS, LATER = (
    *("gzip-bomb", "endless", "many-tasks", "unpaged", "long-ids"),
    "much-later",
)
BOMB_BYTES = 2**30
UNPAGED_TASKS = 5000
ABSURD_ZONE = "Thu, 01 Jan 2026 00:00:00 +99999999999999999999"

_SLICE = 2**18
_PATH = re.compile(
    r"/api/preview/agents/(?P<organization>[^/]+)/tasks(?:/(?P<task>[^/]+))?(?P<rest>/events/stream|/events)?"
)
_JSON = (b"content-type", b"application/json")


class Upstream(Process):
    """The API, for as long as its block lasts."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "tests.benchmarks.attacks.upstream"])
        self.url: str = json.loads(self.read())["url"]

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    def add_task(self, creator: str, events: int = 20) -> str:
        """Make an ordinary running task."""
        task: str = self._ask(do="add", creator=creator, events=events)["task"]
        return task

    def serve_history(self, name: str, kind: str, count: int, size: int) -> None:
        """Give the organization ``name`` a task of so many events of this kind and size."""
        self._ask(do="history", name=name, kind=kind, count=count, size=size)

    def serve_tasks(self, name: str, count: int) -> None:
        """Give the organization so many tasks, which it lists on one page."""
        self._ask(do="tasks", name=name, count=count)

    def load_bomb(self) -> None:
        """Make the bomb now, so that nobody has to wait for it later."""
        self._ask(do="bomb")

    def revoke(self, token: str) -> None:
        """Accept the token no longer."""
        self._ask(do="revoke", token=token)

    def _ask(self, **command: object) -> Json:
        self.write(json.dumps(command).encode() + b"\n")
        answer: Json = json.loads(self.read())
        return answer


class Hostile:
    """The simulator's application, and what it would never answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.histories: dict[str, History] = {}
        self.tasks: dict[str, int] = {}
        self.revoked: set[str] = set()
        self._opened = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = _PATH.fullmatch(scope["path"])
        organization = path["organization"] if path is not None else ""
        exit_ = _Exit(send, receive)
        if _token(scope) in self.revoked:
            await exit_.answer({"code": 401, "message": "Unauthorized"}, status=401)
        elif path is not None and organization in self.histories:
            await self._tell(self.histories[organization], path, scope, exit_)
        elif path is not None and organization in {*_ATTACKS, *self.tasks, LATER}:
            await self._attack(organization, path, scope, exit_)
        else:
            await self._app(scope, receive, send)

    async def _attack(self, organization: str, path: re.Match[str], scope: Scope, way_out: "_Exit") -> None:
        if organization in self.tasks:
            if path["task"]:
                await way_out.answer(histories.task(path["task"]))
            else:
                await way_out.parts(_list(self.tasks[organization]))
        elif organization == LATER:
            await self._refuse_for_long(path, scope, way_out)
        else:
            await _ATTACKS[organization](way_out)

    async def _refuse_for_long(self, path: re.Match[str], scope: Scope, way_out: "_Exit") -> None:
        """Create nothing for now; end a stream before its task's last event, and refuse it once."""
        self._opened += path["rest"] == "/events/stream"
        if not path["task"] or (path["rest"] == "/events/stream" and self._opened == _REFUSED_OPENING):
            await way_out.answer(
                {"code": 429, "message": "Too many requests"},
                status=429,
                headers=[(b"retry-after", ABSURD_ZONE.encode())],
            )
        else:
            is_whole = self._opened > _REFUSED_OPENING
            await self._tell(_WHOLE if is_whole else _BROKEN, path, scope, way_out, is_open=is_whole)

    async def _tell(
        self,
        history: History,
        path: re.Match[str],
        scope: Scope,
        way_out: "_Exit",
        *,
        is_open: bool = True,
    ) -> None:
        if path["rest"] is None:
            known = histories.task(path["task"] or TASK_ID)
            await way_out.answer(known if path["task"] else {"tasks": [known]})
        elif path["rest"] == "/events":
            query = parse_qs(scope["query_string"].decode())
            start = int(query.get("continuationToken", ["0"])[0])
            end = min(start + int(query.get("pageSize", ["100"])[0]), history.count)
            await way_out.parts(_page(history, start, end))
        else:
            last = dict(scope["headers"]).get(b"last-event-id", b"").decode()
            frames = (
                f"id: {histories.event_id(number)}\ndata: ".encode() + history.event(number) + b"\n\n"
                for number in range(history.after(last), history.count)
            )
            await way_out.parts(frames, headers=[(b"content-type", b"text/event-stream")], is_open=is_open)


class _Exit:
    """The way out of one answer."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self._send = send
        self._receive = receive

    async def answer(
        self, value: object, *, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """Answer with JSON."""
        await self.parts([json.dumps(value).encode()], status=status, headers=[_JSON, *headers])

    async def parts(
        self,
        parts: Iterator[bytes] | Sequence[bytes],
        *,
        status: int = 200,
        headers: Sequence[tuple[bytes, bytes]] = (_JSON,),
        is_open: bool = False,
    ) -> None:
        """Answer with one part after the other, for as long as somebody reads."""
        gone = asyncio.create_task(self._hang_up())
        try:
            await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})
            for part in parts:
                for start in range(0, len(part), _SLICE):
                    if gone.done():
                        return
                    body = part[start : start + _SLICE]
                    await self._send({"type": "http.response.body", "body": body, "more_body": True})
                    # Others are served meanwhile.
                    await asyncio.sleep(0)
            while is_open and not gone.done():
                await asyncio.wait({gone}, timeout=5)
                await self._send(
                    {"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True}
                )
            await self._send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()

    async def _hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _bomb(way_out: _Exit) -> None:
    await way_out.parts([bomb(BOMB_BYTES)], headers=[_JSON, (b"content-encoding", b"gzip")])


async def _endless(way_out: _Exit) -> None:
    def forever() -> Iterator[bytes]:
        yield b'{"tasks":[],"events":[],"id":"'
        while True:
            yield b"x" * _SLICE

    await way_out.parts(forever())


async def _long_ids(way_out: _Exit) -> None:
    tasks = [histories.task(f"{number}" + "x" * MIB, name="n" * MIB) for number in range(20)]
    await way_out.answer({"tasks": tasks, "continuationToken": "t" * MIB})


_ATTACKS: dict[str, Callable[[_Exit], Awaitable[None]]] = {
    BOMB: _bomb,
    ENDLESS: _endless,
    LONG_IDS: _long_ids,
}


def _last_words(number: int) -> tuple[str, Json]:
    content = ("Wait.", "Done.")[number]
    return "agentResponse", {"type": "assistant_message", "content": content, "is_final": number == 1}


_BROKEN, _WHOLE = History(1, _last_words), History(2, _last_words)
_REFUSED_OPENING = 2
"""Which opening of the stream is refused."""


@cache
def bomb(size: int) -> bytes:
    """JSON of so many bytes, nearly all of it blanks, as one gzip member."""
    part = b" " * (16 * MIB)
    make = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = make.compress(part) + make.flush(zlib.Z_FULL_FLUSH)
    times = size // len(part)
    end = make.compress(b"{}") + make.flush()
    crc = 0
    for _ in range(times):
        crc = zlib.crc32(part, crc)
    crc = zlib.crc32(b"{}", crc)
    trailer = crc.to_bytes(4, "little") + ((size // len(part) * len(part) + 2) % 2**32).to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + block * times + end + trailer


def _page(history: History, start: int, end: int) -> Iterator[bytes]:
    yield b'{"events":['
    for number in range(start, end):
        yield (b"," if number > start else b"") + history.event(number)
    following = f',"continuationToken":"{end}"' if end < history.count else ""
    yield f"]{following}}}".encode()


def _list(count: int) -> Iterator[bytes]:
    yield b'{"tasks":['
    for start in range(0, count, 500):
        tasks = [
            histories.task(
                f"0b5a1c9e-0000-4000-8000-{number:012x}", name=f"Task number {number}", tokensUsed=number
            )
            for number in range(start, min(start + 500, count))
        ]
        yield (b"," if start else b"") + json.dumps(tasks)[1:-1].encode()
    yield b"]}"


def _token(scope: Scope) -> str:
    header: bytes = dict(scope["headers"]).get(b"authorization", b"")
    return header.decode("latin-1").removeprefix("token ")


_KINDS: dict[str, Callable[[int, int], History]] = {
    "messages": histories.messages,
    "approvals": histories.approvals,
    "hostile": histories.hostile,
    "withdrawn": histories.withdrawn,
    "calls": histories.calls,
}


def _obey(simulator: Simulator, hostile: Hostile, command: Json) -> Json:
    match command["do"]:
        case "add":
            events = (("agentResponse", body) for body in conversation(command["events"]))
            task = simulator.add_task("acme", creator=command["creator"], events=events, status="running")
            return {"task": task}
        case "history":
            history = _KINDS[command["kind"]](command["count"], command["size"])
            history.event(0)
            hostile.histories[command["name"]] = history
        case "bomb":
            bomb(BOMB_BYTES)
        case "tasks":
            hostile.tasks[command["name"]] = command["count"]
        case _:
            hostile.revoked.add(command["token"])
    return {}


async def _commands() -> AsyncIterator[Json]:
    async for line in anyio.wrap_file(sys.stdin):
        yield json.loads(line)


async def _serve(write: Callable[[str], object]) -> None:
    made: list[Hostile] = []

    def around(app: ASGIApp) -> ASGIApp:
        made.append(Hostile(app))
        return made[0]

    async with serving(SimulatorConfig(time_scale=0), around) as simulator:
        write(json.dumps({"url": simulator.url}) + "\n")
        async for command in _commands():
            write(json.dumps(_obey(simulator, made[0], command)) + "\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text file, as always
    asyncio.run(_serve(sys.stdout.write))
