"""What a person sees before they decide, and what counts as their yes."""

from typing import Any

import mcp_types as types
import pytest

from neo_mcp.config import Answerer
from neo_mcp.simulator import Fault
from tests.server.support import ORG, Json, Person, World

UP = {"id": "call-1", "name": "pulumi__up", "args": {"project": "shop", "stack": "prod"}}


def asks(**more: Any) -> list[tuple[str, Json]]:  # noqa: ANN401 - any JSON
    """Neo calls `pulumi up` and asks for permission."""
    context = {"tool_name": "pulumi__up", "tool_call_id": "call-1", **more.pop("context", {})}
    request = {"type": "user_approval_request", "id": "a1", "message": "Run it?", "context": context, **more}
    return [
        ("agentResponse", {"type": "assistant_message", "content": "I update.", "tool_calls": [UP]}),
        ("agentResponse", request),
    ]


async def approve(
    world: World,
    events: list[tuple[str, Json]],
    person: Person,
    **settings: Any,  # noqa: ANN401 - the fields of the settings
) -> tuple[str, str]:
    """Try to approve; gives back the task and what the caller is told."""
    task_id = world.simulator.add_task(ORG, events=events)
    async with world.host(person, **settings) as host:
        result = await host.raw("respond", {"task_id": task_id, "action": "approve"})
    (text,) = [block.text for block in result.content if block.type == "text"]
    return task_id, text


async def test_the_form_says_what_runs_where_and_how_much_it_weighs(world: World) -> None:
    person = Person()
    await approve(world, asks(sensitivity="sensitive"), person)
    (form,) = person.forms
    assert "permission to run pulumi__up on shop/prod" in form
    assert "Stack: shop/prod" in form
    assert "Sensitivity: sensitive" in form
    assert "Request: a1" in form
    assert "Run it?" in form
    assert '{"project": "shop", "stack": "prod"}' in form
    assert f"in {ORG}" in form


async def test_a_long_diff_is_cut_with_the_lines_left_out_and_the_address_of_the_whole(world: World) -> None:
    person = Person()
    patch = "\n".join(f"+line {number}" for number in range(20_000))
    task_id, _ = await approve(world, asks(context={"git_diff": {"index.ts": patch}}), person)
    (form,) = person.forms
    assert "index.ts +20000" in form
    kept = form.count("\n> +line ")
    assert 0 < kept < 20_000
    note = next(line for line in form.splitlines() if line.startswith("> [cut: "))
    lines_left_out = int(note.split(" lines;")[0].rpartition(" ")[2])
    assert abs(20_000 - kept - lines_left_out) <= 1
    assert f"neo://{ORG}/tasks/{task_id}/transcript" in note


@pytest.mark.parametrize("hidden", ["\u202e", "\U000e0041", "\x1b[8m", "\u200b"])
async def test_what_sanitising_removed_is_said(world: World, hidden: str) -> None:
    person = Person()
    await approve(
        world, asks(context={"git_diff": {"a.ts": f"+ok{hidden}"}}, message=f"Run{hidden} it?"), person
    )
    (form,) = person.forms
    assert hidden not in form
    assert "Removed from this form: 2 " in form


async def test_a_clean_form_says_nothing_of_removing(world: World) -> None:
    person = Person()
    await approve(world, asks(), person)
    assert "Removed" not in person.forms[0]


class TestTyping:
    async def test_the_stacks_name_is_typed_for_a_sensitive_change(self, world: World, era: str) -> None:
        task_id, text = await approve(world, asks(), Person(typed="shop/prod"), mode=era)
        assert "was approved" in text
        assert world.sent(task_id)[0]["ok"] is True

    @pytest.mark.parametrize("typed", ["", "prod", "shop/dev", "SHOP/PROD", "yes"])
    async def test_anything_else_sends_nothing(self, world: World, era: str, typed: str) -> None:
        task_id, text = await approve(world, asks(), Person(typed=typed), mode=era)
        assert "nothing was sent" in text
        assert "Ask again" in text
        assert world.sent(task_id) == []

    async def test_denying_needs_no_typing(self, world: World) -> None:
        task_id, text = await approve(world, asks(), Person(choice=1, typed=""))
        assert "DENIED" in text
        assert world.sent(task_id)[0]["ok"] is False

    async def test_on_a_protected_stack_everything_is_sensitive(self, world: World) -> None:
        events = asks(sensitivity="regular")
        for _, event in events:
            event["tool_calls"] = [{**UP, "name": "pulumi__preview"}]
        events[1][1]["context"]["tool_name"] = "pulumi__preview"
        unprotected, protected = Person(typed=""), Person(typed="")
        _, text = await approve(world, events, unprotected, protected_stacks=("payments/*",))
        assert "was approved" in text
        _, text = await approve(world, events, protected, protected_stacks=("*/prod",))
        assert "nothing was sent" in text
        assert "shop/prod (PROTECTED)" in protected.forms[0]

    async def test_where_no_stack_is_known_it_is_the_organizations_name(self, world: World) -> None:
        request = {"type": "user_approval_request", "id": "a1", "message": "Go?", "sensitivity": "sensitive"}
        person = Person(typed=ORG)
        _, text = await approve(world, [("agentResponse", request)], person)
        assert "Stack: none is named" in person.forms[0]
        assert "was approved" in text


class TestTheLastLook:
    """The task is read again before an answer goes out: the live stream may know nothing yet."""

    @pytest.fixture(autouse=True)
    def silent_stream(self, world: World) -> None:
        world.simulator.faults.add(Fault("silence", path="/events/stream", at=0, times=0))

    async def test_what_was_settled_elsewhere_is_not_settled_again(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, events=asks())

        async def settle() -> None:
            decision = {"type": "user_confirmation", "approval_request_id": "a1", "ok": False}
            world.simulator.append_event(ORG, task_id, decision, kind="userInput")

        async with world.host(Person(before=settle), mode=era) as host:
            text = await host.refused("respond", task_id=task_id, action="approve")
        assert "a1 was already denied by someone else" in text
        assert world.sent(task_id) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"message": "Run it on everything?"},
            {"context": {"tool_name": "pulumi__destroy", "tool_call_id": "call-1"}},
            {"context": {"tool_name": "pulumi__up", "tool_call_id": "call-1", "git_diff": {"b.ts": "+x"}}},
            {"sensitivity": "sensitive"},
        ],
    )
    async def test_what_changed_is_not_approved(self, world: World, era: str, change: Json) -> None:
        events = asks()
        task_id = world.simulator.add_task(ORG, events=events)

        async def alter() -> None:
            world.simulator.append_event(ORG, task_id, events[1][1] | change, kind="agentResponse")

        async with world.host(Person(before=alter), mode=era) as host:
            text = await host.refused("respond", task_id=task_id, action="approve")
        assert "changed" in text
        assert world.sent(task_id) == []

    async def test_a_change_beyond_the_part_that_is_shown_counts(self, world: World, era: str) -> None:
        patch = "\n".join(f"+line {number}" for number in range(20_000))
        events = asks(context={"git_diff": {"index.ts": patch}})
        task_id = world.simulator.add_task(ORG, events=events)
        changed: Json = {**events[1][1]["context"], "git_diff": {"index.ts": patch[:-1] + "8"}}

        async def alter() -> None:
            world.simulator.append_event(
                ORG, task_id, events[1][1] | {"context": changed}, kind="agentResponse"
            )

        person = Person(before=alter)
        async with world.host(person, mode=era) as host:
            text = await host.refused("respond", task_id=task_id, action="approve")
        assert "changed" in text
        assert world.sent(task_id) == []

    async def test_what_was_withdrawn_is_not_approved(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, events=asks())

        async def cancel() -> None:
            world.simulator.append_event(ORG, task_id, {"type": "cancelled"}, kind="agentResponse")

        async with world.host(Person(before=cancel), mode=era) as host:
            text = await host.refused("respond", task_id=task_id, action="approve")
        assert "a1 was withdrawn: its turn has ended" in text
        assert world.sent(task_id) == []

    async def test_if_it_cannot_be_looked_at_nothing_is_sent(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, events=asks())

        async def fail() -> None:
            world.simulator.faults.add(Fault("status", status=403, path="/events$", times=0))

        async with world.host(Person(before=fail), mode=era) as host:
            text = await host.refused("respond", task_id=task_id, action="approve")
        assert "nothing was sent" in text
        assert world.sent(task_id) == []


async def test_a_person_may_reword_the_answer_that_the_model_proposes(world: World, era: str) -> None:
    seen: list[Json] = []

    async def person(context: Any, params: Any) -> Any:  # noqa: ANN401, ARG001 - the SDK's signature
        seen.append(params.requested_schema)
        return types.ElicitResult(action="accept", content={"answer": " eu-central-1 "})

    question = {
        "type": "user_approval_request",
        "id": "q1",
        "message": "Which region?",
        "context": {"tool_name": "ask_user"},
    }
    task_id = world.simulator.add_task(ORG, events=[("agentResponse", question)])
    async with world.host(person, mode=era, questions=Answerer.PERSON) as host:
        said = await host.call("respond", task_id=task_id, action="answer", text="eu-west-1")
    assert seen[0]["properties"]["answer"]["default"] == "eu-west-1"
    assert "eu-central-1" in said["sent"]
    (sent,) = world.sent(task_id)
    assert (sent["ok"], sent["instructions"]) == (False, "eu-central-1")
