"""create_task told to wait, for clients without task handles: one call that ends early with a cursor."""

import anyio
import pytest

from neo_mcp.simulator import Fault
from tests.support.host import Host, Person, World


async def started(host: Host, scenario: str, **arguments: object) -> dict[str, object]:
    return await host.call("create_task", prompt=f"Go (scenario:{scenario})", wait=True, **arguments)


async def test_the_result_has_what_happened_and_how_it_ended(world: World, era: str) -> None:
    async with world.host(mode=era) as host:
        created = await host.call("create_task", prompt="Go (scenario:hello)", wait=True)
        again = await host.wait(created["task_id"], created["cursor"], timeout_seconds=0.05)
    news = created["news"]
    assert news["matched"] is True
    assert [need["kind"] for need in news["needs"]] == ["turn_ended"]
    assert news["events"][0].startswith("user: Go")
    assert "task_id" not in news
    # The cursor stands after what was told.
    assert again["events"] == []


async def test_it_ends_as_soon_as_somebody_is_needed(world: World, era: str) -> None:
    async with world.host(Person(), mode=era) as host:
        created = await host.call("create_task", prompt="Go (scenario:denied-approval)", wait=True)
        (need,) = created["news"]["needs"]
        assert need["kind"] == "approval"
        text = await host.call("respond", task_id=created["task_id"], action="approve")
        assert "was approved" in text["sent"]
        after = await host.wait(created["task_id"], created["cursor"])
    assert after["needs"][0]["kind"] == "turn_ended"


async def test_its_time_is_bounded_and_the_cursor_goes_on(world: World, era: str) -> None:
    world.simulator.runner.time_scale = 1.0
    async with world.host(mode=era, wait_seconds=1.0) as host:
        created = await host.call("create_task", prompt="Go (scenario:long-run)", wait=True)
        assert created["news"]["matched"] is False
        assert created["news"]["activity"]
        assert "wait_for_events" in created["next"]
        world.simulator.runner.time_scale = 0.0
        after = await host.wait(created["task_id"], created["cursor"], until="any")
    assert set(after["events"]).isdisjoint(created["news"]["events"])


async def test_a_start_that_takes_long_leaves_less_time_to_wait(world: World) -> None:
    world.simulator.runner.time_scale = 100.0
    world.simulator.faults.add(Fault("latency", seconds=1.5, path="/tasks$", method="POST"))
    async with world.host(wait_seconds=1.5) as host:
        began = anyio.current_time()
        await host.call("create_task", prompt="Go (scenario:long-run)", wait=True)
        assert anyio.current_time() - began < 10


async def test_who_does_not_ask_for_it_does_not_wait(world: World) -> None:
    world.simulator.runner.time_scale = 1000.0
    async with world.host() as host:
        for arguments in ({}, {"wait": False}):
            created = await host.call("create_task", prompt="Go (scenario:long-run)", **arguments)
            assert "news" not in created


async def test_progress_is_told_meanwhile(world: World, era: str) -> None:
    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert progress
        assert total is None
        told.append(message)

    async with world.host(mode=era) as host:
        await host.call("create_task", note, prompt="Go (scenario:hello)", wait=True)
    assert told


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_wait_that_fails_loses_no_task(world: World, era: str, status: int) -> None:
    world.simulator.faults.add(Fault("status", status=status, path="/tasks/.+", times=0))
    async with world.host(mode=era, wait_seconds=1.0, call_timeout=0.5) as host:
        created = await host.call("create_task", prompt="Go (scenario:hello)", wait=True)
    assert created["task_id"]
    assert created["cursor"]
    assert len(world.bodies("/tasks")) == 1


@pytest.mark.parametrize("budget", [1000, 2000, 6000])
async def test_it_fits_the_budget(world: World, budget: int) -> None:
    async with world.host(budget_tokens=budget) as host:
        host.budget = budget
        created = await host.call("create_task", prompt="Go (scenario:everything)" + " word" * 50, wait=True)
    assert created["news"]["needs"] or created["news"]["events"]
