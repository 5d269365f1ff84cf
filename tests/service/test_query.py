"""get_task and list_tasks, and what all results have in common."""

import re
from typing import Any

import pytest

from neo_mcp.simulator import Fault
from tests.support.host import ORG, Json, World


class TestGetTask:
    async def test_it_tells_settings_needs_and_where_to_go_on(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("denied-approval", entities=["stack shop/prod"])
            waited = await host.wait(task_id, cursor)
            found = await host.call("get_task", task_id=task_id)
        facts = found["task"]
        assert facts["task_id"] == task_id
        assert facts["approval_mode"] == "manual"
        assert facts["status"] == "idle"
        assert facts["entities"] == ["stack shop/prod"]
        assert facts["created_by"] == "alice"
        assert found["needs"] == waited["needs"]
        assert found["cursor"] == waited["cursor"]
        assert "person decides" in found["next"]

    async def test_a_finished_task_tells_its_last_words_once(self, world: World) -> None:
        async with world.host() as host:
            task_id, cursor = await host.create("hello")
            await host.wait(task_id, cursor)
            found = await host.call("get_task", task_id=task_id)
            text = await host.text("get_task", task_id=task_id)
        message = found["needs"][0]["message"]
        assert found["needs"][0]["kind"] == "turn_ended"
        assert "last_message" not in found
        assert text.count(message) == 1

    async def test_an_idle_task_that_asks_for_nothing_is_not_said_to_work(self, world: World) -> None:
        task_id = world.simulator.add_task(
            ORG, events=[("userInput", {"type": "user_message", "content": "Go"})], status="idle"
        )
        async with world.host() as host:
            found = await host.call("get_task", task_id=task_id)
            waited = await host.wait(task_id, timeout_seconds=0.05)
        assert [need["kind"] for need in found["needs"]] == ["stalled"]
        assert waited["matched"]
        assert [need["kind"] for need in waited["needs"]] == ["stalled"]

    async def test_a_running_task_is_waited_for(self, world: World) -> None:
        task_id = world.simulator.add_task(
            ORG, events=[("userInput", {"type": "user_message", "content": "Go"})], status="running"
        )
        async with world.host() as host:
            found = await host.call("get_task", task_id=task_id)
        assert "wait_for_events" in found["next"]


class TestListTasks:
    async def test_pages_follow_each_other(self, world: World, era: str) -> None:
        made = {world.simulator.add_task(ORG, name=f"Task {n}") for n in range(5)}
        found: list[str] = []
        cursor: dict[str, str] = {}
        async with world.host(mode=era) as host:
            for _ in range(3):
                page = await host.call("list_tasks", page_size=2, **cursor)
                found += [row["task_id"] for row in page["tasks"]]
                cursor = {"cursor": page.get("next_cursor", "")}
        assert cursor == {"cursor": ""}
        assert sorted(found) == sorted(made)

    async def test_every_argument_reaches_the_api(self, world: World) -> None:
        async with world.host() as host:
            await host.call(
                "list_tasks",
                organization="acme-labs",
                page_size=7,
                sort_by="tokensUsed",
                sort_direction="asc",
                task_type="async",
            )
        (request,) = world.simulator.requests
        assert "/acme-labs/" in request.path
        assert request.query == {
            "pageSize": "7",
            "sortBy": "tokensUsed",
            "sortDirection": "asc",
            "taskType": "async",
        }

    @pytest.mark.parametrize("name", ["N" * 255, "名" * 255, "\U0001f600" * 255, '"\\' * 127])
    async def test_a_page_stays_within_the_budget_and_the_rest_is_on_the_next(
        self, world: World, name: str
    ) -> None:
        made = {world.simulator.add_task(ORG, name=name) for _ in range(60)}
        found: set[str] = set()
        async with world.host() as host:
            page = await host.call("list_tasks", page_size=100)
            found |= {row["task_id"] for row in page["tasks"]}
            while "next_cursor" in page:
                page = await host.call("list_tasks", page_size=100, cursor=page["next_cursor"])
                found |= {row["task_id"] for row in page["tasks"]}
        assert found == made

    async def test_an_empty_organization_is_no_error(self, world: World) -> None:
        async with world.host() as host:
            page = await host.call("list_tasks")
        assert page["tasks"] == []


LONG: dict[str, str] = {
    "prose": "All is well with the estate. " * 4000,
    "wide": "基础设施" * 20000,
    "quotes": '"\\"\n' * 20000,
    "emoji": "\U0001f680" * 20000,
}


def request(text: str, **context: Any) -> Json:  # noqa: ANN401 - any JSON
    return {
        "type": "user_approval_request",
        "id": "a1",
        "message": text,
        "sensitivity": "sensitive",
        "context": context,
    }


class TestBudgets:
    """The host checks every result against the budget; here it is made hard."""

    @pytest.mark.parametrize("kind", LONG)
    @pytest.mark.parametrize("budget", [1000, 6000])
    async def test_final_words_are_cut_aloud(self, world: World, kind: str, budget: int) -> None:
        final = {"type": "assistant_message", "content": LONG[kind], "is_final": True}
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", final)])
        async with world.host() as host:
            waited = await host.wait(task_id, budget_tokens=budget)
            found = await host.call("get_task", task_id=task_id, budget_tokens=budget)
        for result in (waited, found):
            assert re.search(r"more characters(, \d+ lines)?; read neo://", result["needs"][0]["message"])

    @pytest.mark.parametrize("kind", LONG)
    async def test_approvals_and_questions_are_cut_aloud(self, world: World, kind: str) -> None:
        text = LONG[kind]
        approval = request(text, git_diff={f"file{n}.ts": f"+{text[:9000]}" for n in range(100)})
        plan = {**request(text, plan_description=text), "id": "p1", "approval_type": "plan_exit"}
        question = {**request(text, tool_name="neo__ask_user"), "id": "q1"}
        bodies = (approval, plan, question)
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", body) for body in bodies])
        async with world.host() as host:
            waited = await host.wait(task_id)
        kinds = [need["kind"] for need in waited["needs"]]
        assert kinds == ["approval", "plan", "question"]
        assert all("[cut: " in need["message"] for need in waited["needs"])
        assert "[cut: " in waited["needs"][0]["diff"]
        assert "[cut: " in waited["needs"][1]["plan"]
        assert re.fullmatch(r"and \d+ more files", waited["needs"][0]["changed_files"][-1])

    @pytest.mark.parametrize("kind", LONG)
    async def test_a_smallest_budget_still_tells_what_is_needed(self, world: World, kind: str) -> None:
        events = [
            ("agentResponse", {"type": "assistant_message", "content": LONG[kind], "is_final": False}),
            ("agentResponse", request(LONG[kind])),
        ]
        task_id = world.simulator.add_task(ORG, events=events)
        async with world.host() as host:
            waited = await host.wait(task_id, budget_tokens=500)
        assert waited["needs"][0]["request_id"] == "a1"

    async def test_a_long_run_fits_and_says_what_was_left_out(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("long-run")
            waited = await host.wait(task_id, cursor)
            small = await host.wait(task_id, cursor, budget_tokens=700)
            found = await host.call("get_task", task_id=task_id)
        assert waited["needs"][0]["kind"] == found["needs"][0]["kind"] == "turn_ended"
        assert small["omitted"] > 0
        assert f"neo://{ORG}/tasks/{task_id}/transcript" in small["note"]

    async def test_arguments_of_local_calls_are_exact_even_where_a_reader_would_not_see_them(
        self, world: World
    ) -> None:
        call = {"id": "c1", "name": "fs__read", "args": {"path": "a\u202eb"}, "execution_mode": "cli"}
        body = {"type": "assistant_message", "content": "", "is_final": True, "tool_calls": [call]}
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", body)])
        async with world.host() as host:
            waited = await host.wait(task_id)
        assert waited["needs"][0]["calls"] == [
            {"tool_call_id": "c1", "name": "fs__read", "arguments": '{"path": "a\\u202eb"}'}
        ]


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "says"),
        [
            (400, "arguments"),
            (401, "PULUMI_ACCESS_TOKEN"),
            (403, "member"),
            (404, "list_tasks"),
            (409, "wait"),
            (429, "Wait"),
            (500, "support"),
            (503, "support"),
        ],
    )
    async def test_what_the_api_refuses_comes_with_a_next_step_and_the_request_id(
        self, world: World, era: str, status: int, says: str
    ) -> None:
        task_id = world.simulator.add_task(ORG)
        world.simulator.faults.add(Fault("status", status=status, times=0))
        async with world.host(mode=era, call_timeout=0.2) as host:
            for tool in ("get_task", "update_task", "wait_for_events"):
                more = {"name": "x"} if tool == "update_task" else {}
                text = await host.refused(tool, task_id=task_id, **more)
                assert f"HTTP {status}" in text
                assert "request id" in text
                assert says in text

    async def test_without_a_token_everything_lists_and_calls_say_how_to_get_one(
        self, world: World, era: str
    ) -> None:
        async with world.host(mode=era, token=None, organization=None) as host:
            assert len((await host.client.list_tools()).tools) == 6
            listed = (await host.client.list_resources()).resources
            assert all(resource.uri.startswith("neo-docs://") for resource in listed)
            assert (await host.client.list_resource_templates()).resource_templates
            assert (await host.client.list_prompts()).prompts
            for tool, arguments in {
                "create_task": {"prompt": "x"},
                "list_tasks": {},
                "get_task": {"task_id": "t"},
            }.items():
                text = await host.refused(tool, **arguments)
                assert "pulumi login" in text
                assert "PULUMI_ACCESS_TOKEN" in text
        assert world.simulator.requests == []

    async def test_an_error_inside_is_told_without_its_details(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def break_down(*_: object) -> str:
            raise RuntimeError("secret detail")

        async with world.host() as host:
            monkeypatch.setattr("neo_mcp.service.commands.query.activity", break_down)
            task_id = world.simulator.add_task(ORG)
            text = await host.refused("get_task", task_id=task_id)
        assert "secret detail" not in text
        assert "secret detail" in caplog.text
