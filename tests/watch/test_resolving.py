"""Requests that the service answers itself are no attention; all others are, and none is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.core.cursor import Position
from neo_mcp.simulator import Fault, Simulator
from neo_mcp.watch import Hub, Reader, Until, Watcher, until_true, wait
from neo_mcp.watch.resolving import MAX_PERIODS
from neo_mcp.wire.time import format_time
from tests.support.clocks import SteppedClock

ORG = "acme"
PATIENCE = 20.0
GAPS = (0.0, 0.03, 0.1, 0.3, 1.0)


class Neo:
    """A followed task of one mode."""

    def __init__(self, simulator: Simulator, task_id: str, clock: SteppedClock) -> None:
        self.simulator = simulator
        self.task_id = task_id
        self.clock = clock
        self.watcher: Watcher

    def asks(self, request_id: str = "a1", **fields: Any) -> None:  # noqa: ANN401 - any JSON
        body = {
            "type": "user_approval_request",
            "id": request_id,
            "message": "May I?",
            "approval_type": "tool_permission",
            "timestamp": format_time(self.clock.now()),
            **fields,
        }
        self.simulator.append_event(ORG, self.task_id, body, kind="agentResponse")

    def settles(self, request_id: str = "a1") -> None:
        body = {"type": "user_confirmation", "approval_request_id": request_id, "ok": True}
        self.simulator.append_event(ORG, self.task_id, body, kind="userInput", synthetic=True)

    def ends(self) -> None:
        body = {"type": "assistant_message", "content": "Done.", "is_final": True}
        self.simulator.append_event(ORG, self.task_id, body, kind="agentResponse")

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.fail_after(PATIENCE):
            await until_true([self.watcher], lambda: bool(condition()))
        assert condition()

    async def shows(self, count: int) -> None:
        """Wait for the log to have so many events, and for the task's mode to be known if it matters."""
        await self.until(lambda: len(self.watcher.log) == count and self.watcher.is_sure)

    @property
    def needs(self) -> list[str]:
        return [need.request.id if need.request else str(need.kind) for need in self.watcher.attention()]

    def lookups(self) -> int:
        return sum(request.path.endswith(self.task_id) for request in self.simulator.requests)


@asynccontextmanager
async def following(simulator: Simulator, mode: str) -> AsyncIterator[Neo]:
    clock = SteppedClock()
    task_id = simulator.add_task(ORG, status="running", approval_mode=mode)
    neo = Neo(simulator, task_id, clock)
    async with (
        NeoClient(token="pul-sim-alice", api_url=simulator.url, organization=ORG, clock=clock) as client,
        anyio.create_task_group() as group,
    ):
        async with Hub(client, group).follow(ORG, task_id) as neo.watcher:
            await neo.until(lambda: neo.watcher.caught_up)
            with anyio.fail_after(PATIENCE):
                while not simulator.open_streams:  # noqa: ASYNC110 - nothing announces it
                    await anyio.sleep(0.002)
            yield neo
        group.cancel_scope.cancel()


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("mode", ["auto", "balanced"])
class TestWhatTheServiceAnswers:
    async def test_ends_no_wait_for_attention(self, simulator: Simulator, mode: str, gap: float) -> None:
        async with following(simulator, mode) as neo, anyio.create_task_group() as group:
            reader = Reader(neo.watcher, "")
            ended: list[str] = []

            async def waiting() -> None:
                await wait([reader], until=Until.ATTENTION, seconds=PATIENCE)
                ended.extend(neo.needs)

            group.start_soon(waiting)
            for number in range(3):
                neo.asks(f"a{number}", sensitivity="regular", context={"tool_name": "ux__ask_user"})
                await neo.shows(2 * number + 1)
                assert neo.needs == []
                neo.clock.advance(gap)
                neo.settles(f"a{number}")
                await neo.shows(2 * number + 2)
                neo.clock.advance(3.0)
            neo.ends()
            await neo.until(lambda: neo.needs)
        assert ended == ["turn_ended"]

    async def test_shows_with_its_answer_to_whoever_waits_for_anything(
        self, simulator: Simulator, mode: str, gap: float
    ) -> None:
        async with following(simulator, mode) as neo, anyio.create_task_group() as group:
            reader = Reader(neo.watcher, "")
            kinds: list[str] = []

            async def waiting() -> None:
                await wait([reader], until=Until.ANY, seconds=PATIENCE)
                kinds.extend(event.body.type for event in reader.read().since.events)

            group.start_soon(waiting)
            neo.asks(sensitivity="regular")
            await neo.shows(1)
            neo.clock.advance(gap)
            neo.settles()
            await neo.shows(2)
        assert kinds == ["user_approval_request", "user_confirmation"]


class TestWhatTheServiceDoesNotAnswer:
    @pytest.mark.parametrize("mode", ["auto", "balanced", "brand-new"])
    async def test_is_attention_two_seconds_later(self, simulator: Simulator, mode: str) -> None:
        async with following(simulator, mode) as neo, anyio.create_task_group() as group:
            reader = Reader(neo.watcher, "")

            async def waiting() -> None:
                await wait([reader], until=Until.ATTENTION, seconds=PATIENCE)
                assert neo.needs == ["a1"]

            group.start_soon(waiting)
            neo.asks()
            await neo.shows(1)
            neo.clock.advance(1.9)
            assert neo.needs == []
            neo.clock.advance(0.1)

    @pytest.mark.parametrize(("mode", "sensitivity"), [("manual", "regular"), ("balanced", "sensitive")])
    async def test_is_attention_at_once_where_that_is_clear(
        self, simulator: Simulator, mode: str, sensitivity: str
    ) -> None:
        async with following(simulator, mode) as neo:
            for number in range(3):
                neo.asks(f"a{number}", sensitivity=sensitivity)
                await neo.until(lambda: len(neo.needs) == number + 1)  # noqa: B023 - used at once
            assert neo.lookups() == 1

    async def test_is_attention_at_once_where_the_mode_cannot_be_had(self, simulator: Simulator) -> None:
        async with following(simulator, "auto") as neo:
            simulator.faults.add(Fault("status", status=404, path=neo.task_id, times=0))
            neo.asks()
            await neo.until(lambda: neo.needs == ["a1"])

    async def test_is_attention_after_two_seconds_where_the_mode_is_not_told_in_time(
        self, simulator: Simulator
    ) -> None:
        async with following(simulator, "manual") as neo:
            simulator.faults.add(Fault("latency", seconds=600, path=neo.task_id, times=0))
            neo.asks()
            await neo.until(lambda: len(neo.watcher.log) == 1)
            assert neo.needs == []
            neo.clock.advance(2.0)
            await neo.until(lambda: neo.needs == ["a1"])

    @pytest.mark.parametrize(("age", "needs"), [(2.5, ["a1"]), (0.5, [])])
    async def test_is_attention_at_once_where_it_is_older_by_its_own_time(
        self, simulator: Simulator, age: float, needs: list[str]
    ) -> None:
        clock = SteppedClock()
        task_id = simulator.add_task(ORG, status="running", approval_mode="auto")
        neo = Neo(simulator, task_id, clock)
        neo.asks()
        clock.advance(age)
        async with (
            NeoClient(token="pul-sim-alice", api_url=simulator.url, organization=ORG, clock=clock) as client,
            anyio.create_task_group() as group,
        ):
            async with Hub(client, group).follow(ORG, task_id) as neo.watcher:
                await neo.shows(1)
                assert neo.needs == needs
                clock.advance(2.0 - age if age < 2.0 else 0.0)
                assert neo.needs == ["a1"]
            group.cancel_scope.cancel()

    async def test_is_reported_by_the_next_wait_where_one_ran_out_of_time_meanwhile(
        self, simulator: Simulator
    ) -> None:
        async with following(simulator, "auto") as neo:
            neo.asks()
            await neo.shows(1)
            reader = Reader(neo.watcher, "")
            await wait([reader], until=Until.ATTENTION, seconds=0.01)
            assert not reader.matches(Until.ATTENTION)
            news = reader.read()
            assert news.needs == ()
            position = news.position(0)
            assert position.event_id == neo.watcher.log.last_id
            for until in (Until.ATTENTION, Until.ANY):
                later = Reader(neo.watcher, position.event_id, position.reported)
                assert not later.matches(until)
            neo.clock.advance(2.0)
            for until in (Until.ATTENTION, Until.ANY):
                later = Reader(neo.watcher, position.event_id, position.reported)
                await wait([later], until=until, seconds=PATIENCE)
                assert later.matches(until)
                assert [need.request.id for need in later.read().needs if need.request] == ["a1"]

    async def test_is_attention_at_once_where_there_are_very_many(self, simulator: Simulator) -> None:
        async with following(simulator, "auto") as neo:
            before = len(anyio.get_running_tasks())
            for number in range(1500):
                neo.asks(f"a{number}")
            await neo.shows(1500)
            assert len(neo.needs) == 1500 - MAX_PERIODS
            assert len(anyio.get_running_tasks()) <= before + 2 * MAX_PERIODS
            neo.clock.advance(2.0)
            await neo.until(lambda: len(neo.needs) == 1500)


class TestTheMode:
    async def test_one_that_another_client_changes_is_learned_in_time(self, simulator: Simulator) -> None:
        async with following(simulator, "manual") as neo:
            neo.asks("a1")
            await neo.until(lambda: neo.needs == ["a1"])
            simulator.store.get(ORG, neo.task_id).approval_mode = "auto"
            neo.clock.advance(61.0)
            neo.asks("a2")
            await neo.shows(2)
            assert neo.needs == ["a1"]
            assert neo.lookups() == 2

    async def test_one_that_is_learned_meanwhile_counts(self, simulator: Simulator) -> None:
        async with following(simulator, "auto") as neo:
            neo.asks()
            await neo.shows(1)
            assert neo.needs == []
            simulator.store.get(ORG, neo.task_id).approval_mode = "manual"
            await neo.watcher.look()
            assert neo.needs == ["a1"]

    async def test_nothing_is_asked_of_the_api_for_requests_of_long_ago(self, simulator: Simulator) -> None:
        clock = SteppedClock()
        task_id = simulator.add_task(ORG, approval_mode="auto")
        neo = Neo(simulator, task_id, clock)
        for number in range(50):
            neo.asks(f"a{number}")
        clock.advance(60.0)
        async with (
            NeoClient(token="pul-sim-alice", api_url=simulator.url, organization=ORG, clock=clock) as client,
            anyio.create_task_group() as group,
        ):
            async with Hub(client, group).follow(ORG, task_id) as neo.watcher:
                await neo.shows(50)
                assert len(neo.needs) == 50
            group.cancel_scope.cancel()
        assert not any(
            request.path.endswith(task_id) and "/stream" not in request.path for request in simulator.requests
        )


async def test_a_resolution_through_this_process_ends_no_wait_that_begins_after_it(
    simulator: Simulator,
) -> None:
    async with following(simulator, "manual") as neo:
        neo.asks()
        await neo.until(lambda: neo.needs == ["a1"])
        position = Reader(neo.watcher, "").read().position(1)
        held = Reader(neo.watcher, position.event_id, position.reported)
        neo.watcher.note_answered(neo.watcher.attention())
        after = Reader(neo.watcher, position.event_id, position.reported)
        neo.settles()
        await neo.shows(2)
        assert held.matches(Until.ATTENTION)
        assert not after.matches(Until.ATTENTION)
        assert after.read().position(0) == Position(neo.watcher.log.last_id)
