"""Two processes behind a plain load balancer, which lets them take turns: hosts notice nothing of it."""

import json
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import TaskStatus
from mcp import Client

from tests.support.balancers import SERVED_BY, any_kind, balancing
from tests.support.host import LEGACY, MODERN, Host, Json, Person, World, until
from tests.support.optional import BALANCERS
from tests.support.processes import HELLO, Running, environment, running
from tests.support.tasks_client import BOTH, FORMS, Http, TasksClient, accept
from tests.support.tasks_servers import DONE, REQUEST, STOPPED, happen, pending

pytestmark = [
    pytest.mark.scorecard("replicas behind a plain load balancer answer for one another"),
    pytest.mark.needs("a load balancer"),
]

_URL = re.compile(r"serves (http://\S+)/mcp")


@dataclass
class Team:
    """Replicas behind a balancer.

    Attributes:
        restart: Ends a replica as an orchestrator does, and starts another one in its place.
        served_by: Which replica answered, for every answer that came through the balancer.
    """

    world: World
    url: str
    replicas: list[Running]
    http: httpx.AsyncClient
    restart: Callable[[int], Awaitable[None]]
    served_by: list[str] = field(default_factory=list)

    def client(self, capabilities: Json = BOTH) -> TasksClient:
        return TasksClient(Http(f"{self.url}/mcp", self.http), capabilities)

    def changed_hands(self) -> bool:
        """Whether the last answer came from another replica than the one before."""
        return self.served_by[-1] != self.served_by[-2]


@asynccontextmanager
async def team(
    world: World, tmp_path: Path, kind: str, *key_files: Path, sticky: bool = False
) -> AsyncIterator[Team]:
    """One replica for each of ``key_files``."""
    async with AsyncExitStack() as stack:
        env = environment(world.simulator.url, str(tmp_path))

        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)

        async def run(key_file: Path, port: int, *, task_status: TaskStatus[Running]) -> None:
            options = ("--http", "--port", str(port), "--key-file", str(key_file))
            async with running("serve", *options, env=env) as replica:
                await replica.says("serves http://")
                task_status.started(replica)
                await replica.process.wait()

        async def restart(number: int) -> None:
            replicas[number].process.terminate()
            await replicas[number].process.wait()
            replicas[number] = await group.start(run, key_files[number], ports[number])

        replicas: list[Running] = []

        async def begin(key_file: Path) -> None:
            replicas.append(await group.start(run, key_file, 0))

        async with anyio.create_task_group() as beginning:
            for key_file in key_files:
                beginning.start_soon(begin, key_file)
        ports = [_port(replica) for replica in replicas]
        url = await stack.enter_async_context(balancing(kind, ports, tmp_path / kind, sticky=sticky))
        http = await stack.enter_async_context(httpx.AsyncClient())
        found_team = Team(world, url, replicas, http, restart)

        async def note(response: httpx.Response) -> None:
            found_team.served_by.append(response.headers.get(SERVED_BY, ""))

        http.event_hooks["response"].append(note)
        yield found_team


def _port(replica: Running) -> int:
    found = _URL.search(replica.stderr.decode())
    assert found is not None
    return int(found[1].rpartition(":")[2])


@pytest.fixture
async def two(
    request: pytest.FixtureRequest, world: World, tmp_path: Path, key_file: Path
) -> AsyncIterator[Team]:
    """Two replicas, behind whichever balancer there is; a test may ask for one."""
    kind = getattr(request, "param", None) or any_kind()
    async with team(world, tmp_path, kind, key_file, key_file) as made:
        yield made


def says(text: str) -> Json:
    return {"type": "assistant_message", "content": text}


def told(result: Json) -> list[str]:
    """The words of the messages that a wait has told of."""
    return re.findall(r"word-\d+", json.dumps(result["structuredContent"]["events"]))


async def test_a_cursor_is_good_at_every_replica(two: Team) -> None:
    task_id = pending(two.world)
    client = two.client(FORMS)
    result = await client.call("wait_for_events", task_id=task_id, until="any")
    words: list[str] = []
    for number in range(8):
        happen(two.world, task_id, says(f"word-{number}"))
        cursor = result["structuredContent"]["cursor"]
        result = await client.call("wait_for_events", task_id=task_id, until="any", cursor=cursor)
        assert two.changed_hands()
        words += told(result)
    assert words == [f"word-{number}" for number in range(8)]


async def test_pages_of_tasks_are_turned_at_another_replica(two: Team) -> None:
    task_ids = {pending(two.world) for _ in range(5)}
    client, seen = two.client(FORMS), list[str]()
    more: Json = {}
    while True:
        result = (await client.call("list_tasks", page_size=1, **more))["structuredContent"]
        seen += [task["task_id"] for task in result["tasks"]]
        if "next_cursor" not in result:
            break
        more = {"cursor": result["next_cursor"]}
    assert sorted(seen) == sorted(task_ids)
    assert len(set(two.served_by)) == 2


class TestApprovals:
    """Asked at one replica, answered at another."""

    async def test_it_is_executed_once_whoever_gets_the_answer(self, two: Team) -> None:
        task_id = pending(two.world, REQUEST)
        client = two.client(FORMS)
        arguments = {"task_id": task_id, "action": "approve"}
        asked = await client.call("respond", **arguments)
        answered = await client.request("tools/call", **_answer("respond", arguments, asked))
        assert two.changed_hands()
        assert not answered.get("isError"), answered
        results = await _replayed(two, client, "respond", arguments, asked)
        assert results == Counter({"refused": 16})
        assert [sent["ok"] for sent in two.world.sent(task_id)] == [True]

    async def test_of_many_answers_at_once_at_all_replicas_one_counts(self, two: Team) -> None:
        client = two.client(FORMS)
        arguments = {"prompt": "Go (scenario:hello)", "approval_mode": "auto"}
        asked = await client.call("create_task", **arguments)
        results = await _replayed(two, client, "create_task", arguments, asked)
        assert results == Counter({"done": 1, "refused": 15})
        assert len(two.world.bodies("/tasks")) == 1

    async def test_without_a_folder_to_share_the_api_still_takes_an_approval_once(
        self, world: World, tmp_path: Path, key_file: Path
    ) -> None:
        # As with a key that is mounted from a secret: each process has its own, and the folder beside it.
        other = tmp_path / "other" / "key"
        other.parent.mkdir()
        shutil.copy(key_file, other)
        async with team(world, tmp_path, any_kind(), key_file, other) as two:
            task_id = pending(world, REQUEST)
            client = two.client(FORMS)
            arguments = {"task_id": task_id, "action": "approve"}
            asked = await client.call("respond", **arguments)
            results = await _replayed(two, client, "respond", arguments, asked)
        assert results["done"] >= 1
        confirmed = [e for e in world.events(task_id) if e["type"] == "user_confirmation"]
        assert [event["ok"] for event in confirmed] == [True]


def _answer(tool: str, arguments: Json, asked: Json) -> Json:
    assert asked["resultType"] == "input_required"
    answers = accept(asked)
    return {
        "name": tool,
        "arguments": arguments,
        "inputResponses": answers,
        "requestState": asked["requestState"],
    }


async def _replayed(team: Team, client: TasksClient, tool: str, arguments: Json, asked: Json) -> Counter[str]:
    """What becomes of sixteen answers at once."""
    results: Counter[str] = Counter()

    async def once() -> None:
        result = await client.request("tools/call", **_answer(tool, arguments, asked))
        results["refused" if result.get("isError") else "done"] += 1

    async with anyio.create_task_group() as group:
        for _ in range(16):
            group.start_soon(once)
    assert len(set(team.served_by[-16:])) == 2
    return results


class TestTaskHandles:
    """Made at one replica, used at another."""

    async def test_it_is_read_and_answered_elsewhere(self, two: Team) -> None:
        neo_task = pending(two.world, REQUEST)
        client = two.client()
        task_id = await client.deferred(neo_task)
        asked = await client.get(task_id)
        assert two.changed_hands()
        await client.update(task_id, **accept(asked))
        assert two.changed_hands()
        await client.update(task_id, **accept(asked))
        assert [sent["ok"] for sent in two.world.sent(neo_task)] == [True]
        happen(two.world, neo_task, DONE)
        overs = [await client.until(task_id, "completed") for _ in range(2)]
        assert two.changed_hands()
        assert overs[0] == overs[1]

    async def test_it_is_cancelled_elsewhere(self, two: Team) -> None:
        client = two.client()
        task_id = await client.started("denied-approval")
        await client.until(task_id, "input_required")
        await client.cancel(task_id)
        await client.until(task_id, "cancelled")
        (neo_task,) = {r.path.split("/")[6] for r in two.world.simulator.requests if "/events" in r.path}
        assert [sent["type"] for sent in two.world.sent(neo_task)] == ["user_cancel"]
        assert len(set(two.served_by)) == 2

    async def test_it_is_listened_to_elsewhere_and_anew_when_its_replica_stops(self, two: Team) -> None:
        neo_task = pending(two.world)
        client = two.client()
        task_id = await client.deferred(neo_task)
        async with client.listen(taskIds=[task_id]) as one, client.listen(taskIds=[task_id]) as other:
            assert two.changed_hands()
            happen(two.world, neo_task, REQUEST)
            for frames in (one, other):
                await frames.until(task_id, "input_required")
            two.replicas[0].process.terminate()
            await two.replicas[0].process.wait()
            happen(two.world, neo_task, STOPPED)
            async with client.listen(taskIds=[task_id]) as anew:
                assert anew.agreed == {"taskIds": [task_id]}
                await anew.until(task_id, "completed")


@pytest.mark.parametrize(
    "two", [pytest.param(kind, marks=pytest.mark.needs(kind)) for kind in BALANCERS], indirect=True
)
class TestAReplicaThatStops:
    """Gone with a wait in its hands."""

    @pytest.mark.parametrize("end", ["terminate", "kill"])
    async def test_its_wait_goes_on_at_the_other_with_the_same_cursor(self, two: Team, end: str) -> None:
        task_id = pending(two.world)
        client = two.client(FORMS)
        first = await client.call("wait_for_events", task_id=task_id, until="any")
        cursor = first["structuredContent"]["cursor"]
        cut: list[Json | None] = []
        words: list[list[str]] = []

        async def wait() -> None:
            words.append(await _followed(client, task_id, cursor, "word-2", cut))

        # One of the two waits is at each replica.
        async with anyio.create_task_group() as group:
            for count in (1, 2):
                group.start_soon(wait)
                await until(lambda count=count: two.world.simulator.open_streams == count)  # type: ignore[misc]  # a lambda's default
            getattr(two.replicas[0].process, end)()
            await two.replicas[0].process.wait()
            await until(lambda: cut)
            happen(two.world, task_id, says("word-0"))
            happen(two.world, task_id, says("word-1"), says("word-2"))
        assert words == [["word-0", "word-1", "word-2"]] * 2
        # Whoever is asked to stop says so; whoever is killed says nothing.
        if end == "terminate":
            assert "same cursor" in str(cut[0])

    async def test_nothing_is_lost_or_doubled_in_a_rolling_restart(self, two: Team) -> None:
        task_id = pending(two.world)
        client = two.client(FORMS)
        first = await client.call("wait_for_events", task_id=task_id, until="any")
        cursor = first["structuredContent"]["cursor"]
        words: list[list[str]] = []

        async def wait() -> None:
            words.append(await _followed(client, task_id, cursor, "word-5", []))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(wait)
            for number in range(6):
                happen(two.world, task_id, says(f"word-{number}"))
                if number in {1, 3}:
                    await two.restart(number // 2)
        assert words == [[f"word-{number}" for number in range(6)]] * 4


async def _followed(
    client: TasksClient, task_id: str, cursor: str, last: str, cut: list[Json | None]
) -> list[str]:
    """What a host is told until ``last``: where a wait is cut, it waits again with the same cursor."""
    found: list[str] = []
    while last not in found:
        result = await _tried(client, task_id, cursor)
        if result is None or result.get("isError"):
            cut.append(result)
        else:
            found += told(result)
            cursor = result["structuredContent"]["cursor"]
    return found


async def _tried(client: TasksClient, task_id: str, cursor: str) -> Json | None:
    """A wait's result; ``None`` where the balancer answers, nobody, or a replica that is just stopping."""
    try:
        return await client.call("wait_for_events", task_id=task_id, until="any", cursor=cursor)
    except (httpx.TransportError, json.JSONDecodeError):
        return None
    except AssertionError as error:
        # A request that comes in that moment is refused before it is read: without an id.
        if "This server is stopping" not in str(error):
            raise
        return None


class TestOlderHosts:
    """Sessions of the handshake eras live in one process."""

    async def test_a_session_that_another_replica_has_is_not_found_there(self, two: Team) -> None:
        headers: dict[str, str] = {"accept": "application/json, text/event-stream"}
        message: Json = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
        opened = await two.http.post(f"{two.url}/mcp", json=message, headers=headers)
        headers |= {
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": str(HELLO["protocolVersion"]),
        }
        asked: Json = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        answers = [await two.http.post(f"{two.url}/mcp", json=asked, headers=headers) for _ in range(2)]
        assert sorted(answer.status_code for answer in answers) == [200, 404]
        (lost,) = [answer for answer in answers if answer.status_code == 404]
        # By the specification, the host then opens a new session.
        assert lost.json()["error"]["message"] == "Session not found"

    @pytest.mark.needs("haproxy")
    async def test_a_balancer_that_keeps_sessions_together_serves_them(
        self, world: World, tmp_path: Path, key_file: Path
    ) -> None:
        person = Person()
        async with (
            team(world, tmp_path, "haproxy", key_file, key_file, sticky=True) as two,
            AsyncExitStack() as stack,
        ):
            for mode in (LEGACY, LEGACY, MODERN):
                client = Client(f"{two.url}/mcp", mode=mode, elicitation_callback=person, cache=None)
                host = Host(await stack.enter_async_context(client), 6000)
                task_id, cursor = await host.create("denied-approval")
                await host.wait(task_id, cursor)
                await host.call("respond", task_id=task_id, action="approve")
        assert len(person.forms) == 3
