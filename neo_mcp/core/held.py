"""The bodies of pending requests and tool calls in a task's state, within a memory limit.

Beyond the limit, resolved ones are dropped first; pending ones become previews, with digests that show
whether a body that is read again later is the same. If previews do not fit either, which takes more than a
thousand requests, the most recent ones are only counted.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from neo_mcp.core.masking import masked
from neo_mcp.core.sizes import memory_of
from neo_mcp.hidden_text import whole_words
from neo_mcp.wire import ApprovalContext, ToolCall, UserApprovalRequest

if TYPE_CHECKING:
    from neo_mcp.core.state import TaskState

MAX_HELD_BYTES = 3 * 2**20
"""Maximum memory for one task's requests and calls."""

MAX_PREVIEW = 400
"""Maximum characters of a text in a preview."""

_MAX_WORD = 200
"""Maximum characters of a name or a setting in a preview."""

CUT_ARGUMENTS = "[arguments are too large to be held]"
"""Key of a call's arguments that are a preview; the beginning of their JSON is the value."""

REQUEST, CALL, LOCAL = "r", "c", "l"
"""First characters of the keys by which sizes are noted: of requests, calls, and local calls."""

_ENTRY_BYTES = 600
"""Approximate bytes of an entry besides the request or the call itself."""

_REFILL = 0.75
"""Share of the limit that stays in use after bodies were dropped, so that not every event drops some."""


def digest_of(request: UserApprovalRequest) -> str:
    """A digest by which two requests are the same but for their time."""
    text = request.model_copy(update={"timestamp": ""}).model_dump_json()
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def preview_of(request: UserApprovalRequest) -> UserApprovalRequest:
    """The request with the beginnings of its texts, and without its changes and other fields."""
    context = request.context
    return UserApprovalRequest.model_construct(
        id=request.id,
        timestamp=request.timestamp[:_MAX_WORD],
        message=_beginning(request.message),
        approval_type=request.approval_type[:_MAX_WORD],
        sensitivity=request.sensitivity and request.sensitivity[:_MAX_WORD],
        context=context
        and ApprovalContext.model_construct(
            # The part that makes it a question is at the end of the name.
            tool_name=context.tool_name and context.tool_name[-_MAX_WORD:],
            tool_call_id=context.tool_call_id,
            plan_description=_beginning(context.plan_description or "") or None,
        ),
    )


def preview_of_call(call: ToolCall) -> ToolCall:
    """The call with the beginning of its arguments."""
    args = {CUT_ARGUMENTS: _beginning(json.dumps(masked(call.args), default=str))}
    # The part that marks a question is at the end of the name.
    return ToolCall.model_construct(
        id=call.id, name=call.name[-_MAX_WORD:], args=args, execution_mode=call.execution_mode
    )


def is_preview(call: ToolCall | None) -> bool:
    """True if a call's arguments are not stored."""
    return call is not None and CUT_ARGUMENTS in call.args


def _beginning(text: str) -> str:
    return text if len(text) <= MAX_PREVIEW else whole_words(text[:MAX_PREVIEW]) + "…"


@dataclass(slots=True)
class Sizes:
    """The memory that entries take, by key.

    Attributes:
        total: The sum.
        is_full: Whether not even another preview fits.
    """

    total: int = 0
    is_full: bool = False
    _sizes: dict[str, int] = field(default_factory=dict)

    def put(self, key: str, value: object) -> None:
        """Record the size of an entry that was added or replaced."""
        size = memory_of(value) + _ENTRY_BYTES
        self.total += size - self._sizes.get(key, 0)
        self._sizes[key] = size

    def drop(self, key: str) -> None:
        """Forget an entry that was removed."""
        self.total -= self._sizes.pop(key, 0)
        self.is_full = self.is_full and self.total > MAX_HELD_BYTES * _REFILL

    @property
    def is_over(self) -> bool:
        """True if bodies have to be dropped."""
        return self.total > MAX_HELD_BYTES


def let_go(state: "TaskState") -> None:
    """Drop bodies: first of resolved requests, then of calls, then of pending requests, oldest first.

    If there are too many previews, the most recent of them are dropped as well, and counted.
    """
    sizes, enough = state.sizes, MAX_HELD_BYTES * _REFILL
    for shrink in _victims(state):
        if sizes.total <= enough:
            return
        shrink()
    if sizes.total <= MAX_HELD_BYTES:
        return
    for call_id in reversed([*state.local_calls]):
        if sizes.total <= enough:
            return
        state.forget_local_call(call_id)
        state.unlisted_calls += 1
    for request in reversed(state.pending_approvals):
        if sizes.total <= MAX_HELD_BYTES:
            break
        state.forget_request(request.id)
        state.unlisted += 1
    sizes.is_full = True


@dataclass(frozen=True, slots=True)
class Body:
    """A pending request as it was sent, and the tool call that waits for it, if known."""

    request: UserApprovalRequest
    call: ToolCall | None = None


def body_of(state: "TaskState", request: UserApprovalRequest) -> Body | None:
    """The body of a pending request, if it is stored."""
    call = state.calls.get((request.context and request.context.tool_call_id) or "")
    return None if request.id in state.previews or is_preview(call) else Body(request, call)


def is_body_of(state: "TaskState", body: Body) -> bool:
    """True if a body that was read again is that of a pending request."""
    known = state.approvals.get(body.request.id)
    if known is None or body.request.id in state.withdrawn:
        return False
    return state.previews.get(known.id, digest_of(known)) == digest_of(body.request)


def _victims(state: "TaskState") -> Iterator[Callable[[], object]]:
    """Yield the actions that free memory, the first to run first."""
    asked = {request.context.tool_call_id for request in state.pending_approvals if request.context}
    for request_id in [*state.approvals]:
        if request_id in state.withdrawn and request_id not in state.may_return:
            yield partial(state.forget_request, request_id)
    calls = sorted(filter(_is_whole, state.calls.values()), key=lambda call: call.id in asked)
    unasked = sum(call.id not in asked for call in calls)
    for call in calls[:unasked]:
        yield partial(state.hold_call, call, preview=True)
    for request in [*state.approvals.values()]:
        if request.id not in state.previews:
            yield partial(_shrink, state, request)
    for call in calls[unasked:]:
        yield partial(state.hold_call, call, preview=True)
    for call in filter(_is_whole, [*state.local_calls.values()]):
        yield partial(_shrink_local, state, call)
    for call_id in [*state.calls]:
        if call_id not in asked:
            yield partial(state.forget_call, call_id)


def _is_whole(call: ToolCall) -> bool:
    return not is_preview(call)


def _shrink(state: "TaskState", request: UserApprovalRequest) -> None:
    state.previews[request.id] = digest_of(request)
    state.approvals[request.id] = preview = preview_of(request)
    state.sizes.put(REQUEST + request.id, preview)


def _shrink_local(state: "TaskState", call: ToolCall) -> None:
    state.local_calls[call.id] = preview = preview_of_call(call)
    state.sizes.put(LOCAL + call.id, preview)
