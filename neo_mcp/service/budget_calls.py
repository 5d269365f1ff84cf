"""Local tool calls in a result: those that the host has to run, and how it answers them.

A call that is cut cannot be run, so as many as fit are shown whole, those to be run first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from neo_mcp.core.attention import Attention, calls_elsewhere
from neo_mcp.core.render.lines import cut, estimate_tokens
from neo_mcp.core.sanitize import exact_json_of, one_line
from neo_mcp.core.state import TaskState
from neo_mcp.core.times import since_words
from neo_mcp.hints import Hint, NextStep, Wording, to_text
from neo_mcp.service.results import LocalCall
from neo_mcp.service.writes.local_results import Progress
from neo_mcp.wire import ToolCall

HOW_TO_RUN: NextStep = (Hint.CLAIM_CALLS, ", run those here, then ", Hint.RETURN_RESULTS)

_BY_CLIENT = "the client that started this task runs them itself while attached: wait; if it is gone, "
OWN_CLIENT = "Pulumi's own command-line client"

_RUN_SOME = "leave those that need a secret, or give them an is_error result; "
RUN_NONE: NextStep = (
    f"{OWN_CLIENT} can run them; without it, ",
    Hint.RETURN_RESULTS,
    " with is_error for each, or cancel",
)
_OTHERS = "leave those that another client runs; "

_MAX_ID = 200
_MIN_TOKENS = 12
"""Tokens for the note that something was cut."""

_CALL_TOKENS = 16
"""Tokens of a local tool call besides its id, name and arguments."""

_NOTE_TOKENS = 30
"""Tokens of the note on a call that another client runs."""

_HINT_TOKENS = 100
"""Minimum budget that includes hints."""


@dataclass(frozen=True, slots=True)
class AskedCalls:
    """The calls of a batch that have no result yet, uncut.

    Attributes:
        calls: Each with its arguments as JSON.
        elsewhere: Ids of those that another client runs, with the time, if known.
        runs_by_client: Whether the client that started the task runs them by itself while attached.
        secret: Ids of those that need a secret: it is not shown, so they cannot be run from here.
    """

    calls: Sequence[tuple[ToolCall, str]]
    elsewhere: Mapping[str, str]
    runs_by_client: bool
    secret: Collection[str] = frozenset()

    @classmethod
    def of(cls, need: Attention) -> "AskedCalls":
        """The calls of ``need``; empty if it is not about any."""
        shown = [(call, *exact_json_of(call.args)) for call in need.calls]
        calls = [(call, arguments) for call, arguments, _ in shown]
        withheld = {call.id for call, _, holds_secret in shown if holds_secret}
        return cls(calls, need.elsewhere, need.runs_by_client, withheld)

    def describe(
        self, tokens: int, progress: Progress, rest: str, wording: Wording
    ) -> tuple[list[LocalCall], NextStep]:
        """The calls, those to be run with as much of their arguments as fits, and how to reply.

        Args:
            tokens: Budget for the calls.
            progress: The calls that have a result already.
            rest: Where to find the whole.
            wording: The surface's words for how to reply.
        """
        reply = self._how_to_return(progress)
        usual = estimate_tokens(to_text(HOW_TO_RUN, wording))
        tokens -= max(estimate_tokens(to_text(reply, wording)) - usual, 0)
        done = progress.stored | self.elsewhere.keys() | set(self.secret)
        left = [(call, "" if call.id in done else arguments) for call, arguments in self.calls]
        shown = _first_calls(left, tokens, done)
        tokens -= sum(_call_frame(call) for call, _ in shown)
        tokens -= sum(_NOTE_TOKENS for call, _ in shown if self._note(call.id))
        shares = _fair_shares([estimate_tokens(arguments) for _, arguments in shown], tokens)
        calls = [
            self._call(call, cut(arguments, max(share, _MIN_TOKENS), rest), progress)
            for (call, arguments), share in zip(shown, shares, strict=True)
        ]
        is_cut = any(call.arguments != whole for call, (_, whole) in zip(calls, shown, strict=True))
        more = len(left) - len(shown)
        hints = [f"run none whose arguments are cut: first {rest}"] if is_cut else []
        hints += [f"{more} more calls come once these have results"] if more else []
        if hints and tokens < _HINT_TOKENS:
            hints = ["this is cut: first use more budget_tokens"]
        return calls, (reply, *(f"; {hint}" for hint in hints))

    def _call(self, call: ToolCall, arguments: str, progress: Progress) -> LocalCall:
        note = self._note(call.id)
        is_stored = call.id in progress.stored and call.id not in self.elsewhere
        return LocalCall(
            tool_call_id=one_line(call.id, _MAX_ID),
            name=one_line(call.name, _MAX_ID),
            arguments=arguments,
            stored=is_stored or None,
            note=None if is_stored else note,
        )

    def _note(self, call_id: str) -> str | None:
        """The reason why the host must not run a call, if there is one."""
        if call_id in self.elsewhere:
            return f"being run by another client{since_words(self.elsewhere[call_id])}"
        return (
            f"needs a secret, which is not shown here: {OWN_CLIENT} can run it"
            if call_id in self.secret
            else None
        )

    def _how_to_return(self, progress: Progress) -> NextStep:
        ours = [call for call, _ in self.calls if call.id not in self.elsewhere]
        done = sum(call.id in progress.stored for call in ours)
        if progress.sent:
            return "the results were sent, and Neo is about to take them: wait with this cursor"
        if not done:
            by_client = _BY_CLIENT if self.runs_by_client else ""
            if ours and all(call.id in self.secret for call in ours):
                return by_client, RUN_NONE
            others = _OTHERS if self.elsewhere else ""
            return f"{by_client}{others}{_RUN_SOME if self.secret else ''}", HOW_TO_RUN
        summary = f"{done} of {len(ours)} results are stored"
        if done == len(ours):
            return f"{summary} but not sent: ", Hint.RETURN_RESULTS, " with an empty list to send them"
        if all(call.id in self.secret for call in ours if call.id not in progress.stored):
            return f"{summary}; the others need a secret: ", RUN_NONE
        return f"{summary}; run the other calls, then ", Hint.RETURN_RESULTS, " for them"


def elsewhere_note(state: TaskState, announced_here: Collection[str]) -> str | None:
    """A note on the local calls that another client runs; ``None`` without any."""
    elsewhere = calls_elsewhere(state, announced_here)
    if not elsewhere:
        return None
    calls = "1 local call is" if len(elsewhere) == 1 else f"{len(elsewhere)} local calls are"
    since = since_words(min(filter(None, elsewhere.values()), default=""))
    return (
        f"[{calls} being run by another client{since}: leave them to it. Their results are taken with a "
        "claim, or with other_client_gone: true once that client is certainly gone.]"
    )


def _call_frame(call: ToolCall) -> int:
    """Tokens of a local tool call besides its arguments."""
    return estimate_tokens(call.id + call.name) + _CALL_TOKENS


def _first_calls(
    calls: Sequence[tuple[ToolCall, str]], tokens: int, done: Collection[str]
) -> list[tuple[ToolCall, str]]:
    """As many calls as fit, at least one, in their order; those to be run come first."""
    indexes = sorted(range(len(calls)), key=lambda index: (calls[index][0].id in done, index))
    chosen: list[int] = []
    for index in indexes:
        tokens -= _call_frame(calls[index][0]) + min(estimate_tokens(calls[index][1]), _MIN_TOKENS)
        if tokens < 0 and chosen:
            break
        chosen.append(index)
    return [calls[index] for index in sorted(chosen)]


def _fair_shares(requested: Sequence[int], tokens: int) -> list[int]:
    """Split ``tokens`` fairly: small requests are met in full, the others share the rest equally."""
    shares = [0] * len(requested)
    for done, index in enumerate(sorted(range(len(requested)), key=requested.__getitem__)):
        shares[index] = min(requested[index], max(tokens, 0) // (len(requested) - done))
        tokens -= shares[index]
    return shares
