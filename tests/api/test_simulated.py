"""The client against the simulator: two readings of the same description have to agree."""

from contextlib import aclosing

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neo_mcp.api import NeoClient, Timeouts
from neo_mcp.errors import AmbiguousWriteError, AuthenticationError, NotFoundError, UnsupportedByServerError
from neo_mcp.simulator import Fault, Simulator, SimulatorConfig, running_simulator
from neo_mcp.wire import Event, UpdateTask, UserCancel, UserMessage
from tests.api.support import FakeClock
from tests.support.examples import examples

STREAM = "/events/stream"


def client_for(simulator: Simulator, timeouts: Timeouts | None = None) -> NeoClient:
    return NeoClient(
        token="pul-sim-alice", api_url=simulator.url, clock=FakeClock(), timeouts=timeouts or Timeouts()
    )


def with_events(simulator: Simulator, count: int) -> str:
    return simulator.add_task(
        "acme",
        events=[
            ("agentResponse", {"type": "assistant_message", "content": f"{n}", "is_final": False})
            for n in range(count)
        ],
    )


async def first(client: NeoClient, task_id: str, count: int) -> list[Event]:
    """The first ``count`` events of a stream that stays open."""
    found: list[Event] = []
    async with aclosing(client.stream_events(task_id, organization="acme")) as events:
        with anyio.fail_after(20):
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
    return found


async def test_a_task_lives_from_its_creation_to_its_end() -> None:
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator, client_for(simulator) as client:
        assert await client.resolve_organization() == "acme"
        created = await client.create_task("hello")
        await simulator.wait_idle("acme", created.task_id)
        renamed = await client.update_task(created.task_id, UpdateTask(name="Greeting", is_shared=True))
        assert (renamed.name, renamed.is_shared) == ("Greeting", True)
        await client.respond(created.task_id, UserMessage(content="and again"), conflict_wait=60)
        await simulator.wait_idle("acme", created.task_id)
        paged = [event async for event in client.iter_events(created.task_id, page_size=2)]
        assert [event.id for event in await first(client, created.task_id, len(paged))] == [
            e.id for e in paged
        ]
        assert [found.id async for found in client.iter_tasks(page_size=1)] == [created.task_id]
        await client.cancel_task(created.task_id)


async def test_the_simulator_refuses_what_the_api_refuses() -> None:
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator:
        async with NeoClient(token="pul-sim-wrong", api_url=simulator.url) as client:
            with pytest.raises(AuthenticationError):
                await client.get_user()
        async with client_for(simulator) as client:
            with pytest.raises(NotFoundError):
                await client.get_task("00000000-0000-4000-8000-000000000000")


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Fault,
            kind=st.sampled_from(["cut", "clean_end", "duplicate", "replay", "silence"]),
            path=st.just(STREAM),
            at=st.integers(0, 20_000),
        ),
        max_size=8,
    )
)
def test_no_fault_loses_or_doubles_an_event(faults: list[Fault]) -> None:
    async def scenario() -> None:
        config = SimulatorConfig(time_scale=0, faults=tuple(faults))
        quick = Timeouts(stream_silence=0.2)
        async with running_simulator(config) as simulator, client_for(simulator, timeouts=quick) as client:
            task_id = with_events(simulator, 60)
            expected = [event.id async for event in client.iter_events(task_id, organization="acme")]
            simulator.store.get("acme", task_id).turn_is_running = True
            assert [event.id for event in await first(client, task_id, 60)] == expected

    anyio.run(scenario)


async def test_events_of_any_kind_survive() -> None:
    faults = (
        Fault("malformed", path=STREAM, after_events=1),
        Fault("huge", path=STREAM, at=50_000, after_events=3),
    )
    async with (
        running_simulator(SimulatorConfig(time_scale=0, faults=faults)) as simulator,
        NeoClient(token="pul-sim-alice", api_url=simulator.url, max_event_bytes=40_000) as client,
    ):
        task_id = with_events(simulator, 5)
        events = await first(client, task_id, 6)
    assert [event.body.type for event in events].count("unreadable") == 2
    assert len({event.id for event in events}) == 6


@pytest.mark.parametrize("applied", [True, False])
async def test_a_create_whose_answer_is_lost_makes_at_most_one_task(*, applied: bool) -> None:
    fault = Fault("reset_before_response", method="POST", applied=applied)
    config = SimulatorConfig(time_scale=0, faults=(fault,))
    async with running_simulator(config) as simulator, client_for(simulator) as client:
        with pytest.raises(AmbiguousWriteError):
            await client.create_task("hello")
        assert len((await client.list_tasks()).tasks) == int(applied)


async def test_streams_that_are_dropped_come_back() -> None:
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator, client_for(simulator) as client:
        task_id = with_events(simulator, 3)
        found: list[str] = []
        last = ""
        async with aclosing(client.stream_events(task_id, organization="acme")) as events:
            with anyio.fail_after(20):
                async for event in events:
                    found.append(event.id)
                    if len(found) == 3:
                        await simulator.drop_streams()
                        body = {"type": "warning", "message": "new"}
                        last = simulator.append_event("acme", task_id, body, kind="agentResponse")
                    if len(found) == 4:
                        break
        assert found[-1] == last


async def test_a_first_generation_server_is_used_as_one() -> None:
    config = SimulatorConfig(time_scale=0, first_generation=True)
    async with running_simulator(config) as simulator, client_for(simulator) as client:
        created = await client.create_task("hello", organization="acme")
        with anyio.fail_after(20):
            streamed = [event async for event in client.stream_events(created.task_id, organization="acme")]
        paged = [
            event async for event in client.iter_events(created.task_id, organization="acme", page_size=1)
        ]
        assert [event.id for event in streamed] == [event.id for event in paged]
        assert streamed
        with pytest.raises(UnsupportedByServerError):
            await client.respond(created.task_id, UserCancel(), organization="acme")
