"""The person at the terminal, asked as a host would ask them: by the same forms, policy and rules.

Owns how a form looks on a terminal, what is typed in answer, and which settings may only be tightened there.
What a form says and how an answer counts is :mod:`neo_mcp.service.approvals.questions`.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from neo_mcp.cli.interrupts import advised
from neo_mcp.cli.terminal.lines import read_line
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.config import Answerer, ApprovalPolicy, Settings, load_settings
from neo_mcp.service.approvals.asker import OpenRequest
from neo_mcp.service.approvals.policy import Reason
from neo_mcp.service.approvals.questions import (
    CONFIRMATION,
    Answer,
    Choice,
    Decision,
    FormAnswer,
    OpenQuestion,
    Question,
    RefusedError,
)

_STRICTEST_FIRST = (ApprovalPolicy.DENY, ApprovalPolicy.ASK, ApprovalPolicy.HOST)
_NO_TERMINAL = "A person has to decide this, and there is no terminal to ask one at; nothing was sent."
_ELSEWHERE = (
    "Run this at a terminal, or decide at the task's page. With NEO_MCP_APPROVALS=host, --yes decides "
    "without a person."
)


def tightened(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The settings, where the command line may ask for more care than the environment, but not for less."""
    given = load_settings(environ)
    approvals = settings.approvals
    if "approvals" in given.sources:
        approvals = min(approvals, given.approvals, key=_STRICTEST_FIRST.index)
    asks_person = Answerer.PERSON in {settings.questions, given.questions}
    return settings._replace(
        approvals=approvals,
        questions=Answerer.PERSON if asks_person else Answerer.MODEL,
        read_only=settings.read_only or given.read_only,
        protected_stacks=tuple(dict.fromkeys((*given.protected_stacks, *settings.protected_stacks))),
    )


class TerminalAsker:
    """Asks the person at the terminal; see :class:`~neo_mcp.service.approvals.asker.Asker`."""

    answered_request: str | None = None

    def __init__(self, paint: Painter, *, yes: bool, words: str | None = None) -> None:
        """Take the answer of the command line.

        Args:
            paint: Shows forms.
            yes: Whether the answer is yes, so that only what has to be typed is asked for.
            words: Text that goes with the answer.
        """
        self._paint = paint
        self._yes = yes
        self._words = words or ""

    @property
    def can_ask(self) -> bool:
        """True if a person is at the terminal."""
        return has_terminal()

    async def decide(self, question: Decision, request: OpenRequest | None) -> Answer:  # noqa: ARG002 - looked up before anything is sent
        """The decision of the person at the terminal."""
        self._paint.form(question.text)
        return question.read(await self._answer_to(question))

    async def answer(self, question: OpenQuestion, proposal: str, request: OpenRequest | None) -> str:  # noqa: ARG002 - likewise
        """The proposal: the person typed it."""
        return proposal

    async def confirm(self, question: Decision) -> Answer:
        """Ask nevertheless, unless the command line has the answer yes."""
        if not self._yes and not has_terminal():
            raise refused_without_terminal(self._paint, question)
        self._paint.form(question.text)
        return (
            Answer(Choice.YES, self._words) if self._yes else question.read(await self._answer_to(question))
        )

    async def _answer_to(self, question: Decision) -> FormAnswer:
        choice = question.yes
        if not self._yes:
            typed = await ask(f"\n{question.yes} (y), {question.no} (n), or leave it open (Enter)?")
            choice = {"y": question.yes, "n": question.no}.get(typed[:1].lower(), "")
        content: dict[str, Any] = {"decision": choice, "guidance": self._words}
        if choice == question.yes and question.to_type:
            content[CONFIRMATION] = await ask(
                f"To {question.yes}, type the name of the {question.kind} ({question.to_type}):"
            )
        return FormAnswer("accept" if choice else "cancel", content)


@contextmanager
def refusals_shown(paint: Painter) -> Iterator[None]:
    """Show the form of a decision that no one could be asked for; a log then has what was to be decided.

    Raises:
        RefusedError: In the terminal's words.
    """
    try:
        yield
    except RefusedError as error:
        if error.reason is not Reason.CANNOT_ASK or error.question is None:
            raise
        raise refused_without_terminal(paint, error.question) from None


def refused_without_terminal(paint: Painter, question: Question) -> RefusedError:
    """Show what was to be decided; the error for it."""
    paint.form(question.text)
    return RefusedError(_NO_TERMINAL, next_step=_ELSEWHERE)


def has_terminal() -> bool:
    """True if there is a person to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def ask(prompt: str) -> str:
    """The line that the person types; empty if they end the input."""
    Painter.for_terminal(sys.stdout, os.environ).prompt(prompt)
    with advised("Nothing was sent."):
        return (await read_line(sys.stdin) or "").strip()
