"""No write is ever sent twice when the first may have landed."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from neo_mcp.api import NeoClient, Timeouts
from neo_mcp.errors import (
    AmbiguousWriteError,
    BadRequestError,
    ConflictError,
    ConnectionFailedError,
    RateLimitedError,
)
from neo_mcp.wire import CreateTask, EntityDiff, Stack, UpdateTask, UserCancel, UserConfirmation, UserMessage
from tests.api.support import (
    TASK,
    FakeClock,
    RawServer,
    Request,
    answer,
    answering,
    client_for,
    failure,
    reset,
    serving,
)

CREATED = answer(201, {"taskId": TASK})
WRITES: list[Callable[[NeoClient], Coroutine[Any, Any, object]]] = [
    lambda client: client.create_task("x"),
    lambda client: client.respond(TASK, UserMessage(content="x"), conflict_wait=60),
    lambda client: client.respond(TASK, UserConfirmation(approval_request_id="a", ok=True)),
    lambda client: client.cancel_task(TASK),
]
write = pytest.mark.parametrize("call", WRITES)


@write
@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 505])
async def test_a_write_that_the_server_failed_on_is_not_repeated(
    status: int, call: Callable[[NeoClient], Coroutine[Any, Any, object]]
) -> None:
    async with (
        answering(failure(status, "oops", X_Pulumi_Request_ID="r1")) as server,
        client_for(server) as client,
    ):
        with pytest.raises(AmbiguousWriteError) as caught:
            await call(client)
    assert len(server.requests) == 1
    for part in ("oops", str(status), "r1", "may or may not", caught.value.next_step):
        assert part
        assert part in str(caught.value)
    assert "Try again" not in str(caught.value)


@write
async def test_a_write_whose_connection_is_reset_is_not_repeated(
    call: Callable[[NeoClient], Coroutine[Any, Any, object]],
) -> None:
    async def handler(_: Request, wire: SocketStream) -> None:
        await reset(wire)

    async with serving(handler) as server, client_for(server) as client:
        with pytest.raises(AmbiguousWriteError, match="may or may not"):
            await call(client)
    assert len(server.requests) == 1


@write
async def test_a_write_that_is_not_answered_in_time_is_not_repeated(
    call: Callable[[NeoClient], Coroutine[Any, Any, object]],
) -> None:
    arrived = anyio.Event()

    async def handler(_: Request, wire: SocketStream) -> None:
        arrived.set()
        await wire.receive()

    async with (
        serving(handler) as server,
        client_for(server, timeouts=Timeouts(call=0.03, create=0.03)) as client,
    ):
        with pytest.raises(AmbiguousWriteError, match="timed out"):
            await call(client)
        # The client may have given up before the server came to read what it had sent.
        with anyio.fail_after(10):
            await arrived.wait()
    assert len(server.requests) == 1


@write
async def test_a_write_that_was_never_sent_is_repeated(
    call: Callable[[NeoClient], Coroutine[Any, Any, object]],
) -> None:
    async with answering(b"") as gone:
        port = gone.port
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        servers: list[RawServer] = []

        async def handler(request: Request, wire: SocketStream) -> None:
            await wire.send(CREATED if request.path.endswith("/tasks") else answer(202))

        async def begin_to_listen() -> None:
            if not servers:
                servers.append(await stack.enter_async_context(serving(handler, port=port)))

        clock.on_sleep = begin_to_listen
        async with client_for(gone, clock) as client:
            await call(client)
        assert len(servers[0].requests) == 1
    assert len(clock.sleeps) == 1


@write
async def test_a_write_that_was_refused_for_now_is_repeated(
    call: Callable[[NeoClient], Coroutine[Any, Any, object]],
) -> None:
    async with (
        answering(failure(429, Retry_After="3"), CREATED) as server,
        client_for(server, clock := FakeClock()) as c,
    ):
        await call(c)
    assert len(server.requests) == 2
    assert server.requests[0].body == server.requests[1].body
    assert clock.sleeps == [3.0]


SENT = UserMessage(content="x")
LOOKING: list[Callable[[NeoClient, Callable[[], Awaitable[Any]]], Coroutine[Any, Any, object]]] = [
    lambda client, landed: client.create_task("x", landed=landed),
    lambda client, landed: client.respond(TASK, SENT, landed=landed),
    lambda client, landed: client.respond(TASK, SENT, conflict_wait=60, landed=landed),
]
looking = pytest.mark.parametrize("call", LOOKING)


@looking
async def test_a_refused_write_that_has_landed_is_not_sent_again(
    call: Callable[[NeoClient, Callable[[], Awaitable[Any]]], Coroutine[Any, Any, object]],
) -> None:
    result = object()

    async def landed() -> object:
        return result

    clock = FakeClock()
    async with answering(failure(429, Retry_After="3"), CREATED) as server, client_for(server, clock) as c:
        assert await call(c, landed) is result
    assert len(server.requests) == 1
    assert clock.sleeps == [3.0]


@looking
async def test_a_refused_write_is_sent_again_only_once_it_is_known_not_to_have_landed(
    call: Callable[[NeoClient, Callable[[], Awaitable[Any]]], Coroutine[Any, Any, object]],
) -> None:
    looks = 0

    async def landed() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ConnectionFailedError("Not now.")

    clock = FakeClock(jitter=0.0)
    async with answering(failure(429), CREATED) as server, client_for(server, clock) as c:
        await call(c, landed)
    assert (looks, len(server.requests)) == (2, 2)
    assert clock.sleeps == [1.0, 2.0]


async def test_a_look_up_comes_before_the_last_refusal_is_reported() -> None:
    looks = 0

    async def landed() -> None:
        nonlocal looks
        looks += 1

    timeouts = Timeouts(call=2.0)
    async with (
        answering(failure(429, Retry_After="3")) as server,
        client_for(server, timeouts=timeouts) as client,
    ):
        with pytest.raises(RateLimitedError):
            await client.respond(TASK, SENT, landed=landed)
    assert (looks, len(server.requests)) == (1, 1)


@write
async def test_a_write_that_a_proxy_answers_is_not_repeated(
    call: Callable[[NeoClient], Coroutine[Any, Any, object]],
) -> None:
    async with answering(answer(200, b"<html>Welcome</html>")) as server, client_for(server) as client:
        with pytest.raises(AmbiguousWriteError, match="web page"):
            await call(client)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"taskId": ""}', b'{"taskId": "a/b"}', b'{"taskId": 7}', b"nonsense"]
)
async def test_a_created_task_without_a_usable_id_may_exist(body: bytes) -> None:
    async with answering(answer(201, body)) as server, client_for(server) as client:
        with pytest.raises(AmbiguousWriteError, match="Search the list of tasks for it"):
            await client.create_task("x")
    assert len(server.requests) == 1


async def test_a_cold_start_has_its_own_time_limit() -> None:
    clock = FakeClock()
    async with (
        answering(failure(429, Retry_After="50"), CREATED) as server,
        client_for(server, clock) as client,
    ):
        await client.create_task("x")
    assert clock.sleeps == [50.0]


async def test_an_update_that_fails_throughout_says_that_it_may_have_been_made() -> None:
    async def handler(_: Request, wire: SocketStream) -> None:
        await reset(wire)

    async with serving(handler) as server, client_for(server) as client:
        with pytest.raises(AmbiguousWriteError, match="that is safe"):
            await client.update_task(TASK, UpdateTask(name="x"))
    assert len(server.requests) == 4


async def test_nothing_was_sent_where_nobody_listens() -> None:
    async with answering(b"") as gone:
        pass
    async with client_for(gone) as client:
        with pytest.raises(ConnectionFailedError):
            await client.create_task("x")


def with_entity() -> CreateTask:
    return CreateTask(
        message=UserMessage(content="x", entity_diff=EntityDiff(add=(Stack(name="s", project="p"),)))
    )


async def test_a_task_is_created_without_entities_that_are_refused() -> None:
    async with (
        answering(failure(400, "Invalid entity: p/s"), CREATED) as server,
        client_for(server) as client,
    ):
        created = await client.create_task(with_entity())
    first, second = (request.json()["message"] for request in server.requests)
    assert "entity_diff" in first
    assert second == {key: value for key, value in first.items() if key != "entity_diff"}
    assert created.message.entity_diff is None
    (warning,) = created.warnings
    assert "Invalid entity: p/s" in warning


async def test_what_must_be_started_exactly_is_not_started_without_its_entities() -> None:
    async with answering(failure(400, "Invalid entity: p/s")) as server, client_for(server) as client:
        with pytest.raises(BadRequestError, match="Invalid entity: p/s") as caught:
            await client.create_task(with_entity(), exact=True)
    assert "Nothing was started" in caught.value.next_step
    assert len(server.requests) == 1


async def test_entities_are_left_out_only_once() -> None:
    async with answering(failure(400, "invalid entities")) as server, client_for(server) as client:
        with pytest.raises(BadRequestError):
            await client.create_task(with_entity())
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("task", "message"), [("x", "invalid entity"), (with_entity(), "prompt is required")]
)
async def test_any_other_refusal_stands(task: CreateTask | str, message: str) -> None:
    async with answering(failure(400, message)) as server, client_for(server) as client:
        with pytest.raises(BadRequestError):
            await client.create_task(task)
    assert len(server.requests) == 1


@pytest.mark.parametrize("event", [UserMessage(content="x"), UserCancel()])
async def test_a_busy_task_is_offered_the_event_again(event: UserMessage | UserCancel) -> None:
    clock = FakeClock(jitter=0.0)
    answers = [failure(409), failure(409), failure(409), answer(202)]
    async with answering(*answers) as server, client_for(server, clock) as client:
        await client.respond(TASK, event, conflict_wait=60)
    assert clock.sleeps == [1.0, 2.0, 4.0]
    assert len({request.body for request in server.requests}) == 1


async def test_a_busy_task_is_waited_for_only_so_long() -> None:
    clock = FakeClock(jitter=0.0)
    async with answering(failure(409, "ongoing")) as server, client_for(server, clock) as client:
        with pytest.raises(ConflictError, match="ongoing"):
            await client.respond(TASK, UserMessage(content="x"), conflict_wait=10)
    assert clock.sleeps == [1.0, 2.0, 4.0, 3.0]
    assert len(server.requests) == 5


async def test_a_decision_is_not_offered_again() -> None:
    async with answering(failure(409)) as server, client_for(server) as client:
        with pytest.raises(ConflictError):
            await client.respond(TASK, UserConfirmation(approval_request_id="a", ok=True), conflict_wait=60)
    assert len(server.requests) == 1


async def test_a_conflict_is_an_error_at_once_unless_told_to_wait() -> None:
    async with answering(failure(409)) as server, client_for(server) as client:
        with pytest.raises(ConflictError):
            await client.respond(TASK, UserMessage(content="x"))
    assert len(server.requests) == 1
