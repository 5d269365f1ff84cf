"""Every rendering of events that hold a value wherever Neo, its tools or people may put one."""

import json
from datetime import UTC, datetime
from typing import Any

from neo_mcp.core.attention import activity, attention
from neo_mcp.core.render.html import page
from neo_mcp.core.render.lines import event_line
from neo_mcp.core.render.transcript import transcript
from neo_mcp.core.sanitize import clean, exact_json
from neo_mcp.core.state import fold
from neo_mcp.core.view.fold import ViewFold
from neo_mcp.core.view.items import item
from neo_mcp.wire import Task, parse_event


def places(value: Any) -> list[bytes]:  # noqa: ANN401 - any JSON
    """Events with ``value`` wherever Neo, its tools or people may put one."""
    text = value if isinstance(value, str) else json.dumps(value)
    bodies: list[dict[str, Any]] = [
        {
            "type": "assistant_message",
            "content": text,
            "tool_calls": [{"id": "c", "name": "x", "args": {"a": value}}],
        },
        {"type": "user_message", "content": text},
        {"type": "tool_response", "tool_call_id": "c", "name": "x", "content": value},
        {"type": "exec_tool_call", "tool_call_id": "c", "name": "x", "args": {"a": value}},
        {
            "type": "exec_tool_call_progress",
            "tool_call_id": "",
            "name": "x",
            "content": value,
            "metadata": {"m": value},
        },
        {"type": "tool_result", "tool_results": [{"tool_call_id": "c", "name": "x", "content": value}]},
        {
            "type": "user_approval_request",
            "id": "r",
            "message": text,
            "context": {
                "tool_name": "x",
                "plan_description": text,
                "git_diff": {"a.json": text},
                "more": value,
            },
        },
        {"type": "user_confirmation", "approval_request_id": "r", "ok": False, "instructions": text},
        {"type": "error", "message": text},
        {"type": "warning", "message": text},
        {
            "type": "context_compression_event",
            "status": "compressed",
            "message": text,
            "context_summary": text,
        },
        {"type": "something_new", "payload": value},
    ]
    return [
        json.dumps({"id": str(n), "type": "agentResponse", "eventBody": body}).encode()
        for n, body in enumerate(bodies)
    ]


def renderings(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    """All texts that such events show."""
    events = [parse_event(data) for data in places(value)]
    state, folded = fold(events), ViewFold()
    for event in events:
        folded.apply(event)
    task = Task.model_validate(
        {"id": "t", "name": "x", "status": "idle", "createdAt": "2026-01-01T00:00:00Z"}
    )
    text = transcript(task, events, url="https://app.pulumi.com/x")
    return [
        *map(event_line, events),
        text,
        page("t", text),
        exact_json([event.model_dump(mode="json", by_alias=True) for event in events]),
        json.dumps([item(entry, datetime.now(UTC)) for entry in folded.held]),
        activity(state),
        *[clean(need.message) for need in attention(state)],
    ]
