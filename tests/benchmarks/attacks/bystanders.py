"""Well-behaved users and a probe, in a process of their own, while somebody else attacks.

They keep to a timetable: a call that is due is made, whether or not those before it have been answered, and
its delay counts from the moment at which it was due. Every call has a connection of its own. A line in starts
them, another one ends them, and a line out reports every call.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.benchmarks.attacks.client import HANDSHAKE_ERA, Answer, Client
from tests.benchmarks.measure import percentile
from tests.benchmarks.process import Process

CALLS_EVERY, PROBES_EVERY = 0.1, 0.1
"""Seconds. A user calls once a second; ten times as often, so that a short attack is seen by enough calls."""

PATIENCE = 20.0
"""Seconds after which a user gives up."""

USERS_ADDRESS, PROBE_ADDRESS = "127.0.0.2", "127.0.0.3"
_PROBES = ("/healthz", "/readyz")
_SETTLING = 2.0
_LAST_ANSWERS = 5.0
"""Seconds that a call may still take when the attack is over."""

_OPEN = "not answered"


@dataclass(frozen=True)
class User:
    """A well-behaved user.

    Attributes:
        headers: What identifies them to the server.
        task_id: A task of theirs.
        organization: The organization that it is in.
    """

    headers: Mapping[str, str]
    task_id: str
    organization: str = "acme"


@dataclass
class Seen:
    """What happened to the calls, or the probes, of one attack.

    Attributes:
        delays: Milliseconds of those that were answered well or not at all; sorted by nothing.
        failures: How many failed, by what came instead of an answer.
    """

    delays: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(self.failures.values())

    def at(self, percent: float) -> float:
        """A percentile of the delays in milliseconds; 0 where there were no calls."""
        return percentile(self.delays, percent) if self.delays else 0.0

    def add(self, milliseconds: float, failure: str) -> None:
        """Take one."""
        self.delays.append(milliseconds)
        if failure:
            self.failures[failure] = self.failures.get(failure, 0) + 1


@dataclass
class Watched:
    """What the well-behaved met.

    Attributes:
        calls: Users' calls during the attack.
        probes: Likewise.
        api: Requests to the API itself: where that is slow, the server is not to blame.
        before: Users' calls before the attack: where those are slow, the machine is.
    """

    calls: Seen = field(default_factory=Seen)
    probes: Seen = field(default_factory=Seen)
    api: Seen = field(default_factory=Seen)
    before: Seen = field(default_factory=Seen)


class Bystanders(Process):
    """The users and the probe; they begin with the block and are asked at its end."""

    def __init__(
        self, port: int, api_port: int, users: Sequence[User], *, address: str = USERS_ADDRESS
    ) -> None:
        super().__init__([sys.executable, "-m", "tests.benchmarks.attacks.bystanders"])
        people = [
            {"headers": dict(u.headers), "task": u.task_id, "organization": u.organization} for u in users
        ]
        self.write(
            json.dumps({"port": port, "api": api_port, "people": people, "address": address}).encode() + b"\n"
        )
        if self.read() != b"ready\n":
            raise RuntimeError(f"the well-behaved users were not served: {self.said()[-2000:]}")

    def stop(self, since: int) -> Watched:
        """What was due since a moment of the monotonic clock (nanoseconds), and the calls before it."""
        self.write(b"stop\n")
        told: dict[str, list[Any]] = json.loads(self.read())
        watched = Watched()
        for name, seen in (("calls", watched.calls), ("probes", watched.probes), ("api", watched.api)):
            for due, milliseconds, failure in told[name]:
                if due >= since:
                    seen.add(milliseconds, failure)
                elif name == "calls":
                    watched.before.add(milliseconds, failure)
        return watched


@dataclass
class _Record:
    """Entries of one timetable: when it was due, milliseconds, and what was wrong."""

    entries: list[list[Any]] = field(default_factory=list)
    pending: set[asyncio.Task[None]] = field(default_factory=set)

    async def keep(self, every: float, acts: Callable[[int], Awaitable[Answer]], over: asyncio.Event) -> None:
        """Start what is due until it is over."""
        started = time.perf_counter_ns()
        for number in count():
            due = started + int(number * every * 1e9)
            await asyncio.sleep(max(0.0, (due - time.perf_counter_ns()) / 1e9))
            if over.is_set():
                return
            task = asyncio.create_task(self._act(due, acts(number)))
            self.pending.add(task)
            task.add_done_callback(self.pending.discard)

    async def _act(self, due: int, act: Awaitable[Answer]) -> None:
        entry = [due, 0.0, _OPEN]
        self.entries.append(entry)
        answer = await act
        entry[1:] = [(time.perf_counter_ns() - due) / 1e6, "" if answer.is_good else answer.kind]

    def close(self) -> None:
        """Give up on what is not answered."""
        for task in self.pending:
            task.cancel()
        now = time.perf_counter_ns()
        for entry in self.entries:
            if entry[2] == _OPEN:
                entry[1] = (now - entry[0]) / 1e6


class _Host:
    """A user's programs: one that needs no session, one that holds a session, one that has just started."""

    def __init__(self, client: Client, person: Mapping[str, Any]) -> None:
        self._client = client
        self._organization = person["organization"]
        self._task = {"task_id": person["task"], "organization": self._organization}
        self._session = ""

    async def begin(self) -> Answer:
        """Open the session that is held."""
        answer, self._session = await self._client.open_session()
        return answer

    async def act(self, number: int) -> Answer:
        """Do what is next."""
        match number % 4:
            case 0:
                return await self._client.call("get_task", self._task)
            case 1:
                return await self._in_session()
            case 2:
                return await self._client.call(
                    "list_tasks", {"organization": self._organization, "page_size": 5}
                )
            case _:
                return await self._newcomer()

    async def _in_session(self) -> Answer:
        answer = await self._client.call("get_task", self._task, era=HANDSHAKE_ERA, session=self._session)
        if answer.status == 404:
            await self.begin()
        return answer

    async def _newcomer(self) -> Answer:
        answer, session = await self._client.open_session()
        if session:
            closed = await self._client.close_session(session)
            return answer if closed.status == 200 else closed
        return answer


async def _run(line: str, over: asyncio.Event) -> str:
    asked = json.loads(line)
    clients = [
        Client(asked["port"], person["headers"], asked["address"], PATIENCE) for person in asked["people"]
    ]
    hosts = [_Host(client, person) for client, person in zip(clients, asked["people"], strict=True)]
    for host in hosts:
        for answer in [await host.begin(), *[await host.act(number) for number in range(4)]]:
            if not answer.is_good:
                sys.stderr.write(f"{answer.kind}: {answer.body[:500]!r}\n")
                sys.exit(1)
    prober = Client(asked["port"], source=PROBE_ADDRESS, timeout=PATIENCE)

    async def call(number: int) -> Answer:
        turn, who = divmod(number, len(hosts))
        return await hosts[who].act(turn)

    async def probe(number: int) -> Answer:
        answer = await prober.get(_PROBES[number % 2])
        return answer if answer.status != 200 else Answer(204, b"", answer.seconds)

    api = Client(asked["api"], source=PROBE_ADDRESS, timeout=PATIENCE)

    async def ask_api(number: int) -> Answer:  # noqa: ARG001 - as the others
        answer = await api.get("/")
        return answer if not answer.status else Answer(204, b"", answer.seconds)

    calls, probes, requests = _Record(), _Record(), _Record()
    async with asyncio.TaskGroup() as group:
        group.create_task(calls.keep(CALLS_EVERY, call, over))
        group.create_task(probes.keep(PROBES_EVERY, probe, over))
        group.create_task(requests.keep(PROBES_EVERY, ask_api, over))
        await asyncio.sleep(_SETTLING)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    pending = calls.pending | probes.pending | requests.pending
    if pending:
        await asyncio.wait(pending, timeout=_LAST_ANSWERS)
    for record in (calls, probes, requests):
        record.close()
    return json.dumps({"calls": calls.entries, "probes": probes.entries, "api": requests.entries})


async def _main() -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    first = await loop.run_in_executor(None, sys.stdin.readline)
    stopping = loop.run_in_executor(None, sys.stdin.readline)
    stopping.add_done_callback(lambda _: over.set())
    sys.stdout.write(await _run(first, over) + "\n")


if __name__ == "__main__":
    asyncio.run(_main())
