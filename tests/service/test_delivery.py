"""Messages, decisions and results reach a task once, whatever happens to the request or its answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest

from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.config import ApprovalPolicy
from neo_mcp.simulator import Fault
from tests.support.host import ORG, Host, Json, SkippingClock, World, until

pytestmark = pytest.mark.scorecard("a message, decision or result arrives once, whatever becomes of it")

HTML = b"<html>Bad gateway</html>"
POSTED = r"/tasks/[^/]+$"


def posting(kind: str, **options: object) -> Fault:
    return Fault(kind, path=POSTED, method="POST", **options)  # type: ignore[arg-type]  # whatever a kind takes


@dataclass
class Case:
    """A fault of a post, and whether the event has landed in spite of it."""

    fault: Fault
    landed: bool


LOST = {
    **{f"{s} unlanded": Case(posting("status", status=s), False) for s in (408, 500, 502, 503, 504)},
    **{f"{s} landed": Case(posting("status_after", status=s), True) for s in (408, 500, 502, 503, 504)},
    "a proxy's page unlanded": Case(posting("status", status=200, body=HTML), False),
    "a proxy's page landed": Case(posting("status_after", status=200, body=HTML), True),
    "a reset after the request": Case(posting("reset_before_response", applied=True), True),
    "a reset before it was acted on": Case(posting("reset_before_response", applied=False), False),
}
lost = pytest.mark.parametrize("case", LOST.values(), ids=LOST)


def of_type(world: World, task_id: str, kind: str) -> list[Json]:
    """The events of one type that the task has."""
    return [event for event in world.events(task_id) if event["type"] == kind]


def posts(world: World, task_id: str, kind: str) -> list[Json]:
    return [event for event in world.sent(task_id) if event["type"] == kind]


@asynccontextmanager
async def asked(
    world: World,
    scenario: str,
    clock: Clock = SYSTEM_CLOCK,
    **arguments: Any,  # noqa: ANN401 - any JSON
) -> AsyncIterator[tuple[Host, str, Json]]:
    """A host, a task, and the result of waiting for it."""
    async with world.host(clock=clock, approvals=ApprovalPolicy.HOST) as host:
        task_id, cursor = await host.create(scenario, **arguments)
        yield host, task_id, await host.wait(task_id, cursor)


def clock_for(case: Case) -> Clock:
    """No time to wait in vain; what has landed takes a moment to show."""
    return SYSTEM_CLOCK if case.landed else SkippingClock()


class TestDecisions:
    @lost
    @pytest.mark.parametrize("action", ["approve", "deny"])
    async def test_a_lost_decision_is_found_in_the_events_or_unknown_and_never_sent_again(
        self, world: World, case: Case, action: str
    ) -> None:
        async with asked(world, "denied-approval", clock_for(case)) as (host, task_id, waited):
            world.simulator.faults.add(case.fault)
            request = {"task_id": task_id, "action": action, "request_id": waited["needs"][0]["request_id"]}
            if case.landed:
                said = await host.call("respond", **request)
                assert ("was approved" if action == "approve" else "was denied") in said["sent"]
            else:
                text = await host.refused("respond", **request)
                assert "unknown whether this arrived" in text
                assert "get_task" in text
                # Neither the same again nor the opposite is sent while the first may still arrive.
                for second in ("approve", "deny"):
                    text = await host.refused("respond", **{**request, "action": second})
                    assert "nothing was sent now" in text
        (sent,) = posts(world, task_id, "user_confirmation")
        assert sent["ok"] is (action == "approve")
        assert len(of_type(world, task_id, "user_confirmation")) == case.landed

    async def test_a_doubt_ends_after_two_minutes(self, world: World) -> None:
        clock = SkippingClock()
        async with asked(world, "denied-approval", clock) as (host, task_id, _):
            world.simulator.faults.add(posting("status", status=503))
            assert "unknown" in await host.refused("respond", task_id=task_id, action="approve")
            await clock.sleep(100)
            assert "nothing was sent now" in await host.refused("respond", task_id=task_id, action="approve")
            await clock.sleep(20)
            await host.call("respond", task_id=task_id, action="deny")
        assert [event["ok"] for event in posts(world, task_id, "user_confirmation")] == [True, False]
        assert len(of_type(world, task_id, "user_confirmation")) == 1

    @pytest.mark.parametrize("second", ["approve", "deny"])
    async def test_of_two_decisions_at_once_one_is_sent_and_the_other_is_told(
        self, world: World, second: str
    ) -> None:
        async with asked(world, "denied-approval") as (host, task_id, waited):
            world.simulator.faults.add(posting("latency", seconds=0.1))
            results: list[Any] = []

            async def decide(action: str) -> None:
                request = {
                    "task_id": task_id,
                    "action": action,
                    "request_id": waited["needs"][0]["request_id"],
                }
                results.append(await host.raw("respond", request))

            async with anyio.create_task_group() as group:
                group.start_soon(decide, "approve")
                await until(lambda: world.sent(task_id))
                group.start_soon(decide, second)
        told = [result.content[0].text for result in results if result.is_error]
        assert len(told) == 1
        assert "(yes)" in told[0]
        assert "being sent by another call" in told[0]
        (sent,) = posts(world, task_id, "user_confirmation")
        assert sent["ok"] is True

    @pytest.mark.parametrize("theirs", [True, False])
    @pytest.mark.parametrize("refusal", [400, 404, 409])
    async def test_what_somebody_else_settled_first_is_reported_as_such(
        self, world: World, theirs: bool, refusal: int
    ) -> None:
        async with asked(world, "denied-approval") as (host, task_id, waited):
            decision = {
                "type": "user_confirmation",
                "approval_request_id": waited["needs"][0]["request_id"],
                "ok": theirs,
                "timestamp": "2026-01-02T03:04:05Z",
            }
            world.simulator.faults.add(posting("status", status=refusal))
            world.simulator.faults.add(posting("latency", seconds=0.2))
            results: list[str] = []

            async def approve() -> None:
                results.append(await host.refused("respond", task_id=task_id, action="approve"))

            async with anyio.create_task_group() as group:
                group.start_soon(approve)
                await until(lambda: world.sent(task_id))
                world.simulator.append_event(ORG, task_id, decision, kind="userInput")
        assert f"{'approved' if theirs else 'denied or answered'} by someone else" in results[0]

    @pytest.mark.parametrize("theirs", [True, False])
    async def test_what_somebody_else_settled_while_the_answer_was_lost(
        self, world: World, theirs: bool
    ) -> None:
        async with asked(world, "denied-approval") as (host, task_id, waited):
            decision = {
                "type": "user_confirmation",
                "approval_request_id": waited["needs"][0]["request_id"],
                "ok": theirs,
            }
            world.simulator.faults.add(posting("status", status=503))
            results: list[Any] = []

            async def approve() -> None:
                results.append(await host.raw("respond", {"task_id": task_id, "action": "approve"}))

            async with anyio.create_task_group() as group:
                group.start_soon(approve)
                await until(lambda: any(r.status == 503 for r in world.simulator.requests))
                world.simulator.append_event(ORG, task_id, decision, kind="userInput", synthetic=True)
        # Who said yes makes no difference where yes stands.
        assert results[0].is_error is not theirs
        assert len(posts(world, task_id, "user_confirmation")) == 1

    async def test_a_copy_that_a_proxy_sent_first_is_ours(self, world: World) -> None:
        async with asked(world, "denied-approval") as (host, task_id, _):
            world.simulator.faults.add(posting("status_after", status=409))
            said = await host.call("respond", task_id=task_id, action="approve")
        assert "was approved" in said["sent"]
        assert len(of_type(world, task_id, "user_confirmation")) == 1

    @pytest.mark.parametrize("landed", [True, False])
    async def test_too_many_requests_are_waited_out_and_looked_after(
        self, world: World, landed: bool
    ) -> None:
        async with asked(world, "denied-approval") as (host, task_id, _):
            kind = "status_after" if landed else "status"
            world.simulator.faults.add(posting(kind, status=429, retry_after="1"))
            await host.call("respond", task_id=task_id, action="approve")
        assert len(posts(world, task_id, "user_confirmation")) == 2 - landed
        assert len(of_type(world, task_id, "user_confirmation")) == 1

    async def test_a_decision_that_was_not_taken_can_be_made_again(self, world: World) -> None:
        async with asked(world, "denied-approval", SkippingClock()) as (host, task_id, _):
            world.simulator.faults.add(posting("status", status=403))
            assert "403" in await host.refused("respond", task_id=task_id, action="approve")
            await host.call("respond", task_id=task_id, action="deny", text="no")
        assert [event["ok"] for event in of_type(world, task_id, "user_confirmation")] == [False]

    async def test_a_cancelled_call_sends_its_decision_whole_and_once(self, world: World) -> None:
        async with asked(world, "denied-approval") as (host, task_id, waited):
            world.simulator.faults.add(posting("latency", seconds=0.2))
            async with anyio.create_task_group() as group:
                group.start_soon(leave_later, host, task_id)
                await until(lambda: world.sent(task_id))
                group.cancel_scope.cancel()
            await until(lambda: of_type(world, task_id, "user_confirmation"))
            text = await host.refused(
                "respond", task_id=task_id, action="deny", request_id=waited["needs"][0]["request_id"]
            )
            assert waited["needs"][0]["request_id"] in text
        (decision,) = posts(world, task_id, "user_confirmation")
        assert decision["ok"] is True


async def leave_later(host: Host, task_id: str) -> None:
    await host.call("respond", task_id=task_id, action="approve")


class TestMessages:
    @lost
    async def test_a_lost_message_is_found_in_the_events_or_unknown_and_never_sent_again(
        self, world: World, case: Case
    ) -> None:
        async with asked(world, "hello", clock_for(case)) as (host, task_id, _):
            world.simulator.faults.add(case.fault)
            request = {"task_id": task_id, "action": "message", "text": "And now this"}
            if case.landed:
                assert "was sent" in (await host.call("respond", **request))["sent"]
            else:
                assert "unknown whether this arrived" in await host.refused("respond", **request)
                assert "nothing was sent now" in await host.refused("respond", **request)
        assert len(posts(world, task_id, "user_message")) == 1
        assert len(of_type(world, task_id, "user_message")) == 1 + case.landed

    async def test_what_arrives_late_is_not_sent_by_the_next_call(self, world: World) -> None:
        async with asked(world, "hello", SkippingClock()) as (host, task_id, waited):
            world.simulator.faults.add(posting("status", status=504))
            request = {"task_id": task_id, "action": "message", "text": "And now this"}
            assert "unknown" in await host.refused("respond", **request)
            (late,) = world.sent(task_id)
            world.simulator.append_event(ORG, task_id, late, kind="userInput")
            await host.wait(task_id, waited["cursor"], until="any", kinds=["user_message"])
            assert "was sent" in (await host.call("respond", **request))["sent"]
        assert len(posts(world, task_id, "user_message")) == 1

    async def test_a_busy_task_is_offered_the_message_until_it_is_free(self, world: World) -> None:
        clock = SkippingClock()
        async with asked(world, "hello", clock) as (host, task_id, _):
            world.simulator.faults.add(posting("status", status=409, times=3))
            await host.call("respond", task_id=task_id, action="message", text="And now this")
        assert len(posts(world, task_id, "user_message")) == 4
        assert len(of_type(world, task_id, "user_message")) == 2
        assert [seconds for seconds in clock.slept if seconds in (1.0, 2.0, 4.0)][:3] == [1.0, 2.0, 4.0]

    async def test_a_message_that_landed_before_the_conflict_is_not_sent_again(self, world: World) -> None:
        # As when a proxy sends it twice, and its first copy has started the turn that its second one meets.
        async with asked(world, "hello") as (host, task_id, _):
            world.simulator.faults.add(posting("status_after", status=409))
            await host.call("respond", task_id=task_id, action="message", text="And now this")
        assert len(posts(world, task_id, "user_message")) == 1
        assert len(of_type(world, task_id, "user_message")) == 2

    async def test_a_task_that_stays_busy_is_an_error_after_the_calls_time(self, world: World) -> None:
        async with asked(world, "hello", SkippingClock()) as (host, task_id, _):
            world.simulator.faults.add(posting("status", status=409, times=0))
            text = await host.refused("respond", task_id=task_id, action="message", text="And now this")
        assert "409" in text
        assert "wait_for_events" in text

    async def test_the_same_message_at_once_is_sent_once(self, world: World) -> None:
        async with asked(world, "hello") as (host, task_id, _):
            world.simulator.faults.add(posting("latency", seconds=0.1))
            results: list[Any] = []

            async def say() -> None:
                request = {"task_id": task_id, "action": "message", "text": "And now this"}
                results.append(await host.raw("respond", request))

            async with anyio.create_task_group() as group:
                group.start_soon(say)
                await until(lambda: world.sent(task_id))
                group.start_soon(say)
        assert sorted(bool(result.is_error) for result in results) == [False, True]
        assert len(of_type(world, task_id, "user_message")) == 2

    async def test_the_same_words_can_be_said_again_afterwards(self, world: World) -> None:
        async with asked(world, "hello") as (host, task_id, _):
            for _ in range(2):
                await host.call("respond", task_id=task_id, action="message", text="Go on")
                await host.wait(task_id, until="turn_end")
        assert len(of_type(world, task_id, "user_message")) == 3


class TestToolResults:
    @lost
    async def test_lost_results_are_found_in_the_events_or_unknown_and_never_sent_again(
        self, world: World, case: Case
    ) -> None:
        mode = {"tool_execution_mode": "cli"}
        async with asked(world, "local-tools", clock_for(case), **mode) as (host, task_id, waited):
            calls = [call["tool_call_id"] for call in waited["needs"][0]["calls"]]
            # Each call is announced first.
            world.simulator.faults.add(replace(case.fault, skip=len(calls)))
            results = [{"tool_call_id": call_id, "content": "ok"} for call_id in calls]
            request = {"task_id": task_id, "action": "tool_results", "tool_results": results}
            if case.landed:
                assert "were sent" in (await host.call("respond", **request))["sent"]
            else:
                assert "unknown whether this arrived" in await host.refused("respond", **request)
                assert "nothing was sent now" in await host.refused("respond", **request)
        assert len(posts(world, task_id, "tool_result")) == 1
        assert len(of_type(world, task_id, "tool_result")) == case.landed


class TestStopping:
    @lost
    async def test_the_wish_to_stop_is_repeated_until_it_shows(self, world: World, case: Case) -> None:
        async with asked(world, "denied-approval", clock_for(case)) as (host, task_id, _):
            world.simulator.faults.add(case.fault)
            await host.call("respond", task_id=task_id, action="cancel")
        assert len(posts(world, task_id, "user_cancel")) == 2 - case.landed
        assert len(of_type(world, task_id, "cancelled")) == 1

    @lost
    async def test_a_session_is_killed_again_where_the_answer_was_lost(
        self, world: World, case: Case
    ) -> None:
        async with asked(world, "denied-approval") as (host, task_id, _):
            world.simulator.faults.add(replace(case.fault, path="/cancel$"))
            said = await host.call("respond", task_id=task_id, action="cancel", force=True)
        assert "was killed" in said["sent"]
        assert world.bodies("/cancel") == [{"force": True}] * 2
