"""Servers of the first generation, and how a client finds out that it has one before it."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from neo_mcp.api import Generation, NeoClient, StreamState, StreamStatus
from neo_mcp.errors import (
    AmbiguousWriteError,
    AuthenticationError,
    NotFoundError,
    ServerError,
    StreamLostError,
    UnsupportedByServerError,
)
from neo_mcp.wire import (
    ApprovalMode,
    CreateTask,
    EntityDiff,
    PermissionMode,
    SlashCommand,
    SortBy,
    Stack,
    TaskSource,
    TaskStatus,
    ToolResults,
    UpdateTask,
    UserCancel,
    UserConfirmation,
    UserEvent,
    UserMessage,
)
from tests.api.support import TASK, FakeClock, Request, answer, answering, client_for, failure, serving

TASKS = "/preview/agents/acme/tasks"


class Old:
    """A server of the first generation with one task, whose events come a few at a time."""

    def __init__(self, *growth: int, page: int = 3) -> None:
        self.growth = list(growth) or [0]
        self.page = page
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.fail_next: list[bytes] = []
        self.forgets_tokens = False

    def task(self) -> dict[str, Any]:
        status = "completed" if len(self.growth) == 1 else "running"
        return {
            "id": TASK,
            "name": "n",
            "status": status,
            "createdAt": "x",
            "entities": [{"type": "stack", "id": "s"}],
        }

    async def __call__(self, request: Request, wire: SocketStream) -> None:
        self.calls.append((request.method, request.target))
        if request.path.startswith("/api/"):
            await wire.send(answer(404, b"404 page not found", Content_Type="text/plain"))
        elif self.fail_next:
            await wire.send(self.fail_next.pop(0))
        else:
            await wire.send(self.answer(request))

    def answer(self, request: Request) -> bytes:
        if request.method == "POST":
            self.bodies.append(request.json())
            return answer(201, self.task()) if request.path == TASKS else answer(202)
        if request.path == TASKS:
            return answer(200, {"tasks": [self.task()], "continuationToken": None})
        if not request.path.endswith("/events"):
            found = self.task()
            if len(self.growth) > 1:
                self.growth.pop(0)
            return answer(200, found)
        if self.forgets_tokens and "continuationToken" in request.target:
            self.forgets_tokens = False
            return failure(400, "unknown token")
        start = int(request.target.partition("continuationToken=")[2].partition("&")[0] or 0)
        events = [
            {"type": "console_output", "timestamp": "t", "content": f"line {number}", "sequence": number}
            for number in range(start, min(self.growth[0], start + self.page))
        ]
        more = str(start + self.page) if start + self.page < self.growth[0] else None
        return answer(200, {"events": events, "continuationToken": more})


PROBE = ("GET", f"{TASKS}?pageSize=1")


async def test_a_first_generation_server_is_found_out_once() -> None:
    async with serving(old := Old()) as server, client_for(server) as client:
        assert (await client.get_task(TASK)).status is TaskStatus.COMPLETED
        await client.get_task(TASK)
    assert old.calls == [
        ("GET", f"/api{TASKS}/{TASK}"),
        PROBE,
        ("GET", f"{TASKS}/{TASK}"),
        ("GET", f"{TASKS}/{TASK}"),
    ]


async def test_many_calls_at_once_find_it_out_with_one_probe() -> None:
    async with (
        serving(old := Old()) as server,
        client_for(server) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(10):
            tasks.start_soon(client.get_task, TASK)
    assert old.calls.count(PROBE) == 1


@pytest.mark.parametrize(
    "probe", [failure(404), answer(404, b"<html>"), answer(200, b"<html>"), answer(200, {})]
)
async def test_a_missing_task_on_a_second_generation_server_is_probed_for_once(probe: bytes) -> None:
    async def handler(request: Request, wire: SocketStream) -> None:
        await wire.send(failure(404, "no such task") if request.path.startswith("/api/") else probe)

    async with serving(handler) as server, client_for(server) as client:
        for _ in range(2):
            with pytest.raises(NotFoundError, match="no such task"):
                await client.get_task(TASK)
    assert [request.path.startswith("/api/") for request in server.requests] == [True, False, True]


async def test_a_server_that_is_known_is_not_probed() -> None:
    async with answering(answer(200, {"tasks": []}), failure(404)) as server, client_for(server) as client:
        await client.list_tasks()
        with pytest.raises(NotFoundError):
            await client.get_task(TASK)
    assert len(server.requests) == 2


async def test_a_probe_that_fails_settles_nothing() -> None:
    async with serving(old := Old()) as server, client_for(server) as client:
        old.fail_next = [failure(500)] * 4
        with pytest.raises(NotFoundError):
            await client.get_task(TASK)
        assert (await client.get_task(TASK)).id == TASK


async def test_a_rejected_token_is_told_by_the_first_generation_too() -> None:
    async def handler(request: Request, wire: SocketStream) -> None:
        await wire.send(failure(404 if request.path.startswith("/api/") else 401))

    async with serving(handler) as server, client_for(server) as client:
        with pytest.raises(AuthenticationError):
            await client.list_tasks()


@pytest.mark.parametrize(
    ("generation", "path"), [(Generation.FIRST, TASKS), (Generation.SECOND, f"/api{TASKS}")]
)
async def test_a_configured_generation_is_taken_at_its_word(generation: Generation, path: str) -> None:
    async with answering(failure(404)) as server, client_for(server, generation=generation) as client:
        with pytest.raises(NotFoundError):
            await client.list_tasks()
    assert [request.path for request in server.requests] == [path]


async def test_a_task_is_created_flat() -> None:
    message = UserMessage(content="x", entity_diff=EntityDiff(add=(Stack(name="s", project="p"),)))
    wanted = CreateTask(
        message=message, source=TaskSource.API, permission_mode=PermissionMode.DEFAULT, plan_mode=False
    )
    async with serving(old := Old()) as server, client_for(server) as client:
        created = await client.create_task(wanted)
    assert created.task_id == TASK
    assert old.bodies == [
        {
            "content": "x",
            "timestamp": "2026-01-02T03:04:05.678Z",
            "entity_diff": {"add": [{"type": "stack", "id": "p/s"}], "remove": []},
        }
    ]


async def test_a_failed_create_is_not_repeated_in_either_generation() -> None:
    async with answering(failure(500)) as server, client_for(server, generation="first") as client:
        with pytest.raises(AmbiguousWriteError):
            await client.create_task("x")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (UserMessage(content="go on"), "go on"),
        (UserConfirmation(approval_request_id="a", ok=True), "Yes, please proceed."),
        (UserConfirmation(approval_request_id="a", ok=False, instructions="use eu-west-1"), "use eu-west-1"),
    ],
)
async def test_an_answer_is_words(event: UserEvent, words: str) -> None:
    async with serving(old := Old()) as server, client_for(server) as client:
        await client.respond(TASK, event)
    assert old.bodies == [
        {"event": {"type": "user_input", "content": words, "timestamp": "2026-01-02T03:04:05.678Z"}}
    ]


HELLO = UserMessage(content="x")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.update_task(TASK, UpdateTask(name="x")),
        lambda client: client.cancel_task(TASK),
        lambda client: client.respond(TASK, UserCancel()),
        lambda client: client.respond(TASK, ToolResults()),
        lambda client: client.respond(
            TASK, UserMessage(content="x", commands={"/a": SlashCommand(name="/a")})
        ),
        lambda client: client.respond(TASK, UserMessage(content="x", entity_diff=EntityDiff())),
        lambda client: client.list_tasks(sort_by=SortBy.NAME),
        lambda client: client.create_task(
            CreateTask(message=HELLO, permission_mode=PermissionMode.READ_ONLY)
        ),
        lambda client: client.create_task(CreateTask(message=HELLO, approval_mode=ApprovalMode.MANUAL)),
        lambda client: client.create_task(CreateTask(message=HELLO, enabled_integrations=())),
        lambda client: client.create_task(CreateTask(message=HELLO, plan_mode=True)),
    ],
)
async def test_what_the_first_generation_cannot_do_is_refused_without_a_request(
    call: Callable[[NeoClient], Any],
) -> None:
    async with answering(b"") as server, client_for(server, generation="first") as client:
        with pytest.raises(UnsupportedByServerError, match="first generation"):
            await call(client)
    assert server.requests == []


async def test_events_are_read_page_after_page() -> None:
    async with serving(Old(7)) as server, client_for(server) as client:
        events = [event async for event in client.iter_events(TASK, page_size=3)]
    assert [event.id for event in events] == [f"seq-{number}" for number in range(7)]


@pytest.mark.parametrize("growth", [(1, 2, 3, 4, 5, 8, 9, 9, 20), (0, 0, 1), (3, 3, 6, 6, 9)])
async def test_a_stream_falls_back_to_paging_and_ends_with_the_task(growth: tuple[int, ...]) -> None:
    clock = FakeClock()
    statuses: list[StreamStatus] = []
    async with serving(Old(*growth)) as server, client_for(server, clock) as client:
        events = [event.id async for event in client.stream_events(TASK, on_connection=statuses.append)]
    assert events == [f"seq-{number}" for number in range(growth[-1])]
    assert set(clock.sleeps) == {2.0}
    assert [status.state for status in statuses] == [StreamState.CONNECTING, StreamState.PAGING]


async def test_paging_goes_on_after_the_event_it_is_told() -> None:
    async with serving(Old(2, 8)) as server, client_for(server, generation="first") as client:
        events = [event.id async for event in client.stream_events(TASK, last_event_id="seq-4")]
    assert events == ["seq-5", "seq-6", "seq-7"]


async def test_paging_goes_on_after_failures() -> None:
    clock = FakeClock(jitter=0.0)
    statuses: list[StreamStatus] = []
    async with (
        serving(old := Old(2, 2, 4)) as server,
        client_for(server, clock, generation="first") as client,
    ):
        events = []
        async for event in client.stream_events(TASK, on_connection=statuses.append):
            if event.id == "seq-0":
                old.fail_next = [failure(503, "busy")] * 4
            events.append(event.id)
    assert events == ["seq-0", "seq-1", "seq-2", "seq-3"]
    assert "busy" in statuses[1].error


async def test_paging_starts_over_where_its_token_is_forgotten() -> None:
    async with serving(old := Old(5, 5, 8)) as server, client_for(server, generation="first") as client:
        events = []
        async for event in client.stream_events(TASK):
            events.append(event.id)
            old.forgets_tokens = event.id == "seq-4"
    assert events == [f"seq-{number}" for number in range(8)]


async def test_paging_gives_up_after_a_time_without_progress() -> None:
    async with serving(old := Old(1, 1)) as server, client_for(server, generation="first") as client:
        stream = client.stream_events(TASK, keep_open=lambda _: True)
        assert (await anext(stream)).id == "seq-0"
        old.fail_next = [failure(503)] * 1000
        with pytest.raises(StreamLostError):
            await anext(stream)


async def test_the_first_look_of_paging_fails_at_once() -> None:
    async with answering(failure(500)) as server, client_for(server, generation="first") as client:
        with pytest.raises(ServerError):
            await anext(client.stream_events(TASK))
