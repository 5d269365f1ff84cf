"""A day of ordinary use, played fast against a real server process, and what the process holds on to.

The simulator's pauses and the server's lingering are shortened; nothing else is different from life.
"""

import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from neo_mcp.simulator.faults import Fault
from tests.support.ends import WAYS
from tests.support.host import ORG, PATIENCE, Json, World, until
from tests.support.processes import Running, running

LINGER_SECONDS = 1.0
_QUIET = 6
"""So many samples alike are a rest."""

_WATCHER, _CONNECTION = "neo_mcp.watch.watcher.Watcher", "httpcore.AsyncHTTP11Connection"

CODE = f"""
import asyncio, collections, ctypes, gc, json, os, signal, sys, threading
import anyio.to_thread
from neo_mcp.watch import Hub
Hub.__init__.__kwdefaults__["linger"] = {LINGER_SECONDS}

reports = []

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    )]

def allocated():
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return None
    mallinfo.restype = Mallinfo
    info = mallinfo()
    return info.uordblks + info.hblkhd

def place(task):
    coroutine, names = task.get_coro(), []
    while coroutine is not None:
        names.append(getattr(coroutine, "__qualname__", type(coroutine).__qualname__))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return " > ".join(names)

async def report():
    # A tuple that a thread is making must not be looked at meanwhile: making it fails then.
    while anyio.to_thread.current_default_thread_limiter().borrowed_tokens:
        await asyncio.sleep(0.005)
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass
    kinds = collections.Counter(
        f"{{type(o).__module__}}.{{type(o).__qualname__}}" for o in gc.get_objects()
        if type(o).__module__.startswith(("neo_mcp.", "mcp.", "anyio", "httpcore", "httpx", "_asyncio"))
    )
    said = {{
        "allocated": allocated(),
        "tasks": sorted(place(task) for task in asyncio.all_tasks() - {{asyncio.current_task()}}),
        # Of those that work for the event loop, idle ones end when another one has worked after ten seconds.
        "threads": threading.active_count() - kinds["anyio._backends._asyncio.WorkerThread"],
        "descriptors": len(os.listdir("/proc/self/fd")) - 1,
        "kinds": {{kind: n for kind, n in kinds.items() if n > 0}},
    }}
    os.write(2, b"\\nsample: " + json.dumps(said).encode() + b"\\n")

def soon(number, frame):
    # The signal may interrupt the loop at its own list of timers, which must not change then.
    asyncio.get_running_loop().call_soon_threadsafe(in_a_moment)

def in_a_moment():
    # What is just ending shall have ended.
    loop = asyncio.get_running_loop()
    loop.call_later(0.05, lambda: reports.append(loop.create_task(report())))
    del reports[:-1]

signal.signal(signal.SIGUSR1, soon)
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""Has the server count what it holds, when it is signalled."""

MEASURABLE = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
"""Environment in which the C library knows of every allocation."""

SCENARIOS = (
    "hello",
    "public-bucket",
    "failing-deploy",
    "policy-fix",
    "question",
    "denied-approval",
    "long-run",
)
MISHAPS = (
    Fault("status", status=503, times=2),
    Fault("status", status=429, retry_after="0", times=2),
    Fault("reset_before_response", method="GET", times=2),
    Fault("latency", seconds=0.3, times=3),
    Fault("cut", path="/events/stream$", after_events=1, times=3),
    Fault("clean_end", path="/events/stream$", after_events=2, times=3),
    Fault("truncated_json", method="GET", times=1),
    Fault("malformed", path="/events/stream$", after_events=1, times=1),
    Fault("replay", path="/events/stream$", times=2),
)

_EVENT, _RECORD = "anyio._backends._asyncio.Event", "neo_mcp.service.writes.creation._Record"
_REMEMBERED = {
    # The last thousand creations, so that none is repeated.
    **dict.fromkeys(
        (_RECORD, "neo_mcp.service.writes.creation.Created", "neo_mcp.core.reconcile.Sent"), 1000
    ),
    # Of those whose result is unknown, why; an identical call looks for the task again.
    "neo_mcp.errors.AmbiguousWriteError": 1000,
    # The last result of get_task and of a wait, and what it depends on.
    **dict.fromkeys(
        (
            "neo_mcp.core.cursor.Position",
            "neo_mcp.core.reported.Reported",
            "neo_mcp.service.inputs.WaitInput",
            "neo_mcp.service.rendered.Rendered",
            "neo_mcp.service.results.TaskFacts",
            "neo_mcp.service.results.TaskResult",
            "neo_mcp.service.results.WaitResult",
            "neo_mcp.service.writes.local_results.Progress",
        ),
        2,
    ),
    **dict.fromkeys(("neo_mcp.service.results.Need", "neo_mcp.service.results.LocalCall"), 20),
    # Decisions and messages whose arrival is unknown, for two minutes.
    **dict.fromkeys(
        (
            "neo_mcp.service.writes.delivery._Claim",
            "neo_mcp.wire.events.UserConfirmation",
            "neo_mcp.wire.events.UserMessage",
        ),
        10,
    ),
    # Threads that read long answers, one for each of the calls that may be in flight.
    **dict.fromkeys(("anyio._backends._asyncio.WorkerThread", "anyio.lowlevel.EventLoopToken"), 16),
    "anyio._backends._asyncio.CapacityLimiter": 1,
    # Addresses of requests that were parsed.
    **dict.fromkeys(("httpx.URL", "httpx._urlparse.ParseResult"), 256),
    # What each place in the code has logged lately.
    "neo_mcp.telemetry._Window": 100,
    # A page of recent tasks, to complete names from.
    **dict.fromkeys(("neo_mcp.wire.tasks.Task", "neo_mcp.wire.envelope.UserInfo"), 200),
    **dict.fromkeys(
        (f"neo_mcp.wire.entities.{name}" for name in ("PolicyIssue", "PullRequest", "Repository", "Stack")),
        200,
    ),
}
"""What a server remembers on purpose, and how much of it at the most."""


@dataclass(frozen=True)
class Sample:
    """What a process holds at one moment.

    Attributes:
        resident: MiB of memory, with what the allocator keeps for later.
        allocated: Bytes that are in use; ``None`` where the C library does not tell.
    """

    at: float
    resident: float
    allocated: int | None
    tasks: list[str]
    threads: int
    descriptors: int
    kinds: dict[str, int]
    open_streams: int

    def kept(self, start: "Sample") -> dict[str, int]:
        """What there is more of than at the start, by type, beyond what is remembered on purpose."""
        more = {kind: count - start.kinds.get(kind, 0) for kind, count in self.kinds.items()}
        meant = {**_REMEMBERED, _EVENT: more.get(_RECORD, 0)}
        return {kind: count for kind, count in more.items() if count > meant.get(kind, 0)}


@dataclass
class Desk:
    """One host with many things going on at a time, and the person in front of it."""

    server: Running
    world: World
    dice: random.Random
    done: int = 0
    delegated: int = 0
    _waiting: dict[int, anyio.Event] = field(default_factory=dict)
    _answers: dict[int, Json] = field(default_factory=dict)

    async def listen(self) -> None:
        """Take everything that the server sends, and fill in forms."""
        while True:
            try:
                line = await self.server.stdout.receive_until(b"\n", 2**26)
            except anyio.IncompleteRead as error:
                status = await self.server.process.wait()
                raise AssertionError(f"ended with {status}: {await self._last_words()}") from error
            message = json.loads(line.decode())
            if message.get("method") == "elicitation/create":
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": self._filled_in(message["params"])}
                await self.server.send_line(json.dumps(answer).encode())
            elif "method" not in message and message["id"] in self._waiting:
                self._answers[message["id"]] = message
                self._waiting[message["id"]].set()

    def _filled_in(self, form: Json) -> Json:
        if self.dice.random() < 0.1:
            return {"action": "cancel"}
        fields = form["requestedSchema"]["properties"]
        content = {"decision": self.dice.choice(fields["decision"]["enum"])}
        if "confirmation" in fields:
            content["confirmation"] = fields["confirmation"]["description"]
        return {"action": "accept", "content": content}

    async def ask(self, method: str, *, patience: float = PATIENCE, **params: Any) -> Json:  # noqa: ANN401 - any JSON
        """Send a request and wait for its answer, however many others are under way."""
        self.server.next_id += 1
        request_id = self.server.next_id
        self._waiting[request_id] = anyio.Event()
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        try:
            await self.server.send_line(json.dumps(message).encode())
            with anyio.move_on_after(patience):
                await self._waiting[request_id].wait()
                return self._answers.pop(request_id)
            await self._tell("notifications/cancelled", requestId=request_id, reason="no longer of interest")
            return {}
        finally:
            del self._waiting[request_id]
            self._answers.pop(request_id, None)

    async def call(self, tool: str, *, patience: float = PATIENCE, **arguments: Any) -> Json:  # noqa: ANN401 - any JSON
        """Call a tool; gives back its structured content, or nothing if it failed, as it may amid faults."""
        answer = await self.ask("tools/call", name=tool, arguments=arguments, patience=patience)
        assert "error" not in answer, (answer, await self._last_words())
        self.done += 1
        content: Json = answer.get("result", {}).get("structuredContent") or {}
        return content

    async def _last_words(self) -> str:
        """What the server says of an error that should not be."""
        await anyio.sleep(0.5)
        return self.server.stderr.decode()[-8000:]

    async def _tell(self, method: str, **params: Any) -> None:  # noqa: ANN401 - any JSON
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        await self.server.send_line(json.dumps(message).encode())

    async def delegate(self) -> None:
        """Start a task and see it through."""
        # No two prompts are the same: a creation that is repeated starts nothing.
        self.delegated += 1
        prompt = f"Please, number {self.delegated} (scenario:{self.dice.choice(SCENARIOS)})"
        task = await self.call("create_task", prompt=prompt)
        if not task:
            return
        task_id = task["task_id"]
        since: Json = {"cursor": task["cursor"]}
        for _ in range(12):
            found = await self.call("wait_for_events", task_id=task_id, timeout_seconds=5, **since)
            since = {"cursor": found["cursor"]} if found.get("cursor") else since
            needs = found.get("needs") or []
            if any(need["kind"] == "turn_ended" for need in needs) or self.dice.random() < 0.05:
                break
            for need in needs:
                await self._respond(task_id, need)
        if self.dice.random() < 0.3:
            await self.ask("resources/read", uri=f"neo://{ORG}/tasks/{task_id}/transcript")
        if self.dice.random() < 0.3:
            await self.call("respond", task_id=task_id, action="cancel")

    async def _respond(self, task_id: str, need: Json) -> None:
        if need["kind"] == "question":
            action: Json = {"action": "answer", "text": "eu-west-1"}
        else:
            action = {"action": self.dice.choice(("approve", "approve", "deny"))}
        await self.call("respond", task_id=task_id, request_id=need.get("request_id"), **action)

    async def look_around(self) -> None:
        """What hosts do when they start, and people when they are curious."""
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping"):
            assert "result" in await self.ask(method) or method == "resources/list"
        page = await self.call("list_tasks", page_size=5)
        for task in page.get("tasks", [])[:2]:
            await self.call("get_task", task_id=task["task_id"])
        argument = {"name": "task_id", "value": ""}
        ref = {"type": "ref/resource", "uri": "neo://{organization}/tasks/{task_id}"}
        await self.ask("completion/complete", ref=ref, argument=argument)

    async def subscribe(self) -> None:
        """Follow a few tasks for a while."""
        uris = [f"neo://{ORG}/tasks/{self._some_task()}" for _ in range(3)]
        for uri in uris:
            await self.ask("resources/subscribe", uri=uri)
        await anyio.sleep(self.dice.uniform(0.1, 1.0))
        for uri in uris:
            await self.ask("resources/unsubscribe", uri=uri)

    async def lose_interest(self) -> None:
        """Wait for a task, and cancel the wait."""
        task_id = self.world.simulator.add_task(ORG, status="running")
        await self.call("wait_for_events", task_id=task_id, patience=self.dice.uniform(0.05, 0.5))

    async def wait_for_many(self) -> None:
        """A burst: many waits at once, some for the same tasks."""
        tasks = [self._some_task() for _ in range(10)]
        async with anyio.create_task_group() as group:
            for task_id in tasks * 2:
                group.start_soon(self._wait_briefly, task_id)

    async def _wait_briefly(self, task_id: str) -> None:
        await self.call("wait_for_events", task_id=task_id, timeout_seconds=0.5, until="any")

    async def mumble(self) -> None:
        """A host with a bug."""
        for line in (
            b"{",
            b'{"jsonrpc": "2.0", "id": null, "method": "x"}',
            b'{"jsonrpc": "2.0", "method": "x"}',
        ):
            await self.server.send_line(line)
        assert "error" in await self.ask("no/such/method")
        await self.call("get_task", task_id="no-such-task")

    def _some_task(self) -> str:
        simulator = self.world.simulator
        return simulator.add_task(ORG, events=[("agentResponse", {"type": "warning", "message": "x"})])


@dataclass
class Day:
    """What goes on around one server process that serves all day."""

    desk: Desk
    env: dict[str, str]
    seconds: float
    samples: list[Sample] = field(default_factory=list)
    guests: int = 0

    async def play(self) -> None:
        """Live for so many seconds, and take some samples."""
        desk, ends = self.desk, time.monotonic() + self.seconds
        doings: tuple[Callable[[], Awaitable[None]], ...] = (
            *(desk.delegate, desk.delegate, desk.delegate, desk.look_around),
            *(desk.subscribe, desk.lose_interest, desk.wait_for_many, desk.mumble),
        )

        async def keep_busy() -> None:
            while time.monotonic() < ends:
                await desk.dice.choice(doings)()

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(keep_busy)
            group.start_soon(self._happen, ends)
            while time.monotonic() < ends:
                await anyio.sleep(self.seconds / 12)
                await self.sample()
        self.desk.world.simulator.faults.clear()

    async def _happen(self, ends: float) -> None:
        """What happens to everybody now and then."""
        dice, world = self.desk.dice, self.desk.world
        while time.monotonic() < ends:
            await anyio.sleep(dice.uniform(0.2, 1.5))
            match dice.randrange(5):
                case 0:
                    world.simulator.faults.add(dice.choice(MISHAPS))
                case 1:
                    await self._sleep()
                case 2:
                    await world.simulator.drop_streams()
                case 3:
                    world.simulator.faults.clear()
                case 4:
                    await self._visit()

    async def _sleep(self) -> None:
        """The laptop is closed for a while, and its connections are gone when it wakes."""
        process = self.desk.server.process
        process.send_signal(signal.SIGSTOP)
        try:
            await self.desk.world.simulator.drop_streams()
            await anyio.sleep(self.desk.dice.uniform(0.1, 0.5))
        finally:
            process.send_signal(signal.SIGCONT)

    async def _visit(self) -> None:
        """Another host starts a server of its own, and leaves in the middle of something."""
        async with running("serve", env=self.env) as server:
            await server.initialize()
            await server.call("list_tasks")
            task_id = self.desk.world.simulator.add_task(ORG, status="running")
            await server.send("tools/call", name="wait_for_events", arguments={"task_id": task_id})
            await WAYS[self.desk.dice.choice(list(WAYS))](server)
            assert await server.exit_status() == 0
        self.guests += 1

    async def rest(self) -> Sample:
        """Wait until nothing is being followed any more and idle connections are gone, and sample."""
        await until(lambda: self.desk.world.simulator.open_streams == 0)
        quiet: list[tuple[int, int]] = []
        with anyio.fail_after(2 * PATIENCE):
            while True:
                # Kept connections are closed once they are older than five seconds, at the next request.
                await self.desk.call("list_tasks", page_size=1)
                sample = await self.sample()
                quiet.append((len(sample.tasks), sample.descriptors))
                is_idle = not sample.kinds.get(_WATCHER) and sample.kinds.get(_CONNECTION, 0) <= 1
                if is_idle and len(quiet) >= _QUIET and len(set(quiet[-_QUIET:])) == 1:
                    return sample
                await anyio.sleep(LINGER_SECONDS / 4)

    async def sample(self) -> Sample:
        """Ask the process what it holds."""
        server = self.desk.server
        seen = server.stderr.count(b"\nsample: ")
        server.process.send_signal(signal.SIGUSR1)
        await until(
            lambda: (
                server.stderr.count(b"\nsample: ") > seen
                # Other lines may follow at once.
                and b"\n" in server.stderr.rpartition(b"\nsample: ")[2]
            )
        )
        said = json.loads(server.stderr.rpartition(b"\nsample: ")[2].splitlines()[0])
        sample = Sample(
            at=time.monotonic(),
            resident=_resident(server.process.pid),
            open_streams=self.desk.world.simulator.open_streams,
            **said,
        )
        self.samples.append(sample)
        return sample


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def day(world: World, env: dict[str, str], seconds: float, seed: int) -> AsyncIterator[Day]:
    """A server process in use; ended in order after the block."""
    async with running("serve", env=env, code=CODE) as server, anyio.create_task_group() as group:
        await server.initialize(elicitation={})
        desk = Desk(server, world, random.Random(seed))  # noqa: S311 - the same every time
        group.start_soon(desk.listen)
        yield Day(desk, env, seconds)
        group.cancel_scope.cancel()
        with suppress(anyio.ClosedResourceError):
            await WAYS["end of input"](server)
        assert await server.exit_status() == 0
