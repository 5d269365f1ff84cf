"""Forms that nobody has seen, and answers that are none: nothing is decided, and nothing is sent."""

from collections.abc import Callable
from typing import Any

import mcp_types as types
import pytest

from neo_mcp.config import Answerer
from neo_mcp.core.attention import AttentionKind
from neo_mcp.service.approvals.policy import Action, Subject
from neo_mcp.service.approvals.questions import (
    Choice,
    Decision,
    FormAnswer,
    OpenQuestion,
    Question,
    UndecidedError,
)
from tests.support.examples import some
from tests.support.host import ORG, Json, World
from tests.support.tasks_client import TasksClient
from tests.support.tasks_servers import PLAN, QUESTION, REQUEST, pending

pytestmark = pytest.mark.scorecard("a form that nobody has seen decides nothing")

UP: Json = {"id": "c1", "name": "pulumi__pulumi_up", "args": {"project": "shop", "stack": "dev"}}
SENSITIVE: Json = {
    **REQUEST,
    "sensitivity": "sensitive",
    "context": {"tool_name": "pulumi__pulumi_up", "tool_call_id": "c1"},
}

REPLIES: dict[str, Any] = {
    "decline": {"action": "decline"},
    "decline with a choice": {"action": "decline", "content": {"decision": "approve", "answer": "x"}},
    "cancel": {"action": "cancel"},
    "cancel with a choice": {"action": "cancel", "content": {"decision": "approve", "answer": "x"}},
    "accept": {"action": "accept"},
    "accept null": {"action": "accept", "content": None},
    "accept nothing": {"action": "accept", "content": {}},
    "a choice that was not offered": {"action": "accept", "content": {"decision": "yes"}},
    "another spelling": {"action": "accept", "content": {"decision": "Approve"}},
    "both": {"action": "accept", "content": {"decision": ["approve", "deny"]}},
    "true": {"action": "accept", "content": {"decision": True}},
    "a number": {"action": "accept", "content": {"decision": 0}},
    "blank": {"action": "accept", "content": {"decision": "", "answer": " \n"}},
    "another field": {"action": "accept", "content": {"choice": "approve"}},
    "guidance alone": {"action": "accept", "content": {"guidance": "approve"}},
    "an unknown action": {"action": "reject"},
    "an action of another case": {"action": "ACCEPT", "content": {"decision": "approve", "answer": "x"}},
    "no action": {"content": {"decision": "approve", "answer": "x"}},
    "an action that is no text": {"action": None, "content": {"decision": "approve", "answer": "x"}},
    "content that is no object": {"action": "accept", "content": "approve"},
    "a nested choice": {"action": "accept", "content": {"decision": {"value": "approve"}}},
    "no object at all": "approve",
    "a list": [{"action": "accept", "content": {"decision": "approve"}}],
    "null": None,
}
"""What hosts have been seen to send, and what they might."""


def ask(host_reply: object) -> Callable[..., Any]:
    """A host that answers every form with this, valid or not."""

    async def answer(context: Any, params: Any) -> Any:  # noqa: ANN401, ARG001 - the SDK's signature
        if isinstance(host_reply, dict):
            return types.ElicitResult.model_construct(None, **host_reply)
        return host_reply

    return answer


KINDS: dict[str, tuple[Json, Json]] = {
    "an approval": (REQUEST, {"action": "approve"}),
    "a sensitive one": (SENSITIVE, {"action": "approve"}),
    "a plan": (PLAN, {"action": "approve"}),
    "a question": (QUESTION, {"action": "answer", "text": "blue"}),
    "the end of a session": (REQUEST, {"action": "cancel", "force": True}),
}


def waiting(world: World, request: Json) -> str:
    task_id = world.simulator.add_task(ORG, status="running")
    call = {"type": "assistant_message", "content": "I update.", "tool_calls": [UP]}
    for body in (call, request):
        world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
    return task_id


@pytest.mark.parametrize("reply", REPLIES)
async def test_it_sends_nothing_and_says_so_in_the_modern_era(
    client: TasksClient, world: World, reply: str
) -> None:
    task_id = waiting(world, SENSITIVE)
    asked = await client.call("respond", task_id=task_id, action="approve")
    params = {
        "name": "respond",
        "arguments": {"task_id": task_id, "action": "approve"},
        "inputResponses": dict.fromkeys(asked["inputRequests"], REPLIES[reply]),
        "requestState": asked["requestState"],
    }
    result = await client.request("tools/call", **params)
    says_that_nothing_was_decided(result, task_id)
    assert world.sent(task_id) == []


@pytest.mark.parametrize("responses", [None, [], "approve", {}, {"another": {"action": "accept"}}])
async def test_answers_that_are_not_there_decide_nothing(
    client: TasksClient, world: World, responses: object
) -> None:
    task_id = waiting(world, REQUEST)
    asked = await client.call("respond", task_id=task_id, action="approve")
    params = {
        "name": "respond",
        "arguments": {"task_id": task_id, "action": "approve"},
        "inputResponses": responses,
        "requestState": asked["requestState"],
    }
    result = await client.request("tools/call", **params)
    says_that_nothing_was_decided(result, task_id)
    assert world.sent(task_id) == []


def says_that_nothing_was_decided(result: Json, task_id: str) -> None:
    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert "No decision was made" in text
    assert "nothing was sent" in text
    assert f"/neo/tasks/{task_id}" in text
    assert "only if the person wants that" in text
    assert "choose “deny”" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ["decline", "cancel", "accept"])
async def test_no_kind_of_request_is_decided(world: World, era: str, kind: str, action: str) -> None:
    request, arguments = KINDS[kind]
    task_id = waiting(world, request)
    async with world.host(ask({"action": action}), mode=era, questions=Answerer.PERSON) as host:
        text = await host.refused("respond", task_id=task_id, **arguments)
    assert "No decision was made" in text
    assert "DENIED" not in text
    assert world.sent(task_id) == []
    assert world.bodies("/cancel") == []


@pytest.mark.parametrize("reply", REPLIES)
async def test_a_host_of_the_handshake_eras_decides_nothing_with_it(world: World, reply: str) -> None:
    task_id = waiting(world, SENSITIVE)
    async with world.host(ask(REPLIES[reply]), mode="legacy") as host:
        text = await host.refused("respond", task_id=task_id, action="approve")
        assert "No decision was made" in text
        assert "went wrong" not in text
        again = await host.wait(task_id)
    assert [need["kind"] for need in again["needs"]] == [AttentionKind.APPROVAL]
    assert world.sent(task_id) == []


@pytest.mark.parametrize("reply", some(REPLIES, every=4))
async def test_a_task_handle_goes_on_asking(client: TasksClient, world: World, reply: str) -> None:
    neo_task = pending(world, REQUEST)
    handle = await client.deferred(neo_task)
    asked = await client.get(handle)
    (key,) = asked["inputRequests"]
    message = client.message("tasks/update", {"taskId": handle, "inputResponses": {key: REPLIES[reply]}})
    await client.wire.request(message)
    assert world.sent(neo_task) == []
    assert (await client.get(handle))["status"] == "input_required"


@pytest.mark.parametrize("reply", some(REPLIES, every=4))
async def test_a_task_is_neither_started_nor_loosened(client: TasksClient, world: World, reply: str) -> None:
    task_id = world.simulator.add_task(ORG, approval_mode="manual")
    calls: list[tuple[str, Json]] = [
        ("create_task", {"prompt": "Go", "approval_mode": "auto"}),
        ("update_task", {"task_id": task_id, "approval_mode": "auto"}),
    ]
    for tool, arguments in calls:
        asked = await client.call(tool, **arguments)
        params = {
            "name": tool,
            "arguments": arguments,
            "inputResponses": dict.fromkeys(asked["inputRequests"], REPLIES[reply]),
            "requestState": asked["requestState"],
        }
        result = await client.request("tools/call", **params)
        assert result["isError"] is True
        assert "No decision was made" in result["content"][0]["text"]
    assert world.bodies("/tasks") == world.bodies(method="PATCH") == []


async def test_a_host_that_cannot_ask_after_all_decides_nothing(world: World) -> None:
    async def fail(context: Any, params: Any) -> Any:  # noqa: ANN401, ARG001 - the SDK's signature
        return types.ErrorData(code=-32603, message="the window is gone")

    task_id = waiting(world, REQUEST)
    async with world.host(fail, mode="legacy") as host:
        text = await host.refused("respond", task_id=task_id, action="approve")
    assert "No decision was made" in text
    assert "the window is gone" in text
    assert world.sent(task_id) == []


DECISION = Decision(
    text="Go?",
    otherwise="Ask at https://x.",
    action=Action.APPROVE,
    subject=Subject.APPROVAL,
    yes="approve",
    no="deny",
)
TYPED = Decision(
    text="Go?",
    otherwise="",
    action=Action.APPROVE,
    subject=Subject.PLAN,
    yes="approve",
    no="deny",
    to_type="shop/dev",
)
OPEN = OpenQuestion(
    text="Where?", otherwise="", action=Action.ANSWER, subject=Subject.QUESTION, proposal="here"
)


@pytest.mark.parametrize("question", [DECISION, TYPED, OPEN])
def test_no_field_of_a_form_has_a_default(question: Question) -> None:
    # Some hosts fill defaults in by themselves.
    assert "default" not in str(question.schema)


@pytest.mark.parametrize("question", [DECISION, TYPED])
def test_a_form_says_how_to_refuse(question: Question) -> None:
    assert "choose “deny”" in question.message
    assert "“deny” says no" in question.schema["properties"]["decision"]["description"]


@pytest.mark.parametrize("question", [DECISION, TYPED])
def test_a_denial_chosen_in_the_form_counts(question: Decision) -> None:
    answer = question.read(FormAnswer("accept", {"decision": "deny", "guidance": " no "}))
    assert (answer.choice, answer.words) == (Choice.NO, "no")


@pytest.mark.parametrize("typed", [None, "", "shop/prod", "SHOP/DEV", "shop/dev2"])
def test_agreement_without_the_typed_name_decides_nothing(typed: str | None) -> None:
    content: Any = {"decision": "approve", "confirmation": typed}
    with pytest.raises(UndecidedError):
        TYPED.read(FormAnswer("accept", content))
