"""Putting a decision in front of a person, through their host.

Owns the approval policy: the operator sets it, and no tool argument, message or host can widen it. A person
is asked by elicitation, in whichever way the protocol revision of the connection has: a request to the client
in the handshake eras, an input-required result since 2026-07-28. What comes back is bound to a digest of what
was shown, so that an answer can never settle something else, and counts once.
"""

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from neo_mcp.config import ApprovalPolicy
from neo_mcp.errors import NeoError

ANSWER_SECONDS = 600.0
"""How long a person has to answer while a handshake-era call is held open."""

_KEY = "decision"
_PING_SECONDS = 8.0


class RefusedError(NeoError):
    """The approval policy, or a person, says no; nothing was sent."""


class InputRequired(Exception):  # noqa: N818 - control flow of the 2026-07-28 protocol, not an error
    """The call has to come again with a person's answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("a person has to answer")
        self.result = result


class Verdict(StrEnum):
    """What a person said."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked.

    Attributes:
        text: All that the person sees; the answer is bound to exactly this.
        yes: Label of agreement, such as ``approve``.
        no: Label of refusal.
        otherwise: The caller's next step where nobody can be asked, such as the task's page for a person.
    """

    text: str
    yes: str
    no: str
    otherwise: str

    @property
    def digest(self) -> str:
        """Binds an answer to what was shown."""
        return hashlib.sha256(f"{self.text}\0{self.yes}\0{self.no}".encode()).hexdigest()

    @property
    def schema(self) -> dict[str, Any]:
        """The form's fields."""
        decision = {"type": "string", "title": "Decision", "enum": [self.yes, self.no]}
        words = {"type": "string", "title": "Words for Neo", "description": "Optional guidance."}
        return {
            "type": "object",
            "properties": {"decision": decision, "guidance": words},
            "required": ["decision"],
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's verdict and their words."""

    verdict: Verdict
    guidance: str = ""


class Approvals:
    """Asks people under the operator's policy."""

    def __init__(self, policy: ApprovalPolicy) -> None:
        self._policy = policy
        self._used: set[str] = set()

    async def decide(
        self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams, question: Question
    ) -> Answer:
        """The decision on ``question``.

        Raises:
            RefusedError: If the policy forbids it, the host cannot ask, the person dismissed the form, or
                the answer is to something else than ``question``.
            InputRequired: If the call has to come again with the answer (2026-07-28).
        """
        match self._policy:
            case ApprovalPolicy.HOST:
                return Answer(Verdict.YES)
            case ApprovalPolicy.DENY:
                raise RefusedError("This server is set to approve nothing.", next_step=question.otherwise)
            case ApprovalPolicy.ASK:
                return _read(await self._ask(ctx, params, question), question)

    async def _ask(
        self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams, question: Question
    ) -> ElicitResult:
        if params.request_state is not None:
            return self._answer_on_retry(params, params.request_state, question)
        if not _can_ask(ctx):
            raise RefusedError(
                "This needs a person's decision, and this host cannot ask one (it has no elicitation).",
                next_step=question.otherwise,
            )
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            form = ElicitRequestFormParams(message=question.text, requested_schema=question.schema)
            state = f"{question.digest}.{secrets.token_hex(16)}"
            raise InputRequired(
                InputRequiredResult(input_requests={_KEY: ElicitRequest(params=form)}, request_state=state)
            )
        return await _ask_now(ctx, question)

    def _answer_on_retry(self, params: CallToolRequestParams, state: str, question: Question) -> ElicitResult:
        if state in self._used:
            raise RefusedError(
                "This answer was used already; nothing was sent.",
                next_step="Look at the task, or call list_tasks, before you ask again.",
            )
        if state.partition(".")[0] != question.digest:
            raise RefusedError(
                "The request changed while the person was looking at it; nothing was sent.",
                next_step="Call get_task to see what is asked now, then ask again.",
            )
        answer = (params.input_responses or {}).get(_KEY)
        if not isinstance(answer, ElicitResult):
            raise RefusedError("There is no answer from a person; nothing was sent.", next_step="Ask again.")
        self._used.add(state)
        return answer


async def _ask_now(ctx: ServerRequestContext[Any, Any], question: Question) -> ElicitResult:
    """Hold the call open until the person has answered, with signs of life for the host."""
    result: ElicitResult | None = None
    problem = "Nobody answered in time"
    with anyio.move_on_after(ANSWER_SECONDS):
        async with anyio.create_task_group() as alive:
            alive.start_soon(_ping, ctx)
            try:
                result = await ctx.session.elicit_form(question.text, question.schema, ctx.request_id)
            except MCPError as error:
                problem = f"The host could not ask: {error.message}"
            alive.cancel_scope.cancel()
    if result is None:
        raise RefusedError(f"{problem}; nothing was sent.", next_step=question.otherwise)
    return result


async def _ping(ctx: ServerRequestContext[Any, Any]) -> None:
    seconds = 0.0
    while True:
        seconds += _PING_SECONDS
        await anyio.sleep(_PING_SECONDS)
        await ctx.session.report_progress(seconds, None, "waiting for a person's decision")


def _read(result: ElicitResult, question: Question) -> Answer:
    content = result.content or {}
    guidance = content.get("guidance")
    words = guidance.strip() if isinstance(guidance, str) else ""
    match result.action, content.get("decision"):
        case "accept", question.yes:
            return Answer(Verdict.YES, words)
        case ("accept", question.no) | ("decline", _):
            return Answer(Verdict.NO, words)
        case _:
            raise RefusedError(
                "The person dismissed the question; nothing was sent.",
                next_step="Ask them what they want before you try again.",
            )


def _can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    # An empty declaration means forms: the revisions before 2025-11-25 knew nothing else.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
