"""Answers of the task view as examples, from the simulator's scenarios: for whoever works on the page.

After a change of their shape, write them anew with ``NEO_MCP_WRITE_EXAMPLES=1``.
"""

import json
import os
from pathlib import Path

import pytest

from neo_mcp.simulator.catalogue import scenarios
from tests.support.examples import long
from tests.support.host import Json, Person, World
from tests.support.view_host import Page, check, paging

EXAMPLES = Path(__file__).parent / "examples"
KEPT = {("everything", False), ("multi-stack-upgrade", True)}
WRITES = bool(os.environ.get("NEO_MCP_WRITE_EXAMPLES"))


def keep(name: str, content: Json) -> None:
    """Write an example, if that is wanted."""
    if WRITES:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (EXAMPLES / f"{name}.json").write_text(f"{text}\n", "utf-8")


async def reply(page: Page, task_id: str, need: Json) -> None:
    """What a person and a host do who say yes to everything."""
    match need["kind"]:
        case "approval" | "plan":
            await page.host.call("respond", task_id=task_id, action="approve", request_id=need["id"])
        case "question":
            words = need["options"][0]["value"] if need["options"] else "The first."
            await page.host.call("respond", task_id=task_id, action="answer", text=words)
        case "local_tools":
            (needed,) = (await page.host.wait(task_id))["needs"]
            results = [{"tool_call_id": call["tool_call_id"], "content": "ok"} for call in needed["calls"]]
            await page.host.call("respond", task_id=task_id, action="tool_results", tool_results=results)


def name(seen: Json, need: Json) -> str:
    """Tells needs apart; local tool calls have no id of their own, but every batch brings items."""
    return str(need["id"] or (need["kind"], seen["total"]))


CASES = [(scenario, plan) for scenario in sorted(scenarios()) for plan in (False, True)]


@pytest.mark.parametrize(
    ("scenario", "plan"), [case if case in KEPT or not case[1] else long(case) for case in CASES]
)
async def test_a_page_sees_every_scenario_through(world: World, scenario: str, *, plan: bool) -> None:
    """By cursor alone it comes to know what a page that is opened in the end sees at once."""
    async with paging(world, Person()) as page:
        task_id, _ = await page.host.create(scenario, plan_mode=plan)
        seen = await page.look(task_id)
        known = {item["index"]: item for item in seen["items"]}
        answered: list[str] = []
        for rest in range(1, 40):
            while not (fresh := [need for need in seen["attention"] if name(seen, need) not in answered]):
                seen = await page.look(task_id, cursor=seen["cursor"], wait=20)
                known |= {item["index"]: item for item in seen["items"]}
            if (scenario, plan) in KEPT:
                keep(f"{scenario}-{rest}", await page.look(task_id))
            if fresh[0]["kind"] in {"turn_ended", "error"}:
                break
            await reply(page, task_id, fresh[0])
            answered.append(name(seen, fresh[0]))
        whole = await page.look(task_id)
        tasks = await page.call("view_tasks")
    keep("tasks", tasks)
    assert list(known) == list(range(whole["total"]))
    assert list(known.values()) == whole["items"]
    assert not {item["state"] for item in whole["items"] if item["kind"] == "tool"} & {"called", "running"}
    assert tasks["tasks"][0]["task_id"] == task_id


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_has_the_shape_of_today(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    check("view_tasks" if "tasks" in content else "view_task", content)


def test_the_examples_show_everything_that_a_page_has_to() -> None:
    shown = [json.loads(path.read_text("utf-8")) for path in sorted(EXAMPLES.glob("*.json"))]
    tasks = [content for content in shown if "items" in content]
    kinds = {item["kind"] for task in tasks for item in task["items"]}
    assert kinds >= {
        "user",
        "assistant",
        "tool",
        "approval",
        "decision",
        "entities",
        "warning",
        "compression",
    }
    assert {need["kind"] for task in tasks for need in task["attention"]} >= {
        "approval",
        "plan",
        "question",
        "local_tools",
        "turn_ended",
    }
