"""A stream of events over a real socket, with everything that goes wrong with one."""

import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from neo_mcp.api import NeoClient, StreamState, StreamStatus, Timeouts
from neo_mcp.errors import (
    ApiError,
    AuthenticationError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    StreamLostError,
    UnexpectedResponseError,
)
from neo_mcp.wire import Event, ProvidePulumiAccessToken, Task, Unreadable
from tests.api.support import (
    TASK,
    TASKS,
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

STREAM = f"{TASKS}/{TASK}/events/stream"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n"
OPEN = HEAD + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Script = Callable[[Request, SocketStream], Awaitable[None]]


def frame(event_id: str, data: bytes | None = None, **body: Any) -> bytes:  # noqa: ANN401 - any JSON
    if data is None:
        envelope = {
            "id": event_id,
            "type": "agentResponse",
            "eventBody": {"type": "warning", "message": "m"} | body,
        }
        data = answer(200, envelope).partition(b"\r\n\r\n")[2]
    return b"id: " + event_id.encode() + b"\ndata: " + data + b"\n\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Upstream:
    """Plays one script per connection to the stream, and tells the task's state when asked."""

    def __init__(self, *scripts: Script | bytes, status: str = "idle") -> None:
        self._scripts = scripts
        self.status = status
        self.opened = 0
        self.resumed_after: list[str | None] = []

    async def __call__(self, request: Request, wire: SocketStream) -> None:
        if request.path != STREAM:
            await wire.send(answer(200, task(self.status)))
            return
        self.resumed_after.append(request.headers.get("last-event-id"))
        script = self._scripts[min(self.opened, len(self._scripts) - 1)]
        self.opened += 1
        if isinstance(script, bytes):
            await wire.send(script)
        else:
            await script(request, wire)


async def ids_of(client: NeoClient, **options: Any) -> list[str]:  # noqa: ANN401 - stream_events'
    return [event.id async for event in client.stream_events(TASK, **options)]


async def events_of(client: NeoClient, **options: Any) -> list[Event]:  # noqa: ANN401 - stream_events'
    return [event async for event in client.stream_events(TASK, **options)]


def everything(count: int) -> list[bytes]:
    return [frame(f"event-{number}", message="ä" * (number % 7)) for number in range(count)]


def after(frames: list[bytes], request: Request) -> list[bytes]:
    last = request.headers.get("last-event-id")
    return frames if last is None else frames[int(last.removeprefix("event-")) + 1 :]


async def test_a_stream_asks_for_events_and_says_nothing_empty() -> None:
    upstream = Upstream(OPEN + frame("a"))
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client, last_event_id="") == ["a"]
    headers = server.requests[0].headers
    assert headers["accept"] == "text/event-stream"
    assert headers["cache-control"] == "no-cache"
    assert upstream.resumed_after == [None, "a"]


async def test_a_stream_begins_after_the_event_it_is_told() -> None:
    upstream = Upstream(OPEN)
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client, last_event_id="x y\u00e9") == []
    assert upstream.resumed_after[0] == "x y\u00e9".encode().decode("latin-1")


async def test_an_id_that_no_header_can_carry_is_not_sent() -> None:
    upstream = Upstream(OPEN)
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client, last_event_id="x\r\nEvil: yes") == []
    assert upstream.resumed_after == [None, None]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("replays", [False, True])
async def test_a_stream_that_is_killed_anywhere_loses_and_doubles_nothing(
    *, seed: int, chunked: bool, replays: bool
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    frames = everything(200)

    async def killed_somewhere(request: Request, wire: SocketStream) -> None:
        left = b"".join(frames if replays else after(frames, request))
        # A server that replays everything must get further from time to time, or nobody could follow it.
        place = chance.randrange(len(left) + 1)
        pieces, start = [CHUNKED if chunked else OPEN], 0
        while start < place:
            end = min(place, start + chance.randrange(1, 3000))
            pieces.append(chunk(left[start:end]) if chunked else left[start:end])
            start = end
        await wire.send(b"".join(pieces))
        if chance.random() < 0.5:
            await reset(wire)

    finish = OPEN + b"".join(frames)
    upstream = Upstream(*[killed_somewhere] * 12, finish)
    async with serving(upstream) as server, client_for(server) as client:
        upstream.status = "running"

        def done(_: Task) -> bool:
            return upstream.opened < 13

        assert await ids_of(client, keep_open=done) == [f"event-{number}" for number in range(200)]


async def test_a_stream_that_is_killed_after_every_single_event_loses_and_doubles_nothing() -> None:
    frames = everything(200)

    async def one_more(request: Request, wire: SocketStream) -> None:
        left = after(frames, request)
        await wire.send(CHUNKED + chunk(left[0]) + chunk(left[1][:-1] if len(left) > 1 else b"id: never\n"))

    upstream = Upstream(*[one_more] * 200, OPEN)
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client) == [f"event-{number}" for number in range(200)]
    assert upstream.resumed_after[:202] == [None, *(f"event-{number}" for number in range(200)), "event-199"]


async def test_a_clean_end_of_a_running_task_is_resumed() -> None:
    clock = FakeClock(jitter=0.0)
    upstream = Upstream(OPEN + frame("a"), OPEN + frame("b"), OPEN, status="running")

    def still_running(_: Task) -> bool:
        return upstream.opened < 3

    async with serving(upstream) as server, client_for(server, clock) as client:
        assert await ids_of(client, keep_open=still_running) == ["a", "b"]
    assert clock.sleeps == [1.0, 1.0]


async def test_what_happened_just_before_the_task_came_to_rest_is_not_missed() -> None:
    upstream = Upstream(OPEN + frame("a"), OPEN + frame("the last words"), OPEN, status="idle")
    clock = FakeClock()
    async with serving(upstream) as server, client_for(server, clock) as client:
        assert await ids_of(client) == ["a", "the last words"]
    assert clock.sleeps == []


async def test_a_turn_that_begins_while_the_end_is_confirmed_is_followed() -> None:
    upstream = Upstream(OPEN + frame("a"), CHUNKED + chunk(frame("b")), OPEN, OPEN + frame("c"), OPEN)
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client, keep_open=lambda _: upstream.opened == 3) == ["a", "b", "c"]
    assert upstream.opened == 5


async def test_a_replay_does_not_move_the_place_to_resume_from_backwards() -> None:
    upstream = Upstream(OPEN + frame("a") + frame("b"), OPEN + frame("a"), OPEN, status="idle")
    async with serving(upstream) as server, client_for(server) as client:
        await ids_of(client, keep_open=lambda _: upstream.opened < 3)
    assert upstream.resumed_after == [None, "b", "b", "b"]


async def test_an_envelope_with_an_empty_id_has_the_frames() -> None:
    nameless = frame("a").partition(b"data: ")[2].replace(b'"a"', b'""').strip()
    async with (
        serving(Upstream(OPEN + frame("x", nameless) + frame("y", nameless))) as server,
        client_for(server) as c,
    ):
        assert await ids_of(c) == ["x", "y"]


APPROVAL = frame("a", type="user_approval_request", id="r1", message="ok?")
LOCAL_CALL = frame(
    "a",
    type="assistant_message",
    is_final=True,
    tool_calls=[{"id": "c1", "name": "fs__read", "execution_mode": "cli"}],
)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        (APPROVAL, {"type": "user_confirmation", "approval_request_id": "r1", "ok": True}),
        (APPROVAL, {"type": "cancelled"}),
        (APPROVAL, {"type": "error", "message": "no"}),
        (
            LOCAL_CALL,
            {"type": "tool_result", "tool_results": [{"tool_call_id": "c1", "name": "n", "content": {}}]},
        ),
        (LOCAL_CALL, {"type": "tool_response", "tool_call_id": "c1"}),
    ],
)
async def test_an_idle_task_that_waits_for_somebody_is_followed_on(
    opening: bytes, closing: dict[str, Any]
) -> None:
    upstream = Upstream(OPEN + opening, OPEN, OPEN, OPEN + frame("b", **closing), OPEN, status="idle")
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client) == ["a", "b"]
    assert upstream.opened == 5


async def test_a_clean_end_without_anything_is_no_reason_to_hurry() -> None:
    clock = FakeClock(jitter=0.0)
    upstream = Upstream(OPEN, status="running")
    async with serving(upstream) as server, client_for(server, clock) as client:
        with pytest.raises(StreamLostError):
            await ids_of(client)
    assert clock.sleeps[:6] == [1, 2, 4, 8, 16, 30]
    assert 270 <= sum(clock.sleeps) <= 300


@pytest.mark.parametrize("sign_of_life", [b": ping\n", b"\n", frame("a")])
async def test_any_sign_of_life_is_progress(sign_of_life: bytes) -> None:
    clock = FakeClock(jitter=0.0)
    silent, alive = OPEN, OPEN + sign_of_life
    upstream = Upstream(*[silent, silent, silent, alive] * 21, answer(404), status="running")
    async with serving(upstream) as server, client_for(server, clock) as client:
        with pytest.raises(NotFoundError):
            await ids_of(client)
    assert clock.sleeps[:8] == [1, 2, 4, 1, 2, 4, 8, 1]
    assert sum(clock.sleeps) > 300


async def test_bytes_that_complete_nothing_are_no_progress() -> None:
    upstream = Upstream(OPEN + b"data: the beginning of", status="running")
    async with serving(upstream) as server, client_for(server) as client:
        with pytest.raises(StreamLostError, match="300 s"):
            await ids_of(client)


async def test_the_jitter_adds_up_to_a_quarter() -> None:
    clock = FakeClock(jitter=0.8)
    upstream = Upstream(OPEN, status="running")
    async with serving(upstream) as server, client_for(server, clock) as client:
        with pytest.raises(StreamLostError):
            await ids_of(client)
    assert clock.sleeps[:3] == pytest.approx([1.2, 2.4, 4.8])


async def test_silence_counts_as_a_lost_connection() -> None:
    async def silent(_: Request, wire: SocketStream) -> None:
        await wire.send(OPEN + frame("a"))
        await wire.receive()

    statuses: list[StreamStatus] = []
    upstream = Upstream(silent, OPEN + frame("b"), OPEN)
    async with (
        serving(upstream) as server,
        client_for(server, timeouts=Timeouts(stream_silence=0.03)) as client,
    ):
        assert await ids_of(client, on_connection=statuses.append) == ["a", "b"]
    assert [status.error for status in statuses if status.state is StreamState.RETRYING] == ["it timed out"]


async def test_every_change_of_the_connection_is_reported() -> None:
    async def broken(_: Request, wire: SocketStream) -> None:
        await wire.send(CHUNKED + chunk(frame("a")))

    statuses: list[StreamStatus] = []
    upstream = Upstream(broken, failure(503, "moving house"), OPEN + frame("b"), OPEN)
    async with serving(upstream) as server, client_for(server) as client:
        await ids_of(client, on_connection=statuses.append)
    assert [(status.state.value, status.attempt) for status in statuses] == [
        ("connecting", 0),
        ("open", 0),
        ("retrying", 1),
        ("connecting", 1),
        ("retrying", 2),
        ("connecting", 2),
        ("open", 2),
        ("connecting", 0),
        ("open", 0),
    ]
    assert "incomplete" in statuses[2].error
    assert "moving house" in statuses[4].error


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError), (410, ApiError)],
)
@pytest.mark.parametrize("before", [0, 1])
async def test_a_refusal_ends_the_stream_at_once(before: int, status: int, kind: type[ApiError]) -> None:
    clock = FakeClock()
    upstream = Upstream(*[OPEN + frame("a")] * before, failure(status, "no"), status="running")
    async with serving(upstream) as server, client_for(server, clock, generation="second") as client:
        with pytest.raises(kind, match="no"):
            await ids_of(client)
    assert len(clock.sleeps) == before


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
async def test_a_passing_failure_to_reopen_is_waited_out(status: int) -> None:
    clock = FakeClock(jitter=0.0)
    upstream = Upstream(
        OPEN + frame("a"), failure(status), failure(status), OPEN + frame("b"), OPEN, status="running"
    )

    def still_running(_: Task) -> bool:
        return upstream.opened < 4

    async with serving(upstream) as server, client_for(server, clock) as client:
        assert await ids_of(client, keep_open=still_running) == ["a", "b"]
    assert clock.sleeps == [1, 2, 4]
    assert upstream.resumed_after[:4] == [None, "a", "a", "a"]


async def test_a_server_that_asks_a_stream_to_wait_is_obeyed() -> None:
    clock = FakeClock(jitter=0.0)
    upstream = Upstream(OPEN + frame("a"), failure(429, Retry_After="45"), OPEN, status="running")
    async with serving(upstream) as server, client_for(server, clock) as client:
        await ids_of(client, keep_open=lambda _: upstream.opened < 3)
    assert clock.sleeps[:2] == [1, 45]


async def test_the_first_connection_fails_at_once() -> None:
    async with answering(b"") as gone:
        pass
    clock = FakeClock()
    async with client_for(gone, clock) as client:
        with pytest.raises(ConnectionFailedError):
            await ids_of(client)
    async with answering(failure(500)) as server, client_for(server, clock) as client:
        with pytest.raises(ServerError):
            await ids_of(client)
    assert clock.sleeps == []


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_gets_a_few_first_attempts(status: int) -> None:
    clock = FakeClock()
    async with (
        serving(Upstream(failure(status), OPEN + frame("a"), OPEN)) as server,
        client_for(server, clock) as client,
    ):
        assert await ids_of(client) == ["a"]
    async with answering(failure(status)) as server, client_for(server, clock) as client:
        with pytest.raises(RateLimitedError if status == 429 else ServerError):
            await ids_of(client)
    assert len(clock.sleeps) == 1 + 3


@pytest.mark.parametrize(
    "other", [answer(200, {"events": []}), answer(200, b"<html>", Content_Type="text/html"), answer(204)]
)
async def test_a_success_that_is_no_event_stream_is_unexpected(other: bytes) -> None:
    async with answering(other) as server, client_for(server) as client:
        with pytest.raises(UnexpectedResponseError, match="text/event-stream"):
            await ids_of(client)


async def test_a_replay_of_everything_is_delivered_once() -> None:
    frames = everything(20)
    upstream = Upstream(
        CHUNKED + chunk(b"".join(frames[:10])),
        CHUNKED + chunk(b"".join(frames[:15])),
        OPEN + b"".join(frames),
    )
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client) == [f"event-{number}" for number in range(20)]


async def test_an_event_that_comes_twice_on_a_connection_is_delivered_once() -> None:
    async with (
        serving(Upstream(OPEN + frame("a") * 2 + frame("b") + frame("a"))) as server,
        client_for(server) as client,
    ):
        assert await ids_of(client) == ["a", "b"]


async def test_keep_alives_between_events_are_no_events() -> None:
    stream = OPEN + b": hi\n\n" + frame("a") + b"\n\n: ping\n\n" + frame("b") + b": ping\n\n"
    async with serving(Upstream(stream)) as server, client_for(server) as client:
        assert await ids_of(client) == ["a", "b"]


async def test_malformed_data_are_delivered_once_under_the_frames_id() -> None:
    stream = OPEN + frame("a") + frame("b", b"{not json") + frame("c", b'{"id": "c"}') + frame("d")
    upstream = Upstream(stream)
    async with serving(upstream) as server, client_for(server) as client:
        events = await events_of(client)
    assert [(event.id, isinstance(event.body, Unreadable)) for event in events] == [
        ("a", False),
        ("b", True),
        ("c", True),
        ("d", False),
    ]


async def test_malformed_data_without_an_id_are_delivered_once_and_move_nothing() -> None:
    stream = OPEN + frame("a") + b"data: {no id\n\n" + b"data: {no id\n\n"
    upstream = Upstream(stream)
    async with serving(upstream) as server, client_for(server) as client:
        events = await events_of(client)
    assert [event.id for event in events[:1]] == ["a"]
    assert isinstance(events[1].body, Unreadable)
    assert len(events) == 2
    assert upstream.resumed_after == [None, "a"]


async def test_a_malformed_event_is_the_place_to_resume_from() -> None:
    upstream = Upstream(OPEN + frame("a") + frame("b", b"{not json"), OPEN)
    async with serving(upstream) as server, client_for(server) as client:
        await ids_of(client)
    assert upstream.resumed_after == [None, "b"]


async def test_the_envelopes_id_is_enough() -> None:
    upstream = Upstream(OPEN + frame("a").partition(b"\n")[2], OPEN)
    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client) == ["a"]
    assert upstream.resumed_after == [None, "a"]


async def test_an_event_over_the_limit_leaves_a_marker_and_the_stream_goes_on() -> None:
    big = frame("b", message="x" * 5000)
    nameless = b"id\n" + big.partition(b"\n")[2]
    upstream = Upstream(OPEN + frame("a") + big + frame("c") + nameless + frame("d"))
    async with serving(upstream) as server, client_for(server, max_event_bytes=4000) as client:
        events = await events_of(client)
    assert [event.id for event in events[:3]] == ["a", "b", "c"]
    assert [event.body.type for event in events] == [
        "warning",
        "unreadable",
        "warning",
        "unreadable",
        "warning",
    ]
    assert isinstance(events[1].body, Unreadable)
    assert "5,0" in events[1].body.reason
    assert "4,000" in events[1].body.reason


async def test_an_encrypted_token_arrives_without_the_token() -> None:
    async with (
        serving(
            Upstream(OPEN + frame("a", type="provide_pulumi_access_token", encrypted_token="s3cret"))
        ) as server,
        client_for(server) as client,
    ):
        (event,) = await events_of(client)
    assert isinstance(event.body, ProvidePulumiAccessToken)
    assert "s3cret" not in repr(event)


async def test_keep_open_decides_by_the_task() -> None:
    upstream = Upstream(OPEN + APPROVAL, OPEN)
    tasks: list[Task] = []

    def closed(found: Task) -> bool:
        tasks.append(found)
        return False

    async with serving(upstream) as server, client_for(server) as client:
        assert await ids_of(client, keep_open=closed) == ["a"]
    assert [found.id for found in tasks] == [TASK]


async def test_a_task_that_cannot_be_asked_about_now_is_followed_on() -> None:
    clock = FakeClock()
    upstream = Upstream(OPEN + frame("a"), OPEN + frame("b"), OPEN)
    asked = 0

    async def handler(request: Request, wire: SocketStream) -> None:
        nonlocal asked
        if request.path != STREAM:
            asked += 1
            if asked <= 4:
                await wire.send(failure(503))
                return
        await upstream(request, wire)

    async with serving(handler) as server, client_for(server, clock) as client:
        assert await ids_of(client) == ["a", "b"]


async def test_a_task_that_is_gone_ends_the_stream_with_an_error() -> None:
    async def handler(request: Request, wire: SocketStream) -> None:
        await wire.send(OPEN + frame("a") if request.path == STREAM else failure(404, "deleted"))

    async with serving(handler) as server, client_for(server) as client:
        with pytest.raises(NotFoundError, match="deleted"):
            await ids_of(client)


class Held:
    """A stream that is held open, and knows when the other side has closed it."""

    def __init__(self) -> None:
        self.open = anyio.Event()
        self.closed = anyio.Event()

    async def __call__(self, _: Request, wire: SocketStream) -> None:
        await wire.send(OPEN + frame("a") + frame("b"))
        self.open.set()
        try:
            await wire.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.closed.set()


async def test_closing_the_generator_closes_the_connection() -> None:
    held = Held()
    async with serving(held) as server, client_for(server) as client:
        stream = client.stream_events(TASK)
        assert (await anext(stream)).id == "a"
        await stream.aclose()
        with anyio.fail_after(5):
            await held.closed.wait()


async def test_cancelling_the_reader_closes_the_connection() -> None:
    held = Held()
    async with serving(held) as server, client_for(server) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ids_of, client)
            await held.open.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await held.closed.wait()


async def test_many_streams_are_held_while_calls_go_on() -> None:
    upstreams: list[Held] = []

    async def handler(request: Request, wire: SocketStream) -> None:
        if request.path != STREAM:
            await wire.send(answer(200, task()))
            return
        held = Held()
        upstreams.append(held)
        await held(request, wire)

    async with (
        serving(handler) as server,
        client_for(server, max_concurrent_calls=2) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(150):
            tasks.start_soon(ids_of, client)
        with anyio.fail_after(20):
            while sum(held.open.is_set() for held in upstreams) < 150:
                await client.get_task(TASK)
        tasks.cancel_scope.cancel()


async def test_a_reader_that_takes_its_time_has_not_lost_the_stream() -> None:
    clock = FakeClock()
    upstream = Upstream(CHUNKED + chunk(frame("a")), OPEN + frame("b"), OPEN)
    async with serving(upstream) as server, client_for(server, clock) as client:
        stream = client.stream_events(TASK)
        async with aclosing(stream):
            assert (await anext(stream)).id == "a"
            await clock.sleep(3600)
            assert (await anext(stream)).id == "b"
