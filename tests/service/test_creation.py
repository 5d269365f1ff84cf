"""Tasks are created once, whatever happens to the request, its answer, or the host."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import anyio
import httpx
import pytest

from neo_mcp.core.reconcile import Sent
from neo_mcp.secret import SecretBytes
from neo_mcp.service.writes.creation import MAX_RECORDS, WINDOW_SECONDS, Order, _put, _Record
from neo_mcp.simulator import Fault, SimulatorConfig, running_simulator
from tests.support.host import ORG, PATIENCE, TOKEN, Host, Json, SkippingClock, World, until
from tests.support.processes import environment, running

pytestmark = pytest.mark.scorecard("a task is created once, whatever becomes of request, answer and host")

PROMPT = "Find out why it fails. (scenario:hello)"
HTML = b"<html>Welcome to the wireless network</html>"


def creating(kind: str, **options: object) -> Fault:
    return Fault(kind, path="/tasks$", method="POST", **options)  # type: ignore[arg-type]  # whatever a kind takes


@dataclass
class Case:
    """A fault of a create request, and whether the task exists in spite of it."""

    fault: Fault
    landed: bool


LOST = {
    **{f"{s} unlanded": Case(creating("status", status=s), False) for s in (408, 500, 501, 502, 503, 504)},
    **{f"{s} landed": Case(creating("status_after", status=s), True) for s in (408, 500, 501, 502, 503, 504)},
    "a proxy's page unlanded": Case(creating("status", status=200, body=HTML), False),
    "a proxy's page landed": Case(creating("status_after", status=200, body=HTML), True),
    "a bad gateway's page landed": Case(creating("status_after", status=502, body=HTML), True),
    "an empty answer": Case(creating("status_after", status=201, body=b""), True),
    "an answer without an id": Case(creating("status_after", status=201, body=b"{}"), True),
    "half an answer": Case(creating("truncated_json"), True),
    "an answer cut at once": Case(creating("cut", at=0), True),
    "an answer cut in the middle": Case(creating("cut", at=9), True),
    "an answer that never ends": Case(creating("silence", at=9), True),
    "a reset after the request": Case(creating("reset_before_response", applied=True), True),
    "a reset before it was acted on": Case(creating("reset_before_response", applied=False), False),
}
lost = pytest.mark.parametrize("case", LOST.values(), ids=LOST)


def tasks(world: World) -> list[str]:
    """Ids of all tasks there are, oldest first."""
    return list(world.simulator.store._tasks)


def posts(world: World) -> list[Json]:
    return world.bodies("/tasks")


async def land(world: World) -> None:
    """Let the lost request arrive after all, as from a gateway's queue."""
    request = next(r for r in world.simulator.requests if r.method == "POST")
    async with httpx.AsyncClient(base_url=world.simulator.url) as http:
        headers = {"Authorization": f"token {TOKEN}"}
        (await http.post(request.path, content=request.body, headers=headers)).raise_for_status()


class TestLostAnswers:
    async def test_the_record_of_an_unknown_creation_holds_no_request(self, world: World) -> None:
        world.simulator.faults.add(LOST["503 unlanded"].fault)
        async with world.host(clock=SkippingClock()) as host:
            await host.refused("create_task", prompt=PROMPT)
            gc.collect()
            assert not [held for held in gc.get_objects() if type(held) is Order]

    @lost
    async def test_the_task_is_found_or_its_fate_is_unknown_and_nothing_is_sent_again(
        self, world: World, case: Case
    ) -> None:
        world.simulator.faults.add(case.fault)
        limit = 0.3 if case.fault.kind == "silence" else 120.0
        async with world.host(clock=SkippingClock(), create_timeout=limit) as host:
            for _ in range(2):
                if case.landed:
                    created = await host.call("create_task", prompt=PROMPT)
                    assert [created["task_id"]] == tasks(world)
                    assert "answer to the request was lost" in created["warnings"][0]
                else:
                    text = await host.refused("create_task", prompt=PROMPT)
                    assert "unknown whether the task was created" in text
                    assert "No task of yours is like it" in text
                    assert "list_tasks" in text
                    assert tasks(world) == []
                assert len(posts(world)) == 1

    @lost
    async def test_a_duplicate_can_be_asked_for_after_a_look(self, world: World, case: Case) -> None:
        world.simulator.faults.add(case.fault)
        limit = 0.3 if case.fault.kind == "silence" else 120.0
        async with world.host(clock=SkippingClock(), create_timeout=limit) as host:
            await host.raw("create_task", {"prompt": PROMPT})
            again = await host.call("create_task", prompt=PROMPT, duplicate=True)
            assert tasks(world)[-1] == again["task_id"]
            # From then on, this is what the same call returns.
            assert (await host.call("create_task", prompt=PROMPT))["task_id"] == again["task_id"]
        assert len(tasks(world)) == case.landed + 1

    async def test_what_lands_later_is_found_later(self, world: World) -> None:
        world.simulator.faults.add(creating("reset_before_response", applied=False))
        async with world.host(clock=SkippingClock()) as host:
            assert "unknown" in await host.refused("create_task", prompt=PROMPT)
            await land(world)
            created = await host.call("create_task", prompt=PROMPT)
        assert [created["task_id"]] == tasks(world)

    async def test_what_lands_while_it_is_looked_for_is_found(self, world: World) -> None:
        world.simulator.faults.add(creating("reset_before_response", applied=False))
        clock = SkippingClock()

        async def in_between() -> None:
            if clock.slept[-1] == 4.0:
                await land(world)

        clock.on_sleep = in_between
        async with world.host(clock=clock) as host:
            created = await host.call("create_task", prompt=PROMPT)
        assert [created["task_id"]] == tasks(world)
        assert clock.slept == [0.0, 1.0, 2.0, 4.0]

    async def test_tasks_of_the_same_words_are_named_where_none_is_the_one(self, world: World) -> None:
        message = {"type": "user_message", "content": PROMPT, "timestamp": "2020-01-01T00:00:00Z"}
        old = world.simulator.add_task(ORG, name="An old\x1b[31m one", events=[("userInput", message)])
        bobs = world.simulator.add_task(ORG, creator="bob", is_shared=True, events=[("userInput", message)])
        other = world.simulator.add_task(ORG, events=[("userInput", {**message, "content": "Hello"})])
        world.simulator.faults.add(creating("status", status=503))
        async with world.host(clock=SkippingClock()) as host:
            text = await host.refused("create_task", prompt=PROMPT)
        assert old in text
        assert "'An old one'" in text
        assert f"/neo/tasks/{old}" in text
        assert bobs not in text
        assert other not in text

    async def test_a_look_that_fails_is_no_proof(self, world: World) -> None:
        world.simulator.faults.add(creating("status", status=503))
        async with world.host(clock=SkippingClock()) as host:
            await host.call("list_tasks")
            world.simulator.faults.add(
                Fault("status", path="/tasks$", method="GET", status=500, times=0, skip=1)
            )
            text = await host.refused("create_task", prompt=PROMPT)
            assert "The search for it failed" in text
            world.simulator.faults.clear()
            assert "No task of yours is like it" in await host.refused("create_task", prompt=PROMPT)
        assert len(posts(world)) == 1

    async def test_the_first_event_need_not_be_the_message(self, world: World) -> None:
        named = {"type": "set_task_name", "name": "Early bird", "timestamp": "2026-01-01T00:00:00Z"}
        create = world.simulator.store.create

        def name_first(*args: object, **options: object) -> object:
            task = create(*args, **options)  # type: ignore[arg-type]  # passed on as they come
            task.append("agentResponse", named)
            return task

        world.simulator.store.create = name_first  # type: ignore[method-assign,assignment]  # the service names tasks as it likes
        world.simulator.faults.add(creating("cut", at=0))
        async with world.host(clock=SkippingClock()) as host:
            created = await host.call("create_task", prompt=PROMPT)
        assert [created["task_id"]] == tasks(world)

    async def test_a_first_generation_server_is_searched_too(self) -> None:
        config = SimulatorConfig(time_scale=0, first_generation=True)
        async with running_simulator(config) as simulator:
            world = World(simulator)
            simulator.faults.add(creating("status_after", status=503, skip=0))
            async with world.host(clock=SkippingClock(), generation="first") as host:
                created = await host.call("create_task", prompt=PROMPT)
        assert [created["task_id"]] == tasks(world)


class TestRefusedForNow:
    @pytest.mark.parametrize("status", [425, 429])
    @pytest.mark.parametrize("told", [None, "3", "date"])
    @pytest.mark.parametrize("landed", [False, True])
    async def test_it_waits_as_told_looks_and_sends_again_only_what_is_not_there(
        self, world: World, status: int, told: str | None, landed: bool
    ) -> None:
        clock = SkippingClock()
        date = format_datetime(clock.now() + timedelta(seconds=31), usegmt=True) if told == "date" else told
        kind = "status_after" if landed else "status"
        world.simulator.faults.add(creating(kind, status=status, retry_after=date))
        async with world.host(clock=clock) as host:
            created = await host.call("create_task", prompt=PROMPT)
        assert [created["task_id"]] == tasks(world)
        sent = posts(world)
        assert len(sent) == 2 - landed
        assert all(body == sent[0] for body in sent)
        expected = {None: 1.0, "3": 3.0, "date": 30.5}[told] if status == 429 else 1.0
        assert clock.slept == [pytest.approx(expected, abs=1)]

    async def test_it_is_patient_for_as_long_as_a_creation_may_take(self, world: World) -> None:
        clock = SkippingClock()
        world.simulator.faults.add(creating("status", status=429, times=0))
        async with world.host(clock=clock, create_timeout=30) as host:
            text = await host.refused("create_task", prompt=PROMPT)
        assert "429" in text
        assert sum(clock.slept) == pytest.approx(30, abs=1)
        assert tasks(world) == []

    async def test_a_wait_that_is_too_long_is_the_callers(self, world: World) -> None:
        clock = SkippingClock()
        world.simulator.faults.add(creating("status", status=429, retry_after="500"))
        async with world.host(clock=clock) as host:
            assert "429" in await host.refused("create_task", prompt=PROMPT)
            assert clock.slept == []
            await host.call("create_task", prompt=PROMPT)
        assert len(tasks(world)) == 1

    async def test_nothing_is_sent_again_before_a_look_succeeds(self, world: World) -> None:
        world.simulator.faults.add(creating("status_after", status=429))
        async with world.host(clock=SkippingClock()) as host:
            # The look before the first request passes, the first ones after it fail.
            world.simulator.faults.add(
                Fault("status", path="/tasks$", method="GET", status=429, skip=1, times=9)
            )
            created = await host.call("create_task", prompt=PROMPT)
        assert [created["task_id"]] == tasks(world)
        assert len(posts(world)) == 1


class TestUnsent:
    async def test_a_refused_connection_is_tried_again(self, world: World) -> None:
        async with running_simulator() as gone:
            url = gone.url
        async with anyio.create_task_group() as group:
            clock = SkippingClock()
            started: list[World] = []
            over = anyio.Event()

            async def listen() -> None:
                port = int(url.rpartition(":")[2])
                async with running_simulator(SimulatorConfig(port=port, time_scale=0)) as simulator:
                    started.append(World(simulator))
                    await over.wait()

            async def begin() -> None:
                if not started:
                    group.start_soon(listen)
                    await until(lambda: started)

            async with world.host(clock=clock, api_url=url) as host:
                assert "No connection" in await host.refused("create_task", prompt=PROMPT)
                clock.on_sleep = begin
                created = await host.call("create_task", prompt=PROMPT)
            assert [created["task_id"]] == tasks(started[0])
            # The organization's default is asked for once only, and the task asks for everything then.
            (warning,) = created["warnings"]
            assert "could not be read" in warning
            over.set()

    async def test_a_refused_request_is_not_remembered(self, world: World) -> None:
        world.simulator.faults.add(creating("status", status=400))
        async with world.host() as host:
            await host.refused("create_task", prompt=PROMPT, idempotency_key="k")
            created = await host.call("create_task", prompt=PROMPT)
            other = await host.call("create_task", prompt="Another (scenario:hello)", idempotency_key="k")
        assert tasks(world) == [created["task_id"], other["task_id"]]
        assert "warnings" not in created


class TestIdenticalCalls:
    async def test_fifty_at_once_make_one_task(self, world: World, era: str) -> None:
        made: list[str] = []

        async def create(host: Host) -> None:
            made.append((await host.call("create_task", prompt=PROMPT))["task_id"])

        async with world.host(mode=era) as host, anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(create, host)
        assert set(made) == set(tasks(world))
        assert len(made) == 50
        assert len(posts(world)) == 1

    async def test_fifty_at_once_share_one_doubt(self, world: World) -> None:
        world.simulator.faults.add(creating("status", status=503))
        said: list[str] = []

        async def create(host: Host) -> None:
            said.append(await host.refused("create_task", prompt=PROMPT))

        async with world.host(clock=SkippingClock()) as host, anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(create, host)
        assert len([text for text in said if "unknown" in text]) == 50
        assert len(posts(world)) == 1

    async def test_the_first_task_is_returned_for_ten_minutes_and_says_so(self, world: World) -> None:
        clock = SkippingClock()
        async with world.host(clock=clock) as host:
            first = await host.call("create_task", prompt=PROMPT)
            await clock.sleep(120)
            second = await host.call("create_task", prompt=PROMPT)
            await clock.sleep(WINDOW_SECONDS - 130)
            third = await host.call("create_task", prompt=PROMPT)
            await clock.sleep(20)
            fourth = await host.call("create_task", prompt=PROMPT)
        assert "warnings" not in first
        assert {first["task_id"], second["task_id"], third["task_id"]} == {tasks(world)[0]}
        assert second["cursor"] == first["cursor"]
        (told,) = second["warnings"]
        assert "identical call started 2 minutes ago" in told
        assert "set duplicate" in told
        assert tasks(world) == [first["task_id"], fourth["task_id"]]

    @pytest.mark.parametrize(
        "change",
        [
            {"prompt": "Something else (scenario:hello)"},
            {"organization": "acme-labs"},
            {"plan_mode": True},
            {"permission_mode": "read-only"},
            {"entities": ["stack shop/prod"]},
            {"integrations": []},
            {"commands": ["fix"]},
            {"context": "More"},
        ],
    )
    async def test_whatever_differs_makes_another_task(self, world: World, change: Json) -> None:
        async with world.host() as host:
            first = await host.call("create_task", prompt=PROMPT)
            second = await host.call("create_task", **{"prompt": PROMPT, **change})
        assert tasks(world) == [first["task_id"], second["task_id"]]

    async def test_a_duplicate_is_made_where_it_is_asked_for(self, world: World) -> None:
        async with world.host() as host:
            made = [
                (await host.call("create_task", prompt=PROMPT, duplicate=True))["task_id"] for _ in range(3)
            ]
        assert made == tasks(world)
        assert len({body["message"]["timestamp"] for body in posts(world)}) == 3

    async def test_duplicates_that_are_lost_at_once_are_told_apart(self, world: World) -> None:
        world.simulator.faults.add(creating("reset_before_response", times=5))
        made: list[str] = []

        async def create(host: Host) -> None:
            made.append((await host.call("create_task", prompt=PROMPT, duplicate=True))["task_id"])

        async with world.host() as host, anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(create, host)
        assert sorted(made) == sorted(tasks(world))


class TestKeys:
    async def test_the_same_key_is_the_same_task_however_late(self, world: World) -> None:
        clock = SkippingClock()
        async with world.host(clock=clock) as host:
            first = await host.call("create_task", prompt=PROMPT, idempotency_key="k1")
            await clock.sleep(10 * WINDOW_SECONDS)
            second = await host.call("create_task", prompt=PROMPT, idempotency_key="k1")
        assert [first["task_id"]] == [second["task_id"]] == tasks(world)

    async def test_a_key_with_another_request_is_refused_and_names_the_task(self, world: World) -> None:
        async with world.host() as host:
            first = await host.call("create_task", prompt=PROMPT, idempotency_key="k1")
            text = await host.refused("create_task", prompt="Other words", idempotency_key="k1")
            assert first["task_id"] in text
            assert "nothing was sent" in text
            assert "another key" in text
            await host.call("create_task", prompt="Other words (scenario:hello)", idempotency_key="k2")
        assert len(tasks(world)) == 2

    async def test_a_key_of_another_organization_is_another_key(self, world: World) -> None:
        async with world.host() as host:
            await host.call("create_task", prompt=PROMPT, idempotency_key="k1")
            await host.call("create_task", prompt="Other", organization="acme-labs", idempotency_key="k1")
        assert len(tasks(world)) == 2

    async def test_a_new_key_for_an_identical_call_is_a_second_name_of_the_task(self, world: World) -> None:
        async with world.host() as host:
            first = await host.call("create_task", prompt=PROMPT)
            second = await host.call("create_task", prompt=PROMPT, idempotency_key="k1")
        assert [first["task_id"]] == [second["task_id"]] == tasks(world)

    async def test_a_duplicate_takes_the_key_over(self, world: World) -> None:
        async with world.host() as host:
            await host.call("create_task", prompt=PROMPT, idempotency_key="k1")
            second = await host.call("create_task", prompt=PROMPT, idempotency_key="k1", duplicate=True)
            third = await host.call("create_task", prompt=PROMPT, idempotency_key="k1")
        assert second["task_id"] == third["task_id"] == tasks(world)[1]


class TestHostsThatGoAway:
    """The request is on its way when they leave."""

    async def leave_in_the_middle(self, world: World, call: Callable[[], object]) -> None:
        world.simulator.faults.add(creating("latency", seconds=0.3))
        async with anyio.create_task_group() as group:
            group.start_soon(call)  # type: ignore[arg-type]  # an async function
            await until(lambda: posts(world))
            assert tasks(world) == []
            group.cancel_scope.cancel()

    async def test_a_cancelled_call_is_finished_and_an_identical_one_gets_its_task(
        self, world: World, era: str
    ) -> None:
        async with world.host(mode=era) as host:

            async def call() -> None:
                await host.call("create_task", prompt=PROMPT)

            await self.leave_in_the_middle(world, call)
            created = await host.call("create_task", prompt=PROMPT)
        assert [created["task_id"]] == tasks(world)
        assert len(posts(world)) == 1

    async def test_a_connection_that_ends_leaves_a_whole_task(self, world: World, era: str) -> None:
        async def call() -> None:
            async with world.host(mode=era) as host:
                await host.call("create_task", prompt=PROMPT)

        await self.leave_in_the_middle(world, call)
        # The server finished it before it went.
        (task_id,) = tasks(world)
        async with world.host(mode=era) as host:
            created = await host.call("create_task", prompt=PROMPT)
        assert created["task_id"] == task_id
        assert "there already" in created["warnings"][0]
        assert len(posts(world)) == 1

    @pytest.mark.parametrize("how", ["killed", "left"])
    async def test_over_stdio_too(self, world: World, tmp_path: Path, how: str) -> None:
        env = environment(world.simulator.url, str(tmp_path))
        world.simulator.faults.add(creating("latency", seconds=0.3))
        async with running("serve", env=env) as server:
            await server.initialize()
            await server.send("tools/call", name="create_task", arguments={"prompt": PROMPT})
            await until(lambda: posts(world))
            assert tasks(world) == []
            if how == "left":
                assert server.process.stdin is not None
                await server.process.stdin.aclose()
                assert await server.exit_status() == 0
                assert len(tasks(world)) == 1
            else:
                server.process.kill()
                await server.process.wait()
        await until(lambda: tasks(world))
        async with running("serve", env=env) as server:
            await server.initialize()
            result = await server.call("create_task", prompt=PROMPT)
        assert [result["structuredContent"]["task_id"]] == tasks(world)
        assert len(posts(world)) == 1

    async def test_a_server_that_has_run_for_long_does_not_look_before_it_creates(self, world: World) -> None:
        clock = SkippingClock()
        async with world.host(clock=clock) as host:
            await clock.sleep(WINDOW_SECONDS)
            await host.call("create_task", prompt=PROMPT)
        assert [r.path.rpartition("/")[2] for r in world.simulator.requests] == ["metadata", "tasks"]

    async def test_one_that_shares_a_key_does_as_its_replica_may_have_made_the_task(
        self, world: World
    ) -> None:
        clock = SkippingClock()
        shared: Json = {"clock": clock, "key": SecretBytes(b"k" * 32)}
        async with world.host(**shared) as one, world.host(**shared) as other:
            await clock.sleep(WINDOW_SECONDS)
            first = await one.call("create_task", prompt=PROMPT)
            again = await other.call("create_task", prompt=PROMPT)
            assert again["task_id"] == first["task_id"]
            assert "there already" in again["warnings"][0]
            more = await other.call("create_task", prompt=PROMPT, duplicate=True)
        assert tasks(world) == [first["task_id"], more["task_id"]]

    async def test_what_other_settings_made_is_not_taken_for_the_same(self, world: World) -> None:
        async with world.host() as host:
            await host.call("create_task", prompt=PROMPT)
        async with world.host() as host:
            await host.call("create_task", prompt=PROMPT, permission_mode="read-only")
        assert len(tasks(world)) == 2

    async def test_a_server_stops_in_time_though_a_creation_hangs(self, world: World, tmp_path: Path) -> None:
        world.simulator.faults.add(creating("latency", seconds=PATIENCE))
        async with running("serve", env=environment(world.simulator.url, str(tmp_path))) as server:
            await server.initialize()
            await server.send("tools/call", name="create_task", arguments={"prompt": PROMPT})
            await until(lambda: posts(world))
            server.process.terminate()
            assert await server.exit_status() == 0


async def test_memory_is_bounded() -> None:
    records: dict[str, _Record] = {}
    for number in range(2 * MAX_RECORDS):
        record = _Record(ORG, "", Sent("", ""), 0.0)
        record.done.set()
        _put(records, f"{number}", record)
    assert list(records) == [f"{number}" for number in range(MAX_RECORDS, 2 * MAX_RECORDS)]
