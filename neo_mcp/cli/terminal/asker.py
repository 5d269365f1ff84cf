"""The person at the terminal, asked as a host would ask them: by the same forms, policy and rules.

Owns how a form looks on a terminal, what is typed in answer, and which settings may only be tightened there.
What a form says and how an answer counts is :mod:`neo_mcp.server.questions`.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, ElicitResult

from neo_mcp.cli.terminal.forms import read_line
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.config import Answerer, ApprovalPolicy, Settings, load_settings
from neo_mcp.server.approvals import Approvals, OpenRequest
from neo_mcp.server.ledger import Ledger
from neo_mcp.server.policy import Effect, Reason
from neo_mcp.server.questions import Answer, Decision, OpenQuestion, Question, RefusedError, Verdict

_STRICTEST_FIRST = (ApprovalPolicy.DENY, ApprovalPolicy.ASK, ApprovalPolicy.HOST)
_NO_TERMINAL = "A person has to decide this, and there is no terminal to ask one at; nothing was sent."
_ELSEWHERE = (
    "Run this at a terminal, or decide at the task's page. Where whoever runs this program has set "
    "NEO_MCP_APPROVALS=host, --yes decides without a person."
)


def tightened(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The settings, where the command line may ask for more care than the environment, but not for less."""
    given = load_settings(environ)
    approvals = settings.approvals
    if "approvals" in given.sources:
        approvals = min(approvals, given.approvals, key=_STRICTEST_FIRST.index)
    asks_person = Answerer.PERSON in {settings.questions, given.questions}
    return replace(
        settings,
        approvals=approvals,
        questions=Answerer.PERSON if asks_person else Answerer.MODEL,
        read_only=settings.read_only or given.read_only,
        protected_stacks=tuple(dict.fromkeys((*given.protected_stacks, *settings.protected_stacks))),
    )


class AtTerminal(Approvals):
    """Asks whoever sits at the terminal, under the operator's policy."""

    def __init__(self, settings: Settings, paint: Painter, *, yes: bool, words: str | None = None) -> None:
        """Take note of what was said on the command line.

        Args:
            settings: Whose policy holds.
            paint: Where forms are shown.
            yes: Whether the answer is yes, so that only what has to be typed is asked for.
            words: What goes with the answer.
        """
        super().__init__(settings.approvals, settings.questions, Ledger(), read_only=settings.read_only)
        self._paint = paint
        self._yes = yes
        self._words = words or ""

    def can_ask(self, ctx: ServerRequestContext[Any, Any]) -> bool:  # noqa: ARG002 - the terminal needs no request
        """Whether a person sits at the terminal."""
        return has_terminal()

    async def _decision(
        self,
        ctx: ServerRequestContext[Any, Any],  # noqa: ARG002 - likewise
        params: CallToolRequestParams,  # noqa: ARG002 - likewise
        question: Decision,
        request: OpenRequest | None,  # noqa: ARG002 - looked up before anything is sent
    ) -> Answer:
        self._paint.form(question.text)
        return question.read(await self._answer_to(question))

    async def answer(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: CallToolRequestParams,  # noqa: ARG002 - likewise
        question: OpenQuestion,
        proposal: str,
        request: OpenRequest | None = None,  # noqa: ARG002 - likewise
    ) -> str:
        """The answer, which is the person's own words already.

        Raises:
            RefusedError: If only a person may answer, and none can be there.
        """
        ruling = self.ruling(ctx, question.action, question.subject)
        if ruling.effect is Effect.REFUSED:
            raise self._refusal(ruling.reason, question)
        return proposal

    async def _trusted(self, question: Decision) -> Answer:
        """Ask all the same, unless the person said yes on the command line."""
        if not self._yes and not has_terminal():
            raise self._refusal(Reason.CANNOT_ASK, question)
        self._paint.form(question.text)
        return (
            Answer(Verdict.YES, self._words) if self._yes else question.read(await self._answer_to(question))
        )

    def _refusal(self, reason: Reason, question: Question) -> RefusedError:
        if reason is Reason.CANNOT_ASK:
            # A log then says what was to be decided.
            self._paint.form(question.text)
            return RefusedError(_NO_TERMINAL, next_step=_ELSEWHERE)
        return super()._refusal(reason, question)

    async def _answer_to(self, question: Decision) -> ElicitResult:
        said = question.yes
        if not self._yes:
            said = await ask(f"\n{question.yes} (y), {question.no} (n), or leave it open (Enter)?")
            said = {"y": question.yes, "n": question.no}.get(said[:1].lower(), "")
        content: dict[str, Any] = {"decision": said, "guidance": self._words}
        if said == question.yes and question.to_type:
            content["confirmation"] = await ask(
                f"To {question.yes}, type the name of the {question.place} ({question.to_type}):"
            )
        action: Literal["accept", "cancel"] = "accept" if said in {question.yes, question.no} else "cancel"
        return ElicitResult(action=action, content=content)


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def ask(prompt: str) -> str:
    """What the person types; nothing if they end the input."""
    Painter.for_terminal(sys.stdout, os.environ).prompt(prompt)
    return (await read_line(sys.stdin) or "").strip()
