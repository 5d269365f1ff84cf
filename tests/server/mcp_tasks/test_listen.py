"""Status notifications of tasks on ``subscriptions/listen``, as the extension's text has them."""

import pytest

from neo_mcp.simulator import Fault
from tests.support.host import ORG, Json, World, until
from tests.support.tasks_client import (
    EXTENSION,
    FORMS,
    INVALID,
    MISSING,
    NEITHER,
    TASKS,
    Refused,
    TasksClient,
    accept,
)
from tests.support.tasks_servers import DONE, REQUEST, happen, pending, serving

ON_THE_STREAM = {"notifications/subscriptions/acknowledged", "notifications/tasks"}


def word(text: str) -> Json:
    return {"type": "assistant_message", "content": text}


def bare(task: Json) -> Json:
    return {key: value for key, value in task.items() if key not in {"_meta", "resultType"}}


class TestWhoMayListen:
    @pytest.mark.parametrize("capabilities", [NEITHER, FORMS])
    async def test_a_client_that_declares_nothing_is_refused(
        self, any_client: TasksClient, world: World, capabilities: Json
    ) -> None:
        task_id = await any_client.deferred(pending(world))
        with pytest.raises(Refused) as caught:
            async with any_client.declaring(capabilities).listen(taskIds=[task_id]):
                pass
        assert caught.value.code == MISSING
        assert caught.value.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}

    async def test_only_its_own_tasks_are_agreed_to(self, any_client: TasksClient, world: World) -> None:
        task_id = await any_client.deferred(pending(world))
        async with any_client.listen(taskIds=[task_id, "v1.AAAA", task_id]) as frames:
            assert frames.agreed == {"taskIds": [task_id]}
        async with any_client.listen(taskIds=["v1.AAAA"]) as frames:
            assert frames.agreed == {}

    async def test_other_subscriptions_need_no_declaration(self, client: TasksClient) -> None:
        wanted: Json = {"resourceSubscriptions": [f"neo://{ORG}/tasks/x"], "toolsListChanged": True}
        async with client.declaring(NEITHER).listen(**wanted) as frames:
            assert frames.agreed == wanted

    @pytest.mark.parametrize("task_ids", ["x", [1], {"x": 1}])
    async def test_what_is_no_list_of_ids_is_refused(self, client: TasksClient, task_ids: object) -> None:
        with pytest.raises(Refused) as caught:
            async with client.listen(taskIds=task_ids):
                pass
        assert caught.value.code == INVALID


class TestWhatIsTold:
    async def test_a_task_is_followed_from_what_it_is_to_its_end(self, any_client: TasksClient) -> None:
        task_id = await any_client.started("question")
        async with any_client.listen(taskIds=[task_id]) as frames:
            asked = await frames.until(task_id, "input_required")
            polled = await any_client.get(task_id)
            # But for what every result, and every frame of a stream, has of its own.
            assert bare(asked) == bare(polled)
            await any_client.update(task_id, **accept(asked))
            told = await frames.until(task_id, "completed")
            over = await any_client.get(task_id)
            assert told["result"] == over["result"]
        assert {frame["method"] for frame in frames.seen} <= ON_THE_STREAM

    async def test_every_change_of_what_neo_does_is_told(self, client: TasksClient, world: World) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        async with client.listen(taskIds=[task_id]) as frames:
            assert (await frames.until(task_id, "working"))["statusMessage"] == '"I look."'
            happen(world, neo_task, word("I write."))
            assert (await frames.until(task_id, "working"))["statusMessage"] == '"I write."'
            happen(world, neo_task, DONE)
            await frames.until(task_id, "completed")

    async def test_many_changes_at_once_are_few_notifications(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        async with client.listen(taskIds=[task_id]) as frames:
            await frames.until(task_id, "working")
            happen(world, neo_task, *[word(f"Step {number}") for number in range(200)], DONE)
            over = await frames.until(task_id, "completed")
        assert "Step 199" in over["result"]["content"][0]["text"]
        assert len(frames.seen) <= 5

    async def test_a_request_that_is_asked_again_is_told_again(
        self, client: TasksClient, world: World
    ) -> None:
        task_id = await client.deferred(pending(world, REQUEST))
        async with client.listen(taskIds=[task_id]) as frames:
            (key,) = (await frames.until(task_id, "input_required"))["inputRequests"]
            await client.update(task_id, **{key: {"action": "cancel"}})
            (other,) = (await frames.until(task_id, "input_required"))["inputRequests"]
        assert other != key

    async def test_resources_are_told_on_the_same_stream(self, client: TasksClient, world: World) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        uri = f"neo://{ORG}/tasks/{neo_task}/transcript"
        async with client.listen(taskIds=[task_id], resourceSubscriptions=[uri]) as frames:
            assert frames.agreed == {"taskIds": [task_id], "resourceSubscriptions": [uri]}
            await frames.until(task_id, "working")
            happen(world, neo_task, DONE)
            await frames.until(task_id, "completed")
            updated = {"method": "notifications/resources/updated"}
            while not any({**frame, **updated} == frame for frame in frames.seen):
                await frames.following()

    async def test_who_cannot_ask_a_person_is_told_the_rest(self, client: TasksClient, world: World) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        async with client.declaring(TASKS).listen(taskIds=[task_id]) as frames:
            await frames.until(task_id, "working")
            happen(world, neo_task, REQUEST)
            await client.update(task_id, **accept(await client.until(task_id, "input_required")))
            happen(world, neo_task, DONE)
            await frames.until(task_id, "completed")
        statuses = {frame["params"].get("status") for frame in frames.seen}
        assert "input_required" not in statuses

    async def test_a_task_that_is_gone_is_told_as_over(self, client: TasksClient, world: World) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        async with client.listen(taskIds=[task_id]) as frames:
            await frames.until(task_id, "working")
            world.simulator.faults.add(Fault("status", status=404, path=neo_task, times=0))
            await world.simulator.drop_streams()
            over = await frames.until(task_id, "completed")
        assert over["result"]["isError"] is True

    async def test_an_outage_is_outlived(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("neo_mcp.server.mcp_tasks.methods.RETRY_SECONDS", 0.02)
        async with serving(world, call_timeout=0.5) as client:
            neo_task = pending(world)
            task_id = await client.deferred(neo_task)
            async with client.listen(taskIds=[task_id]) as frames:
                await frames.until(task_id, "working")
                world.simulator.faults.add(Fault("status", status=500, path="[^m]$", times=0))
                world.simulator.faults.add(Fault("status", status=501, path="/stream$", times=0))
                await world.simulator.drop_streams()
                happen(world, neo_task, DONE)
                await until(lambda: sum(r.status == 500 for r in world.simulator.requests) >= 4)
                world.simulator.faults.clear()
                await frames.until(task_id, "completed")
