"""The questions that a person is asked, and how answers are read; not who is asked, or whether.

A question is bound to its text and to its subject: an answer to one never resolves another.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from neo_mcp.core.sanitize import quoted
from neo_mcp.errors import NeoError
from neo_mcp.hidden_text import is_blank
from neo_mcp.hints import NextStep
from neo_mcp.service.approvals.policy import Action, Reason, Subject

CONFIRMATION = "confirmation"
"""The form's field for a text that has to be typed; its description is that text, and nothing else."""


class RefusedError(NeoError):
    """The approval policy, or a person, refuses; nothing was sent.

    Attributes:
        question: The question, if no one was asked.
        reason: The policy's reason, if no one was asked.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: NextStep | None = None,
        question: "Question | None" = None,
        reason: Reason | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.question = question
        self.reason = reason


class UndecidedError(RefusedError):
    """A form returned no decision: nothing was sent, and its question is still open."""


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """The answer to a form as the surface returned it.

    Attributes:
        action: Whether the form was accepted, declined or dismissed.
        content: The fields as they were filled in.
        is_malformed: Whether the surface's answer is invalid by its own protocol.
    """

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] = field(default_factory=dict)
    is_malformed: bool = False


class Choice(StrEnum):
    """The result of a form."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's decision and their words."""

    choice: Choice
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Any question to a person.

    Attributes:
        text: The text that the person reads before they answer.
        otherwise: The caller's next step if no one can be asked, such as the task's page for a person.
        action: The action that the answer is for.
        subject: The kind of request that it is about.
        about: Everything that the answer applies to, including parts that are too long to show.
        request_id: Id of the request that it is about, if it is about one.
    """

    text: str
    otherwise: NextStep
    action: Action
    subject: Subject = Subject.NOTHING
    about: str = ""
    request_id: str = ""

    @property
    def digest(self) -> str:
        """A digest that binds an answer to the text and the subject of the question."""
        return hashlib.sha256(f"{self.text}\0{self.schema}\0{self.about}".encode()).hexdigest()

    @property
    def schema(self) -> dict[str, Any]:
        """The form's fields."""
        raise NotImplementedError

    @property
    def message(self) -> str:
        """The text of the form, with a note on how to leave it open."""
        return f"{self.text}\n\n{self.how_to_refuse}"

    @property
    def how_to_refuse(self) -> str:
        """A note on how to refuse, and that closing the form decides nothing."""
        raise NotImplementedError

    def read(self, form: FormAnswer) -> Answer:
        """Read the answer of a form; only a choice that was made in it and accepted is one.

        Several hosts decline, dismiss or accept forms that no one has seen.

        Raises:
            UndecidedError: If there is none.
        """
        raise NotImplementedError

    def undecided(self, why: str) -> UndecidedError:
        """The error for a form that returned no answer."""
        is_open = "" if self.subject is Subject.NOTHING else " The request is still open."
        return UndecidedError(
            f"No decision was made: {why}; nothing was sent.{is_open}",
            next_step=(
                self.otherwise,
                f" Ask again only if the person wants that. {self.how_to_refuse}",
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Question):
    """A question that a person agrees to or refuses.

    Attributes:
        yes: Label of agreement, such as ``approve``.
        no: Label of refusal.
        to_type: The text to type to agree, such as a stack's name; empty if a choice is enough.
        kind: The kind of that text, such as ``stack``.
    """

    yes: str
    no: str
    to_type: str = ""
    kind: str = "stack"

    @property
    def schema(self) -> dict[str, Any]:
        """The form's fields."""
        # Without a default: some hosts fill those in by themselves.
        fields: dict[str, Any] = {
            "decision": {
                "type": "string",
                "title": "Decision",
                "description": f"“{self.no}” says no.",
                "enum": [self.yes, self.no],
            }
        }
        if self.to_type:
            fields[CONFIRMATION] = {
                "type": "string",
                "title": f"To {self.yes}, type the name of the {self.kind}",
                "description": self.to_type,
            }
        fields["guidance"] = {"type": "string", "title": "Words for Neo", "description": "Optional."}
        return {"type": "object", "properties": fields, "required": ["decision"]}

    @property
    def how_to_refuse(self) -> str:
        """A note on how to refuse, and that closing the form decides nothing."""
        return f"To say no, choose “{self.no}” and send the form: closing or declining it decides nothing."

    def read(self, form: FormAnswer) -> Answer:
        """Read the decision of a form."""
        content = form.content
        words = _text(content.get("guidance"))
        match form.action, content.get("decision"):
            case "accept", self.yes if _text(content.get(CONFIRMATION)) != self.to_type:
                raise self.undecided(f"the {self.kind}'s name was not typed exactly as the form shows it")
            case "accept", self.yes:
                return Answer(Choice.YES, words)
            case "accept", self.no:
                return Answer(Choice.NO, words)
            case _:
                raise self.undecided(_why(form))


PROPOSED, OTHER = "the proposed answer", "another answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion(Question):
    """A question that is answered in words.

    The form has no default: a proposed answer has to be chosen.

    Attributes:
        proposal: An answer that the caller proposes; may be empty.
        options: Answers that Neo suggests.
    """

    proposal: str = ""
    options: tuple[str, ...] = ()

    @property
    def choices(self) -> dict[str, str]:
        """The choices by label, with the answer of each; empty for the person's own words.

        Neo's options are quoted, so that none can pass for one of ours.
        """
        choices = {quoted(option): option for option in self.options}
        if self.proposal and self.proposal not in self.options:
            choices[PROPOSED] = self.proposal
        return {**choices, OTHER: ""} if choices else {}

    @property
    def schema(self) -> dict[str, Any]:
        """The form's fields."""
        words: dict[str, Any] = {"type": "string", "title": "Your answer"}
        if not self.choices:
            return {
                "type": "object",
                "properties": {"answer": {**words, "minLength": 1}},
                "required": ["answer"],
            }
        choice = {"type": "string", "title": "Answer", "enum": list(self.choices)}
        words["description"] = f"With “{OTHER}”."
        return {"type": "object", "properties": {"choice": choice, "answer": words}, "required": ["choice"]}

    @property
    def how_to_refuse(self) -> str:
        """A note that closing the form decides nothing."""
        return "Closing or declining this form leaves the question open."

    def read(self, form: FormAnswer) -> Answer:
        """Read the answer of a form."""
        content, choices = form.content, self.choices
        words, choice = _text(content.get("answer")), content.get("choice")
        chosen = choices.get(choice) if isinstance(choice, str) else None
        if form.action != "accept" or (choice and chosen is None and choices):
            raise self.undecided(_why(form))
        if chosen and words and words != chosen:
            raise self.undecided("the form came back with two different answers")
        if not (chosen or words):
            raise self.undecided(_why(form))
        return Answer(Choice.YES, chosen or words)


def _why(form: FormAnswer) -> str:
    if form.is_malformed:
        return "the host's answer to the form is malformed"
    match form.action:
        case "accept":
            return "the form came back without one of its choices"
        case "decline":
            return "the form was declined"
        case "cancel":
            return "the form was dismissed"


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) and not is_blank(value) else ""
