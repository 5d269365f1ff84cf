"""Events of a long conversation: messages, tool calls, progress and results; or long results alone.

Made from a seed, so that every run reads the same bytes; varied, so that compression gains what it would gain
in life.
"""

import random
from collections.abc import Iterable, Iterator
from typing import Any

_WORDS = (
    "bucket",
    "policy",
    "stack",
    "preview",
    "deploy",
    "resource",
    "region",
    "update",
    "replace",
    "encryption",
    "versioning",
    "subnet",
    "cluster",
    "role",
    "network",
    "output",
    "provider",
    "version",
    "diff",
    "delete",
    "create",
    "tag",
    "lifecycle",
    "principal",
    "statement",
    "action",
    "effect",
    "service",
    "production",
    "staging",
    "pull",
    "request",
    "merge",
    "branch",
    "commit",
    "repository",
    "typescript",
    "index",
    "module",
    "plan",
    "apply",
)
_FIRST = "0b5a1c9e"


def step(number: int) -> dict[str, Any]:
    """A small event that does not end the turn."""
    return {"type": "assistant_message", "content": f"Step {number} is done.", "is_final": False}


def conversation(count: int) -> Iterator[dict[str, Any]]:
    """The bodies of ``count`` events."""
    chance = random.Random(20260728)  # noqa: S311 - no secret
    for number in range(count):
        call = f"call_{number // 4:06d}_{number // 4 * 2654435761 % 16**12:012x}"
        kind = number % 4
        if kind == 0:
            tool = {"id": call, "name": "pulumi_preview", "args": {"note": _text(chance, 16)}}
            yield {
                "type": "assistant_message",
                "content": _text(chance, 20),
                "is_final": False,
                "tool_calls": [tool],
            }
        elif kind == 1:
            yield {"type": "exec_tool_call", "tool_call_id": call, "name": "pulumi_preview"}
        elif kind == 2:
            content = {"status": _text(chance, 38)}
            yield {
                "type": "exec_tool_call_progress",
                "tool_call_id": call,
                "status": "running",
                "content": content,
            }
        else:
            content = {"output": _text(chance, 102)}
            yield {
                "type": "tool_response",
                "tool_call_id": call,
                "name": "pulumi_preview",
                "content": content,
            }


def results(count: int) -> Iterator[dict[str, Any]]:
    """The bodies of ``count`` results of a tool, of some 20 KB each, in lines as programs write them."""
    chance = random.Random(20260728)  # noqa: S311 - no secret
    for number in range(count):
        lines = [f'  {_text(chance, 1)} = "{_text(chance, 8)}"' for _ in range(270)]
        yield {
            "type": "tool_response",
            "tool_call_id": f"call_{number:06d}",
            "name": "pulumi_preview",
            "content": {"output": "\n".join(lines)},
        }


def envelopes(bodies: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """``bodies`` in envelopes, as the API sends them."""
    for number, body in enumerate(bodies):
        yield {
            "id": f"{_FIRST}-0000-4000-8000-{number:012x}",
            "isSynthetic": False,
            "type": "agentResponse",
            "eventBody": {**body, "timestamp": "2026-01-02T03:04:05Z"},
        }


def _text(chance: random.Random, words: int) -> str:
    return " ".join(
        chance.choice(_WORDS) if chance.random() < 0.85 else f"{chance.randrange(16**8):08x}"
        for _ in range(words)
    )
