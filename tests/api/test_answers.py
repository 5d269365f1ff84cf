"""What becomes of every kind of answer, and of none."""

import logging
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream

from neo_mcp.api import NeoClient, Timeouts
from neo_mcp.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ConnectionFailedError,
    NeoError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
)
from neo_mcp.wire import UpdateTask, UserCancel
from tests.api.support import (
    TASK,
    TOKEN,
    FakeClock,
    Request,
    answer,
    answering,
    client_for,
    failure,
    reset,
    serving,
    task,
)

HTML = b"<!DOCTYPE html><html><body>" + b"secrets of the proxy " * 1000 + b"</body></html>"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, ApiError),
        (422, ApiError),
        (429, RateLimitedError),
        (500, ServerError),
        (501, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
async def test_a_status_becomes_its_own_error(status: int, kind: type[ApiError]) -> None:
    async with (
        answering(failure(status, "it says so", X_Pulumi_Request_ID="req-1")) as server,
        client_for(server) as c,
    ):
        with pytest.raises(ApiError) as caught:
            await c.get_task(TASK)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.request_id == "req-1"
    assert caught.value.message == "it says so"
    assert "req-1" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The API answered 403 Forbidden without a message."),
        (HTML, "The API answered 403 Forbidden without a message."),
        (b"{", "The API answered 403 Forbidden without a message."),
        (b'{"code": 403}', "The API answered 403 Forbidden without a message."),
        (b'{"message": null}', "The API answered 403 Forbidden without a message."),
        (b'{"message": {"a": 1}}', "The API answered 403 Forbidden without a message."),
        (b"[]", "The API answered 403 Forbidden without a message."),
        (b"[" * 100_000, "The API answered 403 Forbidden without a message."),
        (b'{"error": "other words"}', "other words"),
        (b'"just text"', "just text"),
        (b"404 page not found\n", "404 page not found"),
        (b'{"message": "two\\n\\u0007lines \\ud800"}', "two lines"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
async def test_an_odd_error_body_still_makes_a_short_message(body: bytes, message: str) -> None:
    async with answering(answer(403, body)) as server, client_for(server) as client:
        with pytest.raises(PermissionDeniedError) as caught:
            await client.get_task(TASK)
    assert caught.value.message == message


async def test_a_long_message_is_cut() -> None:
    async with answering(failure(400, "long " * 10_000)) as server, client_for(server) as client:
        with pytest.raises(BadRequestError) as caught:
            await client.get_task(TASK)
    assert 490 < len(caught.value.message) <= 500


@pytest.mark.parametrize("body", [b"", HTML, b"{}", b"[]", b"null", b'{"id": 3}', b'{"id": "x', b"\xff"])
async def test_a_success_that_is_not_the_apis_is_unexpected(body: bytes) -> None:
    async with answering(answer(200, body)) as server, client_for(server) as client:
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.get_task(TASK)
    assert len(str(caught.value)) < 600
    assert "secrets" not in str(caught.value)


async def test_what_a_broken_answer_said_is_not_repeated() -> None:
    async with (
        answering(answer(200, {"id": "private words"})) as server,
        client_for(server) as client,
    ):
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.get_task(TASK)
    assert "id: " in str(caught.value)
    assert "private" not in "".join(traceback.format_exception(caught.value))


CALLS: list[Callable[[NeoClient], Coroutine[Any, Any, object]]] = [
    lambda client: client.get_task(TASK),
    lambda client: client.create_task("x"),
    lambda client: client.respond(TASK, UserCancel()),
    lambda client: client.update_task(TASK, UpdateTask(name="x")),
    lambda client: anext(client.stream_events(TASK)),
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", CALLS)
async def test_a_redirect_is_never_followed(
    status: int, call: Callable[[NeoClient], Coroutine[Any, Any, object]]
) -> None:
    async with answering(answer(200, task())) as elsewhere:
        target = f"{elsewhere.url}/stolen?with=secrets"
        async with answering(answer(status, HTML, Location=target)) as server, client_for(server) as client:
            with pytest.raises(UnexpectedResponseError) as caught:
                await call(client)
        assert elsewhere.requests == []
    assert elsewhere.url in str(caught.value)
    assert "stolen" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("location", ["", "/relative", "http://[broken", "\xff"])
async def test_a_redirect_to_nowhere_is_unexpected_too(location: str) -> None:
    raw = answer(302, b"", Location="@@").decode("latin-1").replace("@@", location).encode("latin-1")
    async with answering(raw) as server, client_for(server) as client:
        with pytest.raises(UnexpectedResponseError):
            await client.get_task(TASK)


async def test_a_read_is_repeated_until_it_succeeds() -> None:
    clock = FakeClock(jitter=1.0)
    answers = [failure(502), answer(503, HTML), failure(500), answer(200, task())]
    async with answering(*answers) as server, client_for(server, clock) as client:
        assert (await client.get_task(TASK)).id == TASK
    assert clock.sleeps == [0.5, 1.0, 2.0]


async def test_a_read_is_tried_four_times() -> None:
    async with answering(failure(503, "down")) as server, client_for(server) as client:
        with pytest.raises(ServerError, match="down"):
            await client.get_task(TASK)
    assert len(server.requests) == 4


async def test_an_update_is_repeated_because_it_may_be() -> None:
    async with answering(failure(502), answer(200, task())) as server, client_for(server) as client:
        await client.update_task(TASK, UpdateTask(is_shared=True))
    assert [request.method for request in server.requests] == ["PATCH", "PATCH"]
    assert server.requests[1].json() == {"isShared": True}


async def test_a_rate_limit_is_waited_out() -> None:
    clock = FakeClock()
    answers = [
        failure(429, Retry_After="7"),
        failure(429, Retry_After="Fri, 02 Jan 2026 03:04:15 GMT"),
        answer(200, task()),
    ]
    async with answering(*answers) as server, client_for(server, clock) as client:
        await client.get_task(TASK)
    assert clock.sleeps == [7.0, pytest.approx(2.322)]


async def test_a_rate_limit_longer_than_the_calls_time_is_an_error_that_says_how_long() -> None:
    clock = FakeClock()
    async with answering(failure(429, Retry_After="300")) as server, client_for(server, clock) as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.get_task(TASK)
    assert caught.value.retry_after == 300
    assert clock.sleeps == []


async def test_a_read_that_breaks_off_is_repeated() -> None:
    async def handler(_: Request, wire: SocketStream) -> None:
        match len(server.requests):
            case 1:
                await reset(wire)
            case 2:
                await wire.send(answer(200, task())[:-5])
            case _:
                await wire.send(answer(200, task()))

    async with serving(handler) as server, client_for(server) as client:
        await client.get_task(TASK)
    assert len(server.requests) == 3


async def test_an_address_where_nobody_listens_is_a_failed_connection() -> None:
    async with answering(b"") as server:
        pass
    clock = FakeClock()
    async with client_for(server, clock) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.get_task(TASK)
    assert server.url in str(caught.value)
    assert len(clock.sleeps) == 3


async def test_an_answer_that_does_not_come_is_a_failed_connection() -> None:
    async def handler(_: Request, wire: SocketStream) -> None:
        await wire.receive()

    async with serving(handler) as server, client_for(server, timeouts=Timeouts(call=0.02)) as client:
        with pytest.raises(ConnectionFailedError, match="timed out"):
            await client.get_task(TASK)


async def test_the_apis_warnings_are_logged_once_per_text(caplog: pytest.LogCaptureFixture) -> None:
    answers = [answer(200, task(), X_Pulumi_Warning=text) for text in ("old client", "old client", "other")]
    with caplog.at_level(logging.WARNING, "neo_mcp.api"):
        async with answering(*answers) as server, client_for(server) as client:
            for _ in answers:
                await client.get_task(TASK)
    assert [record.getMessage() for record in caplog.records] == [
        "Pulumi Cloud warns: old client",
        "Pulumi Cloud warns: other",
    ]


async def test_a_call_is_one_line_in_the_log_without_bodies_and_headers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "neo_mcp.api"):
        async with (
            answering(answer(201, {"taskId": TASK}, X_Pulumi_Request_ID="req-9")) as server,
            client_for(server) as c,
        ):
            await c.create_task("the words of somebody")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "neo_mcp.api"]
    assert line == "POST /api/preview/agents/acme/tasks 201 0 ms req-9"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 429, 500])
async def test_the_token_is_in_no_error_and_no_log(
    status: int, call: Callable[[NeoClient], Coroutine[Any, Any, object]], caplog: pytest.LogCaptureFixture
) -> None:
    async def echo(request: Request, wire: SocketStream) -> None:
        token = request.headers["authorization"]
        await wire.send(
            failure(
                status,
                f"you sent {token}",
                X_Pulumi_Warning=f"you sent {token}",
                X_Pulumi_Request_ID=token,
                Location=f"https://{token.split()[-1]}.example.com/{token}",
            )
        )

    caplog.set_level(logging.DEBUG)
    for name in ("httpcore", "httpx"):
        # Response headers, which is all that these libraries log, hold the token only in this test.
        logging.getLogger(name).setLevel(logging.WARNING)
    async with serving(echo) as server, client_for(server) as client:
        try:
            await call(client)
        except NeoError as error:
            told = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error))
        else:
            told = ""
        told += repr(client) + "".join(record.getMessage() for record in caplog.records)
    assert server.requests[0].headers["authorization"] == f"token {TOKEN}"
    assert TOKEN not in told


async def test_cancelling_a_call_ends_it_at_once() -> None:
    arrived = anyio.Event()

    async def handler(_: Request, wire: SocketStream) -> None:
        arrived.set()
        with pytest.raises(anyio.EndOfStream):
            await wire.receive()
        gone.set()

    gone = anyio.Event()
    async with serving(handler) as server, client_for(server) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.get_task, TASK)
            await arrived.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await gone.wait()
    assert len(server.requests) == 1


async def test_no_more_calls_are_in_flight_than_allowed() -> None:
    now = most = 0

    async def handler(_: Request, wire: SocketStream) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _turn in range(20):
            await anyio.lowlevel.checkpoint()
        now -= 1
        await wire.send(answer(200, task()))

    async with (
        serving(handler) as server,
        client_for(server, max_concurrent_calls=3) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(20):
            tasks.start_soon(client.get_task, TASK)
    assert len(server.requests) == 20
    assert most == 3
