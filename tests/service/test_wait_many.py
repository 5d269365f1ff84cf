"""wait_for_events over several tasks: whichever matches first, and nothing of the others lost."""

import random
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import anyio
import pytest

from neo_mcp.simulator import Fault
from tests.support.examples import some
from tests.support.host import ORG, Host, Json, World, text_of, until

STREAM = "/events/stream"


def say(world: World, task_id: str, text: str, *, final: bool = False) -> None:
    body = {"type": "assistant_message", "content": text, "is_final": final}
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def running(world: World, count: int, *said: str) -> list[str]:
    return [
        world.simulator.add_task(
            ORG,
            name=f"Task {number}",
            status="running",
            events=[
                ("agentResponse", {"type": "assistant_message", "content": text, "is_final": False})
                for text in said
            ],
        )
        for number in range(count)
    ]


async def wait_many(host: Host, task_ids: Iterable[str], cursor: str | None = None, **more: Any) -> Json:  # noqa: ANN401 - any JSON
    given = {"cursor": cursor} if cursor is not None else {}
    return await host.call("wait_for_events", task_ids=list(task_ids), **given, **more)


def by_id(waited: Json) -> dict[str, Json]:
    return {news["task_id"]: news for news in waited["tasks"]}


class TestWhatEndsIt:
    async def test_the_first_task_that_matches_ends_it_and_is_named(self, world: World, era: str) -> None:
        tasks = running(world, 3)
        async with world.host(mode=era) as host, anyio.create_task_group() as group:

            async def finish() -> None:
                await until(lambda: world.simulator.open_streams == 3)
                say(world, tasks[1], "Done.", final=True)

            group.start_soon(finish)
            waited = await wait_many(host, tasks)
        assert waited["matched"] is True
        assert [news["task_id"] for news in waited["tasks"]] == tasks
        assert [news["matched"] for news in waited["tasks"]] == [False, True, False]
        (need,) = waited["tasks"][1]["needs"]
        assert (need["kind"], need["message"]) == ("turn_ended", "Done.")
        assert "needs" not in waited["tasks"][0]

    async def test_what_already_holds_in_any_of_them_ends_it_at_once(self, world: World) -> None:
        tasks = running(world, 2)
        say(world, tasks[1], "Done.", final=True)
        async with world.host() as host:
            for kind in ("attention", "any", "turn_end"):
                waited = await wait_many(host, tasks, until=kind)
                assert [news["matched"] for news in waited["tasks"]] == [False, True]

    async def test_running_out_of_time_tells_the_news_of_all(self, world: World, era: str) -> None:
        tasks = running(world, 3, "I begin.")
        async with world.host(mode=era) as host:
            waited = await wait_many(host, tasks, timeout_seconds=0.3)
            again = await wait_many(host, tasks, waited["cursor"], timeout_seconds=0.05)
        assert waited["matched"] is again["matched"] is False
        assert [news["events"] for news in waited["tasks"]] == [["neo: I begin."]] * 3
        assert [news["events"] for news in again["tasks"]] == [[]] * 3
        assert not any(news["matched"] for news in waited["tasks"])
        assert "wait_for_events again" in waited["next"]

    async def test_the_same_task_twice_is_one_task(self, world: World) -> None:
        (task_id,) = running(world, 1, "Hm.")
        async with world.host() as host:
            waited = await wait_many(host, [task_id, task_id], until="any")
        assert [news["task_id"] for news in waited["tasks"]] == [task_id]

    async def test_a_list_of_one_is_answered_as_a_list(self, world: World) -> None:
        (task_id,) = running(world, 1, "Hm.")
        async with world.host() as host:
            waited = await wait_many(host, [task_id], until="any")
            alone = await host.wait(task_id, waited["cursor"], until="any", timeout_seconds=0.05)
        assert by_id(waited)[task_id]["events"] == ["neo: Hm."]
        assert alone["events"] == []

    @pytest.mark.parametrize("given", [{}, {"task_id": "one", "task_ids": ["two"]}])
    async def test_one_task_or_several_have_to_be_given_and_not_both(
        self, world: World, given: dict[str, Any]
    ) -> None:
        async with world.host() as host:
            text = await host.refused("wait_for_events", **given)
        assert re.search("`task_id`.* or `task_ids`.*(not both|at least one)", text)
        assert world.simulator.requests == []

    @pytest.mark.parametrize("given", [{"task_ids": []}, {"task_ids": [f"t{n}" for n in range(33)]}])
    async def test_none_or_too_many_are_refused(self, world: World, given: dict[str, Any]) -> None:
        async with world.host() as host:
            assert "`task_ids`" in await host.refused("wait_for_events", **given)
        assert world.simulator.requests == []

    async def test_progress_names_every_task(self, world: World) -> None:
        tasks = running(world, 2, "I begin.")
        told: list[str | None] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the SDK's signature
            told.append(message)

        async with world.host() as host:
            await host.call("wait_for_events", note, task_ids=tasks, timeout_seconds=0.3)
        assert any(text and tasks[0] in text and tasks[1] in text and "I begin." in text for text in told)


class TestFailures:
    async def test_a_task_that_is_not_there_leaves_the_others_to_wait_for(self, world: World) -> None:
        (task_id,) = running(world, 1)
        async with world.host() as host, anyio.create_task_group() as group:

            async def finish() -> None:
                await until(lambda: world.simulator.open_streams)
                await until(lambda: any(r.status == 404 for r in world.simulator.requests))
                say(world, task_id, "Done.", final=True)

            group.start_soon(finish)
            waited = await wait_many(host, ["no-such-task", task_id])
        news = by_id(waited)
        assert news[task_id]["matched"] is True
        assert news["no-such-task"]["matched"] is False
        assert "HTTP 404" in news["no-such-task"]["activity"]

    async def test_it_is_told_when_the_time_is_up_as_well(self, world: World) -> None:
        (task_id,) = running(world, 1, "Hm.")
        async with world.host() as host:
            waited = await wait_many(host, ["no-such-task", task_id], timeout_seconds=0.3)
        news = by_id(waited)
        assert waited["matched"] is False
        assert news[task_id]["events"] == ["neo: Hm."]
        assert "HTTP 404" in news["no-such-task"]["activity"]

    async def test_tasks_that_all_fail_are_an_error(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            text = await host.refused("wait_for_events", task_ids=["no-such-task", "nor-this"])
        assert "HTTP 404" in text


class TestCursors:
    async def test_a_task_left_out_is_waited_for_no_longer(self, world: World) -> None:
        one, two = running(world, 2, "I begin.")
        async with world.host() as host:
            cursor = (await wait_many(host, [one, two], timeout_seconds=0.3))["cursor"]
            say(world, one, "Done.", final=True)
            first = await wait_many(host, [one, two], cursor)
            assert "without the tasks that have stopped" in first["next"]
            rest = await wait_many(host, [two], first["cursor"], timeout_seconds=0.05)
            assert by_id(rest)[two]["events"] == []
            say(world, two, "Done too.", final=True)
            alone = await host.wait(two, first["cursor"])
        assert alone["needs"][0]["message"] == "Done too."
        assert alone["events"] == []

    async def test_a_task_that_is_added_is_read_from_its_start(self, world: World) -> None:
        one, two = running(world, 2, "I begin.")
        async with world.host() as host:
            cursor = (await host.wait(one, timeout_seconds=0.3))["cursor"]
            waited = await wait_many(host, [one, two], cursor, timeout_seconds=0.3)
        assert by_id(waited)[one]["events"] == []
        assert by_id(waited)[two]["events"] == ["neo: I begin."]

    async def test_a_cursor_of_other_tasks_is_refused_with_what_to_do(self, world: World) -> None:
        one, two, three = running(world, 3, "I begin.")
        async with world.host() as host:
            cursor = (await wait_many(host, [one, two], timeout_seconds=0.3))["cursor"]
            swapped = await host.refused("wait_for_events", task_ids=[one, three], cursor=cursor)
            other = await host.refused("wait_for_events", task_id=three, cursor=cursor)
        assert three in swapped
        assert "not both in one call" in swapped
        assert "Leave the cursor out" in swapped
        assert "another task" in other

    async def test_tasks_may_come_in_another_order(self, world: World) -> None:
        one, two = running(world, 2, "I begin.")
        async with world.host() as host:
            cursor = (await wait_many(host, [one, two], timeout_seconds=0.3))["cursor"]
            waited = await wait_many(host, [two, one], cursor, timeout_seconds=0.05)
        assert [news["events"] for news in waited["tasks"]] == [[], []]


class TestNothingIsLostOrDoubled:
    @pytest.mark.parametrize("seed", some(range(3), every=3))
    async def test_while_events_come_in_any_order_and_streams_are_dropped(
        self, world: World, seed: int
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - guards nothing
        tasks = running(world, 5)
        expected: dict[str, list[str]] = defaultdict(list)
        heard: dict[str, list[str]] = defaultdict(list)

        async def push() -> None:
            for number in range(150):
                task_id = chance.choice(tasks)
                say(world, task_id, f"Word {number}")
                expected[task_id].append(f"neo: Word {number}")
                if chance.random() < 0.06:
                    await world.simulator.drop_streams()
                for _ in range(chance.randrange(20)):
                    await anyio.lowlevel.checkpoint()
            for task_id in tasks:
                say(world, task_id, "Over.", final=True)

        async with world.host() as host, anyio.create_task_group() as group:
            group.start_soon(push)
            cursor: str | None = None
            left = list(tasks)
            while left:
                waited = await wait_many(host, left, cursor, until="any", budget_tokens=20000)
                cursor = waited["cursor"]
                for task_id, news in by_id(waited).items():
                    heard[task_id] += news.get("events") or []
                    assert "omitted" not in news
                    assert news["matched"] or "events" not in news
                    if news.get("needs"):
                        assert news["needs"][0]["message"] == "Over."
                        left.remove(task_id)
        assert heard == expected

    async def test_whichever_of_two_servers_is_asked(self, world: World) -> None:
        tasks = running(world, 3)
        heard: dict[str, list[str]] = defaultdict(list)
        async with world.host() as one, world.host() as two:
            cursor: str | None = None
            for number in range(30):
                say(world, tasks[number % 3], f"Word {number}")
                waited = await wait_many((one, two)[number % 2], tasks, cursor, until="any")
                cursor = waited["cursor"]
                for task_id, news in by_id(waited).items():
                    heard[task_id] += news.get("events") or []
        assert heard == {task: [f"neo: Word {n}" for n in range(i, 30, 3)] for i, task in enumerate(tasks)}


class TestResults:
    def many_needs(self, world: World, count: int) -> list[str]:
        tasks = running(world, count, *(f"A long story, part {n}. " * 40 for n in range(20)))
        for task_id in tasks:
            body = {
                "type": "user_approval_request",
                "id": f"approval-of-{task_id}",
                "message": "May I do this? " * 400,
                "approval_type": "tool_permission",
                "source": "agent",
                "sensitivity": "sensitive",
                "context": {
                    "tool_name": "pulumi__up",
                    "tool_call_id": "c",
                    "git_diff": {f"file{n}.py": "+line\n" * 400 for n in range(20)},
                },
            }
            world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
        return tasks

    # The host of these tests holds every result against its budget.
    @pytest.mark.parametrize("budget", [2000, 6000, 20000])
    async def test_ten_tasks_with_long_news_stay_within_the_budget(self, world: World, budget: int) -> None:
        tasks = running(world, 10, *(f'A "long" story\n, part {n}. ' * 40 for n in range(20)))
        async with world.host() as host:
            waited = await wait_many(host, tasks, timeout_seconds=1, budget_tokens=budget)
        assert [news["task_id"] for news in waited["tasks"]] == tasks
        assert all("events left out; read neo://" in news["note"] for news in waited["tasks"])
        if budget > 2000:
            assert all(news["events"] for news in waited["tasks"])

    @pytest.mark.parametrize("budget", [6000, 20000])
    async def test_ten_tasks_that_all_need_somebody_stay_within_the_budget(
        self, world: World, budget: int
    ) -> None:
        tasks = self.many_needs(world, 10)
        async with world.host() as host:
            # Whichever has been read by then ends the wait; in the second they all have.
            await wait_many(host, tasks, until="turn_end", timeout_seconds=1)
            waited = await wait_many(host, tasks, budget_tokens=budget)
        assert all(news["needs"][0]["request_id"] for news in waited["tasks"])

    @pytest.mark.parametrize("text", ["Working on it. " * 60, "作業中です。" * 100])
    async def test_so_many_that_only_one_can_match_stay_within_the_budget(
        self, world: World, text: str
    ) -> None:
        tasks = running(world, 16, text)
        async with world.host() as host:
            cursor = (await wait_many(host, tasks, timeout_seconds=1))["cursor"]
            for number in range(60):
                say(world, tasks[7], f"Step {number}: {text}")
            waited = await wait_many(host, tasks, cursor, until="any")
        assert [news["task_id"] for news in waited["tasks"] if news["matched"]] == [tasks[7]]
        assert by_id(waited)[tasks[7]]["events"]

    async def test_text_and_structured_content_are_each_enough(self, world: World) -> None:
        quiet, asking = running(world, 2, "I begin.")
        body = {
            "type": "user_approval_request",
            "id": "approval-1",
            "message": "Deploy to production?",
            "approval_type": "tool_permission",
            "source": "agent",
        }
        world.simulator.append_event(ORG, asking, body, kind="agentResponse")
        async with world.host() as host:
            result = await host.raw("wait_for_events", {"task_ids": [quiet, asking]})
        text, content = text_of(result), result.structured_content
        assert content is not None
        assert f"# Task {asking} matched" in text
        assert f"# Task {quiet}\n" in text
        for part in (
            "approval-1",
            "Deploy to production?",
            "neo: I begin.",
            content["cursor"],
            content["next"],
        ):
            assert part in text
        (need,) = by_id(content)[asking]["needs"]
        assert (need["request_id"], need["message"]) == ("approval-1", "Deploy to production?")
        assert need["reply"] in text


class TestKinds:
    async def test_only_events_of_the_kinds_end_a_wait_for_anything_and_are_told(self, world: World) -> None:
        (task_id,) = running(world, 1, "I begin.")
        warning = {"type": "warning", "message": "Mind the gap."}
        async with world.host() as host, anyio.create_task_group() as group:
            before = await host.wait(task_id, until="any", kinds=["warning"], timeout_seconds=0.3)
            assert (before["matched"], before["events"]) == (False, [])

            async def speak() -> None:
                await until(lambda: world.simulator.open_streams)
                say(world, task_id, "Chatter.")
                world.simulator.append_event(ORG, task_id, warning, kind="agentResponse")
                say(world, task_id, "More chatter.")

            group.start_soon(speak)
            waited = await host.wait(task_id, before["cursor"], until="any", kinds=["warning", "error"])
        assert waited["matched"] is True
        assert waited["events"] == ["warning: Mind the gap."]

    async def test_attention_ends_a_wait_whatever_the_kinds(self, world: World) -> None:
        (task_id,) = running(world, 1, "I begin.")
        say(world, task_id, "Done.", final=True)
        async with world.host() as host:
            waited = await host.wait(task_id, kinds=["warning"])
        assert (waited["matched"], waited["events"]) == (True, [])
        assert waited["needs"][0]["message"] == "Done."

    async def test_an_event_that_says_nothing_counts_not_even_if_it_is_of_a_kind(self, world: World) -> None:
        body = {"type": "exec_tool_call", "tool_call_id": "c", "name": "pulumi__preview"}
        task_id = world.simulator.add_task(ORG, status="running", events=[("agentResponse", body)])
        async with world.host() as host:
            waited = await host.wait(task_id, until="any", kinds=["exec_tool_call"], timeout_seconds=0.2)
        assert (waited["matched"], waited["events"]) == (False, [])

    async def test_they_filter_every_one_of_several_tasks(self, world: World) -> None:
        one, two = running(world, 2, "I begin.")
        world.simulator.append_event(ORG, two, {"type": "warning", "message": "Hm."}, kind="agentResponse")
        async with world.host() as host:
            waited = await wait_many(host, [one, two], until="any", kinds=["warning"])
        assert [news["matched"] for news in waited["tasks"]] == [False, True]
        assert by_id(waited)[two]["events"] == ["warning: Hm."]

    @pytest.mark.parametrize("kind", ["Warning", "WARNING", " warning", "warn-ing"])
    async def test_a_kind_in_other_letters_is_known(self, world: World, kind: str) -> None:
        (task_id,) = running(world, 1, "I begin.")
        world.simulator.append_event(
            ORG, task_id, {"type": "warning", "message": "Hm."}, kind="agentResponse"
        )
        async with world.host() as host:
            waited = await host.wait(task_id, until="any", kinds=[kind])
        assert (waited["matched"], waited["events"]) == (True, ["warning: Hm."])

    @pytest.mark.parametrize(
        ("kind", "advice"),
        [
            ("warnin", "(did you mean `warning`?)"),
            ("nonsense", "`kinds.1` takes one of assistant_message, "),
            ("a,b", "`kinds.1` takes one of"),
        ],
    )
    @pytest.mark.parametrize("until", ["any", "turn_end"])
    async def test_one_that_no_event_has_is_refused(
        self, world: World, kind: str, advice: str, until: str
    ) -> None:
        (task_id,) = running(world, 1, "I begin.")
        async with world.host() as host:
            text = await host.refused("wait_for_events", task_id=task_id, until=until, kinds=["error", kind])
        assert advice in text
        assert kind in text
        assert text.count(advice) == 1


class TestQuotedWords:
    async def test_the_same_words_of_an_earlier_turn_are_still_told(self, world: World) -> None:
        (task_id,) = running(world, 1)
        say(world, task_id, "Done.", final=True)
        world.simulator.append_event(
            ORG, task_id, {"type": "user_message", "content": "Again."}, kind="userInput"
        )
        say(world, task_id, "Done.", final=True)
        async with world.host() as host:
            waited = await host.wait(task_id)
        assert waited["events"] == ["neo (final): Done.", "user: Again."]
        assert waited["needs"][0]["message"] == "Done."

    async def test_calls_are_told_where_neo_stopped_without_a_word(self, world: World) -> None:
        call = {"id": "c", "name": "pulumi__preview", "args": {}, "execution_mode": "cloud"}
        body = {"type": "assistant_message", "content": "", "is_final": False, "tool_calls": [call]}
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", body)])
        world.simulator.faults.add(Fault("clean_end", path=STREAM, after_events=0, times=0))
        async with world.host() as host:
            waited = await host.wait(task_id)
        assert waited["needs"][0]["kind"] == "stalled"
        assert waited["events"] == ["call pulumi__preview()"]
