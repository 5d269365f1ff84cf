"""Where no stream is to be had a task is followed by pages, and it says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from neo_mcp.api import NeoClient, StreamState, Timeouts
from neo_mcp.errors import AuthenticationError, NotFoundError, PermissionDeniedError
from neo_mcp.simulator import Fault, Simulator
from neo_mcp.watch import Hub, Reader, Until, Watcher, status, until_true, wait

ORG = "acme"
STREAM = "/events/stream"
PATIENCE = 20


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are asked for without a pause to speak of."""
    monkeypatch.setattr("neo_mcp.api.paging.PACE", 0.01)


@asynccontextmanager
async def following(
    simulator: Simulator,
    task_id: str,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> AsyncIterator[Watcher]:
    async with (
        NeoClient(
            token="pul-sim-alice", api_url=simulator.url, organization=ORG, timeouts=timeouts
        ) as client,
        anyio.create_task_group() as group,
    ):
        async with Hub(client, group).follow(ORG, task_id) as watcher:
            yield watcher
        group.cancel_scope.cancel()


def say(simulator: Simulator, task_id: str, text: str, *, final: bool = False) -> None:
    body = {"type": "assistant_message", "content": text, "is_final": final}
    simulator.append_event(ORG, task_id, body, kind="agentResponse")


async def is_paging(watcher: Watcher) -> None:
    with anyio.fail_after(PATIENCE):
        await until_true([watcher], lambda: watcher.is_paging)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=404, path=STREAM, times=0),
        Fault("status", status=405, path=STREAM, times=0),
        Fault("status", status=406, path=STREAM, times=0),
        Fault("status", status=500, path=STREAM, times=0),
        Fault("status", status=501, path=STREAM, times=0),
        Fault("status", status=502, path=STREAM, times=0, body=b"<html>Bad gateway</html>"),
        Fault("status", status=200, path=STREAM, times=0, body=b"<html>Log in</html>"),
        Fault("reset_before_response", path=STREAM, times=0),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_a_wait_ends_without_a_stream_and_progress_says_that_there_is_none(
    simulator: Simulator, fault: Fault
) -> None:
    task_id = simulator.add_task(ORG, status="running")
    say(simulator, task_id, "I begin.")
    simulator.faults.add(fault)
    told: list[str] = []
    async with following(simulator, task_id) as watcher, anyio.create_task_group() as group:

        async def note(text: str) -> None:
            told.append(text)
            if "no live stream" in text and len(watcher.log) == 1:
                say(simulator, task_id, "Still here.")
                say(simulator, task_id, "Done.", final=True)

        reader = Reader(watcher, "")
        with anyio.fail_after(PATIENCE):
            await wait([reader], until=Until.TURN_END, seconds=PATIENCE, on_progress=note)
        group.cancel_scope.cancel()
        assert watcher.failure is None
        assert [event.body.type for event in reader.read().since.events] == ["assistant_message"] * 3
        assert reader.read().needs[0].message == "Done."
    assert any('"I begin." (no live stream' in text for text in told)


async def test_nothing_is_lost_or_doubled_while_pages_and_streams_take_turns(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neo_mcp.watch.watcher._PAGING_SECONDS", 0.05)
    task_id = simulator.add_task(ORG, status="running")
    simulator.faults.add(Fault("status", status=501, path=STREAM, times=2))
    simulator.faults.add(Fault("status", status=501, path=STREAM, times=2, skip=3))
    async with following(simulator, task_id) as watcher:
        for number in range(60):
            say(simulator, task_id, f"Word {number}")
            with anyio.fail_after(PATIENCE):
                await until_true([watcher], lambda: len(watcher.log) == number + 1)  # noqa: B023 - used at once
            if number % 20 == 19:
                # The way that it is now comes to its end.
                await simulator.drop_streams()
        assert len(watcher.log.since("").events) == 60


async def test_a_stream_that_makes_no_progress_for_too_long_is_given_up_for_pages(
    simulator: Simulator,
) -> None:
    task_id = simulator.add_task(ORG, status="running")
    timeouts = Timeouts(stream_without_progress=0.0)
    async with following(simulator, task_id, timeouts) as watcher:
        with anyio.fail_after(PATIENCE):
            await until_true(
                [watcher],
                lambda: watcher.connection is not None and watcher.connection.state is StreamState.OPEN,
            )
        simulator.faults.add(Fault("status", status=503, path=STREAM, times=0))
        await simulator.drop_streams()
        await is_paging(watcher)
        assert "no live stream" in status(watcher)
        say(simulator, task_id, "Done.", final=True)
        with anyio.fail_after(PATIENCE):
            await wait([Reader(watcher, "")], until=Until.TURN_END, seconds=PATIENCE)
        assert watcher.attention()


async def test_the_stream_is_tried_again_after_a_while(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neo_mcp.watch.watcher._PAGING_SECONDS", 0.05)
    task_id = simulator.add_task(ORG, status="running")
    simulator.faults.add(Fault("status", status=501, path=STREAM))
    async with following(simulator, task_id) as watcher:
        await is_paging(watcher)
        with anyio.fail_after(PATIENCE):
            await until_true([watcher], lambda: not watcher.is_paging)
        say(simulator, task_id, "Hm.")
        with anyio.fail_after(PATIENCE):
            await until_true([watcher], lambda: len(watcher.log) == 1)
        assert "no live stream" not in status(watcher)


@pytest.mark.parametrize(("code", "error"), [(401, AuthenticationError), (403, PermissionDeniedError)])
async def test_who_may_not_is_told_at_once(
    simulator: Simulator, code: int, error: type[AuthenticationError | PermissionDeniedError]
) -> None:
    task_id = simulator.add_task(ORG, status="running")
    simulator.faults.add(Fault("status", status=code, path=STREAM, times=0))
    async with following(simulator, task_id) as watcher:
        with anyio.fail_after(PATIENCE):
            await wait([Reader(watcher, "")], until=Until.ATTENTION, seconds=PATIENCE)
        assert isinstance(watcher.failure, error)


async def test_a_task_that_is_gone_is_told_from_a_stream_that_is_not_there(simulator: Simulator) -> None:
    task_id = simulator.add_task(ORG, status="running")
    simulator.faults.add(Fault("status", status=404, path=STREAM, times=0))
    simulator.faults.add(Fault("status", status=404, path=f"{task_id}$", times=0))
    async with following(simulator, task_id) as watcher:
        with anyio.fail_after(PATIENCE):
            await wait([Reader(watcher, "")], until=Until.ATTENTION, seconds=PATIENCE)
        assert isinstance(watcher.failure, NotFoundError)


async def test_a_task_that_goes_away_while_it_is_followed_fails_the_wait(simulator: Simulator) -> None:
    task_id = simulator.add_task(ORG, status="running")
    simulator.faults.add(Fault("status", status=501, path=STREAM, times=0))
    async with following(simulator, task_id) as watcher:
        await is_paging(watcher)
        simulator.faults.add(Fault("status", status=404, path=task_id, times=0))
        with anyio.fail_after(PATIENCE):
            await wait([Reader(watcher, "")], until=Until.ATTENTION, seconds=PATIENCE)
        assert isinstance(watcher.failure, NotFoundError)
