"""Forms of any shape, filled in by somebody who is played."""

import io
from typing import Any

import jsonschema
import pytest
from mcp_types import ElicitRequestFormParams

from neo_mcp.cli.terminal.forms import Field, PlayedPerson, fields_of
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.server.elicitation import form_answer
from neo_mcp.service.approvals.policy import Action
from neo_mcp.service.approvals.questions import Choice, Decision, OpenQuestion

ANYTHING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "Green"], "title": "Which colour?"},
        "sure": {"type": "boolean"},
        "how_many": {"type": "integer", "default": 3},
        "how_much": {"type": "number"},
        "words": {"type": "string", "description": "Whatever comes to mind."},
    },
    "required": ["colour", "sure"],
}


def form(schema: dict[str, Any]) -> ElicitRequestFormParams:
    return ElicitRequestFormParams(message="Fill this in.", requested_schema=schema)


def field(name: str) -> Field:
    (found,) = [each for each in fields_of(form(ANYTHING)) if each.name == name]
    return found


def test_the_fields_of_a_form_come_in_its_order_with_what_a_person_has_to_know() -> None:
    fields = fields_of(form(ANYTHING))
    assert [each.title for each in fields] == ["Which colour?", "Sure", "How many", "How much", "Words"]
    assert [each.required for each in fields] == [True, True, False, False, False]
    assert field("sure").options == ("yes", "no")
    assert field("how_many").default == "3"
    assert field("words").description == "Whatever comes to mind."


@pytest.mark.parametrize(
    ("name", "typed", "meaning"),
    [
        ("colour", "1", "red"),
        ("colour", "2", "Green"),
        ("colour", "GREEN", "Green"),
        ("sure", "yes", True),
        ("sure", "2", False),
        ("how_many", "12", 12),
        ("how_much", "1.5", 1.5),
        ("words", "2", "2"),
    ],
)
def test_what_is_typed_means_what_the_field_says(name: str, typed: str, meaning: object) -> None:
    assert field(name).read(typed) == meaning
    jsonschema.validate(field(name).read(typed), ANYTHING["properties"][name])


@pytest.mark.parametrize(
    ("name", "typed"),
    [("colour", "0"), ("colour", "3"), ("colour", "blue"), ("sure", "perhaps"), ("how_many", "a few")],
)
def test_what_means_nothing_there_is_refused(name: str, typed: str) -> None:
    with pytest.raises(ValueError, match=typed):
        field(name).read(typed)


@pytest.mark.parametrize(
    "question",
    [
        Decision(text="Go?", otherwise="", action=Action.APPROVE, yes="approve", no="deny"),
        Decision(
            text="Go?", otherwise="", action=Action.KILL, yes="kill", no="keep", to_type="shop/prod: blue"
        ),
        OpenQuestion(text="Where?", otherwise="", action=Action.ANSWER),
        OpenQuestion(text="Where?", otherwise="", action=Action.ANSWER, proposal="eu-west-1"),
    ],
)
async def test_the_played_person_satisfies_every_form_of_this_server(
    question: Decision | OpenQuestion,
) -> None:
    out = io.StringIO()
    person = PlayedPerson(Painter(out, colour=False))
    params = ElicitRequestFormParams(message=question.text, requested_schema=question.schema)
    result = await person.fill_in(None, params)  # type: ignore[arg-type]  # what they say depends on the form alone
    jsonschema.validate(result.content, question.schema)
    answer = question.read(form_answer(result))
    assert answer.choice is Choice.YES
    assert answer.words in {"", "eu-west-1", "Do what you think is best, and keep it cheap."}
    assert question.text in out.getvalue()
