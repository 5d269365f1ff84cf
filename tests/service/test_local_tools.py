"""Local tool calls: the host runs them and returns their results."""

import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.service.writes.local_results import MAX_BATCH, MAX_RESULT, LocalResults, Progress
from neo_mcp.simulator import Fault, SimulatorConfig, running_simulator
from neo_mcp.watch import EventLog
from neo_mcp.wire import Event, ToolResult, parse_event
from tests.support.examples import examples, long
from tests.support.host import ORG, PATIENCE, Host, Json, SkippingClock, World, text_of, until

MIB = 2**20
TWO_MINUTES = 120.0
"""How long what is in doubt stands in the way of another try."""


def local_call(call_id: str, name: str = "shell__execute", **args: object) -> Json:
    return {"id": call_id, "name": name, "args": args, "execution_mode": "cli"}


def asking(*call_ids: str, text: str = "Please run these.") -> Json:
    """Neo's message that asks for calls."""
    calls = [local_call(call_id, command=f"run {call_id}") for call_id in call_ids]
    return {"type": "assistant_message", "content": text, "is_final": True, "tool_calls": calls}


def result(call_id: str, content: str = "done", *, is_error: bool = False) -> Json:
    return {"tool_call_id": call_id, "content": content, "is_error": is_error}


def parked(world: World, *call_ids: str) -> str:
    """A task that waits for the results of these calls."""
    events = [("userInput", {"type": "user_message", "content": "Go"}), ("agentResponse", asking(*call_ids))]
    return world.simulator.add_task(ORG, events=events, status="running")


def answer(world: World, task_id: str, *call_ids: str, content: object = "from elsewhere") -> None:
    """Somebody else returns results."""
    rows = [{"tool_call_id": i, "name": "shell__execute", "content": content} for i in call_ids]
    body = {"type": "tool_result", "tool_results": rows}
    world.simulator.append_event(ORG, task_id, body, kind="userInput")


def results_sent(world: World, task_id: str) -> list[list[Json]]:
    """The results of each event that the API was sent."""
    return [event["tool_results"] for event in world.sent(task_id) if event["type"] == "tool_result"]


def results_landed(world: World, task_id: str) -> list[list[Json]]:
    """Likewise, of those that it has."""
    return [event["tool_results"] for event in world.events(task_id) if event["type"] == "tool_result"]


def outputs(rows: Sequence[Json]) -> list[str]:
    return [row["content"]["output"] for row in rows]


async def give(host: Host, task_id: str, *rows: Json, **more: object) -> Json:
    return await host.call("respond", task_id=task_id, action="tool_results", tool_results=list(rows), **more)


async def give_in_vain(host: Host, task_id: str, *rows: Json) -> str:
    return await host.refused("respond", task_id=task_id, action="tool_results", tool_results=list(rows))


async def local_need(host: Host, task_id: str) -> Json:
    """What the task asks of the host, by both tools that tell."""
    (found,) = (await host.call("get_task", task_id=task_id))["needs"]
    (need,) = (await host.wait(task_id))["needs"]
    assert found == need or "[cut: " in str(need) or " more " in need["reply"]
    assert need["kind"] == "local_tools"
    told: Json = need
    return told


async def until_pending(host: Host, task_id: str, *call_ids: str, kept: Sequence[str] = ()) -> None:
    """Wait until the server has seen that just these calls are pending, of which those have a result."""
    with anyio.fail_after(PATIENCE):
        while True:
            needs = (await host.call("get_task", task_id=task_id))["needs"]
            calls = [call for need in needs for call in need.get("calls", ())]
            if [call["tool_call_id"] for call in calls] == list(call_ids) and [
                call["tool_call_id"] for call in calls if "stored" in call
            ] == list(kept):
                return
            await anyio.sleep(0.002)


class TestAWholeRound:
    async def test_every_call_is_announced_and_answered(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("local-tools", tool_execution_mode="cli")
            waited = await host.wait(task_id, cursor)
            rounds = 0
            while waited["needs"][0]["kind"] == "local_tools":
                rounds += 1
                calls = waited["needs"][0]["calls"]
                said = await give(host, task_id, *(result(c["tool_call_id"]) for c in calls))
                count = "1 tool result was" if len(calls) == 1 else f"{len(calls)} tool results were"
                assert f"{count} sent" in said["sent"]
                waited = await host.wait(task_id, waited["cursor"])
        assert rounds == 2
        assert waited["needs"][0]["kind"] == "turn_ended"
        sent = world.sent(task_id)
        announced = [event["tool_call_id"] for event in sent if event["type"] == "exec_tool_call"]
        results = [row for rows in results_sent(world, task_id) for row in rows]
        assert announced == [row["tool_call_id"] for row in results]
        assert {row["is_error"] for row in results} == {False}

    async def test_a_failed_call_is_told_as_failed(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1", "no such file", is_error=True), result("c2"))
        ((first, second),) = results_sent(world, task_id)
        assert (first["is_error"], second["is_error"]) == (True, False)
        assert outputs([first, second]) == ["no such file", "done"]

    async def test_entities_of_every_part_go_along(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1"), add_entities=["stack shop/prod"])
            await give(host, task_id, result("c2"), remove_entities=["policy issue pi-1"])
        (event,) = [event for event in world.sent(task_id) if event["type"] == "tool_result"]
        assert [entity["name"] for entity in event["entity_diff"]["add"]] == ["prod"]
        assert [entity["id"] for entity in event["entity_diff"]["remove"]] == ["pi-1"]


class TestParts:
    async def test_a_part_is_kept_and_the_answer_says_what_is_missing(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2", "c3")
            said = await give(host, task_id, result("c2", "two"))
            assert "Stored c2: 1 of 3 results" in said["sent"]
            assert "missing: c1 (shell__execute), c3 (shell__execute)" in said["sent"]
            assert "tool_results" in said["next"]
            assert world.sent(task_id) == []
            said = await give(host, task_id, result("c3", "three"), result("c1", "one"))
            assert "3 tool results were sent" in said["sent"]
        (rows,) = results_sent(world, task_id)
        assert [row["tool_call_id"] for row in rows] == ["c1", "c2", "c3"]
        assert outputs(rows) == ["one", "two", "three"]

    async def test_what_is_kept_shows_wherever_the_calls_do(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            before = await local_need(host, task_id)
            assert not any("stored" in call for call in before["calls"])
            await give(host, task_id, result("c2"))
            after = await local_need(host, task_id)
            text = await host.text("get_task", task_id=task_id)
        assert [call.get("stored") for call in after["calls"]] == [None, True]
        assert after["calls"][0] == before["calls"][0]
        # What is done needs no arguments any more.
        assert after["calls"][1]["arguments"] == ""
        assert "1 of 2 results are stored" in after["reply"]
        assert "- c2: shell__execute [result stored]" in text
        assert '- c1: shell__execute {"command": "run c1"}' in text

    async def test_a_later_result_replaces_an_earlier_one_and_says_so(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1", "first"))
            said = await give(host, task_id, result("c1", "second"))
            assert "A later result replaces the earlier one for c1" in said["sent"]
            assert "1 of 2" in said["sent"]
            said = await give(host, task_id, result("c1", "third", is_error=True), result("c2"))
            assert "A later result replaces the earlier one for c1" in said["sent"]
        (rows,) = results_sent(world, task_id)
        assert outputs(rows) == ["third", "done"]
        assert rows[0]["is_error"] is True

    async def test_batches_do_not_mix_even_where_their_calls_have_the_same_ids(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1", "of the first batch"))
            world.simulator.append_event(ORG, task_id, asking("c1", "c2"), kind="agentResponse")
            await until_pending(host, task_id, "c1", "c2")
            said = await give(host, task_id, result("c2", "of the second"))
            assert "missing: c1" in said["sent"]
            await give(host, task_id, result("c1", "of the second too"))
        (rows,) = results_sent(world, task_id)
        assert outputs(rows) == ["of the second too", "of the second"]

    async def test_tasks_do_not_mix(self, world: World) -> None:
        async with world.host() as host:
            one, other = parked(world, "c1", "c2"), parked(world, "c1", "c2")
            await give(host, one, result("c1", "one"))
            await give(host, other, result("c2", "other"))
            await give(host, one, result("c2", "one"))
            await give(host, other, result("c1", "other"))
        assert [outputs(rows) for rows in results_sent(world, one)] == [["one", "one"]]
        assert [outputs(rows) for rows in results_sent(world, other)] == [["other", "other"]]

    async def test_two_batches_in_a_row_are_each_answered_in_parts(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("local-tools")
            waited = await host.wait(task_id, cursor)
            while waited["needs"][0]["kind"] == "local_tools":
                for call in reversed(waited["needs"][0]["calls"]):
                    await give(host, task_id, result(call["tool_call_id"], call["name"]))
                waited = await host.wait(task_id, waited["cursor"])
        assert [outputs(rows) for rows in results_sent(world, task_id)] == [
            ["filesystem__read", "filesystem__grep"],
            ["pulumi__pulumi_preview"],
        ]

    async def test_the_last_result_given_twice_at_once_is_sent_once(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1"))
            answers: list[bool] = []

            async def last() -> None:
                arguments = {"task_id": task_id, "action": "tool_results", "tool_results": [result("c2")]}
                answers.append(bool((await host.raw("respond", arguments)).is_error))

            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(last)
        assert sorted(answers) == [False, True, True, True]
        assert len(results_sent(world, task_id)) == 1


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """A number of calls, and the calls whose results come together, some more than once."""
    count = draw(st.integers(1, 5))
    *first, last = draw(st.permutations(range(count)))
    again = draw(st.lists(st.sampled_from(first), max_size=3)) if first else []
    order = [*draw(st.permutations([*first, *again])), last]
    parts: list[list[int]] = [[]]
    for number in order:
        if number in parts[-1] or draw(st.booleans()):
            parts.append([])
        parts[-1].append(number)
    return count, [part for part in parts if part]


@asynccontextmanager
async def another_world() -> AsyncIterator[World]:
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator:
        yield World(simulator)


@settings(max_examples=examples(40))
@given(deliveries(), st.sets(st.integers(0, 4)))
def test_however_results_come_they_are_sent_once_whole_and_in_order(
    drawn: tuple[int, list[list[int]]], failed: set[int]
) -> None:
    count, parts = drawn

    async def play() -> None:
        async with another_world() as world, world.host() as host:
            task_id = parked(world, *(f"c{number}" for number in range(count)))
            latest: dict[int, str] = {}
            for turn, part in enumerate(parts):
                assert results_sent(world, task_id) == []
                latest |= dict.fromkeys(part, f"given in part {turn}")
                rows = [result(f"c{number}", latest[number], is_error=number in failed) for number in part]
                await give(host, task_id, *rows)
            (sent,) = results_sent(world, task_id)
            assert [row["tool_call_id"] for row in sent] == [f"c{number}" for number in range(count)]
            assert outputs(sent) == [latest[number] for number in range(count)]
            assert [row["is_error"] for row in sent] == [number in failed for number in range(count)]
            assert results_landed(world, task_id) == [sent]

    anyio.run(play)


class TestRefusals:
    async def test_results_have_to_match_the_calls(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            for given_ids in ([], ["call_unknown"], ["c1", "c2", "call_unknown"]):
                text = await give_in_vain(host, task_id, *(result(call_id) for call_id in given_ids))
                assert "c1, c2" in text
                assert ("call_unknown is not pending" in text) == ("call_unknown" in given_ids)
            text = await give_in_vain(host, task_id, *(result(call_id) for call_id in ["c1", "c2"] * 2))
            assert "more than one result" in text
            # Nothing of a call that is refused is kept.
            assert not any("stored" in call for call in (await local_need(host, task_id))["calls"])
        assert world.sent(task_id) == []

    async def test_results_that_nobody_waits_for_are_refused(self, world: World) -> None:
        async with world.host() as host:
            task_id, cursor = await host.create("hello")
            await host.wait(task_id, cursor)
            text = await give_in_vain(host, task_id)
        assert "waits for no tool results: it has asked for none" in text

    async def test_what_was_sent_is_not_taken_again(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1")
            await give(host, task_id, result("c1"))
            text = await give_in_vain(host, task_id, result("c1", "better"))
        assert "sent already" in text
        assert [outputs(rows) for rows in results_sent(world, task_id)] == [["done"]]

    async def test_what_was_answered_elsewhere_is_refused(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1"))
            answer(world, task_id, "c1", "c2")
            await until_pending(host, task_id)
            text = await give_in_vain(host, task_id, result("c2"))
        assert "sent already, here or elsewhere" in text
        assert "get_task" in text
        assert world.sent(task_id) == []

    @pytest.mark.parametrize("how", ["tool_result", "tool_response"])
    async def test_where_one_call_was_answered_elsewhere_the_others_are_sent_without_it(
        self, world: World, how: str
    ) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2", "c3")
            await give(host, task_id, result("c1"), result("c2"))
            if how == "tool_result":
                answer(world, task_id, "c1")
            else:
                body = {"type": "tool_response", "tool_call_id": "c1", "name": "shell__execute", "content": 1}
                world.simulator.store.get(ORG, task_id).results["c1"] = body
                world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
            await until_pending(host, task_id, "c2", "c3", kept=["c2"])
            text = await give_in_vain(host, task_id, result("c1"), result("c3"))
            assert "c1 is not pending" in text
            await give(host, task_id, result("c3"))
        (rows,) = results_sent(world, task_id)
        assert [row["tool_call_id"] for row in rows] == ["c2", "c3"]

    async def test_a_cancelled_turn_takes_what_was_kept_with_it(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1", "before the cancel"))
            world.simulator.append_event(ORG, task_id, {"type": "cancelled"}, kind="agentResponse")
            waited = await host.wait(task_id, until="turn_end")
            assert waited["needs"][0]["kind"] == "cancelled"
            text = await give_in_vain(host, task_id, result("c2"))
            assert "was cancelled" in text
            # The same ids in a later batch start from nothing.
            again = {"type": "user_message", "content": "Again"}
            world.simulator.append_event(ORG, task_id, again, kind="userInput")
            world.simulator.append_event(ORG, task_id, asking("c1", "c2"), kind="agentResponse")
            await host.wait(task_id, waited["cursor"])
            said = await give(host, task_id, result("c2"))
        assert "Still missing: c1" in said["sent"]
        assert world.sent(task_id) == []

    async def test_a_cancel_through_us_does_the_same(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1"))
            await host.call("respond", task_id=task_id, action="cancel")
            text = await give_in_vain(host, task_id, result("c2"))
        assert "was cancelled" in text
        (rows,) = results_sent(world, task_id)
        assert outputs(rows) == ["done", "cancelled by the user"]
        assert [row["is_error"] for row in rows] == [False, True]

    async def test_a_result_that_is_too_large_is_refused_with_advice(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            text = await give_in_vain(host, task_id, result("c1"), result("c2", "x" * (4 * MIB)))
            assert "result of c2 takes 4.0 MiB" in text
            assert "note what you left out" in text
            # As it travels, not as it is written.
            text = await give_in_vain(host, task_id, result("c2", "\x01" * MIB))
            assert "takes 6.0 MiB" in text
            assert not any("stored" in call for call in (await local_need(host, task_id))["calls"])
            await give(host, task_id, result("c1"), result("c2", "x" * (4 * MIB - 100)))
        assert len(results_landed(world, task_id)) == 1

    async def test_results_that_are_too_large_together_are_refused(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1", "x" * (4 * MIB - 100)))
            text = await give_in_vain(host, task_id, result("c2", "x" * (4 * MIB - 100)))
            assert "together would take 8.0 MiB" in text
            # Either may be given shorter.
            await give(host, task_id, result("c1", "short"))
            await give(host, task_id, result("c2", "x" * (4 * MIB - 100)))
        ((first, second),) = results_landed(world, task_id)
        assert len(outputs([first, second])[1]) == 4 * MIB - 100

    async def test_texts_name_no_more_than_some_of_many_calls(self, world: World) -> None:
        many = [f"call_{number:03}_{'x' * 60}" for number in range(300)]
        async with world.host() as host:
            task_id = parked(world, *many)
            said = await give(host, task_id, *(result(call_id) for call_id in many[:150]))
            assert "150 of 300" in said["sent"]
            assert "and 130 more" in said["sent"]
            text = await give_in_vain(host, task_id, *(result("no" * 500 + i) for i in many))
            assert len(text) < 6000


def writes(task_id: str) -> str:
    return f"/tasks/{task_id}$"


async def go_blind(world: World) -> None:
    """From now on, streams tell nothing more; the pages of events still do."""
    world.simulator.faults.add(Fault("silence", path="/events/stream", after_events=0, times=0))
    await world.simulator.drop_streams()


class TestFailuresOnTheWay:
    """Requests to the task in order: announcement of c1, of c2, then the results."""

    @pytest.mark.parametrize("skip", [0, 1, 2])
    @pytest.mark.parametrize("applied", [True, False])
    async def test_a_connection_that_is_lost_anywhere_loses_and_doubles_nothing(
        self, world: World, skip: int, *, applied: bool
    ) -> None:
        clock = SkippingClock()
        async with world.host(clock=clock) as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1", "one"))
            fault = Fault(
                "reset_before_response", path=writes(task_id), method="POST", skip=skip, applied=applied
            )
            world.simulator.faults.add(fault)
            arguments = {
                "task_id": task_id,
                "action": "tool_results",
                "tool_results": [result("c2", "two", is_error=True)],
            }
            first = await host.raw("respond", arguments)
            # What has arrived is found out at once.
            assert first.is_error == (not applied)
            if first.is_error:
                assert "All results are stored" in text_of(first)
                need = await local_need(host, task_id)
                assert [call.get("stored") for call in need["calls"]] == [True, True]
                assert "not sent" in need["reply"]
                if skip == 2:
                    # The results may be on their way still.
                    assert "nothing was sent now" in await give_in_vain(host, task_id)
                    clock.slept.append(TWO_MINUTES)
                said = await give(host, task_id)
                assert "2 tool results were sent" in said["sent"]
        (rows,) = results_landed(world, task_id)
        assert outputs(rows) == ["one", "two"]
        assert [row["is_error"] for row in rows] == [False, True]
        announced = [e["tool_call_id"] for e in world.events(task_id) if e["type"] == "exec_tool_call"]
        assert announced == ["c1", "c2"]

    @pytest.mark.parametrize("status", [429, 403, 409, 400])
    async def test_an_error_of_the_api_keeps_the_results_for_another_try(
        self, world: World, status: int
    ) -> None:
        async with world.host(clock=SkippingClock()) as host:
            task_id = parked(world, "c1", "c2")
            world.simulator.faults.add(
                Fault("status", status=status, path=writes(task_id), method="POST", skip=2, times=0)
            )
            text = await give_in_vain(host, task_id, result("c1", "one"), result("c2", "two"))
            assert str(status) in text
            assert "All results are stored" in text
            assert "empty list" in text
            world.simulator.faults.clear()
            await give(host, task_id)
        assert [outputs(rows) for rows in results_landed(world, task_id)] == [["one", "two"]]

    async def test_results_may_be_mended_before_another_try(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            world.simulator.faults.add(
                Fault("status", status=400, path=writes(task_id), method="POST", skip=2)
            )
            await give_in_vain(host, task_id, result("c1", "one"), result("c2", "two"))
            said = await give(host, task_id, result("c2", "mended"))
            assert "later result replaces the earlier one for c2" in said["sent"]
        assert [outputs(rows) for rows in results_landed(world, task_id)] == [["one", "mended"]]

    async def test_nothing_is_tried_again_before_it_is_known_what_arrived(self, world: World) -> None:
        """The results arrive, the answer is lost, and for a long while the API does not tell."""
        clock = SkippingClock()
        async with world.host(clock=clock) as host:
            task_id = parked(world, "c1")
            await host.wait(task_id)
            world.simulator.faults.add(
                Fault("reset_before_response", path=writes(task_id), method="POST", skip=1)
            )
            world.simulator.faults.add(Fault("status", status=403, path=f"/tasks/{task_id}/events$", times=0))
            await go_blind(world)
            assert "unknown" in await give_in_vain(host, task_id, result("c1", "first"))
            clock.slept.append(TWO_MINUTES)
            assert "403" in await give_in_vain(host, task_id)
            world.simulator.faults.clear()
            text = await give_in_vain(host, task_id, result("c1", "second"))
        assert "sent already, here or elsewhere" in text
        assert [outputs(rows) for rows in results_sent(world, task_id)] == [["first"]]

    @pytest.mark.parametrize("skip", [long(0), long(1), 2])
    @pytest.mark.parametrize(
        "fault", [{"kind": "latency", "seconds": 0.1}, {"kind": "status", "status": 429}]
    )
    async def test_what_is_complete_goes_out_though_the_host_leaves(
        self, world: World, era: str, skip: int, fault: Json
    ) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            world.simulator.faults.add(Fault(**fault, path=writes(task_id), method="POST", skip=skip))
            async with anyio.create_task_group() as group:
                group.start_soon(give, host, task_id, result("c1", "one"), result("c2", "two"))
                await until(lambda: len(world.sent(task_id)) > skip)
                group.cancel_scope.cancel()
            await until(lambda: results_landed(world, task_id))
        assert [outputs(rows) for rows in results_landed(world, task_id)] == [["one", "two"]]

    async def test_what_was_sent_is_not_sent_again_although_the_log_is_behind(self, world: World) -> None:
        async with world.host(clock=SkippingClock()) as host:
            task_id = parked(world, "c1")
            await host.wait(task_id)
            await go_blind(world)
            world.simulator.faults.add(Fault("status", status=403, path=f"/tasks/{task_id}/events$", times=0))
            await give(host, task_id, result("c1", "first"))
            assert "about to take them" in (await local_need(host, task_id))["reply"]
            text = await give_in_vain(host, task_id, result("c1", "second"))
        assert "sent already" in text
        assert [outputs(rows) for rows in results_sent(world, task_id)] == [["first"]]

    async def test_a_host_that_left_and_comes_back_finds_what_could_not_be_sent(self, world: World) -> None:
        clock = SkippingClock()
        async with world.host(clock=clock, call_timeout=1.0) as host:
            task_id = parked(world, "c1", "c2")
            world.simulator.faults.add(
                Fault("latency", seconds=600, path=writes(task_id), method="POST", skip=2)
            )
            arguments = {
                "task_id": task_id,
                "action": "tool_results",
                "tool_results": [result("c1", "one"), result("c2", "two")],
            }
            async with anyio.create_task_group() as group:
                group.start_soon(host.raw, "respond", arguments)
                await until(lambda: results_sent(world, task_id))
                group.cancel_scope.cancel()
            need = await local_need(host, task_id)
            assert "2 of 2 results are stored but not sent" in need["reply"]
            assert "nothing was sent now" in await give_in_vain(host, task_id)
            clock.slept.append(TWO_MINUTES)
            await give(host, task_id)
        assert [outputs(rows) for rows in results_landed(world, task_id)] == [["one", "two"]]

    @pytest.mark.parametrize("blind", [False, True])
    async def test_where_somebody_else_is_quicker_ours_are_dropped(
        self, world: World, *, blind: bool
    ) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1")
            await host.wait(task_id)
            if blind:
                await go_blind(world)
            # Ours waits at the door while theirs comes in.
            world.simulator.faults.add(
                Fault("latency", seconds=0.3, path=writes(task_id), method="POST", skip=1)
            )
            refused: list[str] = []

            async def ours() -> None:
                refused.append(await give_in_vain(host, task_id, result("c1", "ours")))

            async with anyio.create_task_group() as group:
                group.start_soon(ours)
                await until(lambda: results_sent(world, task_id))
                answer(world, task_id, "c1", content={"output": "theirs"})
            assert "sent already, here or elsewhere" in refused[0]
        assert [outputs(rows) for rows in results_landed(world, task_id)] == [["theirs"]]

    async def test_a_cancel_between_announcement_and_results_is_told(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1")
            world.simulator.faults.add(
                Fault("latency", seconds=0.3, path=writes(task_id), method="POST", skip=1)
            )
            refused: list[str] = []

            async def ours() -> None:
                refused.append(await give_in_vain(host, task_id, result("c1")))

            async with anyio.create_task_group() as group:
                group.start_soon(ours)
                await until(lambda: results_sent(world, task_id))
                world.simulator.append_event(ORG, task_id, {"type": "cancelled"}, kind="agentResponse")
            assert "was cancelled" in refused[0]
        assert results_landed(world, task_id) == []


class TestLongArguments:
    async def test_the_whole_of_a_long_call_is_where_the_result_says(self, world: World, era: str) -> None:
        text = 'const a = "b";\n' * 7000
        calls = [
            local_call("c1", "filesystem__read", path="index.ts"),
            local_call("c2", "filesystem__write", path="index.ts", content=text),
        ]
        body = {"type": "assistant_message", "content": "Write it.", "is_final": True, "tool_calls": calls}
        task_id = world.simulator.add_task(
            ORG, events=[("userInput", {"type": "user_message", "content": "Go"})] * 3, status="running"
        )
        world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
        async with world.host(mode=era) as host:
            need = await local_need(host, task_id)
            short, long = need["calls"]
            assert json.loads(short["arguments"]) == {"path": "index.ts"}
            where = f"neo://{ORG}/tasks/{task_id}/events?start=3&count=1"
            assert long["arguments"].endswith(f"more characters; read {where}]")
            assert f"run none whose arguments are cut: first read {where}" in need["reply"]
            (event,) = (await host.resource(where))["events"]
        assert event["eventBody"]["tool_calls"][1]["args"]["content"] == text

    async def test_a_long_call_gets_what_the_short_ones_leave(self, world: World) -> None:
        calls = [local_call(f"c{n}", "filesystem__read", path=f"file{n}.ts") for n in range(5)]
        calls.append(local_call("c9", "filesystem__write", content="word " * 1000))
        body = {"type": "assistant_message", "content": "", "is_final": True, "tool_calls": calls}
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", body)], status="running")
        async with world.host() as host:
            need = await local_need(host, task_id)
        assert "[cut: " not in json.dumps(need)
        assert [json.loads(call["arguments"]) for call in need["calls"]] == [call["args"] for call in calls]

    @pytest.mark.parametrize("budget", [500, 1000, 6000, 20000])
    @pytest.mark.parametrize("count", [1, long(3), 30, long(400)])
    async def test_any_number_of_long_calls_fits_and_says_what_is_cut(
        self, world: World, budget: int, count: int
    ) -> None:
        texts = ('"\\\n', "基础设施", "\U0001f680", "word ")
        # All of them together are one event, which has a limit.
        times = 9000 if count < 400 else 2500
        calls = [local_call(f"c{n}", "filesystem__write", content=texts[n % 4] * times) for n in range(count)]
        body = {"type": "assistant_message", "content": "W" * 9000, "is_final": True, "tool_calls": calls}
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", body)], status="running")
        async with world.host() as host:
            waited = await host.wait(task_id, budget_tokens=budget)
            found = await host.call("get_task", task_id=task_id, budget_tokens=budget)
        for told in (waited, found):
            (need,) = told["needs"]
            shown = [call["tool_call_id"] for call in need["calls"]]
            assert shown
            assert shown == [call["id"] for call in calls][: len(shown)]
            assert all("[cut: " in call["arguments"] for call in need["calls"])
            if budget < 6000:
                assert "this is cut: first use more budget_tokens" in need["reply"]
                continue
            where = f"neo://{ORG}/tasks/{task_id}/events?start=0&count=1"
            assert f"run none whose arguments are cut: first read {where}" in need["reply"]
            more = f"{count - len(shown)} more calls come"
            assert (more in need["reply"]) == (len(shown) < count)

    async def test_of_very_many_calls_those_that_are_still_to_be_run_are_shown(self, world: World) -> None:
        many = [f"c{number:03}" for number in range(300)]
        async with world.host() as host:
            task_id = parked(world, *many)
            seen: set[str] = set()
            while len(seen) < len(many):
                need = await local_need(host, task_id)
                shown = {call["tool_call_id"] for call in need["calls"] if "stored" not in call}
                assert shown
                assert not shown & seen
                seen |= shown
                await give(host, task_id, *(result(call_id) for call_id in sorted(shown, reverse=True)))
        ((*rows,),) = results_sent(world, task_id)
        assert [row["tool_call_id"] for row in rows] == many


def log_of(*bodies: Json) -> EventLog:
    log = EventLog()
    for number, body in enumerate(bodies):
        kind = "userInput" if body["type"].startswith("user") else "agentResponse"
        envelope = {"id": f"e{number}", "isSynthetic": False, "type": kind, "eventBody": body}
        log.extend([parse_event(json.dumps(envelope))])
    return log


def row(call_id: str, size: int = 10) -> ToolResult:
    return ToolResult(tool_call_id=call_id, name="shell__execute", content={"output": "x" * size})


class TestBounds:
    def test_only_so_many_batches_are_kept_and_the_longest_untouched_goes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        results, log = LocalResults(max_batches=2), log_of(asking("c1", "c2"))
        with caplog.at_level(logging.WARNING):
            for name in ("a", "b", "a", "c"):
                batch = results.open((ORG, name), log)
                assert batch is not None
                results.store(batch, [row("c1")])
        assert results.progress((ORG, "b"), log) == Progress(index=0)
        for name in ("a", "c"):
            assert results.progress((ORG, name), log) == Progress(frozenset({"c1"}), index=0)
        assert "task b" in caplog.text

    def test_only_so_many_bytes_are_kept(self) -> None:
        results, log = LocalResults(max_bytes=5000), log_of(asking("c1", "c2"))
        for name in ("a", "b", "c"):
            batch = results.open((ORG, name), log)
            assert batch is not None
            results.store(batch, [row("c1", 2000)])
        kept = [bool(results.progress((ORG, name), log).stored) for name in ("a", "b", "c")]
        assert kept == [False, True, True]

    async def test_a_batch_that_is_being_sent_stays(self) -> None:
        results, log = LocalResults(max_batches=1), log_of(asking("c1", "c2"))
        batch = results.open((ORG, "a"), log)
        assert batch is not None
        results.store(batch, [row("c1")])
        async with batch.lock:
            results.open((ORG, "b"), log)
            assert results.progress((ORG, "a"), log).stored

    def test_a_result_and_a_batch_have_their_bounds(self) -> None:
        results, log = LocalResults(), log_of(asking("c1", "c2", "c3"))
        batch = results.open((ORG, "a"), log)
        assert batch is not None
        with pytest.raises(InvalidArgumentError, match="result of c1"):
            results.store(batch, [row("c2"), row("c1", MAX_RESULT)])
        results.store(batch, [row("c1", MAX_BATCH // 2)])
        with pytest.raises(InvalidArgumentError, match="together"):
            results.store(batch, [row("c2", MAX_BATCH // 2)])
        assert results.progress((ORG, "a"), log).stored == {"c1"}

    def test_a_log_that_is_behind_costs_nothing_that_is_kept(self) -> None:
        results, log = LocalResults(), log_of({"type": "user_message", "content": "Go"}, asking("c1", "c2"))
        key = (ORG, "a")
        batch = results.open(key, log)
        assert batch is not None
        results.store(batch, [row("c1")])
        assert results.open(key, EventLog()) is None
        assert results.progress(key, EventLog()) == Progress()
        assert results.open(key, log) is batch
        assert results.progress(key, log).stored == {"c1"}
        log.extend([Event.model_validate({"id": "e9", "eventBody": {"type": "cancelled"}})])
        assert results.open(key, log) is None


SECRET = "hunter2-hunter2"
SECRET_ARGUMENTS: list[Json] = [
    {"environment_variables": {"DB_PASSWORD": {"secret": SECRET}}},
    {"environment_variables": {"REGION": SECRET}},
    {"input": json.dumps({"config": {"secret": SECRET}})},
    {"command": f"psql postgres://admin:{SECRET}@db/shop"},
]


def parked_on_secret(world: World, arguments: Json, *others: str) -> str:
    """A task that waits for a call with these arguments, and for others."""
    message = asking(*others)
    message["tool_calls"].append(local_call("c9", "pulumi__pulumi_up", **arguments))
    events = [("userInput", {"type": "user_message", "content": "Go"}), ("agentResponse", message)]
    return world.simulator.add_task(ORG, events=events, status="running")


@pytest.mark.parametrize("arguments", SECRET_ARGUMENTS)
async def test_a_call_that_needs_a_secret_is_not_offered_and_its_secret_shown_nowhere(
    world: World, arguments: Json
) -> None:
    task_id = parked_on_secret(world, arguments)
    async with world.host() as host:
        need = await local_need(host, task_id)
        (call,) = need["calls"]
        assert "needs a secret" in call["note"]
        assert call["arguments"] == ""
        assert "Pulumi's own command-line client" in need["reply"]
        assert '"claim"' not in need["reply"]
        for text in (
            await host.refused("respond", task_id=task_id, action="claim"),
            await give_in_vain(host, task_id, result("c9")),
        ):
            assert "needs a secret that is not shown here" in text
            assert "is_error" in text
        seen = [
            await host.text("get_task", task_id=task_id),
            await host.text("wait_for_events", task_id=task_id, timeout_seconds=0.1),
            json.dumps(await host.wait(task_id)),
            *[
                await host.resource_text(f"neo://{ORG}/tasks/{task_id}/{view}")
                for view in ("events", "transcript")
            ],
        ]
        assert not [text for text in seen if SECRET in text]
        assert results_sent(world, task_id) == []
        await give(host, task_id, result("c9", "no secret here", is_error=True))
    assert [row["is_error"] for (row,) in results_sent(world, task_id)] == [True]


async def test_of_several_calls_those_that_need_no_secret_are_claimed_and_run(world: World) -> None:
    task_id = parked_on_secret(world, SECRET_ARGUMENTS[0], "c1", "c2")
    async with world.host() as host:
        need = await local_need(host, task_id)
        assert [bool(call.get("note")) for call in need["calls"]] == [False, False, True]
        assert '"claim"' in need["reply"]
        assert "leave those that need a secret" in need["reply"]
        claimed = await host.call("respond", task_id=task_id, action="claim")
        assert "Claimed: c1 (shell__execute), c2 (shell__execute)." in claimed["sent"]
        assert "NOT claimed, as they need a secret that is not shown: c9" in claimed["sent"]
        kept = await give(host, task_id, result("c1"), result("c2"), claim=claimed["claim"])
        assert "Pulumi's own command-line client" in kept["next"]
        assert "Pulumi's own command-line client" in (await local_need(host, task_id))["reply"]
        await give(host, task_id, result("c9", "cannot", is_error=True), claim=claimed["claim"])
    (rows,) = results_sent(world, task_id)
    assert [(row["tool_call_id"], row["is_error"]) for row in rows] == [
        ("c1", False),
        ("c2", False),
        ("c9", True),
    ]


async def test_stopping_answers_a_call_that_needs_a_secret_as_cancelled(world: World) -> None:
    task_id = parked_on_secret(world, SECRET_ARGUMENTS[0])
    async with world.host() as host:
        stopped = await host.call("respond", task_id=task_id, action="cancel")
    assert "1 open local calls were answered as cancelled" in stopped["sent"]
    ((row,),) = results_sent(world, task_id)
    assert (row["tool_call_id"], row["is_error"], row["content"]) == (
        "c9",
        True,
        {"output": "cancelled by the user"},
    )
