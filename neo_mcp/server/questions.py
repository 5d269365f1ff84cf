"""What a person is asked, and how their answer is read. Nothing here decides who is asked, or whether.

A question is bound to what was shown and to what it is about: an answer to one never settles another.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult

from neo_mcp.errors import NeoError

_DISMISSED = "The person dismissed the question; nothing was sent."


class RefusedError(NeoError):
    """The approval policy, or a person, says no; nothing was sent."""


class Verdict(StrEnum):
    """What a person said."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's verdict and their words."""

    verdict: Verdict
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Anything that is put to a person.

    Attributes:
        text: All that the person sees.
        otherwise: The caller's next step where nobody can be asked, such as the task's page for a person.
        about: All that the answer is good for, also what of it is too long to be shown.
    """

    text: str
    otherwise: str
    about: str = ""

    @property
    def digest(self) -> str:
        """Binds an answer to what was shown and to what it is about."""
        return hashlib.sha256(f"{self.text}\0{self.schema}\0{self.about}".encode()).hexdigest()

    @property
    def schema(self) -> dict[str, Any]:
        """The form's fields."""
        raise NotImplementedError

    @property
    def request(self) -> ElicitRequest:
        """The question as the protocol has it."""
        return ElicitRequest(params=ElicitRequestFormParams(message=self.text, requested_schema=self.schema))

    def read(self, result: ElicitResult) -> Answer:
        """What the person said.

        Raises:
            RefusedError: If they said nothing, or not what the question needs.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Question):
    """A question that is agreed to or not.

    Attributes:
        yes: Label of agreement, such as ``approve``.
        no: Label of refusal.
        to_type: What has to be typed to agree, such as a stack's name; empty if a choice is enough.
        place: What that is, such as ``stack``.
    """

    yes: str
    no: str
    to_type: str = ""
    place: str = "stack"

    @property
    def schema(self) -> dict[str, Any]:
        """The form's fields."""
        fields: dict[str, Any] = {
            "decision": {"type": "string", "title": "Decision", "enum": [self.yes, self.no]}
        }
        if self.to_type:
            fields["confirmation"] = {
                "type": "string",
                "title": f"Name of the {self.place}",
                "description": f"To {self.yes}, type: {self.to_type}",
            }
        fields["guidance"] = {"type": "string", "title": "Words for Neo", "description": "Optional."}
        return {"type": "object", "properties": fields, "required": ["decision"]}

    def read(self, result: ElicitResult) -> Answer:
        """What the person decided."""
        content = result.content or {}
        words = _text(content.get("guidance"))
        match result.action, content.get("decision"):
            case "accept", self.yes if _text(content.get("confirmation")) != self.to_type:
                raise RefusedError(
                    f"The {self.place}'s name was not typed as the form asks; nothing was sent.",
                    next_step="Ask again: the person types it exactly as it is shown.",
                )
            case "accept", self.yes:
                return Answer(Verdict.YES, words)
            case ("accept", self.no) | ("decline", _):
                return Answer(Verdict.NO, words)
            case _:
                raise RefusedError(_DISMISSED, next_step="Ask them what they want before you try again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion(Question):
    """A question that is answered in words.

    Attributes:
        proposal: The answer that stands in the form to begin with; may be empty.
    """

    proposal: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """The form's fields."""
        field = {"type": "string", "title": "Your answer", "minLength": 1}
        if self.proposal:
            field["default"] = self.proposal
        return {"type": "object", "properties": {"answer": field}, "required": ["answer"]}

    def read(self, result: ElicitResult) -> Answer:
        """The person's answer."""
        words = _text((result.content or {}).get("answer"))
        if result.action == "accept" and words:
            return Answer(Verdict.YES, words)
        if result.action == "decline":
            raise RefusedError("The person will not answer this; nothing was sent.")
        raise RefusedError(_DISMISSED, next_step="Ask them what they want before you try again.")


def removed_note(count: int) -> str:
    """Says that sanitising took something away: somebody may have meant to hide it."""
    return f"Removed from this form: {count} invisible characters or terminal sequences. Look twice."


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
