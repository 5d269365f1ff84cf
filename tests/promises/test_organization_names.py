"""An organization is the same in letters of any case, in everything that a host gives back."""

import pytest

from tests.support.host import APPROVES, ERAS, ORG, Person, World

SPELLINGS = (ORG, "Acme", "ACME")
PAIRS = [(one, other) for one in SPELLINGS for other in SPELLINGS if one != other]
IN_NAMES = ("{org}/{id}", "neo://{org}/tasks/{id}", "neo://{org}/tasks/{id}/transcript")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_a_cursor_of_one_is_one_of_the_other(world: World, era: str, one: str, other: str) -> None:
    async with world.host(mode=era) as host:
        created = await host.call("create_task", prompt="Say hello (scenario:hello)", organization=one)
        task_id, cursor = created["task_id"], created["cursor"]
        first = await host.wait(task_id, cursor, organization=other, until="turn_end")
        again = await host.wait(f"{one}/{task_id}", first["cursor"], timeout_seconds=0)
        assert not again["events"]
        both = await host.call(
            "wait_for_events", task_ids=[f"{one}/{task_id}", f"{other}/{task_id}"], timeout_seconds=0
        )
        assert both["cursor"]


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_so_is_a_page_of_a_list(world: World, one: str, other: str) -> None:
    for _ in range(3):
        world.simulator.add_task(ORG)
    async with world.host() as host:
        page = await host.call("list_tasks", organization=one, page_size=1)
        rest = await host.call("list_tasks", organization=other, page_size=1, cursor=page["next_cursor"])
    assert page["tasks"][0]["task_id"] != rest["tasks"][0]["task_id"]


@pytest.mark.parametrize("tool", ["get_task", "update_task", "respond"])
@pytest.mark.parametrize("form", IN_NAMES)
@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_so_is_a_tasks_name_beside_an_argument(
    world: World, tool: str, form: str, one: str, other: str
) -> None:
    task_id = world.simulator.add_task(ORG)
    more = {"update_task": {"name": "A"}, "respond": {"action": "message", "text": "Go on"}}.get(tool, {})
    async with world.host() as host:
        await host.call(tool, task_id=form.format(org=one, id=task_id), organization=other, **more)


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_a_claim_and_its_results_are_the_same_tasks(world: World, one: str, other: str) -> None:
    async with world.host(Person(**APPROVES)) as host:  # type: ignore[arg-type]  # fields by name
        task_id, _ = await host.create("local-tools", tool_execution_mode="cli", organization=one)
        waited = await host.wait(task_id, until="attention", organization=one)
        claimed = await host.call("respond", task_id=task_id, action="claim", organization=one)
        calls = waited["needs"][0]["calls"]
        results = [{"tool_call_id": call["tool_call_id"], "content": "x"} for call in calls]
        for each in results:
            await host.call(
                "respond",
                task_id=task_id,
                action="tool_results",
                tool_results=[each],
                claim=claimed["claim"],
                organization=other,
            )


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_the_same_key_starts_one_task(world: World, one: str, other: str) -> None:
    async with world.host() as host:
        ids = {
            (await host.call("create_task", prompt="Hello", organization=each, idempotency_key="k"))[
                "task_id"
            ]
            for each in (one, other)
        }
    assert len(ids) == 1
