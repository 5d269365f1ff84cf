"""Every type of event in every form that people and models see: a line, a transcript block, view items.

The golden file is compared exactly; set REGENERATE_GOLDEN to write it anew, and read the difference.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from neo_mcp.core.render.lines import event_line
from neo_mcp.core.render.transcript import event_block
from neo_mcp.core.view.fold import ViewFold
from neo_mcp.core.view.items import recent_items
from neo_mcp.wire import Event, parse_event
from neo_mcp.wire.first_generation import parse_flat_event_page
from tests.core.events import BODIES, KINDS

GOLDEN = Path(__file__).parent / "golden" / "events.json"
NOW = datetime(2025, 11, 3, 9, 31, tzinfo=UTC)

_STACK = {"type": "stack", "project": "web", "name": "prod"}
_CALL = {"id": "c1", "name": "fs__read", "args": {"path": "index.ts"}, "execution_mode": "cloud"}
_LOCAL = {"id": "c2", "name": "shell__run", "args": {"command": "ls"}, "execution_mode": "cli"}
_TODOS = {"todos": [{"content": "Find the keys", "status": "in_progress"}]}
_TODO_CALL = {"id": "t1", "name": "todo__TodoWrite", "args": _TODOS, "execution_mode": "cloud"}
_REQUEST = {
    "id": "a1",
    "message": "Run pulumi up?",
    "approval_type": "tool_permission",
    "sensitivity": "sensitive",
}

# From Neo's side; the name is the type, and what is special about the sample.
_FROM_NEO: dict[str, dict[str, Any]] = {
    "assistant_message": {"content": "I read the program.", "tool_calls": [_CALL]},
    "assistant_message, final": {"content": "Done.", "is_final": True},
    "assistant_message, calls for others": {"is_final": True, "tool_calls": [_LOCAL]},
    "assistant_message, to-do list": {"tool_calls": [_TODO_CALL]},
    "exec_tool_call": {"tool_call_id": "c1", "name": "fs__read"},
    "exec_tool_call_progress": {"tool_call_id": "c1", "name": "fs__read", "status": "half"},
    "exec_tool_call_progress, without an id": {"name": "fs__read", "status": "half"},
    "tool_response": {"tool_call_id": "c1", "name": "fs__read", "content": {"text": "const days = 90;"}},
    "tool_response, failed": {"tool_call_id": "c1", "name": "fs__read", "content": "gone", "is_error": True},
    "tool_response, to-do list": {"tool_call_id": "t1", "name": "todo__TodoWrite", "content": {"ok": True}},
    "user_approval_request": {
        **_REQUEST,
        "context": {"tool_name": "pulumi__up", "git_diff": {"a.ts": "+x\n"}},
    },
    "user_approval_request, plan": {
        **_REQUEST,
        "approval_type": "plan_exit",
        "context": {"plan_description": "1. Find the keys"},
    },
    "user_approval_request, question": {
        **_REQUEST,
        "message": "Where?",
        "context": {"tool_name": "ask_user"},
    },
    "awaiting_approvals": {},
    "error": {"message": "session lost"},
    "warning": {"message": "The preview took long."},
    "cancelled": {"operation_was_running": True},
    "context_compression_event": {"status": "compressed", "message": "Made room"},
    "context_compression_event, begun": {"status": "compressing"},
    "change_entities": {"changes": {"add": [_STACK], "remove": []}},
    "set_task_name": {"name": "Rotate the keys"},
    "provide_pulumi_access_token": {"encryptedPulumiAccessToken": "not to be seen"},
    "brand_new": {"shade": "blue"},
    "tool_response, of an unknown shape": {"name": "fs__read", "content": "without the call's id"},
}
_FROM_PEOPLE: dict[str, dict[str, Any]] = {
    "user_message": {"content": "Rotate the keys.", "entity_diff": {"add": [_STACK], "remove": []}},
    "user_confirmation": {"approval_request_id": "a1", "ok": True},
    "user_confirmation, denied": {"approval_request_id": "a1", "ok": False, "instructions": "Not now."},
    "user_cancel": {},
    "tool_result": {
        "tool_results": [{"tool_call_id": "c2", "name": "shell__run", "content": {"output": "a"}}]
    },
    "exec_tool_call, announced": {"tool_call_id": "c2", "name": "shell__run"},
}


def _samples() -> dict[str, Event]:
    samples = {}
    for side, bodies in (("agentResponse", _FROM_NEO), ("userInput", _FROM_PEOPLE)):
        for name, fields in bodies.items():
            body = {"type": name.partition(",")[0], "timestamp": "2025-11-03T09:30:00Z", **fields}
            samples[name] = parse_event(json.dumps({"id": "e1", "type": side, "eventBody": body}))
    triggered = {"triggerInstructions": "Look.", "triggerEvents": [{"id": "i1", "title": "Disk is full"}]}
    envelope = {"id": "e1", "type": "triggerUserInput"}
    samples["trigger"] = parse_event(
        json.dumps({**envelope, "eventBody": {"type": "trigger_user_input", **triggered}})
    )
    samples["trigger, without a body"] = parse_event(json.dumps({**envelope, **triggered}))
    samples["no JSON"] = parse_event("<html>", fallback_id="e1")
    flat = {"events": [{"type": "phase_change", "content": "building", "sequence": 1}]}
    (samples["first generation, unknown"],) = parse_flat_event_page(json.dumps(flat).encode()).events
    return samples


SAMPLES = _samples()
SILENT = {
    "line": {
        # What Neo is doing now shows them.
        "exec_tool_call",
        "exec_tool_call, announced",
        "exec_tool_call_progress",
        "context_compression_event, begun",
        # The call before it has the list.
        "tool_response, to-do list",
        # Nobody is to see anything of it.
        "provide_pulumi_access_token",
    },
    "block": {
        # The call and its result are there.
        "exec_tool_call",
        "exec_tool_call, announced",
        "exec_tool_call_progress",
        "exec_tool_call_progress, without an id",
        "tool_response, to-do list",
        # The requests themselves are there.
        "awaiting_approvals",
        "provide_pulumi_access_token",
    },
    "items": {
        # It changes the item of the call before it, and is no item where there is none.
        "exec_tool_call_progress, without an id",
        # The page shows the list beside the conversation.
        "assistant_message, to-do list",
        "tool_response, to-do list",
        "provide_pulumi_access_token",
    },
}
"""Which samples a surface does not show, and why."""


def shown(event: Event) -> dict[str, Any]:
    folded = ViewFold()
    folded.apply(event)
    return {
        "body": type(event.body).__name__,
        "line": event_line(event),
        "block": event_block(event),
        "items": list(recent_items(folded.held, NOW)),
    }


def test_every_event_is_shown_as_in_the_golden_file() -> None:
    got = (
        json.dumps({name: shown(event) for name, event in SAMPLES.items()}, indent=2, ensure_ascii=False)
        + "\n"
    )
    if "REGENERATE_GOLDEN" in os.environ:
        GOLDEN.write_text(got, "utf-8")
    assert got == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize("body", sorted(body.__name__ for body in BODIES))
def test_every_type_of_event_has_a_sample(body: str) -> None:
    assert body in {type(event.body).__name__ for event in SAMPLES.values()}


def test_every_type_of_event_is_among_those_that_other_tests_draw() -> None:
    known = {body.model_fields["type"].default for body in BODIES}
    assert known - KINDS == {"unknown"}


@pytest.mark.parametrize("surface", sorted(SILENT))
def test_a_surface_is_silent_about_nothing_but_what_is_named(surface: str) -> None:
    assert {name for name, event in SAMPLES.items() if not shown(event)[surface]} == SILENT[surface]
