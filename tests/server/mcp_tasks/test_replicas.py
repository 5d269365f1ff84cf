"""Task handles outlive the process that made them, work in every process of one key, and for one person."""

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import httpx

from neo_mcp.simulator import Fault
from tests.support.host import ORG, World
from tests.support.processes import environment, running
from tests.support.tasks_client import BOTH, INVALID, Http, Stdio, TasksClient, accept
from tests.support.tasks_servers import DONE, REQUEST, happen, pending, refused, serving

DISMISSED = {"action": "cancel"}


@asynccontextmanager
async def process(world: World, home: Path, *options: str, **env: str) -> AsyncIterator[TasksClient]:
    """A server on standard input and output, killed at the end."""
    given = environment(world.simulator.url, str(home), **env)
    async with running("serve", *options, env=given) as server:
        yield TasksClient(Stdio(server))
        server.process.send_signal(signal.SIGKILL)
        await server.process.wait()


@asynccontextmanager
async def replicas(world: World, home: Path, *options: str) -> AsyncIterator[list[TasksClient]]:
    """Two servers on HTTP, each a process of its own."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(verify=False))  # noqa: S501 - plain http
        clients = []
        for _ in range(2):
            env = environment(world.simulator.url, str(home))
            server = await stack.enter_async_context(
                running("serve", "--http", "--port", "0", *options, env=env)
            )
            await server.says("serves http://")
            url = next(word for word in server.stderr.decode().split() if word.startswith("http://"))
            clients.append(TasksClient(Http(url, http), BOTH))
        yield clients


async def test_a_task_survives_the_process(world: World, tmp_path: Path, key_file: Path) -> None:
    options = ("--key-file", str(key_file))
    async with process(world, tmp_path, *options) as first:
        task_id = await first.started("denied-approval")
        asked = await first.until(task_id, "input_required")
    async with process(world, tmp_path, *options) as second:
        assert await second.get(task_id) == asked
        (key,) = asked["inputRequests"]
        await second.update(task_id, **{key: DISMISSED})
    async with process(world, tmp_path, *options) as third:
        again = await third.get(task_id)
        # What was responded to is remembered too.
        assert key not in again["inputRequests"]
        await third.update(task_id, **accept(asked))
        await third.update(task_id, **accept(again))
        over = await third.until(task_id, "completed")
    async with process(world, tmp_path, *options) as fourth:
        assert await fourth.get(task_id) == over
    sent = [body["event"] for body in world.bodies() if "event" in body]
    assert [event["ok"] for event in sent] == [True]


async def test_without_a_key_file_a_task_ends_with_the_process(world: World, tmp_path: Path) -> None:
    async with process(world, tmp_path) as first:
        task_id = await first.deferred(pending(world))
        await first.get(task_id)
    async with process(world, tmp_path) as second:
        error = await refused(second, "tasks/get", task_id)
    assert error.code == INVALID
    assert "not found" in error.message


async def test_two_processes_take_turns_with_one_task(world: World, tmp_path: Path, key_file: Path) -> None:
    async with replicas(world, tmp_path, "--key-file", str(key_file)) as (one, other):
        neo_task = pending(world, REQUEST)
        task_id = await one.deferred(neo_task)
        keys = set[str]()
        for number in range(6):
            here, there = (one, other) if number % 2 else (other, one)
            asked = await here.get(task_id)
            assert await there.get(task_id) == asked
            (key,) = asked["inputRequests"]
            assert key not in keys
            keys.add(key)
            await there.update(task_id, **{key: DISMISSED})
        answers = accept(await one.get(task_id))
        async with anyio.create_task_group() as group:
            for number in range(32):

                async def once(client: TasksClient = (one, other)[number % 2]) -> None:
                    await client.update(task_id, **answers)

                group.start_soon(once)
        assert [sent["ok"] for sent in world.sent(neo_task)] == [True]
        happen(world, neo_task, DONE)
        overs = [await client.until(task_id, "completed") for client in (one, other)]
    assert overs[0] == overs[1]


async def test_a_process_that_lags_behind_mistakes_no_earlier_end_for_this_turns(
    world: World, tmp_path: Path, key_file: Path
) -> None:
    async with replicas(world, tmp_path, "--key-file", str(key_file)) as (one, other):
        neo_task = pending(world, DONE)
        # The one that is asked later hears nothing on its stream from here on.
        world.simulator.faults.add(Fault("silence", path="/stream$", after_events=0, times=1))
        await other.call("get_task", task_id=neo_task)
        message = {"type": "user_message", "content": "Go on."}
        world.simulator.append_event(ORG, neo_task, message, kind="userInput")
        task_id = await one.deferred(neo_task)
        assert (await other.get(task_id))["status"] == "working"


class TestSomebodyElse:
    """They have a handle in their hands that is not theirs."""

    async def test_another_person_is_told_nothing(self, world: World, tmp_path: Path, key_file: Path) -> None:
        options = ("--key-file", str(key_file))
        async with (
            process(world, tmp_path, *options) as alice,
            process(world, tmp_path, *options, PULUMI_ACCESS_TOKEN="pul-sim-bob") as bob,
        ):
            neo_task = pending(world, REQUEST)
            task_id = await alice.deferred(neo_task)
            answers = accept(await alice.get(task_id))
            for method in ("tasks/get", "tasks/update", "tasks/cancel"):
                theirs = await refused(bob, method, task_id)
                nobodys = await refused(bob, method, "v1.AAAA")
                assert (theirs.code, theirs.message) == (nobodys.code, nobodys.message)
                assert theirs.code == INVALID
                assert theirs.data == nobodys.data == {}
            async with bob.listen(taskIds=[task_id]) as frames:
                assert "taskIds" not in frames.agreed
            assert (await alice.get(task_id))["inputRequests"].keys() == answers.keys()
        assert world.sent(neo_task) == []

    async def test_another_server_is_told_nothing(self, world: World) -> None:
        async with serving(world) as one, serving(world) as other:
            task_id = await one.deferred(pending(world))
            assert (await refused(other, "tasks/get", task_id)).code == INVALID
