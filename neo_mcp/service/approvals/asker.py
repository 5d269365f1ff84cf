"""The seam to a person: this module decides who may decide, and each surface how they are asked.

A surface (an MCP host, a terminal, a browser page, a test) passes an :class:`Asker`. The policy
(:mod:`neo_mcp.service.approvals.policy`) decides what may be sent: no tool argument, message or surface can
widen it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from neo_mcp import instruments
from neo_mcp.config import Settings
from neo_mcp.core.attention import AttentionKind
from neo_mcp.core.turn import REQUESTS
from neo_mcp.options import Answerer, ApprovalPolicy
from neo_mcp.service.approvals.policy import Action, Effect, Reason, Ruling, Situation, Subject, rule
from neo_mcp.service.approvals.questions import (
    Answer,
    Choice,
    Decision,
    OpenQuestion,
    Question,
    RefusedError,
)

_REFUSALS = {
    Reason.READ_ONLY: "This server is read-only; nothing was sent.",
    Reason.APPROVES_NOTHING: "This server is set to approve nothing.",
    Reason.CANNOT_ASK: "This needs a person, and this host cannot ask one (it has no elicitation).",
}


class OpenRequest(Protocol):
    """A pending request of Neo's while its form is open."""

    async def gone(self) -> None:
        """Return once the request is no longer pending."""

    async def check(self) -> None:
        """Look the request up at the API.

        Raises:
            AlreadyResolvedError: If it is no longer pending.
        """


class AskAgain(Exception):  # noqa: N818 - control flow, not an error
    """The same command has to be called again, with a person's answer."""


class Asker(Protocol):
    """Puts questions to a person, by whatever means a surface has."""

    @property
    def can_ask(self) -> bool:
        """True if there is a person to ask."""

    @property
    def answered_request(self) -> str | None:
        """Id of the request whose form this call answers; empty for a form about no request.

        ``None`` if the call has no answer.
        """

    async def decide(self, question: Decision, request: OpenRequest | None) -> Answer:
        """Ask a person for a decision.

        Args:
            question: The question.
            request: The request that it is about; the form is withdrawn once the request is resolved
                elsewhere.

        Raises:
            AlreadyResolvedError: If ``request`` was resolved meanwhile, whatever the form's answer.
            RefusedError: If the form returned no decision, or one on another question.
            AskAgain: If the call has to be repeated with the answer.
        """

    async def answer(self, question: OpenQuestion, proposal: str, request: OpenRequest | None) -> str:
        """Ask a person for an answer in words.

        Args:
            question: The question.
            proposal: The caller's answer, whole; the form shows it only if it fits.
            request: As above.

        Raises:
            AlreadyResolvedError: If ``request`` was resolved meanwhile, whatever the form's answer.
            RefusedError: If the form returned no answer, or one to another question.
            AskAgain: If the call has to be repeated with the answer.
        """

    async def confirm(self, question: Decision) -> Answer:
        """Return the decision if the operator trusts the surface's own confirmation.

        Raises:
            RefusedError: If it does not confirm.
        """


@dataclass(frozen=True, slots=True)
class Approvals:
    """Applies the policy, and asks a person through an :class:`Asker`.

    Attributes:
        policy: Who may approve.
        answerer: Who answers Neo's questions.
        read_only: Whether nothing is sent to a task after its start.
    """

    policy: ApprovalPolicy = ApprovalPolicy.ASK
    answerer: Answerer = Answerer.MODEL
    read_only: bool = False

    def ruling(self, asker: Asker, action: Action, subject: Subject) -> Ruling:
        """The policy's ruling on an action of this caller."""
        return rule(action, subject, self._situation(can_ask=asker.can_ask))

    def asked(self, *, can_ask: bool = True) -> frozenset[AttentionKind]:
        """The kinds of requests that are put to a person through a task handle of the protocol."""
        situation = self._situation(can_ask=can_ask)
        return frozenset(
            kind for kind in REQUESTS if rule(Action.REPLY, Subject(kind), situation).effect is Effect.FORM
        )

    async def decide(self, asker: Asker, question: Decision, request: OpenRequest | None = None) -> Answer:
        """The decision on ``question``.

        Raises:
            AlreadyResolvedError: If ``request`` was resolved meanwhile, whatever the form's answer.
            RefusedError: If the policy forbids it, there is no person to ask, or none decided.
            AskAgain: If the call has to be repeated with the answer.
        """
        with self.observed(kind="decision") as seen:
            ruling = self.ruling(asker, question.action, question.subject)
            if ruling.effect is Effect.REFUSED:
                raise _refusal(ruling.reason, question)
            if ruling.effect is Effect.FORM:
                answer = await asker.decide(question, request)
            else:
                answer = await asker.confirm(question)
            seen.ended("agreed" if answer.choice is Choice.YES else "refused")
            return answer

    async def answer(
        self, asker: Asker, question: OpenQuestion, proposal: str, request: OpenRequest | None = None
    ) -> str:
        """The answer to ``question``: the caller's proposal, or a person's own.

        Raises:
            AlreadyResolvedError: If ``request`` was resolved meanwhile, whatever the form's answer.
            RefusedError: If a person has to answer and cannot be asked, or does not.
            AskAgain: If the call has to be repeated with the answer.
        """
        ruling = self.ruling(asker, question.action, question.subject)
        if ruling.effect is Effect.SENT:
            return proposal
        with self.observed(kind="question") as seen:
            if ruling.effect is Effect.REFUSED:
                raise _refusal(ruling.reason, question)
            answer = await asker.answer(question, proposal, request)
            seen.ended("answered")
            return answer

    @contextmanager
    def observed(self, kind: str) -> Iterator[instruments.Observation]:
        """Measure a block in which a decision of this ``kind`` is made."""
        attributes = {"neo_mcp.approval.kind": kind, "neo_mcp.approval.policy": self.policy.value}
        with instruments.observed(instruments.APPROVAL, attributes, span=f"approval {kind}") as seen:
            try:
                yield seen
            except AskAgain:
                seen.ended("asked")
                raise
            except RefusedError:
                seen.ended("not_settled")
                raise

    def _situation(self, *, can_ask: bool) -> Situation:
        return Situation(self.policy, self.answerer, self.read_only, can_ask)


def approvals_of(settings: Settings) -> Approvals:
    """The rules of these settings."""
    return Approvals(settings.approvals, settings.questions, settings.read_only)


def _refusal(reason: Reason, question: Question) -> RefusedError:
    """The error for a question that no one is asked."""
    text = _REFUSALS.get(reason, f"Nothing was sent: {reason}.")
    return RefusedError(text, next_step=question.otherwise, question=question, reason=reason)
