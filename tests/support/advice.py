"""Does what texts advise: reads the calls, commands, forms and examples out of them."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from neo_mcp.constants import PROGRAM
from neo_mcp.server.tools import TOOLS
from tests.support.host import ORG, Host, Json, World

ACTIONS = ("message", "approve", "deny", "answer", "claim", "tool_results", "cancel")
_ACTION = re.compile(rf'(?:"|\baction )({"|".join(ACTIONS)})\b')
_TOOL = re.compile(rf"\b({'|'.join(name for name in TOOLS if name != 'respond')})\b")
_COMMAND = re.compile(rf"`{PROGRAM} ([^`]+)`")
_EXAMPLE = re.compile(r"such as (.+?)(?:, but not |\.$|; and |$)", re.DOTALL)
_ONE_OF = re.compile(r"one of ([\w-]+(?:, (?!but |not |such )[\w-]+)*)")
_BETWEEN = re.compile(r"from (\d+) to (\d+)")
_MEANT = re.compile(r"did you mean `?([\w-]+)`?\?")
_QUOTED_FORMS = re.compile(r"'([^']+)'")


def actions_in(text: str) -> list[str]:
    return list(dict.fromkeys(_ACTION.findall(text)))


def tools_in(text: str) -> list[str]:
    return list(dict.fromkeys(_TOOL.findall(text)))


def commands_in(text: str) -> list[str]:
    return list(dict.fromkeys(_COMMAND.findall(text)))


def meant_in(text: str) -> list[str]:
    return _MEANT.findall(text)


def forms_in(text: str) -> list[str]:
    return _QUOTED_FORMS.findall(text)


def values_in(problem: str) -> Iterator[Any]:
    """The values that an error about an argument offers: its example, its options, its limits."""
    if example := _EXAMPLE.search(problem):
        # A setting's is text.
        with suppress(ValueError):
            yield json.loads(example[1])
    if options := _ONE_OF.search(problem):
        yield from options[1].split(", ")
    if limits := _BETWEEN.search(problem):
        yield from map(int, limits.groups())
    if re.search(r"takes true or false|: true or false", problem):
        yield from (True, False)
    if re.search(r"(?:takes|:) text", problem):
        yield "words"
    if "a list" in problem and "each item text" in problem:
        yield ["words"]


PLAN = {"type": "user_approval_request", "id": "a1", "message": "Go?", "approval_type": "general"}
QUESTION = {
    "type": "assistant_message",
    "content": "",
    "is_final": False,
    "tool_calls": [{"id": "q", "name": "ask_user", "args": {"question": "Which?"}}],
}


async def do_action(world: World, host: Host, action: str) -> None:
    """Respond with ``action`` to a task that asks for it."""
    match action:
        case "approve" | "deny":
            task_id = world.simulator.add_task(ORG, events=[("agentResponse", PLAN)], status="idle")
            text = {"text": "Not now."} if action == "deny" else {}
            await host.call("respond", task_id=task_id, action=action, **text)
        case "answer":
            task_id, cursor = await host.create("question")
            await host.wait(task_id, cursor)
            await host.call("respond", task_id=task_id, action=action, text="The first.")
        case "claim" | "tool_results":
            task_id, cursor = await host.create("local-tools", tool_execution_mode="cli")
            (need,) = (await host.wait(task_id, cursor))["needs"]
            claimed = await host.call("respond", task_id=task_id, action="claim")
            if action == "tool_results":
                results = [{"tool_call_id": each["tool_call_id"], "content": "x"} for each in need["calls"]]
                await host.call(
                    "respond", task_id=task_id, action=action, tool_results=results, claim=claimed["claim"]
                )
                # What has arrived is not sent twice.
                again = await host.raw("respond", {"task_id": task_id, "action": action, "tool_results": []})
                assert "went wrong" not in str(again)
        case _:
            task_id = world.simulator.add_task(ORG, status="running" if action == "cancel" else "idle")
            text = {"text": "Go on."} if action == "message" else {}
            await host.call("respond", task_id=task_id, action=action, **text)


async def do_tool(host: Host, tool: str) -> Json:
    """Call a tool that a text names."""
    task_id, cursor = await host.create("hello")
    arguments: dict[str, Json] = {
        "create_task": {"prompt": "Say hello (scenario:hello)", "duplicate": True},
        "list_tasks": {},
        "get_task": {"task_id": task_id},
        "update_task": {"task_id": task_id, "name": "A name"},
        "wait_for_events": {"task_id": task_id, "cursor": cursor, "timeout_seconds": 1},
    }
    result = await host.call(tool, **arguments[tool])
    if tool == "wait_for_events":
        # Again with the new cursor, as the texts have it.
        await host.wait(task_id, result["cursor"], timeout_seconds=0)
    return result
