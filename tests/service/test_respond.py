"""respond, in both protocol eras, under every approval policy."""

from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult, InputResponses

from neo_mcp.config import ApprovalPolicy
from tests.support.host import ORG, Host, Json, Person, World

GONE = "nothing was sent"
ASKED: Json = {"type": "user_message", "content": "Look around"}


async def until_asked(host: Host, scenario: str, **arguments: Any) -> tuple[str, Json]:  # noqa: ANN401 - any JSON
    """A task that waits for somebody, and the last result of waiting for it."""
    task_id, cursor = await host.create(scenario, **arguments)
    return task_id, await host.wait(task_id, cursor)


def confirmations(world: World, task_id: str) -> list[Json]:
    return [event for event in world.sent(task_id) if event["type"] == "user_confirmation"]


class TestApprovals:
    async def test_a_person_approves_and_neo_goes_on(self, world: World, era: str) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            task_id, waited = await until_asked(host, "denied-approval")
            (need,) = waited["needs"]
            assert need["kind"] == "approval"
            said = await host.call(
                "respond", task_id=task_id, action="approve", request_id=need["request_id"]
            )
            assert "was approved" in said["sent"]
            after = await host.wait(task_id, waited["cursor"])
        (form,) = person.forms
        assert need["message"] in form
        assert need["request_id"] in form
        (sent,) = confirmations(world, task_id)
        assert sent["ok"] is True
        assert sent["approval_request_id"] == need["request_id"]
        assert after["needs"][0]["kind"] == "turn_ended"

    async def test_a_persons_words_travel_with_the_approval(self, world: World, era: str) -> None:
        async with world.host(Person(guidance=" only two nodes "), mode=era) as host:
            task_id, _ = await until_asked(host, "denied-approval")
            await host.call("respond", task_id=task_id, action="approve", text="the model's words")
        assert confirmations(world, task_id)[0]["instructions"] == "only two nodes"

    async def test_nothing_travels_with_an_approval_that_the_person_has_not_seen(
        self, world: World, era: str
    ) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            task_id, _ = await until_asked(host, "denied-approval")
            along: dict[str, Any] = {"text": "and grow it", "add_entities": ["stack shop/dev"]}
            too_long = await host.refused("respond", task_id=task_id, action="approve", text="x " * 1000)
            assert not person.forms
            await host.call("respond", task_id=task_id, action="approve", **along)
        assert "too long" in too_long
        (form,) = person.forms
        assert "and grow it" in form
        assert '"+ stack shop/dev"' in form
        assert confirmations(world, task_id)[0]["instructions"] == "and grow it"

    async def test_a_persons_no_is_sent_as_a_denial(self, world: World, era: str) -> None:
        async with world.host(Person(choice=1, guidance="too dear"), mode=era) as host:
            task_id, waited = await until_asked(host, "denied-approval")
            said = await host.call("respond", task_id=task_id, action="approve")
            assert "DENIED" in said["sent"]
            after = await host.wait(task_id, waited["cursor"])
        (sent,) = confirmations(world, task_id)
        assert sent["ok"] is False
        assert sent["instructions"] == "too dear"
        assert "too dear" in said["sent"]
        # Neo proposes something else instead.
        assert after["needs"][0]["request_id"] != sent["approval_request_id"]

    async def test_a_dismissed_form_sends_nothing(self, world: World, era: str) -> None:
        async with world.host(Person("cancel"), mode=era) as host:
            task_id, waited = await until_asked(host, "denied-approval")
            text = await host.refused("respond", task_id=task_id, action="approve")
            assert GONE in text
            again = await host.wait(task_id, waited["cursor"], timeout_seconds=0.05)
        assert [need["request_id"] for need in again["needs"]] == [waited["needs"][0]["request_id"]]
        assert world.sent(task_id) == []

    async def test_a_host_without_elicitation_is_told_the_tasks_page(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, _ = await until_asked(host, "denied-approval")
            text = await host.refused("respond", task_id=task_id, action="approve")
        assert f"/{ORG}/neo/tasks/{task_id}" in text
        assert world.sent(task_id) == []

    async def test_the_operator_can_trust_the_host(self, world: World, era: str) -> None:
        person = Person()
        async with world.host(person, mode=era, approvals=ApprovalPolicy.HOST) as host:
            task_id, _ = await until_asked(host, "denied-approval")
            await host.call("respond", task_id=task_id, action="approve", text="fine")
        assert person.forms == []
        assert (
            confirmations(world, task_id)[0] | {"ok": True, "instructions": "fine"}
            == confirmations(world, task_id)[0]
        )

    async def test_the_operator_can_deny_everything(self, world: World, era: str) -> None:
        async with world.host(Person(), mode=era, approvals=ApprovalPolicy.DENY) as host:
            task_id, _ = await until_asked(host, "denied-approval")
            text = await host.refused("respond", task_id=task_id, action="approve")
            assert f"/neo/tasks/{task_id}" in text
            assert world.sent(task_id) == []
            await host.call("respond", task_id=task_id, action="deny", text="no")
        assert confirmations(world, task_id)[0]["ok"] is False

    async def test_denying_needs_no_person(self, world: World) -> None:
        person = Person()
        async with world.host(person) as host:
            task_id, _ = await until_asked(host, "denied-approval")
            said = await host.call("respond", task_id=task_id, action="deny", text="Use three nodes.")
        assert person.forms == []
        assert "was denied" in said["sent"]
        assert confirmations(world, task_id)[0]["instructions"] == "Use three nodes."

    async def test_what_was_settled_elsewhere_meanwhile_is_not_settled_again(
        self, world: World, era: str
    ) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            task_id, waited = await until_asked(host, "denied-approval")
            request_id = waited["needs"][0]["request_id"]

            async def settle() -> None:
                decision = {"type": "user_confirmation", "approval_request_id": request_id, "ok": False}
                world.simulator.append_event(ORG, task_id, decision, kind="userInput")
                await world.simulator.wait_idle(ORG, task_id)
                # The server has heard of it once a wait has.
                await host.wait(task_id, waited["cursor"], until="any")

            person.before = settle
            text = await host.refused("respond", task_id=task_id, action="approve", request_id=request_id)
        assert "was already denied by someone else" in text
        assert world.sent(task_id) == []

    async def test_what_changed_meanwhile_is_not_approved(self, world: World, era: str) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            request = {"type": "user_approval_request", "id": "a1", "message": "Delete a log?"}
            task_id = world.simulator.add_task(ORG, events=[("agentResponse", request)])
            waited = await host.wait(task_id)

            async def change() -> None:
                other = {**request, "message": "Delete the database?"}
                world.simulator.append_event(ORG, task_id, other, kind="agentResponse")
                await host.wait(task_id, waited["cursor"], until="any")

            person.before = change
            text = await host.refused("respond", task_id=task_id, action="approve")
        assert "changed" in text
        assert world.sent(task_id) == []

    async def test_several_requests_have_to_be_named(self, world: World) -> None:
        requests: list[tuple[str, Json]] = [
            ("agentResponse", {"type": "user_approval_request", "id": f"a{n}", "message": f"Thing {n}?"})
            for n in (1, 2)
        ]
        task_id = world.simulator.add_task(ORG, events=requests)
        person = Person()
        async with world.host(person) as host:
            text = await host.refused("respond", task_id=task_id, action="approve")
            assert "a1 (approval), a2 (approval)" in text
            text = await host.refused("respond", task_id=task_id, action="approve", request_id="a3")
            assert "a1 (approval), a2 (approval)" in text
            await host.call("respond", task_id=task_id, action="approve", request_id="a2")
        assert len(person.forms) == 1
        assert "Thing 2?" in person.forms[0]
        assert [c["approval_request_id"] for c in confirmations(world, task_id)] == ["a2"]

    async def test_with_nothing_pending_there_is_nothing_to_decide(self, world: World) -> None:
        async with world.host(Person()) as host:
            task_id, _ = await until_asked(host, "hello")
            for action in ("approve", "deny"):
                assert "Nothing is pending" in await host.refused("respond", task_id=task_id, action=action)
            text = await host.refused("respond", task_id=task_id, action="answer", text="x")
            assert "Nothing is pending" in text

    async def test_a_message_has_to_wait_for_the_decision(self, world: World) -> None:
        async with world.host() as host:
            task_id, waited = await until_asked(host, "denied-approval")
            text = await host.refused("respond", task_id=task_id, action="message", text="Hurry up")
        assert waited["needs"][0]["request_id"] in text
        assert '"deny"' in text
        assert world.sent(task_id) == []

    async def test_an_answer_given_in_the_modern_era_counts_once(self, world: World) -> None:
        """A host that sends the same answered call again repeats nothing."""
        async with world.host(Person()) as host:
            session = host.client.session
            arguments = {"prompt": "Go (scenario:hello)", "approval_mode": "auto"}
            asked = await session.call_tool("create_task", arguments, allow_input_required=True)
            assert isinstance(asked, InputRequiredResult)
            answers: InputResponses = {
                "decision": ElicitResult(action="accept", content={"decision": "allow"})
            }
            failed: list[bool | None] = []
            for _ in range(2):
                result = await session.call_tool(
                    "create_task",
                    arguments,
                    input_responses=answers,
                    request_state=asked.request_state,
                    allow_input_required=True,
                )
                assert isinstance(result, CallToolResult)
                failed.append(result.is_error)
        assert [bool(one) for one in failed] == [False, True]
        assert len(world.bodies("/tasks")) == 1

    async def test_an_answer_to_one_call_settles_no_other(self, world: World) -> None:
        async with world.host(Person()) as host:
            session = host.client.session
            arguments = {"prompt": "Go", "approval_mode": "auto"}
            asked = await session.call_tool("create_task", arguments, allow_input_required=True)
            assert isinstance(asked, InputRequiredResult)
            answers: InputResponses = {
                "decision": ElicitResult(action="accept", content={"decision": "allow"})
            }
            with pytest.raises(MCPError, match="requestState"):
                await session.call_tool(
                    "create_task",
                    {**arguments, "prompt": "Delete it all"},
                    input_responses=answers,
                    request_state=asked.request_state,
                    allow_input_required=True,
                )
        assert world.bodies("/tasks") == []


class TestPlans:
    async def test_a_plan_is_shown_and_accepted(self, world: World, era: str) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            task_id, waited = await until_asked(host, "denied-approval", plan_mode=True)
            (need,) = waited["needs"]
            assert need["kind"] == "plan"
            await host.call("respond", task_id=task_id, action="approve")
            after = await host.wait(task_id, waited["cursor"])
        assert need["plan"] in person.forms[0].replace("\n> ", "\n").replace("\n>", "\n")
        assert confirmations(world, task_id)[0]["ok"] is True
        assert after["needs"][0]["kind"] == "approval"

    async def test_a_refused_plan_comes_back_revised(self, world: World) -> None:
        async with world.host() as host:
            task_id, waited = await until_asked(host, "denied-approval", plan_mode=True)
            await host.call("respond", task_id=task_id, action="deny", text="Smaller steps")
            after = await host.wait(task_id, waited["cursor"])
        assert after["needs"][0]["kind"] == "plan"
        assert after["needs"][0]["request_id"] != waited["needs"][0]["request_id"]


class TestQuestions:
    async def test_a_question_is_answered(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, waited = await until_asked(host, "question")
            (need,) = waited["needs"]
            assert need["kind"] == "question"
            assert '"answer"' in need["reply"]
            said = await host.call("respond", task_id=task_id, action="answer", text="eu-west-1")
            assert "was answered" in said["sent"]
            after = await host.wait(task_id, waited["cursor"])
        (sent,) = confirmations(world, task_id)
        assert (sent["ok"], sent["instructions"]) == (False, "eu-west-1")
        assert after["needs"][0]["kind"] in {"approval", "turn_ended"}

    async def test_a_question_is_not_approved_and_an_answer_needs_words(self, world: World) -> None:
        async with world.host(Person()) as host:
            task_id, _ = await until_asked(host, "question")
            assert '"answer"' in await host.refused("respond", task_id=task_id, action="approve")
            for arguments in ({}, {"text": "  "}):
                text = await host.refused("respond", task_id=task_id, action="answer", **arguments)
                assert "needs text" in text
        assert world.sent(task_id) == []

    async def test_an_approval_is_not_answered(self, world: World) -> None:
        async with world.host() as host:
            task_id, waited = await until_asked(host, "denied-approval")
            request_id = waited["needs"][0]["request_id"]
            named: Json = {"request_id": request_id}
            for arguments in ({}, named):
                text = await host.refused(
                    "respond", task_id=task_id, action="answer", text="yes", **arguments
                )
                assert request_id in text
        assert world.sent(task_id) == []


class TestMessages:
    async def test_a_message_starts_another_turn(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, waited = await until_asked(host, "hello")
            said = await host.call(
                "respond",
                task_id=task_id,
                action="message",
                text="And now this",
                commands=["fix"],
                add_entities=["stack shop/prod"],
                remove_entities=["policy issue pi-1"],
            )
            assert "sent" in said["sent"]
            after = await host.wait(task_id, waited["cursor"])
        (event,) = world.sent(task_id)
        assert event["content"] == "And now this"
        assert list(event["commands"]) == ["/fix"]
        assert event["entity_diff"] == {
            "add": [{"type": "stack", "name": "prod", "project": "shop"}],
            "remove": [{"type": "policy_issue", "id": "pi-1"}],
        }
        assert after["needs"][0]["kind"] == "turn_ended"
        assert "And now this" in after["needs"][0]["message"]

    @pytest.mark.parametrize("text", [None, "", " \n"])
    async def test_a_message_needs_text(self, world: World, text: str | None) -> None:
        async with world.host() as host:
            task_id, _ = await until_asked(host, "hello")
            given = {} if text is None else {"text": text}
            assert "needs text" in await host.refused("respond", task_id=task_id, action="message", **given)
        assert world.sent(task_id) == []


class TestCancelling:
    async def test_neo_is_asked_to_stop(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, waited = await until_asked(host, "denied-approval")
            await host.call("respond", task_id=task_id, action="cancel")
            after = await host.wait(task_id, waited["cursor"])
        assert [event["type"] for event in world.sent(task_id)] == ["user_cancel"]
        assert [need["kind"] for need in after["needs"]] == ["cancelled"]

    async def test_killing_a_session_asks_a_person(self, world: World, era: str) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            task_id, waited = await until_asked(host, "denied-approval")
            said = await host.call("respond", task_id=task_id, action="cancel", force=True)
            assert "killed" in said["sent"]
            after = await host.wait(task_id, waited["cursor"])
            assert [need["kind"] for need in after["needs"]] == ["cancelled"]
            # What was pending died with the session: the task takes messages again.
            await host.call("respond", task_id=task_id, action="message", text="Start over")
            ended = await host.wait(task_id, after["cursor"])
        assert "half changed" in person.forms[0]
        assert world.bodies("/cancel") == [{"force": True}]
        assert ended["needs"][0]["kind"] == "turn_ended"

    @pytest.mark.parametrize("person", [Person(choice=1), Person("decline"), Person("cancel"), None])
    async def test_without_a_yes_the_session_lives(
        self, world: World, era: str, person: Person | None
    ) -> None:
        async with world.host(person, mode=era) as host:
            task_id, _ = await until_asked(host, "denied-approval")
            await host.refused("respond", task_id=task_id, action="cancel", force=True)
        assert world.bodies("/cancel") == []

    async def test_the_form_of_a_kill_says_which_task(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, name='Nightly"\nId: t-2', status="running")
        async with world.host(person := Person(), mode=era) as host:
            await host.call("respond", task_id=task_id, action="cancel", force=True)
        lines = person.forms[0].splitlines()
        assert 'Task: "Nightly\\" Id: t-2"' in lines
        assert f'Task id: "{task_id}"' in lines
        assert any(line.startswith("Page: ") and line.endswith(f"/neo/tasks/{task_id}") for line in lines)

    @pytest.mark.parametrize("choice", [0, 1])
    async def test_a_task_that_ended_meanwhile_is_not_killed(
        self, world: World, era: str, choice: int
    ) -> None:
        task_id = world.simulator.add_task(ORG, events=[("userInput", ASKED)], status="running")

        async def end() -> None:
            task = world.simulator.store.get(ORG, task_id)
            task.append("agentResponse", {"type": "assistant_message", "content": "Done.", "is_final": True})
            task.end_turn()

        async with world.host(Person(choice=choice, before=end), mode=era) as host:
            text = await host.refused("respond", task_id=task_id, action="cancel", force=True)
        assert "nothing was sent" in text
        assert choice == 1 or "idle already" in text
        assert world.bodies("/cancel") == []

    async def test_another_turn_is_not_the_one_that_was_agreed_to(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, events=[("userInput", ASKED)], status="running")
        cursor = ""

        async def begin_another() -> None:
            task = world.simulator.store.get(ORG, task_id)
            task.append("agentResponse", {"type": "assistant_message", "content": "Done.", "is_final": True})
            task.append("userInput", {**ASKED, "content": "Now something else"})
            # The server knows of it.
            await host.wait(task_id, cursor, until="any")

        async with world.host(Person(before=begin_another), mode=era) as host:
            cursor = (await host.wait(task_id, until="any"))["cursor"]
            text = await host.refused("respond", task_id=task_id, action="cancel", force=True)
        assert "nothing was sent" in text
        assert world.bodies("/cancel") == []

    async def test_an_idle_task_is_not_killed_and_nobody_is_asked(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG)
        async with world.host(person := Person(), mode=era) as host:
            text = await host.refused("respond", task_id=task_id, action="cancel", force=True)
        assert "idle already" in text
        assert person.forms == []
        assert world.bodies("/cancel") == []

    async def test_force_without_cancel_is_refused(self, world: World) -> None:
        async with world.host() as host:
            task_id, _ = await until_asked(host, "hello")
            text = await host.refused("respond", task_id=task_id, action="message", text="x", force=True)
        assert "force" in text
        assert world.sent(task_id) == []


async def test_a_wait_right_after_a_response_never_tells_the_state_before(world: World, era: str) -> None:
    async with world.host(mode=era) as host:
        task_id, waited = await until_asked(host, "hello")
        for number in range(25):
            await host.call("respond", task_id=task_id, action="message", text=f"Round {number}")
            waited = await host.wait(task_id, waited["cursor"])
            (need,) = waited["needs"]
            assert f"Round {number}\n" in need["message"]


async def test_a_wait_right_after_a_decision_never_tells_the_request_again(world: World) -> None:
    async with world.host(approvals=ApprovalPolicy.HOST) as host:
        for _ in range(10):
            task_id, waited = await until_asked(host, "denied-approval")
            request_id = waited["needs"][0]["request_id"]
            await host.call("respond", task_id=task_id, action="approve")
            after = await host.wait(task_id, waited["cursor"])
            assert request_id not in {need.get("request_id") for need in after["needs"]}
