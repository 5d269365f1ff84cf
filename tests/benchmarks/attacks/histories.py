"""Tasks that are too large, made event by event while they are read: only the server may hold them."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

Json = dict[str, Any]

MIB = 2**20
TASK_ID = "0b5a1c9e-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class History:
    """The events of a task.

    Attributes:
        count: How many there are.
        body: Makes one, with its kind.
    """

    count: int
    body: Callable[[int], tuple[str, Json]]

    @lru_cache(maxsize=4)  # noqa: B019 - few, for as long as the process
    def event(self, number: int) -> bytes:
        """An event as the API sends it; a large one takes long to make, and is read several times."""
        kind, body = self.body(number)
        stamped = {
            "timestamp": f"2026-01-02T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        }
        envelope = {
            "id": event_id(number),
            "isSynthetic": False,
            "type": kind,
            "eventBody": {**body, **stamped},
        }
        return json.dumps(envelope, separators=(",", ":")).encode()

    def after(self, last_id: str) -> int:
        """The number of the event after the one with this id."""
        return int(last_id[:8], 16) + 1 if last_id else 0


def event_id(number: int) -> str:
    """The id of an event."""
    return f"{number:08x}-0000-4000-8000-000000000000"


@cache
def _letters() -> str:
    return random.Random(20260728).randbytes(2 * MIB).hex()  # noqa: S311 - no secret


def text(size: int, number: int = 0) -> str:
    """So many characters in words, other ones for each number; they do not compress well."""
    start = number * 7919 % MIB
    letters = _letters()
    while len(letters) < start + size:
        letters += letters
    words = letters[start : start + size]
    # A blank now and then, as in a sentence.
    return " ".join(words[at : at + 79] for at in range(0, len(words), 80))


def messages(count: int, size: int) -> History:
    """A long conversation."""

    def body(number: int) -> tuple[str, Json]:
        content = text(size, number)
        return "agentResponse", {"type": "assistant_message", "content": content, "is_final": False}

    return History(count, body)


def _approval(number: int, size: int) -> Json:
    return {
        "type": "user_approval_request",
        "id": f"approval-{number}",
        "message": text(size, number),
        "approval_type": "general",
        "sensitivity": "regular",
        "context": {"tool_name": "pulumi__pulumi_up", "tool_call_id": f"call-{number}"},
    }


def approvals(count: int, size: int) -> History:
    """Approvals that are all pending."""
    return History(count, lambda number: ("agentResponse", _approval(number, size)))


def withdrawn(count: int, size: int) -> History:
    """Approvals that each were denied right away."""

    def body(number: int) -> tuple[str, Json]:
        which = number // 2
        if number % 2 == 0:
            return "agentResponse", _approval(which, size)
        return "userInput", {
            "type": "user_confirmation",
            "approval_request_id": f"approval-{which}",
            "ok": False,
        }

    return History(2 * count, body)


def calls(count: int, size: int) -> History:
    """Tool calls that never get a result."""

    def body(number: int) -> tuple[str, Json]:
        call = {
            "id": f"call-{number}",
            "name": "shell__shell_execute",
            "args": {"command": text(size, number)},
        }
        return "agentResponse", {
            "type": "assistant_message",
            "content": "",
            "is_final": False,
            "tool_calls": [call],
        }

    return History(count, body)


_HOSTILE = (
    *("x://", "http://a.", "mailto:", "environment: <<: a ", "environment: # environment:\n", "env: # "),
    *(
        "secret: /* ",
        "[env]\n//",
        "name=secret ",
        ".env(Map.of(: \u201c`",
        "s\x1bPecret:\x1b\\a ",
        "A=1 secret: a\n",
        "password: x.",
        "- password: >-\n",
        "| password |\n|---|\n",
        "\x1b[2Ksecret: a\n",
    ),
)
"""Parts of texts that take long to search for links and secrets."""


def hostile(count: int, size: int) -> History:
    """Messages and results of tools that take long to search: each of one such part again and again."""

    def body(number: int) -> tuple[str, Json]:
        unit = _HOSTILE[number // 2 % len(_HOSTILE)]
        content = unit * (size // len(unit))
        if number % 2 == 0:
            return "agentResponse", {"type": "assistant_message", "content": content, "is_final": False}
        fields = {f"A={index}": unit for index in range(size // 100)}
        return "agentResponse", {
            "type": "tool_response",
            "tool_call_id": "call",
            "name": "shell__shell_execute",
            "content": {"env": fields, "lines": [content[:2000]] * (size // 4000)},
        }

    return History(count, body)


def task(task_id: str = TASK_ID, **more: object) -> Json:
    """A running task as the API shows it."""
    return {
        "id": task_id,
        "name": "A task",
        "status": "running",
        "createdAt": "2026-01-01T00:00:00Z",
        "approvalMode": "manual",
        "permissionMode": "default",
        "isShared": False,
        **more,
    }
