import anyio
import httpx
import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from tests.simulator.helpers import Api

WARNING = {"type": "warning", "message": "x"}


async def test_a_stream_replays_everything_then_stays_open_for_more(api: Api, simulator: Simulator) -> None:
    task = await api.create("hello")
    replayed = await api.envelopes(task)
    async with api.stream(task) as events:
        assert [await anext(events) for _ in replayed] == replayed
        new = simulator.append_event("acme", task, WARNING, kind="agentResponse")
        assert (await anext(events))["id"] == new


async def test_a_stream_carries_a_turn_live(api: Api) -> None:
    task = await api.create("scenario:public-bucket")
    async with api.stream(task) as events:
        async for envelope in events:
            body = envelope["eventBody"]
            if body["type"] == "user_approval_request":
                confirmation = {"type": "user_confirmation", "approval_request_id": body["id"], "ok": True}
                await api.send(task, confirmation)
            if body.get("is_final"):
                break
    assert (await api.get(task))["status"] == "idle"


async def test_a_stream_resumes_after_the_last_event_id(api: Api) -> None:
    task = await api.create("scenario:public-bucket", approvalMode="auto")
    everything = await api.envelopes(task)
    async with api.stream(task, everything[9]["id"]) as events:
        assert [await anext(events) for _ in everything[10:]] == everything[10:]


async def test_an_unknown_last_event_id_replays_everything(api: Api) -> None:
    task = await api.create("hello")
    async with api.stream(task, "never-heard-of") as events:
        assert await anext(events) == (await api.envelopes(task))[0]


async def test_two_readers_get_the_same(api: Api, simulator: Simulator) -> None:
    task = simulator.add_task("acme")
    async with api.stream(task) as one, api.stream(task) as two:
        for _ in range(3):
            simulator.append_event("acme", task, WARNING, kind="agentResponse")
            assert await anext(one) == await anext(two)


async def test_open_streams_are_counted(api: Api, simulator: Simulator) -> None:
    task = simulator.add_task("acme", events=[("agentResponse", WARNING)])
    assert simulator.open_streams == 0
    async with api.stream(task) as events:
        await anext(events)
        assert simulator.open_streams == 1
    with anyio.fail_after(5):
        while simulator.open_streams:
            await anyio.lowlevel.checkpoint()


async def test_keep_alives_are_comments(simulator: Simulator) -> None:
    del simulator
    async with running_simulator(SimulatorConfig(keep_alive_seconds=0.01)) as quick, Api(quick) as api:
        task = quick.add_task("acme")
        async with api.http.stream("GET", f"{api.tasks}/{task}/events/stream") as response:
            lines = response.aiter_lines()
            assert [await anext(lines) for _ in range(4)] == [": keep-alive", "", ": keep-alive", ""]


async def test_raw_bytes_are_served_verbatim(api: Api, simulator: Simulator) -> None:
    task = simulator.add_task("acme")
    raw = b'{"id":"e1","isSynthetic":false,"type":"agentResponse","eventBody":{"type":"new","x":"\\ud800"}}'
    simulator.append_raw("acme", task, raw, "e1")
    simulator.append_raw("acme", task, b"not\njson", "e2")
    async with api.http.stream("GET", f"{api.tasks}/{task}/events/stream") as response:
        chunks = response.aiter_raw()
        received = b""
        while received.count(b"\n\n") < 2:
            received += await anext(chunks)
    assert received == b"id: e1\ndata: " + raw + b"\n\nid: e2\ndata: not\ndata: json\n\n"


async def test_a_simulator_stops_with_streams_open() -> None:
    async with running_simulator(SimulatorConfig(time_scale=0)) as running:
        api = Api(running)
        task = running.add_task("acme", events=[("agentResponse", WARNING)])
        stream = api.stream(task)
        events = await stream.__aenter__()
        await anext(events)
    with pytest.raises(httpx.TransportError):
        await anext(events)
    await stream.__aexit__(None, None, None)
    await api.http.aclose()
