"""A form whose request is resolved elsewhere: it is closed where that is possible; its answer is not sent."""

import json
from typing import Any

import anyio
import pytest

from neo_mcp.config import Answerer
from neo_mcp.wire import parse_event
from tests.support.host import LEGACY, ORG, Json, Person, World
from tests.support.tasks_client import TasksClient, accept
from tests.support.tasks_servers import PLAN, QUESTION, REQUEST

KINDS: dict[str, tuple[Json, Json]] = {
    "approval": (REQUEST, {"action": "approve"}),
    "plan": (PLAN, {"action": "approve"}),
    "question": (QUESTION, {"action": "answer", "text": "blue"}),
}
WAYS: dict[str, tuple[Json, str]] = {
    "approved": ({"ok": True}, "was already approved by someone else"),
    "denied": ({"ok": False}, "was already {denied} by someone else"),
    "automatic": ({"ok": True, "synthetic": True}, "was already approved by the service itself"),
    "named": ({"ok": True, "actor": "bob"}, 'was already approved by "bob"'),
}


def resolve(world: World, task_id: str, request: Json, way: str) -> str:
    """Someone else decides; gives back what is said of it."""
    decision, said = WAYS[way]
    body = {"type": "user_confirmation", "approval_request_id": request["id"], "ok": decision["ok"]}
    envelope = {
        "id": f"decision-{way}",
        "type": "userInput",
        "isSynthetic": decision.get("synthetic", False),
        "eventBody": {**body, "timestamp": "2026-11-01T12:00:00Z"},
    }
    if "actor" in decision:
        envelope["actor"] = {"githubLogin": decision["actor"], "email": "bob@example.com"}
    world.simulator.append_raw(ORG, task_id, json.dumps(envelope).encode(), envelope["id"])
    denied = "answered" if request is QUESTION else "denied"
    return f"{request['id']} {said.format(denied=denied)}"


def waiting(world: World, request: Json) -> str:
    task_id = world.simulator.add_task(ORG, status="running")
    world.simulator.append_event(ORG, task_id, request, kind="agentResponse")
    return task_id


@pytest.mark.parametrize("kind", KINDS)
async def test_an_open_form_of_the_handshake_eras_is_closed(world: World, kind: str) -> None:
    request, arguments = KINDS[kind]
    task_id = waiting(world, request)
    closed = anyio.Event()

    async def person(context: Any, params: Any) -> Any:  # noqa: ANN401, ARG001 - the SDK's signature
        resolve(world, task_id, request, "approved")
        try:
            await anyio.sleep_forever()
        finally:
            closed.set()

    async with world.host(person, mode=LEGACY, questions=Answerer.PERSON) as host:
        text = await host.refused("respond", task_id=task_id, **arguments)
        await closed.wait()
    assert f"{request['id']} was already approved by someone else" in text
    assert world.sent(task_id) == []


@pytest.mark.parametrize("way", ["approved", "denied", "automatic"])
@pytest.mark.parametrize("kind", ["approval", "plan"])
async def test_an_answer_that_comes_later_is_told_who_was_first(
    client: TasksClient, world: World, kind: str, way: str
) -> None:
    request, arguments = KINDS[kind]
    arguments = {"task_id": waiting(world, request), **arguments}
    asked = await client.call("respond", **arguments)
    said = resolve(world, arguments["task_id"], request, way)
    params = {"name": "respond", "arguments": arguments, "requestState": asked["requestState"]}
    declined = {key: {"action": "decline"} for key in asked["inputRequests"]}
    for responses in (accept(asked), declined):
        result = await client.request("tools/call", **params, inputResponses=responses)
        assert result["isError"] is True
        assert said in result["content"][0]["text"]
    assert world.sent(arguments["task_id"]) == []


async def test_what_was_resolved_before_is_told_to_a_call_that_names_it(world: World, era: str) -> None:
    person = Person()
    async with world.host(person, mode=era) as host:
        for way in WAYS:
            task_id = waiting(world, REQUEST)
            said = resolve(world, task_id, REQUEST, way)
            text = await host.refused("respond", task_id=task_id, action="approve", request_id="a1")
            assert said in text, way
    assert person.forms == []


async def test_the_form_stays_open_while_something_else_happens(world: World) -> None:
    task_id = waiting(world, REQUEST)

    async def happen() -> None:
        world.simulator.append_event(
            ORG, task_id, {"type": "warning", "message": "slow"}, kind="agentResponse"
        )

    async with world.host(Person(before=happen), mode=LEGACY) as host:
        said = await host.call("respond", task_id=task_id, action="approve")
    assert "was approved" in said["sent"]


def test_of_an_author_only_the_public_names_are_stored() -> None:
    event = parse_event(
        b'{"id":"1","type":"userInput","actor":{"githubLogin":"bob","name":"Bob","email":"b@example.com"},'
        b'"eventBody":{"type":"user_cancel"}}'
    )
    assert event.actor is not None
    assert event.actor.github_login == "bob"
    assert "example.com" not in event.model_dump_json()
