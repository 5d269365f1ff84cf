"""Putting a decision in front of a person, through their host.

Carries out what :mod:`neo_mcp.server.policy` rules: no tool argument, message or host can widen it. A person
is asked by elicitation, in whichever way the protocol revision of the connection has: a request to the client
in the handshake eras, an input-required result since 2026-07-28. What comes back is bound to a digest of what
was shown, so that an answer can never settle something else, and counts once.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import anyio
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from neo_mcp import instruments
from neo_mcp.core.attention import AttentionKind
from neo_mcp.core.sanitize import quoted
from neo_mcp.core.turn import REQUESTS
from neo_mcp.options import Answerer, ApprovalPolicy
from neo_mcp.server.ledger import Ledger
from neo_mcp.server.policy import Action, Effect, Reason, Ruling, Situation, Subject, rule
from neo_mcp.server.questions import (
    MALFORMED,
    Answer,
    Decision,
    OpenQuestion,
    Question,
    RefusedError,
    Verdict,
)

ANSWER_SECONDS = 600.0
"""How long a person has to answer while a handshake-era call is held open."""

_REFUSALS = {
    Reason.READ_ONLY: "This server is read-only; nothing was sent.",
    Reason.APPROVES_NOTHING: "This server is set to approve nothing.",
    Reason.CANNOT_ASK: "This needs a person, and this host cannot ask one (it has no elicitation).",
}
_KEY = "decision"
_PING_SECONDS = 8.0


class OpenRequest(Protocol):
    """A request of Neo's while its form is open."""

    async def gone(self) -> None:
        """Return once the request is not pending any more."""

    async def check(self) -> None:
        """Look the request up at the API.

        Raises:
            AlreadyResolvedError: If it is not pending any more.
        """


def request_asked_about(params: CallToolRequestParams | None) -> str | None:
    """The id of the request that a call's form was about, where the call brings an answer."""
    state = (params.request_state if params else None) or ""
    return state.partition(".")[2].partition(".")[2] or None


class InputRequired(Exception):  # noqa: N818 - control flow of the 2026-07-28 protocol, not an error
    """The call has to come again with a person's answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("a person has to answer")
        self.result = result


class Approvals:
    """Asks people under the operator's policy.

    Attributes:
        ledger: Which answers were used.
    """

    def __init__(
        self, policy: ApprovalPolicy, answerer: Answerer, ledger: Ledger, *, read_only: bool = False
    ) -> None:
        self._policy = policy
        self._answerer = answerer
        self._read_only = read_only
        self.ledger = ledger

    def can_ask(self, ctx: ServerRequestContext[Any, Any]) -> bool:
        """Whether there is a way to put a form to a person."""
        return can_ask(ctx)

    def ruling(self, ctx: ServerRequestContext[Any, Any], action: Action, subject: Subject) -> Ruling:
        """The policy's word on an action of this client."""
        situation = Situation(self._policy, self._answerer, self._read_only, self.can_ask(ctx))
        return rule(action, subject, situation)

    def asked(self, ctx: ServerRequestContext[Any, Any] | None = None) -> frozenset[AttentionKind]:
        """The kinds of requests that are put to a person through a task handle of the protocol.

        Args:
            ctx: The request of the client that would ask; ``None`` for one that can.
        """
        can = ctx is None or self.can_ask(ctx)
        situation = Situation(self._policy, self._answerer, self._read_only, can)
        return frozenset(
            kind for kind in REQUESTS if rule(Action.REPLY, Subject(kind), situation).effect is Effect.FORM
        )

    async def decide(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: CallToolRequestParams,
        question: Decision,
        request: OpenRequest | None = None,
    ) -> Answer:
        """The decision on ``question``.

        Args:
            ctx: The request of the client.
            params: Its call, which may carry the answer.
            question: What is asked.
            request: The request that it is about; a form is withdrawn once that is resolved elsewhere.

        Raises:
            AlreadyResolvedError: If ``request`` was resolved meanwhile, whatever the form brought.
            RefusedError: If the policy forbids it, the host cannot ask, the form brought no decision, or
                the answer is to something else than ``question``.
            InputRequired: If the call has to come again with the answer (2026-07-28).
        """
        with self.observed(kind="decision") as seen:
            ruling = self.ruling(ctx, question.action, question.subject)
            if ruling.effect is Effect.REFUSED:
                raise self._refusal(ruling.reason, question)
            if ruling.effect is Effect.FORM:
                answer = await self._decision(ctx, params, question, request)
            else:
                answer = await self._trusted(question)
            seen.ended("agreed" if answer.verdict is Verdict.YES else "refused")
            return answer

    async def answer(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: CallToolRequestParams,
        question: OpenQuestion,
        proposal: str,
        request: OpenRequest | None = None,
    ) -> str:
        """The answer to ``question``: what the model proposes, or what a person makes of it.

        Args:
            ctx: The request of the client.
            params: Its call, which may carry the answer.
            question: What is asked.
            proposal: The model's answer.
            request: The request that it is about; a form is withdrawn once that is resolved elsewhere.

        Raises:
            AlreadyResolvedError: If ``request`` was resolved meanwhile, whatever the form brought.
            RefusedError: If a person is to answer and cannot be asked, or does not.
            InputRequired: If the call has to come again with the answer (2026-07-28).
        """
        ruling = self.ruling(ctx, question.action, question.subject)
        if ruling.effect is Effect.SENT:
            return proposal
        with self.observed(kind="question") as seen:
            if ruling.effect is Effect.REFUSED:
                raise self._refusal(ruling.reason, question)
            answer = question.read(await self._ask(ctx, params, question, request))
            seen.ended("answered")
            return answer.words

    @contextmanager
    def observed(self, kind: str) -> Iterator[instruments.Observation]:
        """Measure a block in which something of this ``kind`` is decided."""
        attributes = {"neo_mcp.approval.kind": kind, "neo_mcp.approval.policy": self._policy.value}
        with instruments.observed(instruments.APPROVAL, attributes, span=f"approval {kind}") as seen:
            try:
                yield seen
            except InputRequired:
                seen.ended("asked")
                raise
            except RefusedError:
                seen.ended("not_settled")
                raise

    async def _decision(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: CallToolRequestParams,
        question: Decision,
        request: OpenRequest | None,
    ) -> Answer:
        return question.read(await self._ask(ctx, params, question, request))

    async def _trusted(self, question: Decision) -> Answer:  # noqa: ARG002 - a terminal asks about it
        """The decision where the operator trusts the host's own confirmation of the call."""
        return Answer(Verdict.YES)

    def _refusal(self, reason: Reason, question: Question) -> RefusedError:
        """The error for a question that is not put to anyone."""
        return RefusedError(
            _REFUSALS.get(reason, f"Nothing was sent: {reason}."), next_step=question.otherwise
        )

    async def _ask(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: CallToolRequestParams,
        question: Question,
        request: OpenRequest | None,
    ) -> ElicitResult:
        if params.request_state is not None:
            if request is not None:
                await request.check()
            return self._answer_on_retry(params, params.request_state, question)
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            state = f"{question.digest}.{secrets.token_hex(16)}.{question.request_id}"
            requests = {_KEY: question.request}
            raise InputRequired(InputRequiredResult(input_requests=requests, request_state=state))
        result = await _ask_now(ctx, question, request)
        if request is not None:
            await request.check()
        return result

    def _answer_on_retry(self, params: CallToolRequestParams, state: str, question: Question) -> ElicitResult:
        if state.partition(".")[0] != question.digest:
            raise RefusedError(
                "The request changed while the person was looking at it; nothing was sent.",
                next_step="Call get_task to see what is asked now, then ask again.",
            )
        answer = (params.input_responses or {}).get(_KEY)
        if not isinstance(answer, ElicitResult):
            raise question.undecided("the call came back without an answer to the form")
        if not self.ledger.claim(state):
            raise RefusedError(
                "This answer was used already; nothing was sent.",
                next_step="Look at the task, or call list_tasks, before you ask again.",
            )
        return answer


async def _ask_now(
    ctx: ServerRequestContext[Any, Any], question: Question, request: OpenRequest | None
) -> ElicitResult:
    """Hold the call open until the person has answered, with signs of life for the host.

    A form whose request is resolved elsewhere is withdrawn: the host is told that it is cancelled.
    """
    result: ElicitResult | None = None
    problem = "no one answered in time"

    async def withdraw(waiting: anyio.CancelScope, request: OpenRequest) -> None:
        await request.gone()
        waiting.cancel()

    with anyio.move_on_after(ANSWER_SECONDS):
        async with anyio.create_task_group() as alive:
            alive.start_soon(_ping, ctx)
            if request is not None:
                alive.start_soon(withdraw, alive.cancel_scope, request)
            try:
                result = await ctx.session.elicit_form(question.message, question.schema, ctx.request_id)
            except MCPError as error:
                problem = f"the host could not ask ({quoted(error.message)})"
            except ValidationError:
                result = MALFORMED
            alive.cancel_scope.cancel()
    if result is None:
        if request is not None:
            await request.check()
        raise question.undecided(problem)
    return result


async def _ping(ctx: ServerRequestContext[Any, Any]) -> None:
    seconds = 0.0
    while True:
        seconds += _PING_SECONDS
        await anyio.sleep(_PING_SECONDS)
        await ctx.session.report_progress(seconds, None, "waiting for a person's decision")


def can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client of this request shows forms to a person."""
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    # An empty declaration means forms: the revisions before 2025-11-25 knew nothing else.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
