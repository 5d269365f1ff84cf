"""Events for the tests of this folder: short to write, and any number of odd ones."""

import json
from itertools import count
from typing import Annotated, Any, get_args, get_origin

from hypothesis import strategies as st

from neo_mcp.wire import Event, EventBody, parse_event
from neo_mcp.wire.base import WireModel

_NUMBERS = count(1)


def _members(union: Any) -> frozenset[type[WireModel]]:  # noqa: ANN401 - a type, or a union of types
    """The classes of a union, through what annotates it."""
    if isinstance(union, type):
        return frozenset([union])
    parts = get_args(union)[:1] if get_origin(union) is Annotated else get_args(union)
    return frozenset[type[WireModel]]().union(*map(_members, parts))


BODIES = _members(EventBody)
"""Every type of event body."""


def neo(kind: str, **fields: Any) -> Event:  # noqa: ANN401 - any JSON
    """An event from the agent."""
    return _event("agentResponse", kind, fields)


def user(kind: str, *, synthetic: bool = False, **fields: Any) -> Event:  # noqa: ANN401 - any JSON
    """An event from people, or made by the service in their place."""
    return _event("userInput", kind, fields, synthetic=synthetic)


def _event(side: str, kind: str, fields: dict[str, Any], *, synthetic: bool = False) -> Event:
    number = next(_NUMBERS)
    body = {"type": kind, "timestamp": "2025-11-03T09:30:00Z", **fields}
    raw = {"id": f"e{number}", "isSynthetic": synthetic, "type": side, "eventBody": body}
    return parse_event(json.dumps(raw))


def ask(text: str = "Rotate the keys.", **fields: Any) -> Event:  # noqa: ANN401 - any JSON
    """A person's message."""
    return user("user_message", content=text, **fields)


def say(text: str, *, final: bool = False, calls: list[dict[str, Any]] | None = None) -> Event:
    """Neo speaks."""
    return neo("assistant_message", content=text, is_final=final, tool_calls=calls or [], token_usage={})


def call(call_id: str, name: str = "shell__run", mode: str = "cli", **args: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A tool call as the agent sends it."""
    return {"id": call_id, "name": name, "args": args, "execution_mode": mode}


def approval(approval_id: str, message: str = "Run pulumi up?", **fields: Any) -> Event:  # noqa: ANN401 - any JSON
    """Neo asks for an approval."""
    settings = {"approval_type": "tool_permission", "source": "agent", "sensitivity": "sensitive"}
    return neo("user_approval_request", **{**settings, "id": approval_id, "message": message, **fields})


def settle(approval_id: str, *, ok: bool = True, synthetic: bool = False, said: str | None = None) -> Event:
    """Somebody answers it."""
    extra = {"instructions": said} if said else {}
    return user("user_confirmation", synthetic=synthetic, approval_request_id=approval_id, ok=ok, **extra)


def results(*call_ids: str) -> Event:
    """Somebody posts the results of local tool calls."""
    items = [{"tool_call_id": i, "name": "shell__run", "content": {"stdout": "ok"}} for i in call_ids]
    return user("tool_result", tool_results=items)


# Odd on purpose: control characters, terminal sequences, backticks, other scripts, surrogates, great length.
TEXT = st.one_of(
    st.text(max_size=30),
    st.text("`~\n #>*_|<\x1b[]\x07\u202e0m", max_size=40),
    st.sampled_from(
        ["", "```", "x" * 50_000, "`" * 9_000, "line\n" * 9_000, "\x1b]0;title\x07", "\ud800", "日本語" * 999]
    ),
)
_IDS = st.sampled_from(["a", "b", "c"]) | TEXT
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=6,
)
_MANY = st.sampled_from([0, 1, 3, 400])
_ENTITIES = st.one_of(
    st.builds(lambda name: {"type": "stack", "name": name, "project": "p"}, TEXT),
    st.builds(
        lambda n: {"type": "pull_request", "number": n, "repo": {"name": "r", "org": "o"}}, st.integers()
    ),
    st.builds(lambda name: {"type": "policy_issue", "id": name}, TEXT),
    st.builds(lambda extra: {"type": "new", "name": extra}, JSON),
)
_DIFFS = st.fixed_dictionaries(
    {},
    optional={
        "add": st.builds(lambda entities, times: entities * times, st.lists(_ENTITIES, max_size=3), _MANY),
        "remove": st.lists(_ENTITIES, max_size=3),
    },
)
_TODOS = st.lists(
    st.fixed_dictionaries(
        {"content": TEXT, "status": st.sampled_from(["pending", "in_progress", "completed"])}
    ),
    max_size=3,
)
_CALLS = st.one_of(
    st.builds(
        lambda i, name, mode, args: {"id": i, "name": name, "execution_mode": mode, "args": args},
        _IDS,
        TEXT,
        st.sampled_from(["cloud", "cli", "worker", None, "new"]),
        st.dictionaries(TEXT, JSON, max_size=4),
    ),
    st.builds(
        lambda todos, n: {"id": "t", "name": "todo__TodoWrite", "args": {"todos": todos * n}}, _TODOS, _MANY
    ),
)
_RESULTS = st.builds(
    lambda i, name, content, bad: {"tool_call_id": i, "name": name, "content": content, "is_error": bad},
    _IDS,
    TEXT,
    JSON,
    st.booleans(),
)
_BODIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "assistant_message": {
        "content": TEXT,
        "is_final": st.booleans(),
        "tool_calls": st.builds(lambda calls, n: calls * n, st.lists(_CALLS, max_size=2), _MANY),
        "token_usage": st.just({"model": {"input_tokens": 3}}),
    },
    "exec_tool_call": {"tool_call_id": _IDS, "name": TEXT},
    "exec_tool_call_progress": {"tool_call_id": _IDS, "status": TEXT, "name": TEXT, "content": JSON},
    "tool_response": {"tool_call_id": _IDS, "name": TEXT, "content": JSON, "is_error": st.booleans()},
    "user_approval_request": {
        "id": _IDS,
        "message": TEXT,
        "approval_type": st.sampled_from(["general", "tool_permission", "plan_exit", "new"]),
        "sensitivity": TEXT,
        "context": st.fixed_dictionaries(
            {},
            optional={
                "tool_name": st.sampled_from(["ask_user", "neo__ask_user", "pulumi__up"]),
                "plan_description": TEXT,
                "git_diff": st.dictionaries(TEXT, TEXT, max_size=3),
            },
        ),
    },
    "awaiting_approvals": {},
    "error": {"message": TEXT},
    "warning": {"message": TEXT},
    "cancelled": {"operation_was_running": st.booleans()},
    "context_compression_event": {"status": st.sampled_from(["compressed", "failed"]) | TEXT},
    "change_entities": {"changes": _DIFFS},
    "set_task_name": {"name": TEXT},
    "provide_pulumi_access_token": {},
    "user_message": {"content": TEXT, "entity_diff": _DIFFS},
    "user_confirmation": {"approval_request_id": _IDS, "ok": st.booleans(), "instructions": TEXT},
    "user_cancel": {},
    "tool_result": {
        "tool_results": st.builds(lambda rows, n: rows * n, st.lists(_RESULTS, max_size=2), _MANY)
    },
    "unreadable": {"reason": TEXT},
    "brand_new": {"anything": JSON, "content": TEXT},
}


def _drawn(kind: str, fields: dict[str, Any], event_id: str, *, synthetic: bool) -> Event:
    raw = {"id": event_id or "e", "isSynthetic": synthetic, "eventBody": {**fields, "type": kind}}
    # Past the reader that takes surrogates out, so that nothing here relies on it.
    return Event.model_validate(raw)


EVENTS: st.SearchStrategy[Event] = st.one_of(
    [
        st.builds(
            _drawn, st.just(kind), st.fixed_dictionaries(fields), st.text(max_size=5), synthetic=st.booleans()
        )
        for kind, fields in _BODIES.items()
    ]
)
KINDS = frozenset(_BODIES)
