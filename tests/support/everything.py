"""Conversations that say one thing in every place there is, and requests that touch all of them."""

from collections.abc import Iterator

from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.tools import TOOLS
from tests.support.host import ORG, Json, World

VIEWS = ["tasks", "tasks/{}", "tasks/{}/transcript", "tasks/{}/events", "tasks/{}/events?start=0&count=2"]


def from_people(text: str, word: str) -> list[Json]:
    """Every event of people's."""
    result = {"tool_call_id": "c", "name": word, "content": {"output": text}}
    return [
        {"type": "user_message", "content": text, "entity_diff": {"add": [_stack(word)]}},
        {"type": "user_confirmation", "approval_request_id": word, "ok": False, "instructions": text},
        {"type": "tool_result", "tool_results": [result]},
        {"type": "user_cancel"},
    ]


def from_neo(text: str, word: str) -> list[Json]:
    """Every event of Neo's but those that end a turn or ask for something."""
    todo = {
        "id": "c2",
        "name": "todo__TodoWrite",
        "args": {"todos": [{"content": text, "status": "in_progress"}]},
    }
    return [
        {"type": "assistant_message", "content": text, "is_final": False, "tool_calls": [todo]},
        {"type": "exec_tool_call", "tool_call_id": "c3", "name": word},
        {"type": "exec_tool_call_progress", "tool_call_id": "c3", "status": text, "content": text},
        {"type": "tool_response", "tool_call_id": "c3", "name": "sh__run", "content": {"stdout": text}},
        {"type": "tool_response", "tool_call_id": "c4", "name": word, "content": [text], "is_error": True},
        {"type": "warning", "message": text},
        {"type": "set_task_name", "name": f"About {word}"},
        {"type": "change_entities", "changes": {"add": [_stack(word)], "remove": [_stack(word)]}},
        {
            "type": "context_compression_event",
            "status": "compressed",
            "message": text,
            "context_summary": text,
        },
        {"type": "brand_new", "field": text, word: {"deep": [text]}},
        {"type": f"new_{word}", "field": 1},
        {"type": "provide_pulumi_access_token", "encrypted_pulumi_access_token": word},
        {"type": "awaiting_approvals", "note": word},
    ]


def endings(text: str, word: str) -> list[Json]:
    """Every way in which Neo asks for something, or stops."""
    args = {"env": text, word: [text]}
    call = {"id": "c1", "name": "sh__run", "args": args, "execution_mode": "cli"}
    diff = {word: f"+{text}\n-{text}"}
    context = {
        "tool_name": f"pulumi__up {word}",
        "plan_description": text,
        "git_diff": diff,
        "last_approval_diff": diff,
    }
    asks = {"type": "user_approval_request", "message": text}
    return [
        {**asks, "id": "a1", "context": context},
        {**asks, "id": f"q-{word}", "context": {"tool_name": "neo__ask_user"}},
        {"type": "assistant_message", "content": text, "is_final": True, "tool_calls": [call]},
        {"type": "assistant_message", "content": text, "is_final": True},
        {"type": "error", "message": text},
    ]


def _stack(word: str) -> Json:
    return {"type": "stack", "project": "shop", "name": f"prod-{word}"}


def seed(world: World, text: str, word: str) -> list[str]:
    """A task for every ending, each with every kind of event before."""
    return [
        world.simulator.add_task(
            ORG,
            name=f"Task about {word}",
            entities=[_stack(word)],
            events=[
                *(("userInput", body) for body in from_people(text, word)),
                *(("agentResponse", body) for body in (*from_neo(text, word), ending)),
            ],
        )
        for ending in endings(text, word)
    ]


def requests(task_ids: list[str], text: str, word: str) -> Iterator[tuple[str, Json]]:
    """Everything that a host can ask, with ``text`` and ``word`` wherever they can be."""
    for method in ("tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        yield method, {}
    for task_id in task_ids:
        yield from _about(task_id, text, word)
    yield "tools/call", {"name": "list_tasks", "arguments": {}}
    create = {"prompt": f"{text} scenario:hello", "context": word}
    yield "tools/call", {"name": "create_task", "arguments": create}
    yield "tools/call", {"name": word, "arguments": {}}
    for name, tool in TOOLS.items():
        usual = {"task_id": task_ids[0], "timeout_seconds": 0.01} if name == "wait_for_events" else {}
        for argument in tool.input_model.model_fields:
            # A wait lasts as many seconds.
            for value in (word, text, [word], {word: word}, 1):
                yield "tools/call", {"name": name, "arguments": {**usual, argument: value}}
        yield "tools/call", {"name": name, "arguments": {word: word}}
    for uri in (word, f"neo://{word}/tasks", f"neo://{ORG}/tasks/{word}", f"neo://{ORG}/tasks/x?{word}"):
        yield "resources/read", {"uri": uri}
        yield "resources/subscribe", {"uri": uri}
    for name, spec in PROMPTS.items():
        yield "prompts/get", {"name": name, "arguments": dict.fromkeys(spec.arguments, word)}
        for argument in spec.arguments:
            for value in (word, ""):
                reference = {"type": "ref/prompt", "name": name}
                yield (
                    "completion/complete",
                    {"ref": reference, "argument": {"name": argument, "value": value}},
                )
    yield "prompts/get", {"name": word}
    yield word, {word: word}
    yield "tools/call", {"name": 5, "arguments": word}


def _about(task_id: str, text: str, word: str) -> Iterator[tuple[str, Json]]:
    for name, arguments in (
        ("get_task", {}),
        ("wait_for_events", {"timeout_seconds": 1, "budget_tokens": 20000}),
        ("update_task", {"name": f"Now {text}"[:200]}),
        ("respond", {"action": "message", "text": text}),
        ("respond", {"action": "approve", "request_id": word}),
        ("respond", {"action": "answer", "text": text}),
        ("respond", {"action": "deny", "text": text}),
        ("respond", {"action": "tool_results", "tool_results": [{"tool_call_id": word, "content": text}]}),
    ):
        yield "tools/call", {"name": name, "arguments": {"task_id": task_id, **arguments}}
    for view in VIEWS:
        yield "resources/read", {"uri": f"neo://{ORG}/{view.format(task_id)}"}
