"""What a server answers when a stream is opened again: later, never, or with what was there already."""

import math
import ssl
from collections.abc import Callable, Iterator, Sequence

import httpx
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.errors import AuthenticationError, NeoError, NotFoundError, PermissionDeniedError
from neo_mcp.wire import Event
from tests.api.playing import KEEP_ALIVE, Api, Frame, below_http, frames, wire
from tests.api.support import TASK, FakeClock, client_for
from tests.api.test_every_byte import NOWHERE, read

pytestmark = pytest.mark.scorecard("a stream may end anywhere, in any way: nothing lost, nothing doubled")

PLAYED = frames(20)
TRUTH = [each.event for each in PLAYED]
HTML = {"Content-Type": "text/html"}


def refused(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, json={"code": status, "message": "Not now."})


def unreachable(error: type[httpx.TransportError]) -> Callable[[], httpx.Response]:
    def fail() -> httpx.Response:
        raise error("no such luck")

    return fail


PASSING: dict[str, Callable[[], httpx.Response]] = {
    "429": lambda: refused(429),
    "429 in seconds": lambda: refused(429, **{"Retry-After": "20"}),
    "429 at a date": lambda: refused(429, **{"Retry-After": "Fri, 02 Jan 2026 03:04:30 GMT"}),
    "429 with nonsense": lambda: refused(429, **{"Retry-After": "soon"}),
    "500": lambda: refused(500),
    "502 in HTML": lambda: httpx.Response(502, headers=HTML, content=b"<html>Bad gateway</html>"),
    "503": lambda: refused(503),
    "503, empty": lambda: httpx.Response(503),
    "a web page": lambda: httpx.Response(200, headers=HTML, content=b"<html>Log in to the hotel</html>"),
    "another type": lambda: httpx.Response(200, json={"events": []}),
    "no content": lambda: httpx.Response(204),
    "a redirect": lambda: httpx.Response(302, headers={"Location": "https://portal.example/login"}),
    "no connection": unreachable(httpx.ConnectError),
    "a proxy that fails": unreachable(httpx.ProxyError),
    "no answer": unreachable(httpx.RemoteProtocolError),
    "a broken connection": unreachable(httpx.ReadError),
}
FINAL: dict[int, type[NeoError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
}


class Resumes:
    """Sends half of the events, then gives other answers, then the rest, from an event of its choice on."""

    def __init__(self, api: Api, *answers: Callable[[], httpx.Response], overlap: float = 0) -> None:
        self._api = api
        self._answers = list(answers)
        self._overlap = overlap
        api.stream = self

    def __call__(self, after: str | None) -> httpx.Response:
        api = self._api
        if len(api.resumed_after) == 1:
            return api.body(iter([wire(PLAYED[:10])]), "cut")
        if self._answers:
            return self._answers.pop(0)()
        start = 1 + next(number for number, event in enumerate(TRUTH) if event.id == after)
        rest = PLAYED[int(max(start - self._overlap, 0)) :]
        return api.body(iter([wire(rest)]), "clean end")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(jitter=0.0)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Api:
    return below_http(monkeypatch, clock)


@pytest.mark.parametrize("answer", PASSING)
async def test_what_passes_is_waited_out(answer: str, api: Api, clock: FakeClock) -> None:
    Resumes(api, *[PASSING[answer]] * 3)
    async with client_for(NOWHERE, clock) as client:
        assert await read(client, 20) == TRUTH
    assert api.resumed_after == [None] + [TRUTH[9].id] * 4
    asked = {"429 in seconds": [1, 20, 20, 20], "429 at a date": [1, 23.322, 4, 8]}
    assert clock.sleeps == pytest.approx(asked.get(answer, [1, 2, 4, 8]))


async def test_a_server_that_takes_a_connection_and_says_nothing_is_left(api: Api, clock: FakeClock) -> None:
    def silent() -> httpx.Response:
        clock.let_pass()
        raise AssertionError

    Resumes(api, silent, silent)
    async with client_for(NOWHERE, clock) as client:
        assert await read(client, 20) == TRUTH
    assert clock.monotonic() == 2 * 20 + 1 + 2 + 4


@pytest.mark.parametrize("status", FINAL)
async def test_what_does_not_pass_stops_at_once_and_says_what_to_do(
    status: int, api: Api, clock: FakeClock
) -> None:
    Resumes(api, *[lambda: refused(status)] * 99)
    async with client_for(NOWHERE, clock, generation="second") as client:
        with pytest.raises(FINAL[status]) as caught:
            await read(client, 20)
    assert len(api.resumed_after) == 2
    assert clock.sleeps == [1.0]
    assert caught.value.next_step
    assert caught.value.next_step in str(caught.value)


async def test_a_bad_token_at_the_start_stops_at_once_and_says_what_to_do(api: Api, clock: FakeClock) -> None:
    api.stream = lambda _: refused(401)
    async with client_for(NOWHERE, clock) as client:
        with pytest.raises(AuthenticationError, match="pulumi login"):
            await read(client, 20)
    assert (len(api.resumed_after), clock.sleeps) == (1, [])


async def test_a_token_that_goes_bad_is_noticed_when_a_clean_end_is_looked_into(
    api: Api, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.stream = lambda _: api.body(iter([wire(PLAYED)]), "clean end")
    async with client_for(NOWHERE, clock) as client:
        monkeypatch.setattr(api, "answer_task", lambda: refused(401))
        with pytest.raises(AuthenticationError, match="pulumi login"):
            await read(client, 21)
    assert (len(api.resumed_after), clock.sleeps) == (1, [])


@pytest.mark.parametrize("overlap", [0, 1, 3, 9, math.inf])
async def test_what_a_server_sends_again_is_given_out_once(
    overlap: float, api: Api, clock: FakeClock
) -> None:
    Resumes(api, overlap=min(overlap, 99))
    async with client_for(NOWHERE, clock) as client:
        assert await read(client, 20) == TRUTH


def twice(played: Sequence[Frame]) -> list[Frame]:
    return [each for each in played for _ in range(2)]


def backwards_and_forwards(played: Sequence[Frame]) -> list[Frame]:
    return [*played[:10], *reversed(played[:10]), *played]


@pytest.mark.parametrize("repeat", [twice, backwards_and_forwards])
async def test_an_event_that_comes_again_on_a_connection_is_given_out_once(
    repeat: Callable[[Sequence[Frame]], list[Frame]], api: Api, clock: FakeClock
) -> None:
    api.stream = lambda _: api.body(iter([wire(repeat(PLAYED))]), "clean end")
    async with client_for(NOWHERE, clock) as client:
        assert await read(client, 20) == TRUTH


async def test_a_server_that_ignores_the_id_is_followed_to_the_end(api: Api, clock: FakeClock) -> None:
    """It replays everything again and again, one event further each time."""
    api.stream = lambda _: api.body(iter([wire(PLAYED[: len(api.resumed_after)])]), "cut")
    async with client_for(NOWHERE, clock) as client:
        assert await read(client, 20) == TRUTH
    assert api.resumed_after == [None, *(event.id for event in TRUTH[:19])]


async def test_a_damaged_tls_record_is_a_lost_connection(api: Api, clock: FakeClock) -> None:
    """The one failure of a connection that the HTTP library lets through as it is."""

    def damaged() -> Iterator[bytes]:
        yield wire(PLAYED[:5])
        raise ssl.SSLError("decryption failed or bad record mac")

    api.stream = lambda after: api.body(damaged() if after is None else iter([wire(PLAYED[5:])]), "clean end")
    async with client_for(NOWHERE, clock) as client:
        assert await read(client, 20) == TRUTH


async def rest_of(client: NeoClient) -> list[Event]:
    return [event async for event in client.stream_events(TASK)]


class TestCleanEnd:
    async def test_a_running_task_is_resumed_however_often_it_ends(self, api: Api, clock: FakeClock) -> None:
        def one_more(after: str | None) -> httpx.Response:
            number = len(api.resumed_after) - 1
            assert after == (TRUTH[min(number, 20) - 1].id if number else None)
            api.status = "running" if number < 20 else "idle"
            return api.body(iter([KEEP_ALIVE, PLAYED[number].wire] if number < 20 else []), "clean end")

        api.stream = one_more
        async with client_for(NOWHERE, clock) as client:
            assert [e.id for e in await rest_of(client)] == [e.id for e in TRUTH]

    @pytest.mark.parametrize(("kept", "pending"), [(5, True), (6, False)])
    async def test_an_idle_task_is_resumed_while_somebody_is_asked(
        self, kept: int, pending: bool, api: Api, clock: FakeClock
    ) -> None:
        """Event 4 asks for an approval, event 5 gives it."""
        api.status = "idle"
        ends = iter(range(6))

        def stays_idle(after: str | None) -> httpx.Response:
            sent = PLAYED[:kept] if after is None else PLAYED[5:6] if next(ends) == 4 else []
            return api.body(iter([KEEP_ALIVE, *(each.wire for each in sent)]), "clean end")

        api.stream = stays_idle
        async with client_for(NOWHERE, clock) as client:
            assert [e.id for e in await rest_of(client)] == [e.id for e in TRUTH[:6]]
        assert len(api.resumed_after) == (7 if pending else 2)
