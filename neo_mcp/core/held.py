"""The bodies of pending requests and tool calls that a task's state holds, within a limit.

Beyond it, what is resolved goes first; of what is pending, previews are held, with digests that tell whether
the body that is read again later is the same.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from neo_mcp.wire import ToolCall, UserApprovalRequest

if TYPE_CHECKING:
    from neo_mcp.core.state import TaskState

MAX_HELD_BYTES = 8 * 2**20
"""Memory for the bodies of one task's requests and calls."""

MAX_PREVIEW = 2000
"""Characters of a text in a preview."""

CUT_ARGUMENTS = "[arguments are too large to be held]"
"""Key of a call's arguments that are a preview; the beginning of their JSON is the value."""

REQUEST, CALL, LOCAL = "r", "c", "l"
"""First characters of the keys by which sizes are noted: of requests, calls, and local calls."""

_ENTRY_BYTES = 1000
"""What an entry takes besides its texts, about."""

_REFILL = 0.75
"""Share of the limit that is in use after bodies were let go, so that this is not done for every event."""


def text_bytes(value: object) -> int:
    """About how many bytes of memory a value's texts take, at any depth; what is not text counts a little."""
    size = 0
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            size += item.__sizeof__() if len(item) > MAX_PREVIEW else len(item)
        elif isinstance(item, dict):
            size += 64
            left.extend(item.values())
        elif isinstance(item, list | tuple):
            size += 64
            left.extend(item)
        elif isinstance(item, BaseModel):
            size += 64
            left.extend(item.__dict__.values())
    return size


def digest_of(request: UserApprovalRequest) -> str:
    """Tells whether two requests are the same but for their time."""
    text = request.model_copy(update={"timestamp": ""}).model_dump_json()
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def preview_of(request: UserApprovalRequest) -> UserApprovalRequest:
    """The request without its diffs, and with the beginnings of its texts."""
    context = request.context
    if context is not None:
        context = context.model_copy(
            update={
                "plan_description": _beginning(context.plan_description or "") or None,
                "git_diff": None,
                "last_approval_diff": None,
            }
        )
    return request.model_copy(
        update={
            "message": _beginning(request.message),
            "buttons": tuple(map(_beginning, request.buttons[:20])),
            "context": context,
        }
    )


def preview_of_call(call: ToolCall) -> ToolCall:
    """The call with the beginning of its arguments."""
    if CUT_ARGUMENTS in call.args:
        return call
    return call.model_copy(update={"args": {CUT_ARGUMENTS: _beginning(json.dumps(call.args, default=str))}})


def _beginning(text: str) -> str:
    return text if len(text) <= MAX_PREVIEW else text[:MAX_PREVIEW] + "…"


@dataclass(slots=True)
class Sizes:
    """The memory that entries take, by key, oldest first.

    Attributes:
        total: All of it.
    """

    total: int = 0
    _sizes: dict[str, int] = field(default_factory=dict)
    _limit: int = MAX_HELD_BYTES

    def put(self, key: str, value: object) -> None:
        """Note the size of an entry that was added or replaced."""
        self.drop(key)
        self._sizes[key] = text_bytes(value) + _ENTRY_BYTES
        self.total += self._sizes[key]

    def drop(self, key: str) -> None:
        """Forget an entry that is gone."""
        self.total -= self._sizes.pop(key, 0)

    @property
    def is_over(self) -> bool:
        """Whether bodies have to be let go."""
        return self.total > self._limit

    def let_go(self, victims: Iterator[str], shrink: Callable[[str], object]) -> None:
        """Shrink entries, in this order, until there is room again.

        Args:
            victims: Keys of entries, those to be shrunk first.
            shrink: Makes an entry smaller and returns the rest of it, ``None`` if it is gone.
        """
        for key in victims:
            if self.total <= MAX_HELD_BYTES * _REFILL:
                break
            rest = shrink(key)
            if rest is None:
                self.drop(key)
            else:
                size = text_bytes(rest) + _ENTRY_BYTES
                self.total += size - self._sizes.get(key, 0)
                self._sizes[key] = size
        # Where nothing more can be let go, it is not tried again for every event.
        self._limit = max(MAX_HELD_BYTES, self.total + self.total // 4)


def let_go(state: "TaskState", spared: Collection[str] = ()) -> None:
    """Let bodies go: of what is resolved first, then of calls, then of what is pending, oldest first."""
    state.sizes.let_go((key for key in _victims(state) if key not in spared), lambda key: _shrink(state, key))


def restore(state: "TaskState", request: UserApprovalRequest, call: ToolCall | None) -> None:
    """Hold a pending request's body again, and its call's arguments, rather than those of others."""
    if state.previews.get(request.id) != digest_of(request):
        return
    state.hold(request)
    spared = {REQUEST + request.id}
    if call is not None:
        state.calls[call.id] = call
        state.sizes.put(CALL + call.id, call.args)
        spared.add(CALL + call.id)
    if state.sizes.is_over:
        let_go(state, spared)


def _victims(state: "TaskState") -> Iterator[str]:
    pending = state.pending_approvals
    asked = {CALL + (request.context.tool_call_id or "") for request in pending if request.context}
    calls = [CALL + call_id for call_id in state.calls]
    yield from [REQUEST + request_id for request_id in state.approvals if request_id in state.withdrawn]
    yield from (key for key in calls if key not in asked)
    yield from [REQUEST + request.id for request in pending]
    yield from (key for key in calls if key in asked)
    yield from [LOCAL + call_id for call_id in state.local_calls]


def _shrink(state: "TaskState", key: str) -> object:
    kind, name = key[0], key[1:]
    if kind == LOCAL:
        state.local_calls[name] = call = preview_of_call(state.local_calls[name])
        return call.args
    if kind == CALL:
        del state.calls[name]
        return None
    if name in state.withdrawn and name not in state.may_return:
        state.forget_request(name)
        return None
    request = state.approvals[name]
    state.previews.setdefault(name, digest_of(request))
    state.approvals[name] = preview = preview_of(request)
    return preview
