"""Plays one attack: starts all processes, lets the attack run, and measures what it did to others.

Owns the scene and the goals that hold for every attack. The attacks themselves are in
:mod:`~tests.benchmarks.attacks.inbound`, :mod:`~tests.benchmarks.attacks.outbound` and
:mod:`~tests.benchmarks.attacks.access`.
"""

import asyncio
import math
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio.from_thread

from tests.benchmarks.attacks.bystanders import Bystanders, Seen, User, Watched
from tests.benchmarks.attacks.client import Answer, Client
from tests.benchmarks.attacks.served import Served
from tests.benchmarks.attacks.size import Size
from tests.benchmarks.attacks.upstream import Upstream
from tests.benchmarks.measure import Row, Target
from tests.benchmarks.process import resident
from tests.support.authority import AUDIENCE, Authority, running_authority

CALLS_P99_MS, PROBE_MS = 1000.0, 1000.0
PEAK_MIB = 300.0
LOG_KIB = 256.0

ATTACKER, USER = "alice", "bob"
_AFTER_SECONDS = 1.5
"""How long others are watched after the attack: what it left to do may come late."""

_REST_SECONDS = 1.0
_DESCRIPTORS = 8192
_MAX_REMARKS = 4
_REMARK = 200


@dataclass(frozen=True)
class Access:
    """A way to serve several people.

    Attributes:
        options: Of the command line.
        headers: What identifies a person, by name.
        login: Who a person is to the API, where the operator's token serves all; empty: who they are.
        environment: Of the server, besides the API's address.
        secrets: The file of bearer secrets, where there is one.
        authority: Issues OAuth's access tokens, where somebody does.
    """

    options: Sequence[str]
    headers: Callable[[str], dict[str, str]]
    environment: dict[str, str] = field(default_factory=dict)
    login: str = ""
    secrets: Path | None = None
    authority: Authority | None = None


MakeAccess = Callable[[Path], AbstractContextManager[Access]]


def pulumi_token(person: str) -> str:
    """A person's access token for the simulated API."""
    return f"pul-sim-{person}"


@contextmanager
def by_header(folder: Path) -> Iterator[Access]:
    """One bearer secret for everybody; every request brings its Pulumi token."""
    secret = "one-secret-that-everybody-knows".ljust(40, "0")
    secrets = secret_file(folder, secret)

    def headers(person: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret}", "X-Pulumi-Access-Token": pulumi_token(person)}

    options = ["--auth", "bearer", "--auth-secret-file", str(secrets), "--pulumi-token-header"]
    yield Access(options, headers, secrets=secrets)


@contextmanager
def by_secret(folder: Path) -> Iterator[Access]:
    """A bearer secret for each, and the operator's Pulumi token for all."""
    people = {name: f"the-secret-of-{name}-".ljust(40, "0") for name in (ATTACKER, USER)}
    secrets = secret_file(folder, *people.values())
    options = ["--auth", "bearer", "--auth-secret-file", str(secrets)]
    yield Access(
        options,
        lambda person: {"Authorization": f"Bearer {people[person]}"},
        environment={"PULUMI_ACCESS_TOKEN": pulumi_token(ATTACKER)},
        login=ATTACKER,
        secrets=secrets,
    )


@contextmanager
def by_oauth(folder: Path) -> Iterator[Access]:
    """Users who come from an authorization server; their Pulumi tokens are stored."""
    store = folder / "tokens"
    store.mkdir(mode=0o700)
    for person in (ATTACKER, USER):
        file = store / person
        file.write_text(pulumi_token(person) + "\n")
        file.chmod(0o600)
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_authority()) as authority,
    ):
        options = ["--auth", "oauth", "--oauth-issuer", authority.url, "--token-store", str(store)]
        options += ["--public-url", AUDIENCE]
        yield Access(
            options,
            lambda person: {"Authorization": f"Bearer {authority.token(person)}"},
            authority=authority,
        )


@contextmanager
def for_everybody(folder: Path) -> Iterator[Access]:  # noqa: ARG001 - as the others
    """Nobody is asked, as on a person's own machine."""
    yield Access([], lambda person: {}, {"PULUMI_ACCESS_TOKEN": pulumi_token(USER)}, USER)  # noqa: ARG005 - as the others


def secret_file(folder: Path, *secrets: str) -> Path:
    """A file of bearer secrets, replaced at once if it is there."""
    file, new = folder / "secrets", folder / "secrets.new"
    new.write_text("".join(f"{secret}\n" for secret in secrets))
    new.chmod(0o600)
    new.replace(file)
    return file


@dataclass
class Scene:
    """What an attack has to play with.

    Attributes:
        served: The process under attack.
        api: The API behind it.
        access: How people get in.
        size: How much to do.
        attacker: A client of the attacker's, who is a user like others.
        stranger: One that nobody knows.
        task_id: An ordinary task of the attacker's.
        user: A client of the well-behaved user's.
        answers: How the attack was answered, by class.
        rows: What this attack measures besides what all do.
        remarks: Whatever else is worth reading.
    """

    served: Served
    api: Upstream
    access: Access
    size: Size
    attacker: Client
    stranger: Client
    task_id: str
    user: Client
    answers: Counter[str] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def count(self, answer: Answer) -> Answer:
        """Note how a request was answered; of errors, what they say."""
        self.answers[answer.kind] += 1
        if "error" in answer.kind and len(self.remarks) < _MAX_REMARKS:
            remark = f"says: {answer.text[:_REMARK]}"
            self.remarks += [remark] if remark not in self.remarks else []
        return answer

    def goal(self, figure: str, unit: str, value: float, most: float) -> None:
        """Note a figure of this attack's own, with the most that it may be."""
        self.rows.append(Row(figure=figure, unit=unit, ours=value, target=Target(most)))


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Attributes:
        name: What it is called.
        play: Does it; cancelled after ``seconds``.
        prepare: Is done before anybody is watched.
        access: How people get in.
        source: The address that the well-behaved user's connections come from; empty for their own.
        also_attackers: Whether the attacker has a well-behaved program, too.
        above_mib: How much memory it may take above what there was before.
        probe_ms: How long a probe may take.
        log_kib: How much may be written to the log.
        seconds: How long it may take.
        environment: Settings of the server.
    """

    name: str
    play: Callable[[Scene], Awaitable[None]]
    access: MakeAccess = by_header
    prepare: Callable[[Scene], object] = lambda scene: None  # noqa: ARG005 - nothing to prepare
    source: str = ""
    also_attackers: bool = False
    above_mib: float | None = None
    probe_ms: float = PROBE_MS
    log_kib: float = LOG_KIB
    seconds: float = 90.0
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What one attack did.

    Attributes:
        name: The attack's.
        calls: What the well-behaved users' calls met.
        probes: Likewise.
        rows: Every figure, with its goal where it has one.
        answers: How the attack was answered, by class.
        remarks: Whatever else is worth reading.
        seconds: How long it took.
    """

    name: str
    calls: Seen
    probes: Seen
    rows: Sequence[Row]
    answers: Counter[str]
    remarks: Sequence[str]
    seconds: float

    @property
    def missed(self) -> list[Row]:
        """The goals that were not reached."""
        return [row for row in self.rows if row.verdict == "MISSED"]

    @property
    def steady(self) -> list[Row]:
        """Those figures that do not depend on how busy the machine is: memory, failures, answers, bytes."""
        return [row for row in self.rows if row.unit not in {"ms", "s"}]

    def figure(self, name: str) -> float:
        """One of the figures."""
        return next(row.ours for row in self.rows if row.figure == name)


def play(attack: Attack, python: str, size: Size) -> Result:
    """Play one attack, on processes of its own."""
    _allow_descriptors()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with attack.access(folder) as access, Upstream() as api:
            environment = {
                "PULUMI_BACKEND_URL": api.url,
                "PULUMI_HOME": str(folder),
                **access.environment,
                **attack.environment,
            }
            with Served(python, access.options, environment, folder=folder) as served:
                return _play(attack, _scene(served, api, access, size))


def _scene(served: Served, api: Upstream, access: Access, size: Size) -> Scene:
    return Scene(
        served,
        api,
        access,
        size,
        Client(served.port, access.headers(ATTACKER)),
        Client(served.port),
        api.add_task(access.login or ATTACKER),
        Client(served.port, access.headers(USER)),
    )


def _play(attack: Attack, scene: Scene) -> Result:
    served, api, access = scene.served, scene.api, scene.access
    attack.prepare(scene)
    users = [User(access.headers(USER), api.add_task(access.login or USER))]
    if attack.also_attackers:
        users.append(User(access.headers(ATTACKER), scene.task_id))
    address = {"address": attack.source} if attack.source else {}
    with Bystanders(served.port, api.port, users, **address) as others:
        before, written = resident(served.pid) or 0.0, served.said_bytes()
        served.forget_peak()
        started = time.perf_counter_ns()
        asyncio.run(_attack(attack, scene))
        seconds = (time.perf_counter_ns() - started) / 1e9
        time.sleep(_AFTER_SECONDS)
        watched = others.stop(started)
    peak, log = served.peak(), (served.said_bytes() - written) / 1024
    time.sleep(_REST_SECONDS)
    after = resident(served.pid)
    if served.was_ended:
        scene.remarks.append("the server was ended for the memory that it took")
    elif not served.is_running:
        scene.remarks.append("the server ended")
    rows = _rows(attack, watched)
    rows += [
        Row(figure="memory, peak", unit="MiB", ours=peak, target=Target(PEAK_MIB)),
        Row(
            figure="memory, peak above before",
            unit="MiB",
            ours=peak - before,
            target=Target(attack.above_mib) if attack.above_mib is not None else None,
        ),
        Row(figure="memory, afterwards", unit="MiB", ours=after or 0.0),
        Row(figure="log", unit="KiB", ours=log, target=Target(attack.log_kib)),
        Row(figure="server ended", unit="", ours=float(not served.is_running), target=Target(0)),
    ]
    rows += scene.rows
    return Result(attack.name, watched.calls, watched.probes, rows, scene.answers, scene.remarks, seconds)


def _rows(attack: Attack, watched: Watched) -> list[Row]:
    calls, probes = watched.calls, watched.probes
    return [
        Row(figure="machine's load", unit="processes", ours=os.getloadavg()[0]),
        Row(figure="calls before, p99", unit="ms", ours=watched.before.at(99)),
        Row(figure="the API itself, longest", unit="ms", ours=watched.api.at(100)),
        Row(figure="calls, p50", unit="ms", ours=calls.at(50)),
        Row(figure="calls, p99", unit="ms", ours=calls.at(99), target=Target(CALLS_P99_MS)),
        Row(figure="calls, longest", unit="ms", ours=calls.at(100)),
        Row(figure="calls failed", unit="", ours=calls.failed, target=Target(0)),
        Row(figure="probes, longest", unit="ms", ours=probes.at(100), target=Target(attack.probe_ms)),
        Row(figure="probes failed", unit="", ours=probes.failed, target=Target(0)),
    ]


async def _attack(attack: Attack, scene: Scene) -> None:
    try:
        async with asyncio.timeout(attack.seconds):
            await attack.play(scene)
    except TimeoutError:
        scene.remarks.append(f"cut off after {attack.seconds:.0f} s")


def _allow_descriptors() -> None:
    """Attackers have many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _DESCRIPTORS:
        most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


async def together(
    acts: Sequence[Callable[[], Awaitable[object]]], at_once: int, *, a_second: float = math.inf
) -> None:
    """Do all of these, so many at a time and no more a second."""
    started = time.perf_counter()
    waiting = enumerate(acts)

    async def work() -> None:
        for number, act in waiting:
            await asyncio.sleep(started + number / a_second - time.perf_counter())
            await act()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
