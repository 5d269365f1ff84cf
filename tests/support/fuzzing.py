"""Messages of every kind, broken in every way, and a conversation in which they are sent.

What must be answered is decided in :mod:`tests.support.expected`.
"""

import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from tests.support.ends import MODERN_META
from tests.support.expected import Expected
from tests.support.host import ORG, PATIENCE, Json
from tests.support.processes import Running

ODD = (
    "\ud800",
    "\udfff\ud83d",
    "\0",
    "\x1b[2J\x07\x9b",
    "\u202e\u2066\ufeff",
    "\r\n\u2028\x85",
    "",
    "x" * 5000,
)
_POOL: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, -0.0, 2**53 + 1, 10**40, 1e308, "", "0", "\ud800", "\0", [], {}, [[]]),
    *({"": ""}, ["x"] * 100, "x" * 1000, "neo://acme/tasks", "../..", "2026-07-28", "2.0"),
)
_WINDOW = 50
_VALID_EVERY = 5


def templates(era: str, task_id: str) -> list[Json]:
    """A valid message of every kind, without an id where it is a notification."""
    uri = f"neo://{ORG}/tasks/{task_id}"
    ref = {"type": "ref/resource", "uri": "neo://{organization}/tasks/{task_id}"}
    calls: list[tuple[str, Json]] = [
        ("create_task", {"prompt": "Say hello (scenario:hello)", "entities": ["stack:p/s"]}),
        ("respond", {"task_id": task_id, "action": "message", "text": "Go on"}),
        ("get_task", {"task_id": task_id}),
        ("list_tasks", {"organization": ORG, "page_size": 5, "cursor": "MQ"}),
        ("update_task", {"task_id": task_id, "name": "A name"}),
        (
            "wait_for_events",
            {"task_id": task_id, "timeout_seconds": 0.1, "cursor": "auaq2Wc", "until": "any"},
        ),
    ]
    asked: list[tuple[str, Json]] = [
        *(("tools/call", {"name": name, "arguments": arguments}) for name, arguments in calls),
        ("tools/list", {}),
        ("prompts/list", {}),
        ("prompts/get", {"name": "catch_up", "arguments": {"task_id": task_id}}),
        ("resources/list", {"cursor": "MQ"}),
        ("resources/templates/list", {}),
        ("resources/read", {"uri": uri}),
        ("resources/read", {"uri": uri + "/transcript?start=0&count=5"}),
        ("completion/complete", {"ref": ref, "argument": {"name": "task_id", "value": "a"}}),
    ]
    if era == "legacy":
        asked += [
            ("ping", {}),
            ("resources/subscribe", {"uri": uri}),
            ("resources/unsubscribe", {"uri": uri}),
            ("logging/setLevel", {"level": "debug"}),
        ]
    else:
        asked += [
            ("server/discover", {}),
            ("subscriptions/listen", {"notifications": {"resourceSubscriptions": [uri]}}),
        ]
    told: list[tuple[str, Json]] = [
        ("notifications/initialized", {}),
        ("notifications/cancelled", {"requestId": "no such request", "reason": "x"}),
        ("notifications/progress", {"progressToken": 1, "progress": 0.5}),
    ]
    if era != "legacy":
        asked = [(method, {**params, "_meta": MODERN_META}) for method, params in asked]
    return [
        *({"jsonrpc": "2.0", "id": 0, "method": method, "params": params} for method, params in asked),
        *({"jsonrpc": "2.0", "method": method, "params": params} for method, params in told),
    ]


BODIES: tuple[Json, ...] = (
    {
        "type": "assistant_message",
        "content": "x",
        "is_final": True,
        "tool_calls": [{"id": "c", "name": "shell__run", "args": {"a": ["x"]}, "execution_mode": "cli"}],
        "token_usage": {"m": {"input": 1}},
    },
    {"type": "exec_tool_call", "tool_call_id": "c", "name": "shell__run"},
    {"type": "exec_tool_call_progress", "tool_call_id": "c", "status": "x", "metadata": {"a": "x"}},
    {"type": "tool_response", "tool_call_id": "c", "name": "x", "content": {"a": ["x"]}, "is_error": False},
    {
        "type": "user_approval_request",
        "id": "a",
        "message": "x",
        "approval_type": "general",
        "sensitivity": "sensitive",
        "source": "agent",
        "buttons": [{"label": "x"}],
        "context": {"tool_name": "x", "tool_call_id": "c", "plan_description": "x", "git_diff": {"f": "+x"}},
    },
    {"type": "error", "message": "x"},
    {"type": "warning", "message": "x"},
    {"type": "context_compression_event", "status": "compressed", "message": "x", "context_summary": "x"},
    {"type": "change_entities", "changes": {"add": [{"type": "stack", "name": "x", "project": "p"}]}},
    {"type": "set_task_name", "name": "x"},
    {"type": "provide_pulumi_access_token", "token": "x"},
)
"""An event of every kind that Neo sends."""


def events_with_odd_text(choose: Callable[[Sequence[str]], Iterable[str]]) -> Iterator[tuple[bytes, str]]:
    """Every kind of event with every value and every key replaced by odd text; and its id."""
    number = 0
    for body in BODIES:
        whole = {"id": "e", "isSynthetic": False, "type": "agentResponse", "eventBody": body}
        for event in with_odd_text({**whole, "eventBody": {**body, "timestamp": "x"}}, choose):
            number += 1
            event_id = event["id"] = f"e{number}{event.get('id', 'e')[1:50]}"
            yield json.dumps(event).encode(), event_id.encode("ascii", "ignore").decode()


def with_odd_text(message: Json, choose: Callable[[Sequence[str]], Iterable[str]]) -> Iterator[Json]:
    """``message`` with every value and every key in it replaced by odd text, one at a time."""
    for path in _paths(message):
        for change in (_replace, _rename):
            for odd in choose(ODD):
                changed = copy.deepcopy(message)
                if change(changed, path, odd):
                    yield changed


def mutations(message: Json, dice: random.Random) -> bytes:
    """One message as bytes, with something wrong somewhere; now and then nothing."""
    message = copy.deepcopy(message)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        change = dice.choice((_replace, _replace, _rename, _drop))
        change(message, dice.choice(list(_paths(message))), copy.deepcopy(dice.choice(_POOL)))
    line = json.dumps(message, ensure_ascii=dice.random() < 0.8).encode("utf-8", "surrogatepass")
    for _ in range(dice.choice((0, 0, 0, 1, 1, 3))):
        line = dice.choice(_BYTES)(line, dice)
    return line


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _parent(message: Json, path: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any JSON
    found: Any = message
    for key in path[:-1]:
        found = found[key]
    return found


def _replace(message: Json, path: tuple[Any, ...], value: Any) -> bool:  # noqa: ANN401 - any JSON
    _parent(message, path)[path[-1]] = value
    return True


def _rename(message: Json, path: tuple[Any, ...], value: Any) -> bool:  # noqa: ANN401 - any JSON
    parent = _parent(message, path)
    if isinstance(parent, dict) and isinstance(value, str):
        parent[value] = parent.pop(path[-1])
        return True
    return False


def _drop(message: Json, path: tuple[Any, ...], _: Any) -> bool:  # noqa: ANN401 - any JSON
    del _parent(message, path)[path[-1]]
    return True


def _flip(line: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(line) or 1)
    return line[:at] + bytes([dice.randrange(256)]) + line[at + 1 :]


def _cut(line: bytes, dice: random.Random) -> bytes:
    return line[: dice.randrange(len(line) + 1)]


def _insert(line: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(line) + 1)
    what = dice.choice(
        (b"\0", b"\xff", b"\xed\xa0\x80", b"[" * 300, b"9" * 5000, b'"id": 3, ', b"\\ud83d", b" \r ")
    )
    return line[:at] + what + line[at:]


def _twice(line: bytes, _: random.Random) -> bytes:
    return line + line


def _wrap(line: bytes, dice: random.Random) -> bytes:
    before, after = dice.choice(
        ((b"[", b"]"), (b"\xef\xbb\xbf", b""), (b"", b"\r"), (b" ", b"\t"), (b'{"a":', b"}"))
    )
    return before + line + after


_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _flip, _cut, _insert, _twice, _wrap)


@dataclass
class Talk:
    """Sends lines to a server and collects all answers at the same time."""

    server: Running
    expected: Expected = field(default_factory=Expected)
    got: Counter[str] = field(default_factory=Counter)
    results: dict[str, Json] = field(default_factory=dict)
    bad: list[Json] = field(default_factory=list)

    async def hold(self, lines: Iterable[bytes], valid: Callable[[str], Json]) -> None:
        """Send ``lines`` with valid requests between them, each of which must succeed, then end the input."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen)
            waiting: list[str] = []
            for number, line in enumerate(lines):
                await self._send(line)
                if number % _VALID_EVERY == 0:
                    name = f"valid {number}"
                    waiting.append(json.dumps(name))
                    await self._send(json.dumps(valid(name)).encode())
                if number % _WINDOW == 0:
                    await self._until_answered(waiting)
            await self._until_answered(waiting)
            assert self.server.process.stdin is not None
            await self.server.process.stdin.aclose()
        for name, message in self.results.items():
            assert "result" in message, (name, message)
            assert message["result"].get("isError") is not True, (name, message)

    async def _send(self, line: bytes) -> None:
        self.expected.add(line)
        await self.server.send_line(line)

    async def _until_answered(self, waiting: list[str]) -> None:
        with anyio.fail_after(PATIENCE):
            while not set(waiting) <= self.results.keys():  # noqa: ASYNC110 - the answers come from a process
                await anyio.sleep(0.002)
        waiting.clear()

    async def _listen(self) -> None:
        with_end = self.server.stdout
        try:
            while True:
                line = await with_end.receive_until(b"\n", 2**26)
                message: Json = json.loads(line.decode("utf-8", "strict"), parse_constant=_no_json)
                assert message["jsonrpc"] == "2.0"
                if "method" not in message:
                    self._note(message)
        except (anyio.EndOfStream, anyio.IncompleteRead):
            return

    def _note(self, message: Json) -> None:
        name = json.dumps(message["id"])
        self.got[name] += 1
        if name.startswith('"valid '):
            self.results[name] = message
        error = message.get("error")
        if error and (error["code"] in (0, -32603) or "went wrong inside" in error["message"]):
            self.bad.append(message)
        if error and error["code"] == -32602 and error["message"] == "Invalid request parameters":
            # It does not say which.
            self.bad.append(message)
        if "went wrong inside" in json.dumps(message.get("result", "")):
            self.bad.append(message)


def _no_json(constant: str) -> float:
    raise ValueError(constant)
