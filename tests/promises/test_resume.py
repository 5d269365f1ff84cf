"""A cursor is all that a host needs: processes die in the middle of a wait, and others go on."""

import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from neo_mcp.simulator import Fault
from tests.conftest import Scorecard
from tests.support.examples import long
from tests.support.host import ORG, Json, SkippingClock, World, until
from tests.support.processes import Running, environment, running

pytestmark = pytest.mark.scorecard("reading by cursor goes on anywhere: nothing lost, nothing doubled")


@pytest.fixture
def env(world: World, tmp_path: Path) -> dict[str, str]:
    return environment(world.simulator.url, str(tmp_path))


def say(world: World, task_id: str, text: str, *, final: bool = False) -> None:
    body = {"type": "assistant_message", "content": text, "is_final": final}
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


async def wait(server: Running, tasks: list[str], cursor: str | None, **more: object) -> Json:
    given = {"cursor": cursor} if cursor is not None else {}
    result = await server.call("wait_for_events", task_ids=tasks, until="any", **given, **more)
    assert result.get("isError") is not True, result
    content: Json = result["structuredContent"]
    return content


def collect(waited: Json, heard: dict[str, list[str]]) -> None:
    for news in waited["tasks"]:
        heard[news["task_id"]] += news.get("events") or []


@pytest.mark.parametrize("rounds", [1, long(3)])
async def test_a_process_killed_in_the_middle_of_a_wait_loses_and_doubles_nothing(
    world: World, env: dict[str, str], rounds: int
) -> None:
    tasks = [world.simulator.add_task(ORG, status="running") for _ in range(2)]
    heard: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    expected: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    cursor: str | None = None
    for round_number in range(rounds):
        async with running("serve", env=env) as server:
            await server.initialize()
            for number in range(3):
                task_id = tasks[number % 2]
                say(world, task_id, f"Word {round_number}.{number}")
                expected[task_id].append(f"neo: Word {round_number}.{number}")
                waited = await wait(server, tasks, cursor)
                cursor = waited["cursor"]
                collect(waited, heard)
            await server.send(
                "tools/call", name="wait_for_events", arguments={"task_ids": tasks, "cursor": cursor}
            )
            await until(lambda: world.simulator.open_streams == 2)
            server.process.send_signal(signal.SIGKILL)
            await server.process.wait()
        await until(lambda: world.simulator.open_streams == 0)
        # Nobody is there to hear this.
        say(world, tasks[1], f"Meanwhile {round_number}")
        expected[tasks[1]].append(f"neo: Meanwhile {round_number}")
    async with running("serve", env=env) as server:
        await server.initialize()
        collect(await wait(server, tasks, cursor), heard)
    assert heard == expected


async def test_two_processes_take_turns_with_one_cursor(world: World, env: dict[str, str]) -> None:
    tasks = [world.simulator.add_task(ORG, status="running") for _ in range(2)]
    heard: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    expected: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    cursor: str | None = None
    async with running("serve", env=env) as one, running("serve", env=env) as two:
        await one.initialize()
        await two.initialize()
        for number in range(20):
            task_id = tasks[number % 3 == 0]
            expected[task_id].append(f"neo: Word {number}")

            async def speak(task_id: str = task_id, number: int = number) -> None:
                say(world, task_id, f"Word {number}")

            async with anyio.create_task_group() as group:
                group.start_soon(speak)
                waited = await wait((one, two)[number % 2], tasks, cursor)
            cursor = waited["cursor"]
            collect(waited, heard)
    assert heard == expected


Waits = Callable[..., Awaitable[Json]]
"""Calls ``wait_for_events`` with these arguments."""


@asynccontextmanager
async def killed(env: dict[str, str]) -> AsyncIterator[Waits]:
    """A process of its own, killed in the end."""
    async with running("serve", env=env) as server:
        await server.initialize()

        async def waits(**arguments: object) -> Json:
            content: Json = (await server.call("wait_for_events", **arguments))["structuredContent"]
            return content

        yield waits
        server.process.send_signal(signal.SIGKILL)
        await server.process.wait()


@asynccontextmanager
async def stopped(world: World) -> AsyncIterator[Waits]:
    """A server in this process, whose waits between attempts take no time."""
    async with world.host(clock=SkippingClock()) as host:
        yield partial(host.call, "wait_for_events", None)


async def read_amid_faults(
    world: World, serve: Callable[[], AbstractAsyncContextManager[Waits]], rounds: int, seed: int
) -> tuple[list[str], list[str]]:
    """What a host is told that reads by cursor while servers come and go and streams end; and the truth."""
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    task_id = world.simulator.add_task(ORG, status="running")
    heard: list[str] = []
    expected: list[str] = []
    place: dict[str, str] = {}

    def more(count: int) -> None:
        for _ in range(count):
            text = f"Word {len(expected)} " + "ä" * chance.randrange(1, 60)
            say(world, task_id, text)
            expected.append(f"neo: {text}")

    async def hear(waits: Waits, **arguments: object) -> bool:
        waited = await waits(task_id=task_id, until="any", **place, **arguments)
        place["cursor"] = waited["cursor"]
        heard.extend(waited.get("events") or [])
        assert not waited.get("omitted"), waited
        return bool(waited["matched"])

    for _ in range(rounds):
        more(chance.randrange(3))
        kind = chance.choice(("reset", "cut", "clean_end"))
        world.simulator.faults.add(Fault(kind, path="/events/stream", at=chance.randrange(600)))
        if chance.random() < 0.3:
            status = chance.choice((429, 503))
            world.simulator.faults.add(Fault("status", path="/events/stream", skip=1, status=status))
        async with serve() as waits:
            for _ in range(3):
                more(1 + chance.randrange(4))
                await hear(waits)
        world.simulator.faults.clear()
    async with serve() as waits:
        while len(heard) < len(expected):
            assert await hear(waits, timeout_seconds=5), (heard, expected)
        assert not await hear(waits, timeout_seconds=0.2)
    return heard, expected


async def test_reading_by_cursor_amid_faults_and_restarts_tells_every_event_once(world: World) -> None:
    seed = random.SystemRandom().randrange(2**32)
    heard, expected = await read_amid_faults(world, lambda: stopped(world), 10, seed)
    assert heard == expected


@pytest.mark.scorecard
@pytest.mark.long
async def test_reading_by_cursor_amid_many_faults_and_killed_processes_tells_every_event_once(
    world: World, env: dict[str, str], scorecard: Scorecard
) -> None:
    rounds, seed = 30, random.SystemRandom().randrange(2**32)
    heard, expected = await read_amid_faults(world, lambda: killed(env), rounds, seed)
    lost, doubled = len(set(expected) - set(heard)), len(heard) - len(set(heard))
    scorecard(
        f"{rounds} servers killed amid faults, events read by cursor: lost, doubled, in order (seed {seed})",
        f"{lost}, {doubled}, {heard == expected} of {len(expected)}",
        "0, 0, True",
        ok=heard == expected,
    )
    assert heard == expected
