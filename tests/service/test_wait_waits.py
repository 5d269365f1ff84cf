"""A wait waits: with the cursor of the last result it ends for news alone."""

import anyio
import pytest

from neo_mcp.core.cursor import encode_cursor
from tests.support.examples import long
from tests.support.host import ORG, Host, Json, Person, World, until

ROUNDS = 5


def ask(world: World, task_id: str, request_id: str, message: str = "May I?") -> None:
    body = {
        "type": "user_approval_request",
        "id": request_id,
        "message": message,
        "approval_type": "tool_permission",
        "sensitivity": "sensitive",
        "context": {"tool_name": "pulumi__pulumi_up", "git_diff": {"a.ts": "+line\n" * 40}},
    }
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def settle(world: World, task_id: str, request_id: str) -> None:
    body = {"type": "user_confirmation", "approval_request_id": request_id, "ok": True}
    world.simulator.append_event(ORG, task_id, body, kind="userInput")


def finish(world: World, task_id: str) -> None:
    body = {"type": "assistant_message", "content": "Done.", "is_final": True}
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def asking(world: World, *request_ids: str) -> str:
    task_id = world.simulator.add_task(ORG, status="running")
    for request_id in request_ids:
        ask(world, task_id, request_id)
    return task_id


def ids(news: Json) -> list[str]:
    return [need.get("request_id", need["kind"]) for need in news["needs"]]


class TestOneTask:
    @pytest.mark.parametrize("person", [None, Person("cancel")], ids=["nobody", "dismisses"])
    async def test_waiting_for_a_person_takes_one_call_a_wait(
        self, world: World, era: str, person: Person | None
    ) -> None:
        async with world.host(person, mode=era, wait_seconds=0.05) as host:
            task_id, cursor = await host.create("denied-approval")
            waited = await host.wait(task_id, cursor, timeout_seconds=20)
            assert waited["matched"] is True
            for _ in range(ROUNDS):
                refused = await host.refused("respond", task_id=task_id, action="approve")
                if person is None:
                    assert "call wait_for_events with the cursor you have" in refused
                waited = await host.wait(task_id, waited["cursor"])
                # Only running out of time ends it so.
                assert waited["matched"] is False
                (need,) = waited["needs"]
                assert (need["kind"], need["reported"]) == ("approval", True)
                assert "waits for that" in waited["next"]

    async def test_it_ends_for_a_new_request_and_says_which_is_new(self, world: World) -> None:
        task_id = asking(world, "a1")
        async with world.host() as host:
            first = await host.wait(task_id)
            ask(world, task_id, "a2", "May I too?")
            second = await host.wait(task_id, first["cursor"])
            text = await host.text("wait_for_events", task_id=task_id, cursor=first["cursor"])
        assert second["matched"] is True
        assert ids(second) == ["a2", "a1"]
        assert [need.get("reported") for need in second["needs"]] == [None, True]
        assert "diff" in second["needs"][0]
        assert "diff" not in second["needs"][1]
        assert "reported before" in text

    async def test_it_ends_for_the_resolution_of_an_old_one_by_another_client(self, world: World) -> None:
        task_id = asking(world, "a1", "a2")
        async with world.host() as host, anyio.create_task_group() as group:
            first = await host.wait(task_id)

            async def decide() -> None:
                await until(lambda: world.simulator.open_streams)
                settle(world, task_id, "a1")

            group.start_soon(decide)
            second = await host.wait(task_id, first["cursor"])
            settle(world, task_id, "a2")
            third = await host.wait(task_id, second["cursor"])
            fourth = await host.wait(task_id, third["cursor"], timeout_seconds=0.05)
        assert (second["matched"], ids(second)) == (True, ["a2"])
        assert (third["matched"], third["needs"]) == (True, [])
        assert "approved" in " ".join(third["events"])
        assert "is resolved" in third["next"]
        assert fourth["matched"] is False

    async def test_what_the_caller_decided_does_not_end_its_next_wait(self, world: World, era: str) -> None:
        task_id = asking(world, "a1")
        async with world.host(mode=era) as host:
            first = await host.wait(task_id)
            await host.call("respond", task_id=task_id, action="deny", text="Not now.")
            second = await host.wait(task_id, first["cursor"], timeout_seconds=0.05)
            assert (second["matched"], second["needs"]) == (False, [])
            finish(world, task_id)
            third = await host.wait(task_id, first["cursor"])
        assert third["needs"][0]["kind"] == "turn_ended"

    async def test_results_that_the_caller_gave_do_not_either(self, world: World) -> None:
        call = {"id": "c1", "name": "shell__shell_execute", "args": {}, "execution_mode": "cli"}
        body = {"type": "assistant_message", "content": "", "is_final": True, "tool_calls": [call]}
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", body)], status="running")
        async with world.host() as host:
            first = await host.wait(task_id)
            again = await host.wait(task_id, first["cursor"], timeout_seconds=0.05)
            assert (again["matched"], again["needs"][0]["calls"]) == (False, first["needs"][0]["calls"])
            given = [{"tool_call_id": "c1", "content": "ok"}]
            await host.call("respond", task_id=task_id, action="tool_results", tool_results=given)
            second = await host.wait(task_id, again["cursor"], timeout_seconds=0.05)
        assert (second["matched"], second["needs"]) == (False, [])

    async def test_the_end_of_a_turn_is_reported_once_and_the_next_one_again(self, world: World) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        finish(world, task_id)
        async with world.host(wait_seconds=0.05) as host:
            first = await host.wait(task_id)
            for kind in ("attention", "turn_end", "any"):
                again = await host.wait(task_id, first["cursor"], until=kind)
                assert (again["matched"], ids(again)) == (False, ["turn_ended"])
                assert "nothing happens until someone responds" in again["next"]
            body = {"type": "user_message", "content": "More."}
            world.simulator.append_event(ORG, task_id, body, kind="userInput")
            finish(world, task_id)
            last = await host.wait(task_id, first["cursor"], until="turn_end", timeout_seconds=20)
        assert (last["matched"], ids(last)) == (True, ["turn_ended"])

    async def test_another_replica_waits_likewise(self, world: World) -> None:
        task_id = asking(world, "a1")
        async with world.host() as one, world.host() as two:
            first = await one.wait(task_id)
            for host in (two, one, two):
                again = await host.wait(task_id, first["cursor"], timeout_seconds=0.05)
                assert (again["matched"], ids(again)) == (False, ["a1"])

    async def test_get_task_and_a_wait_for_anything_report_as_well(self, world: World) -> None:
        task_id = asking(world, "a1")
        async with world.host() as host:
            found = await host.call("get_task", task_id=task_id)
            any_of_them = await host.wait(task_id, until="any")
            for cursor in (found["cursor"], any_of_them["cursor"]):
                assert (await host.wait(task_id, cursor, timeout_seconds=0.05))["matched"] is False

    async def test_a_cursor_of_an_older_version_loses_nothing(self, world: World) -> None:
        task_id = asking(world, "a1")
        last = world.simulator.store.get(ORG, task_id).events[-1].id
        async with world.host() as host:
            waited = await host.wait(task_id, encode_cursor(ORG, task_id, last))
        assert (waited["matched"], ids(waited), waited["events"]) == (True, ["a1"], [])

    @pytest.mark.parametrize(("budget", "count"), [(1000, 40), long((6000, 600))])
    async def test_very_many_requests_are_all_reported_and_then_it_waits(
        self, world: World, budget: int, count: int
    ) -> None:
        task_id = asking(world, *(f"request-{n:03}" for n in range(count)))
        seen: list[str] = []
        given: dict[str, str] = {}
        async with world.host(budget_tokens=budget) as host:
            while (waited := await host.call("wait_for_events", task_id=task_id, **given, **SHORT))[
                "matched"
            ]:
                new = [need["request_id"] for need in waited["needs"] if not need.get("reported")]
                assert new
                seen += new
                given = {"cursor": waited["cursor"]}
                assert len(waited["cursor"]) < 100
            assert "more do not fit here" in waited["note"]
        assert seen == [f"request-{n:03}" for n in range(count)]


SHORT = {"timeout_seconds": 1.0}


async def wait_for(host: Host, tasks: list[str], cursor: str | None = None, **more: object) -> Json:
    given = {"cursor": cursor} if cursor is not None else {}
    return await host.call("wait_for_events", task_ids=tasks, **given, **more)


class TestManyTasks:
    @pytest.mark.parametrize("budget", [3000, 6000])
    async def test_waiting_for_a_person_in_twenty_takes_one_call_a_wait(
        self, world: World, budget: int
    ) -> None:
        tasks = [asking(world, f"approval-of-{n}") for n in range(20)]
        reported: set[str] = set()
        async with world.host(budget_tokens=budget) as host:
            waited = await wait_for(host, tasks, timeout_seconds=20)
            while waited["matched"]:
                new = {id_ for news in waited["tasks"] if news["matched"] for id_ in ids(news)}
                assert new - reported
                reported |= new
                waited = await wait_for(host, tasks, waited["cursor"], timeout_seconds=0.5)
            assert len(reported) == 20
            for _ in range(ROUNDS):
                waited = await wait_for(host, tasks, waited["cursor"], timeout_seconds=0.05)
                assert waited["matched"] is False
                assert any(news.get("needs") for news in waited["tasks"])

    async def test_one_that_waits_for_a_person_leaves_the_others_to_wait_for(self, world: World) -> None:
        stuck, busy, over = asking(world, "a1"), asking(world), asking(world)
        finish(world, over)
        tasks = [stuck, busy, over]
        async with world.host() as host, anyio.create_task_group() as group:
            cursor: str | None = None
            reported: list[str] = []
            while len(reported) < 2:
                waited = await wait_for(host, tasks, cursor)
                reported += [news["task_id"] for news in waited["tasks"] if news["matched"]]
                cursor = waited["cursor"]
            assert sorted(reported) == sorted([stuck, over])
            quiet = await wait_for(host, tasks, cursor, timeout_seconds=0.05)
            assert quiet["matched"] is False

            async def work() -> None:
                await until(lambda: world.simulator.open_streams == 3)
                finish(world, busy)

            group.start_soon(work)
            waited = await wait_for(host, tasks, quiet["cursor"])
        assert [news["task_id"] for news in waited["tasks"] if news["matched"]] == [busy]

    async def test_where_some_work_on_it_says_so(self, world: World) -> None:
        over, busy = asking(world), asking(world)
        finish(world, over)
        async with world.host() as host:
            first = await wait_for(host, [over, busy])
            again = await wait_for(host, [over, busy], first["cursor"], timeout_seconds=0.05)
        assert "still working" in again["next"]
