import re
from collections import Counter
from itertools import takewhile

import pytest

from neo_mcp.simulator.catalogue import pick, scenarios
from tests.simulator.description import description
from tests.simulator.helpers import Api, Event
from tests.support.examples import long
from tests.support.shapes import texts_in

HUNK = re.compile(r"@@ -\d+,(\d+) \+\d+,(\d+) @@")
ENDINGS = ("assistant_message", "error")


async def run_to_the_end(api: Api, task: str, *, ok: bool) -> None:
    """Decide everything the same way, run what is to be run locally, until nothing is awaited."""
    while True:
        if await api.pending(task):
            assert (await api.decide(task, ok=ok, instructions="not like that")).status_code == 202
            continue
        calls = await open_calls(api, task)
        if not calls:
            return
        await run_calls(api, task, calls)


async def open_calls(api: Api, task: str) -> list[Event]:
    events = await api.events(task)
    done = {item["tool_call_id"] for event in events for item in event.get("tool_results", [])}
    calls = [
        call for event in events for call in event.get("tool_calls", []) if call["execution_mode"] == "cli"
    ]
    return [call for call in calls if call["id"] not in done]


async def run_calls(api: Api, task: str, calls: list[Event], *, is_error: bool = False) -> None:
    results = []
    for call in calls:
        named = {"tool_call_id": call["id"], "name": call["name"]}
        assert (await api.send(task, {"type": "exec_tool_call", **named})).status_code == 202
        results.append({**named, "content": {"stdout": "fine"}, "is_error": is_error})
    assert (await api.send(task, {"type": "tool_result", "tool_results": results})).status_code == 202


@pytest.mark.parametrize("ok", [True, False])
@pytest.mark.parametrize("mode", ["manual", long("balanced"), long("auto")])
@pytest.mark.parametrize("name", list(scenarios()))
async def test_a_scenario_runs_to_its_end(api: Api, name: str, mode: str, ok: bool) -> None:
    task = await api.create(f"scenario:{name}", approvalMode=mode)
    await run_to_the_end(api, task, ok=ok)
    last = await api.last(task)
    assert last["type"] in ENDINGS
    assert last.get("is_final", True)
    assert "{{" not in str(last)
    assert (await api.get(task))["status"] == "idle"


@pytest.mark.parametrize("name", list(scenarios()))
async def test_a_scenario_in_plan_mode_agrees_on_a_plan_first(api: Api, name: str) -> None:
    task = await api.create(f"scenario:{name}", planMode=True, approvalMode="auto")
    (plan,) = await api.pending(task)
    assert plan["approval_type"] == "plan_exit"
    await api.decide(task, ok=False, instructions="Only in staging")
    (revised,) = await api.pending(task)
    assert "Only in staging" in revised["context"]["plan_description"]
    await api.decide(task, ok=True)
    await run_to_the_end(api, task, ok=True)
    assert (await api.last(task))["type"] in ENDINGS


async def test_a_plan_that_is_refused_without_a_word_ends_the_turn(api: Api) -> None:
    task = await api.create("scenario:public-bucket", planMode=True)
    await api.decide(task, ok=False)
    assert (await api.last(task))["is_final"]


@pytest.mark.parametrize("name", list(scenarios()))
async def test_every_follow_up_turn_of_a_scenario_ends_too(api: Api, name: str) -> None:
    task = await api.create(f"scenario:{name}", approvalMode="auto")
    for _ in range(len(scenarios()[name].turns)):
        await run_to_the_end(api, task, ok=True)
        await api.send(task, {"type": "user_message", "content": "go on"})
    await run_to_the_end(api, task, ok=True)
    assert "> go on" in (await api.last(task))["content"]


@pytest.mark.needs("the API's description")
async def test_the_scenario_named_everything_shows_every_kind_of_event(api: Api) -> None:
    task = await api.create("scenario:everything")
    await run_to_the_end(api, task, ok=True)
    await api.send(task, {"type": "user_message", "content": "and an error"})
    await api.send(task, {"type": "user_cancel"})
    await api.send(task, {"type": "user_message", "content": "scenario:question"})
    await api.send(task, {"type": "user_message", "content": "hurry"})
    mapping = ("AgentBackendEvent", "AgentUserEvent")
    schemas = description()["components"]["schemas"]
    known = {kind for name in mapping for kind in schemas[name]["discriminator"]["mapping"]}
    assert set(await api.types(task)) == known


async def test_the_long_run_produces_megabytes(api: Api) -> None:
    task = await api.create("scenario:long-run")
    sizes = sorted(len(str(event)) for event in await api.events(task))
    assert sizes[-1] > 3_000_000
    assert sizes[-2] > 1_500_000


async def test_a_denial_leads_to_another_proposal(api: Api) -> None:
    task = await api.create("scenario:denied-approval")
    await api.decide(task, ok=False, instructions="Too expensive")
    assert any(
        "Too expensive" in event.get("content", "")
        for event in await api.events(task)
        if "tool_call_id" not in event
    )
    (second,) = await api.pending(task)
    assert "Instead" in second["message"]
    await api.decide(task, ok=True)
    assert "keeps its three nodes" in (await api.last(task))["content"]


async def test_a_failed_local_tool_takes_its_branch(api: Api) -> None:
    task = await api.create("scenario:local-tools")
    await run_calls(api, task, await open_calls(api, task))
    await run_calls(api, task, await open_calls(api, task), is_error=True)
    assert (await api.last(task))["type"] == "error"


async def test_a_read_only_task_refuses_what_writes_and_says_so(api: Api) -> None:
    task = await api.create("scenario:public-bucket", permissionMode="read-only", approvalMode="auto")
    events = await api.events(task)
    (refusal,) = [event for event in events if event.get("is_error")]
    assert refusal["name"] == "github__create_pull_request"
    assert "read-only" in events[-1]["content"]


async def test_the_todo_list_advances(api: Api) -> None:
    task = await api.create("scenario:public-bucket", approvalMode="auto")
    lists = [
        Counter(todo["status"] for todo in call["args"]["todos"])
        for event in await api.events(task)
        for call in event.get("tool_calls", [])
        if call["name"] == "todo__TodoWrite"
    ]
    assert [todos["completed"] for todos in lists] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Find our public S3 bucket", "public-bucket"),
        ("Please do scenario:question now", "question"),
        ("Upgrade the provider of our stacks", "multi-stack-upgrade"),
        ("Which policy violation is the worst?", "policy-fix"),
        ("scenario:unheard-of", "hello"),
        ("Good morning", "hello"),
    ],
)
def test_a_prompt_picks_its_scenario(prompt: str, name: str) -> None:
    assert pick(prompt).name == name


@pytest.mark.parametrize("name", ["public-bucket", "policy-fix", "multi-stack-upgrade", "denied-approval"])
async def test_the_lines_of_a_diff_are_as_many_as_it_says(api: Api, name: str) -> None:
    task = await api.create(f"scenario:{name}", approvalMode="manual")
    await run_to_the_end(api, task, ok=True)
    diffs = [text for event in await api.events(task) for text in texts_in(event) if HUNK.search(text)]
    assert diffs
    for diff in diffs:
        lines = diff.split("\n")
        for number, line in enumerate(lines):
            if (match := HUNK.match(line)) is not None:
                kinds = [each[:1] for each in takewhile(lambda each: each[:2] != "@@", lines[number + 1 :])]
                old, new = (sum(kind in {" ", sign} for kind in kinds) for sign in "-+")
                assert (old, new) == (int(match[1]), int(match[2])), diff
