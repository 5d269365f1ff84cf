"""Every fault, seen from a raw socket where a client library would hide what happened."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from neo_mcp.simulator import Fault, Simulator, SimulatorConfig, running_simulator
from neo_mcp.simulator.disturb import Disturbance
from neo_mcp.simulator.faults import KINDS, FaultBook
from tests.simulator.helpers import Api, message

END_OF_BODY = b"0\r\n\r\n"
WARNING = ("agentResponse", {"type": "warning", "message": "x" * 50})


@asynccontextmanager
async def connected(simulator: Simulator, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """A raw connection that asked for the path; what comes after the headers of the answer."""
    host, port = simulator.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: token pul-sim-alice\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        yield reader
    finally:
        writer.close()


async def raw_body(simulator: Simulator, path: str) -> bytes:
    """Everything after the headers until the server closes; the chunked encoding is left in place."""
    async with connected(simulator, path) as reader:
        return await reader.read()


def content(chunked: bytes) -> bytes:
    """The content of a chunked body, as far as it goes."""
    found = b""
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        found += rest[: int(size, 16)]
        chunked = rest[int(size, 16) + 2 :]
    return found


@pytest.fixture
def task(simulator: Simulator) -> str:
    return simulator.add_task("acme", events=[WARNING] * 5)


@pytest.fixture
def path(task: str) -> str:
    return f"/api/preview/agents/acme/tasks/{task}/events/stream"


async def frames(api: Api, path: str, count: int) -> list[bytes]:
    async with api.http.stream("GET", path) as response:
        received = b""
        async for chunk in response.aiter_raw():
            received += chunk
            if received.count(b"\n\n") >= count:
                break
    return received.split(b"\n\n")[:count]


async def test_a_status_is_answered_as_often_as_told_and_nothing_is_performed(
    api: Api, simulator: Simulator
) -> None:
    simulator.faults.add(
        Fault("status", path="/tasks$", method="POST", status=429, retry_after="2", times=2, skip=1)
    )
    body = {"message": message("hello")}
    http = httpx.AsyncClient(base_url=simulator.url, headers=api.http.headers)
    async with http:
        responses = [await http.post(api.tasks, json=body) for _ in range(4)]
    assert [response.status_code for response in responses] == [201, 429, 429, 201]
    assert responses[1].headers["retry-after"] == "2"
    assert responses[1].json()["code"] == 429
    assert len((await api.http.get(api.tasks)).json()["tasks"]) == 2
    assert simulator.faults.list() == ()


async def test_a_request_can_be_performed_before_it_is_answered_with_a_failure(
    api: Api, simulator: Simulator
) -> None:
    simulator.faults.add(Fault("status_after", method="POST", status=429, retry_after="2"))
    async with httpx.AsyncClient(base_url=simulator.url, headers=api.http.headers) as http:
        response = await http.post(api.tasks, json={"message": message("hello")})
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert [record.status for record in simulator.requests] == [429]
    assert len((await api.http.get(api.tasks)).json()["tasks"]) == 1


async def test_a_status_can_carry_the_page_of_a_proxy(api: Api, simulator: Simulator) -> None:
    simulator.faults.add(Fault("status", status=502, body=b"<html>Bad gateway</html>"))
    async with httpx.AsyncClient(headers=api.http.headers) as http:
        response = await http.get(simulator.url + api.tasks)
    assert response.status_code == 502
    assert response.headers["content-type"] == "text/html"
    assert response.text == "<html>Bad gateway</html>"


async def test_a_fault_without_a_limit_lasts_until_it_is_cleared(api: Api, simulator: Simulator) -> None:
    simulator.faults.add(Fault("status", path="/user", status=401, times=0))
    assert [(await api.http.get("/api/user")).status_code for _ in range(3)] == [401] * 3
    simulator.faults.clear()
    assert (await api.http.get("/api/user")).status_code == 200


async def test_latency_delays_and_then_answers(api: Api, simulator: Simulator) -> None:
    simulator.faults.add(Fault("latency", seconds=0.001))
    assert (await api.http.get("/api/user")).status_code == 200


@pytest.mark.parametrize("at", [0, 10, 200])
async def test_a_cut_leaves_the_chunked_body_unfinished(simulator: Simulator, path: str, at: int) -> None:
    simulator.faults.add(Fault("cut", path="stream", at=at))
    body = await raw_body(simulator, path)
    assert len(content(body)) == at
    assert not body.endswith(END_OF_BODY)


async def test_a_cut_can_come_after_some_events(simulator: Simulator, path: str) -> None:
    simulator.faults.add(Fault("cut", path="stream", after_events=2))
    body = await raw_body(simulator, path)
    assert content(body).count(b"\n\n") == 2
    assert content(body).endswith(b"\n\n")
    assert not body.endswith(END_OF_BODY)


@pytest.mark.parametrize("events", [0, 2])
async def test_a_reset_comes_in_the_middle_of_a_stream(simulator: Simulator, path: str, events: int) -> None:
    simulator.faults.add(Fault("reset", path="stream", after_events=events))
    with pytest.raises(ConnectionResetError):
        await raw_body(simulator, path)


async def test_a_gap_leaves_out_what_comes_first(api: Api, simulator: Simulator, path: str) -> None:
    complete = await frames(api, path, 5)
    simulator.faults.add(Fault("gap", path="stream", after_events=2))
    assert await frames(api, path, 3) == complete[2:]


async def test_a_cut_reaches_plain_answers_too(api: Api, simulator: Simulator) -> None:
    simulator.faults.add(Fault("cut", at=5))
    with pytest.raises(httpx.RemoteProtocolError):
        await api.http.get("/api/user")


@pytest.mark.parametrize("fault", [Fault("clean_end", at=100), Fault("clean_end", after_events=1)])
async def test_a_clean_end_finishes_the_body(simulator: Simulator, path: str, fault: Fault) -> None:
    simulator.faults.add(fault)
    async with connected(simulator, path) as reader:
        body = await reader.readuntil(END_OF_BODY)
    assert content(body).count(b"id: ") == 1


async def test_silence_keeps_the_connection_and_sends_nothing(
    task: str, simulator: Simulator, path: str
) -> None:
    simulator.faults.add(Fault("silence", path="stream", after_events=5))
    async with connected(simulator, path) as reader:
        body = b""
        while body.count(b"\n\n") < 5:
            body += await reader.read(4096)
        simulator.append_event("acme", task, {"type": "warning", "message": "lost"}, kind="agentResponse")
        waiting = asyncio.ensure_future(reader.read(1))
        async with Api(simulator) as other:
            assert len(await frames(other, path, 6)) == 6  # the same event reaches another reader meanwhile
        assert not waiting.done()
        await simulator.drop_streams()
        with pytest.raises(ConnectionResetError):
            await waiting


async def test_duplicate_sends_every_event_twice(api: Api, simulator: Simulator, path: str) -> None:
    simulator.faults.add(Fault("duplicate", path="stream"))
    received = await frames(api, path, 10)
    assert received[::2] == received[1::2]
    assert len(set(received)) == 5


async def test_replay_ignores_the_last_event_id(api: Api, simulator: Simulator, task: str) -> None:
    envelopes = await api.envelopes(task)
    simulator.faults.add(Fault("replay", path="stream"))
    for first in (envelopes[0], envelopes[4]):
        async with api.stream(task, envelopes[3]["id"]) as events:
            assert await anext(events) == first


async def test_malformed_breaks_one_event(api: Api, simulator: Simulator, path: str) -> None:
    simulator.faults.add(Fault("malformed", path="stream", after_events=1))
    data = [frame.partition(b"data: ")[2] for frame in await frames(api, path, 5)]
    broken = [number for number, text in enumerate(data) if not is_json(text)]
    assert broken == [1]


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def test_huge_inserts_an_event_of_that_size(api: Api, simulator: Simulator, path: str) -> None:
    simulator.faults.add(Fault("huge", path="stream", at=2_000_000, after_events=2))
    data = [frame.partition(b"data: ")[2] for frame in await frames(api, path, 6)]
    assert len(data[2]) == 2_000_000
    assert json.loads(data[2])["eventBody"]["type"] == "warning"


@pytest.mark.parametrize("applied", [True, False])
async def test_a_reset_leaves_open_whether_the_write_happened(
    api: Api, simulator: Simulator, applied: bool
) -> None:
    simulator.faults.add(Fault("reset_before_response", method="POST", applied=applied))
    with pytest.raises(httpx.TransportError):
        await api.http.post(api.tasks, json={"message": message("hello")})
    assert len((await api.http.get(api.tasks)).json()["tasks"]) == applied
    assert [record.status for record in simulator.requests] == [0, 200]


async def test_truncated_json_ends_properly_and_cannot_be_parsed(api: Api, simulator: Simulator) -> None:
    simulator.faults.add(Fault("truncated_json"))
    async with httpx.AsyncClient(headers=api.http.headers) as http:
        response = await http.get(f"{simulator.url}/api/user")
    assert response.status_code == 200
    assert response.content
    assert not is_json(response.content)


async def test_dropped_streams_are_reset_and_can_be_resumed(
    api: Api, simulator: Simulator, task: str
) -> None:
    async with api.stream(task) as events:
        last = await anext(events)
        await simulator.drop_streams()
        assert simulator.open_streams == 0
        with pytest.raises(httpx.TransportError):
            _ = [event async for event in events]
    async with api.stream(task, last["id"]) as events:
        assert (await anext(events))["id"] == (await api.envelopes(task))[1]["id"]


async def test_faults_can_be_in_force_from_the_start() -> None:
    config = SimulatorConfig(faults=(Fault("status", status=503),))
    async with running_simulator(config) as running, httpx.AsyncClient(base_url=running.url) as http:
        statuses = [(await http.get("/api/user")).status_code for _ in range(2)]
    assert statuses == [503, 401]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cut", Fault("cut")),
        ("status:503,path=/events/stream,times=2,retry_after=1",
         Fault("status", status=503, path="/events/stream", times=2, retry_after="1")),
        ("latency:1.5,method=post", Fault("latency", seconds=1.5, method="POST")),
        ("status_after:503", Fault("status_after", status=503)),
        ("huge:9000000,after_events=3,skip=1", Fault("huge", at=9_000_000, after_events=3, skip=1)),
        ("status,body=<p>x", Fault("status", body=b"<p>x")),
        ("reset_before_response,applied=false", Fault("reset_before_response", applied=False)),
    ],
)  # fmt: skip
def test_a_fault_is_read_from_the_command_line(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault
    assert Fault.from_json(fault.as_json()) == fault


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unknown fault ''"),
        ("explode", "unknown fault 'explode'"),
        ("status:many", "'status' cannot be 'many'"),
        ("status:700", "from 200 to 599"),
        ("cut,at", "name=value"),
        ("cut,colour=red", "unknown fault setting 'colour'"),
        ("cut,path=(", "no regular expression"),
        ("cut:-1", "'at' of fault 'cut' must not be negative"),
        ("latency", "needs 'seconds'"),
        ("duplicate:3", "takes no number"),
        ("reset_before_response,applied=maybe", "'applied' cannot be 'maybe'"),
    ],
)
def test_a_wrong_fault_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("(", r"\(")):
        Fault.parse(text)


def test_each_fault_counts_for_itself() -> None:
    book = FaultBook((Fault("cut", path="a"), Fault("latency", seconds=0, times=0)))
    kinds = [[fault.kind for fault in book.take("GET", path)] for path in ("/b", "/a", "/a")]
    assert kinds == [["latency"], ["cut", "latency"], ["latency"]]


def test_every_kind_can_be_made() -> None:
    needed: dict[str, Any] = {"seconds": 1.0, "at": 1}
    assert [Fault(kind, **needed).kind for kind in KINDS] == list(KINDS)


def test_a_cut_falls_where_it_was_told_however_the_body_is_split() -> None:
    for size in range(1, 8):
        body = Disturbance([Fault("cut", at=5)])
        chunks = [b"abcdefgh"[start : start + size] for start in range(0, 8, size)]
        assert b"".join(body.feed(chunk) for chunk in chunks) == b"abcde"
        assert body.ending == "cut"
