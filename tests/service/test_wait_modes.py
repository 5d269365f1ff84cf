"""What the service answers itself is put to no person, however long it takes."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.cli.tasks.watch import ENDED, follow
from neo_mcp.cli.terminal.task_ref import TaskAddress
from neo_mcp.simulator import SimulatorConfig, running_simulator
from neo_mcp.watch import Hub, until_true
from neo_mcp.wire import ApprovalMode, CreateTask, UserMessage
from tests.support.host import ORG, TOKEN, Json, World

GAPS = (0.0, 0.03, 0.1, 0.3, 1.0)


@asynccontextmanager
async def answering(gap: float) -> AsyncIterator[World]:
    async with running_simulator(SimulatorConfig(time_scale=0, resolve_after=gap)) as simulator:
        yield World(simulator)


async def start(world: World, scenario: str, mode: str) -> str:
    async with NeoClient(token=TOKEN, api_url=world.simulator.url, organization=ORG) as client:
        message = UserMessage(content=f"Please (scenario:{scenario})")
        return (
            await client.create_task(CreateTask(message=message, approval_mode=ApprovalMode(mode)))
        ).task_id


def asked(world: World, task_id: str) -> int:
    return sum(body["type"] == "user_approval_request" for body in world.events(task_id))


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("scenario", ["question", "public-bucket"])
class TestInAutomaticMode:
    async def test_a_wait_lasts_until_the_turn_is_over(self, scenario: str, gap: float) -> None:
        async with answering(gap) as world, world.host() as host:
            task_id = await start(world, scenario, "auto")
            waited = await host.wait(task_id)
            assert asked(world, task_id)
        assert [need["kind"] for need in waited["needs"]] == ["turn_ended"]

    async def test_watching_at_a_terminal_does_too(
        self, scenario: str, gap: float, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = argparse.Namespace(until="attention", tail=1000)
        async with (
            answering(gap) as world,
            NeoClient(token=TOKEN, api_url=world.simulator.url, organization=ORG) as client,
            anyio.create_task_group() as group,
        ):
            task_id = await start(world, scenario, "auto")
            async with Hub(client, group).follow(ORG, task_id) as watcher:
                await until_true([watcher], lambda: watcher.caught_up)
                with anyio.fail_after(30):
                    status = await follow(
                        watcher, TaskAddress(ORG, task_id), "https://neo", options, world.settings()
                    )
            group.cancel_scope.cancel()
        assert status == ENDED
        assert "pulumi-neo-mcp respond" not in capsys.readouterr().out


async def test_a_wait_that_ends_in_between_shows_no_request_and_the_next_one_how_it_went() -> None:
    async with answering(1.0) as world, world.host() as host:
        task_id = await start(world, "question", "auto")
        cursor: dict[str, str] = {}
        needs: list[Json] = []
        while not needs:
            waited = await host.call("wait_for_events", task_id=task_id, timeout_seconds=0.05, **cursor)
            cursor, needs = {"cursor": waited["cursor"]}, waited["needs"]
            assert waited["matched"] is bool(needs)
            found = await host.call("get_task", task_id=task_id)
            hints = [
                hint
                for hint, about in ((waited["next"], needs), (found["next"], found["needs"]))
                if not about
            ]
            assert all("Neo is still working" in hint for hint in hints)
        assert [need["kind"] for need in needs] == ["turn_ended"]


async def test_what_the_service_leaves_to_a_person_is_reported() -> None:
    async with answering(0.1) as world, world.host() as host:
        task_id = await start(world, "question", "balanced")
        waited = await host.wait(task_id)
    assert [need["kind"] for need in waited["needs"]] == ["question"]
