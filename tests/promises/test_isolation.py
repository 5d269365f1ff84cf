"""What is one person's is nobody else's, however the server tells them apart.

A matrix: every kind of thing that a server has for somebody, by every way in which it tells people apart. A
new kind is one more function in ``KINDS``: alice has it, and bob gets neither it nor anything by it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import anyio
import pytest
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    ElicitResult,
    InputRequiredResult,
    InputResponses,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
)

from neo_mcp.server.resources.read import TEMPLATES
from tests.server.resources.test_subscriptions import subscribe
from tests.support.examples import long
from tests.support.host import LEGACY, MODERN, ORG, PATIENCE, Host, Person, World, until
from tests.support.people import PEOPLE, WAYS, Endpoint
from tests.support.processes import HELLO
from tests.support.tasks_client import INVALID, Http, TasksClient
from tests.support.tasks_servers import refused

pytestmark = pytest.mark.scorecard("what is one identity's is nobody else's")

APPROVES: InputResponses = {"decision": ElicitResult(action="accept", content={"decision": "allow"})}
TASKS = ResourceTemplateReference(uri=TEMPLATES.resource_templates[0].uri_template)


@dataclass
class Scene:
    """Alice and bob at work, and a task of alice's that is being followed."""

    world: World
    endpoint: Endpoint
    alice: Host
    bob: Host
    mode: str
    task_id: str
    cursor: str

    @property
    def uri(self) -> str:
        return f"neo://{ORG}/tasks/{self.task_id}"

    def say(self, text: str) -> None:
        event = {"type": "assistant_message", "content": text, "is_final": False}
        self.world.simulator.append_event(ORG, self.task_id, event, kind="agentResponse")


async def results(scene: Scene) -> None:
    mine = await scene.alice.call("list_tasks", organization=ORG)
    theirs = await scene.bob.call("list_tasks", organization=ORG)
    assert scene.task_id in str(mine)
    assert scene.task_id not in str(theirs)
    for tool in ("get_task", "wait_for_events"):
        text = await scene.bob.refused(tool, organization=ORG, task_id=scene.task_id)
        assert "404" in text


async def resources(scene: Scene) -> None:
    assert "secret plan" in await scene.alice.resource_text(f"{scene.uri}/transcript")
    for view in ("", "/transcript", "/events"):
        _, text = await scene.bob.refused_resource(scene.uri + view)
        assert "secret plan" not in text
    listed = await scene.bob.client.list_resources()
    assert scene.task_id not in listed.model_dump_json()
    assert scene.task_id in (await scene.alice.client.list_resources()).model_dump_json()


async def cursors(scene: Scene) -> None:
    arguments = {"organization": ORG, "task_id": scene.task_id, "cursor": scene.cursor}
    assert "404" in await scene.bob.refused("wait_for_events", **arguments)
    text = await scene.bob.refused(
        "wait_for_events", organization=ORG, task_ids=[scene.task_id], cursor=scene.cursor
    )
    assert "secret plan" not in text


async def request_states(scene: Scene) -> None:
    arguments = {"organization": ORG, "prompt": "Go (scenario:hello)", "approval_mode": "auto"}
    before = len(scene.world.bodies("/tasks"))

    async def answer(host: Host, state: str | None) -> CallToolResult:
        result = await host.client.session.call_tool(
            "create_task", arguments, input_responses=APPROVES, request_state=state, allow_input_required=True
        )
        assert isinstance(result, CallToolResult)
        return result

    asked = await scene.alice.client.session.call_tool("create_task", arguments, allow_input_required=True)
    assert isinstance(asked, InputRequiredResult)
    with pytest.raises(MCPError, match="requestState"):
        await answer(scene.bob, asked.request_state)
    assert len(scene.world.bodies("/tasks")) == before
    assert not (await answer(scene.alice, asked.request_state)).is_error


async def used_answers(scene: Scene) -> None:
    """What one has used is not used up for another."""
    arguments = {"organization": ORG, "prompt": "Go (scenario:hello)", "approval_mode": "auto"}
    before = len(scene.world.bodies("/tasks"))
    for host in (scene.alice, scene.bob):
        await host.call("create_task", **arguments)
    assert len(scene.world.bodies("/tasks")) == before + 2


async def notifications(scene: Scene) -> None:
    told: dict[str, list[str]] = {"alice": [], "bob": []}
    async with anyio.create_task_group() as group:
        for person, uris in told.items():
            group.start_soon(_note_changes, scene, person, uris)
        await until(lambda: any(r.status == HTTPStatus.NOT_FOUND for r in scene.world.simulator.requests))
        with anyio.fail_after(PATIENCE):
            while not told["alice"]:
                # What comes before a follower has begun is history to it.
                scene.say("another secret plan")
                await anyio.sleep(0.01)
        await scene.bob.call("list_tasks", organization=ORG)
        group.cancel_scope.cancel()
    assert set(told["alice"]) == {scene.uri}
    assert told["bob"] == []


async def _note_changes(scene: Scene, person: str, uris: list[str]) -> None:
    notified: list[IncomingMessage] = []
    async with scene.endpoint.host(person, mode=scene.mode, notified=notified) as host:
        if scene.mode == LEGACY:
            await subscribe(host, scene.uri)
            while True:
                await until(lambda: notified)
                message = notified.pop()
                assert isinstance(message, ResourceUpdatedNotification)
                uris.append(str(message.params.uri))
        async with host.client.listen(resource_subscriptions=[scene.uri]) as listening:
            async for event in listening:
                assert isinstance(event, ResourceUpdated)
                uris.append(event.uri)


async def completions(scene: Scene) -> None:
    found = {}
    for person in PEOPLE:
        async with scene.endpoint.host(person, mode=scene.mode) as host:
            known = await host.client.complete(TASKS, {"name": "organization", "value": ""})
            found[person] = sorted(known.completion.values)
    assert found == {"alice": ["acme", "acme-labs"], "bob": ["acme"], "carol": ["globex"]}
    task = ResourceTemplateReference(uri=TEMPLATES.resource_templates[1].uri_template)
    ids = await scene.bob.client.complete(
        task, {"name": "task_id", "value": ""}, context_arguments={"organization": ORG}
    )
    assert scene.task_id not in ids.completion.values


async def organizations(scene: Scene) -> None:
    """Whose organization is used where none is named: found out once, for each."""
    await scene.alice.call("list_tasks")
    async with scene.endpoint.host("carol", mode=scene.mode) as carol:
        await carol.call("create_task", prompt="Hello (scenario:hello)")
    created = [r for r in scene.world.simulator.requests if r.method == "POST" and r.path.endswith("/tasks")]
    assert "/globex/" in created[-1].path


async def sessions(scene: Scene) -> None:
    """A session of the handshake eras is its owner's."""
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    async with scene.endpoint.http("alice") as alice, scene.endpoint.http("bob") as bob:
        mine, theirs = scene.endpoint.urls["alice"], scene.endpoint.urls["bob"]
        opened = await alice.post(mine, json=hello)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        for answer in (
            await bob.post(theirs, json=listing, headers=session),
            await bob.get(theirs, headers=session),
            await bob.delete(theirs, headers=session),
        ):
            assert answer.status_code == 404
        assert (await alice.post(mine, json=listing, headers=session)).is_success
        assert (await alice.delete(mine, headers=session)).is_success
    async with scene.endpoint.http(None) as nobody:
        assert (await nobody.post(mine, json=listing, headers=session)).status_code in {400, 401}


async def streams(scene: Scene) -> None:
    """A stream that is open for one is not read by another, not even of a task that both may see."""
    shared = scene.world.simulator.add_task(ORG, status="running", is_shared=True)
    ended = {"type": "assistant_message", "content": "Done.", "is_final": True}
    async with anyio.create_task_group() as group:
        for host in (scene.alice, scene.bob):
            group.start_soon(host.raw, "wait_for_events", {"organization": ORG, "task_id": shared})
        opened = f"/tasks/{shared}/events/stream"
        await until(lambda: sum(r.path.endswith(opened) for r in scene.world.simulator.requests) == 2)
        scene.world.simulator.append_event(ORG, shared, ended, kind="agentResponse")


async def creations(scene: Scene) -> None:
    """What one asked for is not what another gets, whatever key they name it by."""
    arguments = {"organization": ORG, "prompt": "Go (scenario:hello)", "idempotency_key": "the key"}
    mine, again, theirs = [
        (await host.call("create_task", **arguments))["task_id"]
        for host in (scene.alice, scene.alice, scene.bob)
    ]
    assert mine == again != theirs
    assert scene.world.simulator.store.get(ORG, theirs).creator == "bob"


async def task_handles(scene: Scene) -> None:
    async with scene.endpoint.http("alice") as mine, scene.endpoint.http("bob") as theirs:
        alice = TasksClient(Http(scene.endpoint.urls["alice"], mine))
        bob = TasksClient(Http(scene.endpoint.urls["bob"], theirs))
        handle = await alice.started("denied-approval", organization=ORG)
        await alice.until(handle, "input_required")
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            assert (await refused(bob, method, handle)).code == INVALID
        async with bob.listen(taskIds=[handle]) as frames:
            assert "taskIds" not in frames.agreed
        assert (await alice.get(handle))["status"] == "input_required"


Kind = Callable[[Scene], Awaitable[None]]

KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (results, (LEGACY, MODERN)),
    (resources, (MODERN,)),
    (cursors, (MODERN,)),
    (request_states, (MODERN,)),
    (used_answers, (LEGACY, MODERN)),
    (notifications, (LEGACY, MODERN)),
    (completions, (MODERN,)),
    (organizations, (MODERN,)),
    (sessions, (LEGACY,)),
    (streams, (LEGACY, MODERN)),
    (creations, (MODERN,)),
    (task_handles, (MODERN,)),
)
"""Everything that somebody has, and the eras in which they have it."""


_EACH = [(kind, mode) for kind, modes in KINDS for mode in modes]
# Everything by one way after the other; by each of them with what takes long.
_MATRIX = [
    (*each, way) if place == number % len(WAYS) else long((*each, way))
    for number, each in enumerate(_EACH)
    for place, way in enumerate(WAYS)
]


@pytest.mark.parametrize(
    ("kind", "mode", "way"), _MATRIX, ids=lambda value: getattr(value, "__name__", value)
)
async def test_nothing_of_one_person_reaches_another(
    world: World, tmp_path: Path, way: str, kind: Kind, mode: str
) -> None:
    async with WAYS[way](world, tmp_path) as endpoint, AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(endpoint.host(person, Person(), mode=mode))
            for person in ("alice", "bob")
        ]
        task_id, cursor = await hosts[0].create("hello", organization=ORG)
        scene = Scene(world, endpoint, hosts[0], hosts[1], mode, task_id, cursor)
        scene.say("a secret plan")
        await hosts[0].wait(task_id, cursor, organization=ORG)
        await kind(scene)
