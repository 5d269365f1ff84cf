"""Tasks with more events than are kept at hand: the others are read again, or counted where left out."""

import tracemalloc
from collections.abc import Iterable
from typing import Any

import anyio
import pytest

from neo_mcp.core.cursor import decode_cursor, encode_cursor
from neo_mcp.simulator import Fault
from neo_mcp.watch import EventLog
from tests.support.host import ORG, Json, World

Made = tuple[str, dict[str, Any]]
QUIET: Made = (
    "agentResponse",
    {"type": "exec_tool_call_progress", "tool_call_id": "c", "name": "pulumi__up", "status": "running"},
)


def said(text: str) -> Made:
    return "agentResponse", {"type": "assistant_message", "content": text, "is_final": False}


def told(count: int, start: int = 0) -> list[str]:
    return [f"neo: Word {number}" for number in range(start, count)]


def words(count: int, start: int = 0) -> list[Made]:
    return [said(f"Word {number}") for number in range(start, count)]


def add(world: World, events: Iterable[Made]) -> str:
    return world.simulator.add_task(ORG, status="running", events=events)


def at(world: World, task_id: str, place: int) -> str:
    """The cursor of a reader that has seen so many events."""
    events = world.simulator.store.get(ORG, task_id).events
    return encode_cursor(ORG, task_id, events[place - 1].id if place else "")


@pytest.fixture
def small_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watchers that keep ten events."""
    monkeypatch.setattr("neo_mcp.watch.watcher.EventLog", lambda **more: EventLog(max_events=10, **more))


@pytest.mark.usefixtures("small_logs")
class TestRefill:
    @pytest.mark.parametrize("seen", [0, 1, 5, 29, 30, 31, 39, 40])
    async def test_lines_from_before_what_is_held_are_told_once(self, world: World, seen: int) -> None:
        task_id = add(world, words(40))
        async with world.host() as host:
            waited = await host.wait(task_id, at(world, task_id, seen), until="any", timeout_seconds=0.3)
        assert waited["events"] == told(40, seen)
        assert "omitted" not in waited
        assert "note" not in waited

    async def test_lines_are_found_behind_thousands_of_events_that_say_nothing(self, world: World) -> None:
        task_id = add(world, [*words(5), *[QUIET] * 4500, said("After a while.")])
        async with world.host() as host:
            waited = await host.wait(task_id, at(world, task_id, 2), until="any")
        assert waited["events"] == [*told(5, 2), "neo: After a while."]
        assert "omitted" not in waited

    async def test_of_more_than_fits_the_rest_is_counted(self, world: World) -> None:
        task_id = add(world, words(400))
        async with world.host() as host:
            waited = await host.wait(task_id, until="any", budget_tokens=1000)
            all_seen = await host.wait(task_id, waited["cursor"], until="any", timeout_seconds=0.05)
        shown = len(waited["events"])
        assert waited["events"] == told(400, 400 - shown)
        assert waited["omitted"] == 400 - shown
        assert f"[{400 - shown} earlier events left out; read neo://" in waited["note"]
        assert all_seen["events"] == []

    async def test_what_is_left_out_counts_what_is_not_held_either(self, world: World) -> None:
        """Where not even what is held fits, nothing is read again, and still everything is counted."""
        task_id = add(world, [said(f"{number} " * 300) for number in range(60)])
        async with world.host() as host:
            before = len(world.simulator.requests)
            waited = await host.wait(task_id, until="any", budget_tokens=1500)
        pages = [r for r in world.simulator.requests[before:] if r.path.endswith("/events")]
        assert waited["omitted"] == 60 - len(waited["events"])
        assert len(pages) == 1

    async def test_of_an_unknown_cursor_everything_is_told_with_a_note(self, world: World) -> None:
        task_id = add(world, words(40))
        async with world.host() as host:
            cursor = encode_cursor(ORG, task_id, "gone")
            waited = await host.wait(task_id, cursor, until="any")
        assert waited["events"] == told(40)
        assert "from the start" in waited["note"]
        assert decode_cursor(waited["cursor"], ORG, task_id).event_id != "gone"

    async def test_kinds_are_kept_to(self, world: World) -> None:
        warnings = [("agentResponse", {"type": "warning", "message": f"Number {n}"}) for n in range(3)]
        task_id = add(world, [*warnings, *words(40)])
        async with world.host() as host:
            waited = await host.wait(task_id, until="any", kinds=["warning"], timeout_seconds=0.3)
        assert waited["events"] == [f"warning: Number {n}" for n in range(3)]

    async def test_what_happens_during_it_is_for_the_next_wait(self, world: World) -> None:
        task_id = add(world, words(40))
        async with world.host() as host, anyio.create_task_group() as group:
            await host.call("get_task", task_id=task_id)
            world.simulator.faults.add(Fault("latency", path="/events$", seconds=0.2))
            asked = len(world.simulator.requests)

            async def speak() -> None:
                while not any(r.path.endswith("/events") for r in world.simulator.requests[asked:]):  # noqa: ASYNC110 - the request is another task's
                    await anyio.sleep(0.002)
                world.simulator.append_event(ORG, task_id, said("Word 40")[1], kind="agentResponse")

            group.start_soon(speak)
            first = await host.wait(task_id, until="any")
            second = await host.wait(task_id, first["cursor"], until="any")
        assert first["events"] + second["events"] == told(41)

    async def test_of_several_tasks_each_is_read_again(self, world: World) -> None:
        tasks = [add(world, words(30)) for _ in range(3)]
        async with world.host() as host:
            waited = await host.call("wait_for_events", task_ids=tasks, timeout_seconds=0.5)
        assert [news["events"] for news in waited["tasks"]] == [told(30)] * 3


class TestRanges:
    @staticmethod
    async def read(world: World, uri: str) -> Json:
        async with world.host() as host:
            return await host.resource(uri)

    @pytest.mark.parametrize("total", [0, 1, 6, 7, 8, 14, 21, 50])
    @pytest.mark.parametrize("count", [1, 7])
    async def test_walking_back_from_the_end_and_forward_again_gives_every_event_once(
        self, world: World, total: int, count: int
    ) -> None:
        task_id = add(world, words(total))
        ids = [event.id for event in world.simulator.store.get(ORG, task_id).events]
        async with world.host() as host:
            back: list[str] = []
            uri: str | None = f"neo://{ORG}/tasks/{task_id}/events?count={count}"
            part: Json = {}
            while uri:
                part = await host.resource(uri)
                back[:0] = [event["id"] for event in part["events"]]
                uri = part.get("earlier")
            assert back == ids
            forward: list[str] = []
            uri = f"neo://{ORG}/tasks/{task_id}/events?start=0&count={count}"
            while uri:
                part = await host.resource(uri)
                assert part["first"] == len(forward)
                forward += [event["id"] for event in part["events"]]
                uri = part.get("later")
        assert forward == ids

    async def test_of_a_long_task_the_newest_part_comes_with_the_address_of_what_is_before(
        self, world: World
    ) -> None:
        task_id = add(world, words(1200))
        async with world.host() as host:
            newest = await host.resource(f"neo://{ORG}/tasks/{task_id}/events")
            text = await host.resource_text(f"neo://{ORG}/tasks/{task_id}/transcript")
            before = await host.resource_text(f"neo://{ORG}/tasks/{task_id}/transcript?before=700&count=500")
        assert (newest["first"], len(newest["events"])) == (700, 500)
        assert newest["earlier"] == f"neo://{ORG}/tasks/{task_id}/events?before=700&count=500"
        assert "later" not in newest
        assert text.startswith(
            f"*700 earlier events: neo://{ORG}/tasks/{task_id}/transcript?before=700&count=500*"
        )
        assert "Word 1199" in text
        assert "Word 699" not in text
        assert "Word 699" in before
        assert f"*Later events: neo://{ORG}/tasks/{task_id}/transcript?start=700&count=500*" in before

    async def test_past_the_end_there_is_nothing_and_the_way_back_leads_to_the_end(
        self, world: World
    ) -> None:
        task_id = add(world, words(5))
        async with world.host() as host:
            part = await host.resource(f"neo://{ORG}/tasks/{task_id}/events?start=999999999&count=3")
            assert (part["events"], part["first"]) == ([], 5)
            before = await host.resource(part["earlier"])
        assert (before["first"], len(before["events"])) == (2, 3)

    async def test_a_task_that_is_followed_is_read_alike(self, world: World) -> None:
        task_id = add(world, words(30))
        uri = f"neo://{ORG}/tasks/{task_id}/events?start=3&count=9"
        async with world.host() as host:
            cold = await host.resource_text(uri)
            await host.call("get_task", task_id=task_id)
            live = await host.resource_text(uri)
        assert live == cold

    @pytest.mark.parametrize(
        "query",
        [
            "start=-1",
            "start=x",
            "start=1&start=2",
            "start=1&before=2",
            "count=",
            "count=1e3",
            "count=0",
            "start=1;count=2",
            "start=9999999999",
            "page=2",
            "start=1&",
            "start=\u0661",
        ],
    )
    async def test_a_range_that_is_none_is_refused(self, world: World, era: str, query: str) -> None:
        async with world.host(mode=era) as host:
            code, text = await host.refused_resource(f"neo://{ORG}/tasks/t/events?{query}")
        assert code == (-32002 if era == "legacy" else -32602)
        assert "start=0&count=100" in text
        assert world.simulator.requests == []

    async def test_the_end_of_a_long_task_is_read_without_holding_all_of_it(self, world: World) -> None:
        text = "A long story. " * 20
        task_id = add(world, [said(f"{number} {text}") for number in range(20_000)])
        async with world.host() as host:
            await host.resource(f"neo://{ORG}/tasks/{task_id}/events?count=10")
            tracemalloc.start()
            try:
                part = await host.resource(f"neo://{ORG}/tasks/{task_id}/events?count=10")
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert part["first"] == 19_990
        # 20,000 such events as models take some 60 MB; a page of a thousand, its bytes included, a few.
        assert peak < 20e6
