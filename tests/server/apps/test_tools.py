"""The tools of the task view, called as the page calls them."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from neo_mcp.options import Answerer, ApprovalPolicy
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.apps.tools import MAX_ITEMS
from neo_mcp.server.http.server import running_http
from tests.core.test_nodes import TAGS, elements
from tests.support.everything import endings, from_neo, from_people
from tests.support.host import APPROVES, DENIES, ORG, Host, Json, Person, World, text_of, until
from tests.support.processes import CANARY
from tests.support.shapes import texts_in
from tests.support.tasks_servers import DONE, PLAN, QUESTION, REQUEST, happen, pending, settle
from tests.support.view_host import Page, paging, rendering

pytestmark = pytest.mark.scorecard("the task view's tools: what they tell, wait for, and never do")

UP: Json = {
    "type": "assistant_message",
    "content": "I deploy.",
    "tool_calls": [
        {
            "id": "c1",
            "name": "pulumi__up",
            "args": {"stack": "prod", "project": "web"},
            "execution_mode": "cloud",
        }
    ],
}
ASKED: Json = {
    **REQUEST,
    "message": "Run **pulumi up**?",
    "context": {
        "tool_name": "pulumi__up",
        "tool_call_id": "c1",
        "git_diff": {"a.py": "@@ -1 +1 @@\n-x\n+y\n"},
    },
}
NEWS: Json = {"type": "assistant_message", "content": "News."}


_UNSEEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\ud800-\\udfff]")


def news(world: World, task_id: str) -> None:
    happen(world, task_id, NEWS)


def waits(server: NeoServer) -> int:
    """How many waits are under way."""
    operator = server.running.operator
    assert operator is not None
    return operator.app.tasks.quotas.waits.used


class TestLooking:
    async def test_the_head_says_how_the_task_is(self, world: World, era: str) -> None:
        task_id = pending(world, UP, ASKED)
        async with paging(world, mode=era) as page:
            seen = await page.look(task_id)
        assert seen["organization"] == ORG
        assert seen["url"].endswith(f"/{ORG}/neo/tasks/{task_id}")
        assert (seen["turn"], seen["status"], seen["writable"]) == ("running", "idle", True)
        assert seen["connection"] == {"state": "open", "error": ""}
        assert [item["kind"] for item in seen["items"]] == ["assistant", "assistant", "tool", "approval"]
        (need,) = seen["attention"]
        assert need["operation"]["tool"] == "pulumi__up"
        assert need["operation"]["stack"] == "web/prod"
        assert need["operation"]["sensitive"]
        assert need["diff"][0]["path"] == "a.py"
        assert need["text"] == [{"t": "p", "c": ["Run ", {"t": "strong", "c": ["pulumi up"]}, "?"]}]

    async def test_a_cursor_gives_what_is_new_or_changed_and_nothing_else(self, world: World) -> None:
        task_id = pending(world, UP)
        async with paging(world) as page:
            seen = await page.look(task_id)
            assert (await page.look(task_id, cursor=seen["cursor"]))["items"] == []
            done = {"type": "tool_response", "tool_call_id": "c1", "name": "pulumi__up", "content": "ok"}
            happen(world, task_id, done, NEWS)
            more = await page.look(task_id, cursor=seen["cursor"], wait=20)
        assert [(item["index"], item["kind"]) for item in more["items"]] == [(2, "tool"), (3, "assistant")]
        assert more["items"][0]["id"] == seen["items"][2]["id"]
        assert more["total"] == 4

    async def test_older_items_are_had_with_before(self, world: World) -> None:
        task_id = pending(world, *({**NEWS, "content": f"word {n}"} for n in range(MAX_ITEMS + 60)))
        async with paging(world) as page:
            seen = await page.look(task_id)
            assert len(seen["items"]) == MAX_ITEMS
            older = await page.look(task_id, before=seen["items"][0]["index"])
            none = await page.look(task_id, before=0)
            past = await page.look(task_id, before=10_000)
        found = [item["index"] for item in (*older["items"], *seen["items"])]
        assert found == list(range(seen["total"]))
        assert none["items"] == past["items"] == []
        assert "cursor" not in older

    async def test_items_that_are_held_no_more_are_read_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("neo_mcp.core.view.fold.MAX_ITEMS", 20)
        monkeypatch.setattr("neo_mcp.watch.log.MAX_EVENTS", 10)
        task_id = pending(world, *({**NEWS, "content": f"word {n}"} for n in range(300)))
        async with paging(world) as page:
            seen = await page.look(task_id)
            assert len(seen["items"]) == 20
            older = await page.look(task_id, before=seen["items"][0]["index"])
        assert [item["index"] for item in older["items"]] == list(range(81, 281))
        assert older["items"][-1]["text"] == [{"t": "p", "c": ["word 279"]}]

    async def test_very_much_news_at_once_is_told_in_part_and_counted(self, world: World) -> None:
        task_id = pending(world)
        async with paging(world) as page:
            seen = await page.look(task_id)
            happen(world, task_id, *[NEWS] * (MAX_ITEMS + 30))
            more: Json = {"total": 0}
            while more["total"] < MAX_ITEMS + 31:
                more = await page.look(task_id, cursor=seen["cursor"], wait=20)
        assert (len(more["items"]), more["omitted"]) == (MAX_ITEMS, 30)

    async def test_a_cursor_of_another_task_is_refused(self, world: World) -> None:
        async with paging(world) as page:
            cursor = (await page.look(pending(world)))["cursor"]
            result = await page.raw("view_task", task_id=pending(world), cursor=cursor)
        assert result.is_error
        assert "another task" in text_of(result)

    async def test_a_task_that_is_not_there_is_an_error_in_words(self, world: World) -> None:
        async with paging(world) as page:
            result = await page.raw("view_task", task_id="nothing")
        assert result.is_error
        assert result.structured_content is None

    async def test_what_a_cursor_of_another_process_says_holds_here_as_well(self, world: World) -> None:
        task_id = pending(world, UP)
        async with paging(world) as first, paging(world) as second:
            seen = await first.look(task_id)
            news(world, task_id)
            more = await second.look(task_id, cursor=seen["cursor"], wait=20)
        assert [item["index"] for item in more["items"]] == [3]

    async def test_the_list_says_which_task_needs_somebody(self, world: World, era: str) -> None:
        waiting, other = pending(world, UP, ASKED), pending(world)
        async with paging(world, mode=era) as page:
            await page.look(waiting)
            listed = await page.call("view_tasks")
        rows = {row["task_id"]: row for row in listed["tasks"]}
        assert rows[waiting]["attention"] is True
        assert rows[other]["attention"] is None
        assert listed["next"] is None

    async def test_the_list_has_pages(self, world: World) -> None:
        made = {pending(world) for _ in range(60)}
        async with paging(world) as page:
            first = await page.call("view_tasks")
            second = await page.call("view_tasks", cursor=first["next"])
        found = [row["task_id"] for row in (*first["tasks"], *second["tasks"])]
        assert made <= set(found)
        assert len(found) == len(set(found))


class TestWaiting:
    async def test_a_wait_ends_with_the_first_news(self, world: World, era: str) -> None:
        task_id = pending(world)
        async with paging(world, mode=era) as page:
            seen = await page.look(task_id)
            answers: list[Json] = []

            async def wait() -> None:
                answers.append(await page.look(task_id, cursor=seen["cursor"], wait=25))

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await until(lambda: world.simulator.open_streams)
                news(world, task_id)
        assert [item["index"] for item in answers[0]["items"]] == [1]

    async def test_a_wait_without_news_ends_in_time_and_asks_the_api_for_little(self, world: World) -> None:
        task_id = pending(world)
        async with paging(world) as page:
            seen = await page.look(task_id)
            asked = world.asked("GET", f"/tasks/{task_id}")
            for _ in range(5):
                again = await page.look(task_id, cursor=seen["cursor"], wait=0.05)
                assert again["items"] == []
                assert again["cursor"] == seen["cursor"]
            assert world.asked("GET", f"/tasks/{task_id}") == asked

    async def test_many_pages_share_one_stream(self, world: World) -> None:
        task_id = pending(world)
        async with paging(world) as page:
            cursor = (await page.look(task_id))["cursor"]
            told: list[int] = []

            async def wait() -> None:
                told.append(len((await page.look(task_id, cursor=cursor, wait=25))["items"]))

            async with anyio.create_task_group() as group:
                for _ in range(6):
                    group.start_soon(wait)
                await until(lambda: world.simulator.open_streams)
                news(world, task_id)
        assert told == [1] * 6
        assert sum(request.path.endswith("/stream") for request in world.simulator.requests) <= 2

    async def test_waiting_pages_count_among_the_waits_of_their_identity(self, world: World) -> None:
        task_id = pending(world)
        server = NeoServer(world.settings(quota=12))
        async with rendering(server.protocol) as client:
            page = Page(Host(client, 6000))
            cursor = (await page.look(task_id))["cursor"]
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(lambda: page.look(task_id, cursor=cursor, wait=25))
                await until(lambda: waits(server) == 8)
                refused = await page.raw("view_task", task_id=task_id, cursor=cursor, wait=1)
                news(world, task_id)
            assert waits(server) == 0
        assert "8 of at most 8" in text_of(refused)

    async def test_a_session_that_was_killed_shows(self, world: World) -> None:
        task_id = pending(world)
        async with paging(world, Person(), approvals=ApprovalPolicy.HOST) as page:
            seen = await page.look(task_id)
            await page.host.call("respond", task_id=task_id, action="cancel", force=True)
            while seen["turn"] == "running":
                seen = await page.look(task_id, cursor=seen["cursor"], wait=1)
        assert seen["turn"] == "cancelled"

    async def test_a_wait_that_the_servers_end_cuts_short_says_so(self, world: World, era: str) -> None:
        task_id = pending(world)
        server = NeoServer(world.settings())
        said: list[str] = []
        async with rendering(server.protocol, mode=era) as client:
            page = Page(Host(client, 6000))
            cursor = (await page.look(task_id))["cursor"]

            async def wait() -> None:
                said.append(text_of(await page.raw("view_task", task_id=task_id, cursor=cursor, wait=25)))

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await until(lambda: waits(server))
                server.end_streams()
        assert "stopping" in said[0]


class TestActing:
    """Whoever calls respond, page or model, is under the operator's policy; the page knows it beforehand."""

    @pytest.mark.parametrize("policy", list(ApprovalPolicy), ids=str)
    @pytest.mark.parametrize("asks", [True, False], ids=["forms", "no-forms"])
    async def test_the_page_offers_what_respond_will_take(
        self, world: World, era: str, policy: ApprovalPolicy, *, asks: bool
    ) -> None:
        task_id = pending(world, UP, ASKED)
        person = Person(**APPROVES) if asks else None  # type: ignore[arg-type]  # the one field
        may = policy is ApprovalPolicy.HOST or (policy is ApprovalPolicy.ASK and asks)
        async with paging(world, person, mode=era, approvals=policy) as page:
            (need,) = (await page.look(task_id))["attention"]
            assert need["answers"] == (["approve", "deny"] if may else ["deny"])
            assert bool(need["note"]) is not may
            arguments = {"task_id": task_id, "action": "approve", "request_id": need["id"]}
            result = await page.host.raw("respond", arguments)
        assert result.is_error is not may
        assert [event["ok"] for event in world.sent(task_id)] == ([True] if may else [])
        if person is not None:
            assert len(person.forms) == (policy is ApprovalPolicy.ASK)

    async def test_a_person_who_says_no_to_the_page_is_heard(self, world: World, era: str) -> None:
        task_id = pending(world, UP, ASKED)
        async with paging(world, Person(**DENIES), mode=era) as page:  # type: ignore[arg-type]  # as above
            await page.host.call("respond", task_id=task_id, action="approve", request_id="a1")
        assert [event["ok"] for event in world.sent(task_id)] == [False]

    @pytest.mark.parametrize(
        ("request_", "answerer", "asks", "answers"),
        [
            (QUESTION, Answerer.MODEL, False, ["answer"]),
            (QUESTION, Answerer.PERSON, True, ["answer"]),
            (QUESTION, Answerer.PERSON, False, []),
            (PLAN, Answerer.MODEL, True, ["approve", "deny"]),
            (DONE, Answerer.MODEL, False, ["message"]),
        ],
    )
    async def test_so_it_is_with_everything_that_needs_somebody(
        self, world: World, request_: Json, answerer: Answerer, asks: bool, answers: list[str]
    ) -> None:
        task_id = pending(world, request_)
        async with paging(world, Person() if asks else None, questions=answerer) as page:
            (need,) = (await page.look(task_id))["attention"]
        assert need["answers"] == answers
        assert bool(need["note"]) is not bool(answers)

    async def test_where_the_server_only_looks_so_does_the_page(self, world: World, era: str) -> None:
        task_id = pending(world, UP, ASKED)
        async with paging(world, Person(), mode=era, read_only=True) as page:
            seen = await page.look(task_id)
            tools = {tool.name for tool in (await page.host.client.list_tools()).tools}
            assert "is read-only" in await page.host.refused("respond", task_id=task_id, action="approve")
        assert not seen["writable"]
        assert seen["attention"][0]["answers"] == []
        assert "is read-only" in seen["attention"][0]["note"]
        assert {"view_task", "view_tasks"} <= tools
        assert "respond" not in tools
        assert world.sent(task_id) == []

    async def test_looking_sends_nothing_whatever_is_looked_at(self, world: World) -> None:
        task_id = pending(world, UP, ASKED)
        async with paging(world, Person(), approvals=ApprovalPolicy.HOST) as page:
            seen = await page.look(task_id)
            await page.look(task_id, cursor=seen["cursor"], wait=0.01)
            await page.look(task_id, before=2)
            await page.call("view_tasks")
        assert {request.method for request in world.simulator.requests} == {"GET"}

    async def test_what_somebody_else_settles_leaves_the_page(self, world: World) -> None:
        task_id = pending(world, UP, ASKED)
        async with paging(world) as page:
            seen = await page.look(task_id)
            settle(world, task_id, "a1")
            while seen["attention"]:
                seen = await page.look(task_id, cursor=seen["cursor"], wait=20)


@asynccontextmanager
async def shared(world: World, *tokens: str) -> AsyncIterator[list[Page]]:
    """One server for several people, each with a Pulumi token of their own, and a page of each."""
    import httpx  # noqa: PLC0415 - only here
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - likewise

    settings = world.settings(token=None, pulumi_token_header=True, organization=None)
    async with running_http(NeoServer(settings), host="127.0.0.1", port=0) as url, anyio.create_task_group():
        pages: list[Page] = []
        async with _entered() as enter:
            for token in tokens:
                http = await enter(
                    httpx.AsyncClient(verify=False, headers={"x-pulumi-access-token": token}, timeout=60)  # noqa: S501 - plain http
                )
                client = await enter(rendering(streamable_http_client(url, http_client=http)))
                pages.append(Page(Host(client, 6000)))
            yield pages


@asynccontextmanager
async def _entered() -> AsyncIterator[Any]:
    from contextlib import AsyncExitStack  # noqa: PLC0415 - only here

    async with AsyncExitStack() as stack:
        yield stack.enter_async_context


class TestStrangers:
    async def test_what_one_person_sees_is_closed_to_another(self, world: World) -> None:
        task_id = pending(world, UP, ASKED)
        async with shared(world, "pul-sim-alice", "pul-sim-carol") as (own, other):
            seen = await own.look(task_id, organization=ORG)
            for arguments in ({}, {"cursor": seen["cursor"], "wait": 1}, {"before": 2}):
                result = await other.raw("view_task", task_id=task_id, organization=ORG, **arguments)
                assert result.is_error
                assert "pulumi up" not in text_of(result)
            assert (await other.raw("view_tasks", organization=ORG)).is_error

    @pytest.mark.parametrize("hostile", ["\x1b]0;t\x07", "\u202e", "<img src=x onerror=alert(1)>", "\ud800"])
    async def test_hostile_text_is_text_and_clean_wherever_it_stands(
        self, world: World, hostile: str
    ) -> None:
        text = f"a {hostile} [x](javascript:alert(1)) <script>alert(1)</script> b"
        task_id = world.simulator.add_task(ORG, status="running", name=text)
        for body in from_people(text, hostile):
            world.simulator.append_event(ORG, task_id, body, kind="userInput")
        happen(world, task_id, *from_neo(text, hostile))
        async with paging(world) as page:
            seen = [await page.look(task_id)]
            for ending in endings(text, hostile):
                happen(world, task_id, ending)
                seen.append(await page.look(task_id, cursor=seen[-1]["cursor"], wait=20))
            listed = await page.call("view_tasks")
        assert [text for text in texts_in([seen, listed]) if _UNSEEN.search(text)] == []
        for answer in seen:
            trees = [part.get("text", []) for part in (*answer["items"], *answer["attention"])]
            found = [element for tree in trees for element in elements(tree)]
            assert {element["t"] for element in found} <= TAGS
            assert not [element for element in found if "href" in element]

    async def test_the_token_is_in_no_answer(self, world: World) -> None:
        text = f"the token is {CANARY}"
        task_id = world.simulator.add_task(ORG, status="running", name=text)
        happen(world, task_id, *from_neo(text, CANARY), *endings(text, CANARY))
        async with paging(world) as page:
            seen = await page.look(task_id)
            answers = [seen, await page.call("view_tasks"), await page.look(task_id, before=5)]
            refused = await page.raw("view_task", task_id=f"x{CANARY}")
        assert CANARY not in json.dumps(answers)
        assert CANARY not in text_of(refused)


async def test_a_token_of_nobody_sees_nothing(world: World) -> None:
    task_id = pending(world, UP, ASKED)
    async with paging(world, token=SecretStr("pul-sim-nobody")) as page:
        result = await page.raw("view_task", task_id=task_id)
    assert result.is_error
