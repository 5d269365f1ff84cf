"""What a task handle stands for: one turn of a Neo task, whatever happens to the task afterwards."""

import anyio
import pytest

from neo_mcp.config import ApprovalPolicy
from neo_mcp.simulator import Fault
from neo_mcp.watch import EventLog
from neo_mcp.watch.turns import CHECK_SECONDS
from tests.support.clocks import ShiftedClock
from tests.support.examples import some
from tests.support.host import ORG, Json, World
from tests.support.tasks_client import BOTH, MISSING, NEITHER, TASKS, Refused, TasksClient, accept
from tests.support.tasks_servers import (
    DONE,
    PLAN,
    QUESTION,
    REQUEST,
    STOPPED,
    happen,
    pending,
    refused,
    serving,
    settle,
)

ASK, HOST, DENY = ApprovalPolicy.ASK, ApprovalPolicy.HOST, ApprovalPolicy.DENY
SENSITIVE = {**REQUEST, "sensitivity": "sensitive"}
LOCAL: Json = {
    "type": "assistant_message",
    "content": "Run this.",
    "is_final": True,
    "tool_calls": [{"id": "c1", "name": "shell__run", "args": {}, "execution_mode": "cli"}],
}


def kinds(task: Json) -> list[str]:
    """What needed somebody in the end."""
    content = task["result"]["structuredContent"]
    return [need["kind"] for need in content.get("news", content)["needs"]]


class TestTheEndStays:
    @pytest.mark.parametrize("end", [DONE, {"type": "error", "message": "No."}, STOPPED, LOCAL])
    async def test_a_new_turn_changes_nothing(self, client: TasksClient, world: World, end: Json) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        happen(world, neo_task, end)
        over = await client.until(task_id, "completed")
        message = {"type": "user_message", "content": "And now?"}
        world.simulator.append_event(ORG, neo_task, message, kind="userInput")
        happen(world, neo_task, {**DONE, "content": "More is done."})
        wanted = {"task_id": neo_task, "until": "turn_end"}
        newest = (await client.call("wait_for_events", **wanted))["structuredContent"]
        assert newest["needs"][0]["message"] == "More is done."
        assert await client.get(task_id) == over

    @pytest.mark.usefixtures("small_logs")
    async def test_not_even_when_its_events_are_no_longer_at_hand(
        self, client: TasksClient, world: World
    ) -> None:
        word: Json = {"type": "assistant_message", "content": "Word.", "is_final": False}
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        happen(world, neo_task, *[word] * 40, DONE)
        over = await client.until(task_id, "completed")
        assert len(over["result"]["structuredContent"]["events"]) == 41
        world.simulator.append_event(
            ORG, neo_task, {"type": "user_message", "content": "More."}, kind="userInput"
        )
        happen(world, neo_task, *[word] * 40, DONE)
        await client.call("wait_for_events", task_id=neo_task, until="turn_end")
        assert await client.get(task_id) == over

    async def test_the_end_of_an_earlier_turn_is_not_this_ones(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world, DONE)
        message = {"type": "user_message", "content": "Go on."}
        world.simulator.append_event(ORG, neo_task, message, kind="userInput")
        task_id = await client.deferred(neo_task)
        assert (await client.get(task_id))["status"] == "working"
        happen(world, neo_task, {**DONE, "content": "Now it is."})
        over = await client.until(task_id, "completed")
        events = over["result"]["structuredContent"]["events"]
        # The caller gave no cursor, so it is told of the earlier turn as well.
        assert events == ["neo: I look.", "neo (final): Done.", "user: Go on."]
        assert "Now it is." in over["statusMessage"]

    async def test_a_turn_that_is_killed_is_over(self, world: World) -> None:
        neo_task, clock = pending(world), ShiftedClock()
        async with serving(world, clock=clock) as client:
            task_id = await client.deferred(neo_task)
            world.simulator.store.get(ORG, neo_task).end_turn()
            # Asked for often enough, so that the task stays followed.
            for _ in range(2):
                assert (await client.get(task_id))["status"] == "working"
                clock.shift(0.6 * CHECK_SECONDS)
            over = await client.until(task_id, "completed")
            assert kinds(over) == ["stalled"]
            message = {"type": "user_message", "content": "Are you there?"}
            world.simulator.append_event(ORG, neo_task, message, kind="userInput")
            happen(world, neo_task, DONE)
            await client.call("wait_for_events", task_id=neo_task, until="turn_end")
            assert (await client.get(task_id))["result"] == over["result"]

    @pytest.fixture
    def small_logs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Watchers that keep ten events."""
        monkeypatch.setattr("neo_mcp.watch.watcher.EventLog", lambda **more: EventLog(max_events=10, **more))


class TestWhoIsAsked:
    @pytest.mark.parametrize(
        ("policy", "capabilities", "need", "status"),
        some(
            [
                (ASK, BOTH, REQUEST, "input_required"),
                (ASK, BOTH, PLAN, "input_required"),
                (ASK, BOTH, QUESTION, "input_required"),
                (HOST, BOTH, REQUEST, "input_required"),
                (HOST, BOTH, QUESTION, "input_required"),
                (DENY, BOTH, REQUEST, "completed"),
                (DENY, BOTH, PLAN, "completed"),
                (DENY, BOTH, QUESTION, "input_required"),
                (ASK, TASKS, REQUEST, "completed"),
                (HOST, TASKS, PLAN, "completed"),
                (DENY, TASKS, QUESTION, "completed"),
                (ASK, {**TASKS, "elicitation": {"url": {}}}, QUESTION, "completed"),
                (ASK, {**TASKS, "elicitation": {}}, QUESTION, "input_required"),
            ],
            every=2,
        ),
    )
    async def test_policy_and_client_decide(
        self, world: World, policy: ApprovalPolicy, capabilities: Json, need: Json, status: str
    ) -> None:
        async with serving(world, capabilities, approvals=policy) as client:
            neo_task = pending(world)
            task_id = await client.deferred(neo_task)
            happen(world, neo_task, need)
            task = await client.until(task_id, "completed", "input_required")
            assert task["status"] == status
            if status == "completed":
                # The model sees what is needed, as a wait for it would have told.
                (told,) = task["result"]["structuredContent"]["needs"]
                assert told["request_id"] == need["id"]
                # And what becomes of it changes nothing.
                settle(world, neo_task, need["id"])
                happen(world, neo_task, DONE)
                await client.call("wait_for_events", task_id=neo_task, until="turn_end")
                assert await client.get(task_id) == task
        assert world.sent(neo_task) == []

    async def test_what_a_handle_is_made_for_a_later_request_cannot_widen(self, world: World) -> None:
        async with serving(world, TASKS) as client:
            neo_task = pending(world)
            task_id = await client.deferred(neo_task)
            happen(world, neo_task, REQUEST)
            assert (await client.until(task_id, "completed", "input_required"))["status"] == "completed"
            assert (await client.declaring(BOTH).get(task_id))["status"] == "completed"

    async def test_a_server_that_only_looks_asks_and_stops_nothing(self, world: World) -> None:
        async with serving(world, read_only=True) as client:
            started = await client.started("denied-approval", permission_mode="default")
            task = await client.until(started, "completed", "input_required")
            content = task["result"]["structuredContent"]
            assert "/neo/tasks/" in content["news"]["needs"][0]["reply"]
            assert content["warnings"] == ["This server is read-only, and so is the task."]
            working = await client.started("long-run")
            await client.cancel(working)
        assert [body for body in world.bodies() if "event" in body] == []

    async def test_tools_of_the_host_need_its_model(self, client: TasksClient, world: World) -> None:
        task_id = await client.started("local-tools")
        task = await client.until(task_id, "completed", "input_required")
        assert kinds(task) == ["local_tools"]
        assert world.bodies()[0]["message"]["content"].startswith("Go")

    async def test_what_the_service_settles_at_once_needs_nobody(self, world: World) -> None:
        async with serving(world, TASKS) as client:
            neo_task = pending(world)
            task_id = await client.deferred(neo_task)
            happen(world, neo_task, REQUEST)
            settle(world, neo_task, "a1", synthetic=True)
            assert (await client.get(task_id))["status"] == "working"
            happen(world, neo_task, DONE)
            assert kinds(await client.until(task_id, "completed")) == ["turn_ended"]

    async def test_what_is_pending_and_cannot_be_asked_makes_no_handle(self, world: World) -> None:
        async with serving(world, TASKS, wait_seconds=0.2) as client:
            neo_task = pending(world, REQUEST)
            waited = await client.call("wait_for_events", task_id=neo_task, until="turn_end")
        assert waited["resultType"] == "complete"
        assert waited["structuredContent"]["needs"][0]["kind"] == "approval"


class TestAnswers:
    @pytest.mark.parametrize("policy", [ASK, HOST])
    async def test_a_stacks_name_has_to_be_typed_here_too(self, world: World, policy: ApprovalPolicy) -> None:
        async with serving(world, approvals=policy) as client:
            neo_task = pending(world, SENSITIVE)
            task_id = await client.deferred(neo_task)
            for typed in ("", "ACME", "acme "):
                asked = await client.get(task_id)
                await client.update(task_id, **accept(asked, confirmation=typed.rstrip() or "no"))
                assert world.sent(neo_task) == [] or typed == "acme "
        assert [sent["ok"] for sent in world.sent(neo_task)] == [True]

    async def test_a_persons_no_is_sent_with_their_words(self, client: TasksClient, world: World) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        no = accept(await client.get(task_id), decision="deny", guidance="Too dear.")
        await client.update(task_id, **no)
        (sent,) = world.sent(neo_task)
        assert (sent["ok"], sent["instructions"]) == (False, "Too dear.")
        assert (await client.get(task_id))["status"] == "working"

    async def test_what_changed_after_it_was_shown_is_not_approved(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        shown = await client.get(task_id)
        # The server does not even hear of it before the answer comes.
        world.simulator.faults.add(Fault("latency", seconds=30.0, path="/stream$", times=0))
        await world.simulator.drop_streams()
        happen(world, neo_task, {**REQUEST, "message": "Delete the database?"})
        await client.update(task_id, **accept(shown))
        assert world.sent(neo_task) == []
        now = await client.get(task_id)
        (form,) = (request["params"]["message"] for request in now["inputRequests"].values())
        assert "Delete the database?" in form

    async def test_what_somebody_else_settled_is_not_settled_again(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        shown = await client.get(task_id)
        world.simulator.faults.add(Fault("latency", seconds=30.0, path="/stream$", times=0))
        await world.simulator.drop_streams()
        settle(world, neo_task, "a1")
        await client.update(task_id, **accept(shown))
        assert world.sent(neo_task) == []
        assert (await client.get(task_id))["status"] == "working"

    async def test_an_answer_that_cannot_be_sent_is_asked_for_again(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        shown = await client.get(task_id)
        world.simulator.faults.add(Fault("status", status=403, method="POST", times=0))
        await client.update(task_id, **accept(shown))
        world.simulator.faults.clear()
        again = await client.get(task_id)
        assert "Asked again" in again["statusMessage"]
        await client.update(task_id, **accept(shown))
        await client.update(task_id, **accept(again))
        assert world.events(neo_task)[-1]["type"] == "user_confirmation"
        assert sum(body["type"] == "user_confirmation" for body in world.events(neo_task)) == 1

    async def test_one_response_sent_many_times_at_once_counts_once(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        answers = accept(await client.get(task_id))
        async with anyio.create_task_group() as group:
            for _ in range(32):

                async def once() -> None:
                    await client.update(task_id, **answers)

                group.start_soon(once)
        assert len(world.sent(neo_task)) == 1


class TestCancelling:
    async def test_a_task_that_waits_for_a_person_is_cancelled_too(
        self, client: TasksClient, world: World
    ) -> None:
        task_id = await client.started("denied-approval")
        asked = await client.until(task_id, "input_required")
        await client.cancel(task_id)
        over = await client.until(task_id, "cancelled")
        await client.update(task_id, **accept(asked))
        assert await client.get(task_id) == over
        assert [body["event"]["type"] for body in world.bodies() if "event" in body] == ["user_cancel"]

    async def test_giving_up_a_wait_stops_nothing(self, client: TasksClient, world: World) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        await client.cancel(task_id)
        assert world.sent(neo_task) == []
        assert (await client.get(task_id))["status"] == "working"
        happen(world, neo_task, STOPPED)
        over = await client.until(task_id, "completed", "cancelled")
        assert (over["status"], kinds(over)) == ("completed", ["cancelled"])

    async def test_what_is_over_is_not_cancelled(self, client: TasksClient, world: World) -> None:
        task_id = await client.started("hello")
        over = await client.until(task_id, "completed")
        await client.cancel(task_id)
        assert await client.get(task_id) == over
        assert [body for body in world.bodies() if "event" in body] == []

    async def test_a_cancel_that_cannot_be_sent_is_told(self, client: TasksClient, world: World) -> None:
        task_id = await client.started("denied-approval")
        await client.until(task_id, "input_required")
        world.simulator.faults.add(Fault("status", status=403, method="POST", times=0))
        await client.cancel(task_id)
        world.simulator.faults.clear()
        world.simulator.faults.add(Fault("status", status=400, method="POST", times=0))
        with pytest.raises(Refused, match="HTTP 400"):
            await client.cancel(task_id)


async def test_a_handle_of_one_purpose_is_none_of_another(client: TasksClient, world: World) -> None:
    """What is sealed under the same key for a retried call opens no task."""
    asked = await client.call("create_task", prompt="Go", approval_mode="auto", wait=True)
    assert asked["resultType"] == "input_required"
    error = await refused(client, "tasks/get", asked["requestState"])
    assert "not found" in error.message
    with pytest.raises(Refused) as caught:
        await client.request(
            "tools/call",
            name="create_task",
            arguments={"prompt": "Go", "approval_mode": "auto", "wait": True},
            requestState=await client.deferred(pending(world)),
            inputResponses={},
        )
    assert caught.value.code == -32602


async def test_a_handle_of_a_release_that_knows_more_types_of_events_still_ends(
    client: TasksClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    neo_task = pending(world)
    with monkeypatch.context() as later:
        later.setattr("neo_mcp.service.inputs.EVENT_TYPES", {"forecast", "warning"})
        task_id = await client.deferred(neo_task, kinds=["forecast", "warning"])
    happen(world, neo_task, {"type": "warning", "message": "Slow."})
    happen(world, neo_task, DONE)
    over = await client.until(task_id, "completed", "failed")
    assert (over["status"], kinds(over)) == ("completed", ["turn_ended"])
    assert over["result"]["structuredContent"]["events"] == ["warning: Slow."]


async def test_declaring_forms_too_late_or_not_again_is_told(client: TasksClient, world: World) -> None:
    neo_task = pending(world)
    task_id = await client.deferred(neo_task)
    without = client.declaring(TASKS)
    assert (await without.get(task_id))["status"] == "working"
    happen(world, neo_task, REQUEST)
    await client.until(task_id, "input_required")
    assert (await refused(without, "tasks/get", task_id)).code == MISSING
    assert (await refused(client.declaring(NEITHER), "tasks/get", task_id)).code == MISSING
