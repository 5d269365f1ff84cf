"""The MCP Tasks extension (`io.modelcontextprotocol/tasks`), held against its text, sentence by sentence.

What the text demands of a server, in its order, and the test here, or in the file that is named, that
holds us to it. What it demands of clients is what :mod:`tests.support.tasks_client` does.

========================================================================  ==================================
the text                                                                  tested by ``test_…``
========================================================================  ==================================
the server declares the extension in server/discover                      the_server_declares_the_extension
MUST NOT return a task to a request that does not declare it              a_request_that_declares_nothing…
MUST answer -32021 where it cannot serve without a task                   (never so: it can, by waiting)
MUST set resultType "task" on CreateTaskResult, MUST NOT on any other     a_task_is_told_from_a_result…
``failed`` MUST NOT be used for what is no JSON-RPC error                 an_error_of_neos_is_a_result…
MUST NOT return a task before tasks/get resolves; MUST wait for that      a_task_is_there_once…
SHOULD resolve multi round-trip requests before it returns a task         a_person_allows_the_start…
tasks/get MUST return ``working``                                         a_working_task…
… MUST return ``input_required`` with all outstanding inputRequests       all_that_is_outstanding…
… MUST return ``completed`` with the result                               a_task_completes_with…
… MUST return ``cancelled``                                               a_cancelled_task…
… MUST return ``failed`` with the error                                   (never so: see failed, above)
resultType MUST be "complete" for tasks/get, tasks/update, tasks/cancel   (the client checks every result)
a key MUST be unique, MUST NOT be reused once responded to                a_key_is_never_used_again
a key MUST NOT refer to two distinct requests                             another_request_has_another_key
tasks/update MUST be acknowledged with an empty result                    (the client checks every one)
SHOULD ignore responses to keys never issued, answered or superseded      responses_to_what_is_not_asked…
MAY accept some of the responses; the task remains ``input_required``     some_responses_are_taken…
tasks/cancel MUST be acknowledged with an empty result                    a_cancelled_task…
SHOULD answer an error where the taskId is unknown                        a_task_id_that_is_none…
a terminal state is left by nothing                                       test_tasks_turns.py
listen: MUST answer -32021 to clients that do not declare it              test_tasks_listen.py
the acknowledgement has the task ids that were agreed to                  test_tasks_listen.py
a notification carries what tasks/get would have returned                 test_tasks_listen.py
MUST NOT send progress or message notifications on that stream            test_tasks_listen.py
Streamable HTTP: the client MUST set Mcp-Name to the taskId               a_header_that_names_another…
MUST answer -32602 to tasks/get for a taskId that is none                 a_task_id_that_is_none…
-32603 for internal errors                                                an_api_that_is_out_of_reach…
MUST answer -32021 to tasks/get, -update, -cancel likewise                every_method_needs_the…
SHOULD provide informative error messages                                 (each of these)
MUST put the call's result into ``result``, also with isError             a_task_that_is_gone…
MUST generate task ids that nobody can guess                              task_ids_have_nothing…
MUST check on each request that the client may access the task            test_tasks_replicas.py
========================================================================  ==================================
"""

from pathlib import Path

import pytest

from neo_mcp.simulator import Fault
from tests.support.clocks import ShiftedClock
from tests.support.host import LEGACY, ORG, Json, World
from tests.support.optional import TASKS_SCHEMA
from tests.support.processes import environment, running
from tests.support.tasks_client import (
    BOTH,
    EXTENSION,
    FORMS,
    INTERNAL,
    INVALID,
    MISMATCH,
    MISSING,
    NEITHER,
    TASKS,
    UNKNOWN_METHOD,
    Http,
    Refused,
    TasksClient,
    accept,
)
from tests.support.tasks_servers import REQUEST, pending, refused, serving

METHODS = ("tasks/get", "tasks/update", "tasks/cancel")


@pytest.mark.needs("the schema of tasks")
def test_the_schema_that_messages_are_held_against_is_at_hand() -> None:
    assert b"CreateTaskResult" in TASKS_SCHEMA.read_bytes()


class TestNegotiation:
    async def test_the_server_declares_the_extension(self, any_client: TasksClient, world: World) -> None:
        found = await any_client.request("server/discover")
        assert found["capabilities"]["extensions"][EXTENSION] == {}
        async with world.host(mode=LEGACY) as host:
            assert host.client.server_capabilities.extensions is None

    async def test_a_request_that_declares_nothing_gets_no_task(self, any_client: TasksClient) -> None:
        created = {"prompt": "Go (scenario:hello)", "wait": True}
        assert (await any_client.call("create_task", **created))["resultType"] == "task"
        others: tuple[Json, ...] = ({"extensions": {}}, {"extensions": {"other/tasks": {}}})
        for capabilities in (NEITHER, FORMS, *others):
            result = await any_client.declaring(capabilities).call("create_task", **created)
            assert result["resultType"] == "complete"
            news = result["structuredContent"]["news"]
            assert [need["kind"] for need in news["needs"]] == ["turn_ended"]

    async def test_connections_of_the_handshake_eras_get_no_task(self, world: World, tmp_path: Path) -> None:
        async with running("serve", env=environment(world.simulator.url, str(tmp_path))) as server:
            hello = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "test", "version": "1"}}
            await server.request("initialize", **hello, capabilities=BOTH)
            await server.send_line(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
            result = await server.call("create_task", prompt="Go (scenario:hello)", wait=True)
            assert "news" in result["structuredContent"]
            answer = await server.request("tasks/get", taskId="x")
            assert answer["error"]["code"] == UNKNOWN_METHOD

    async def test_a_task_is_told_from_a_result_by_its_type(self, client: TasksClient, world: World) -> None:
        task_id = await client.started("hello")
        over = await client.until(task_id, "completed")
        assert over["result"]["resultType"] == "complete"
        neo_task = over["result"]["structuredContent"]["task_id"]
        for tool, arguments in (
            ("create_task", {"prompt": "Go (scenario:hello)"}),
            ("get_task", {"task_id": neo_task}),
            ("list_tasks", {}),
            ("wait_for_events", {"task_id": neo_task}),
            ("wait_for_events", {"task_id": neo_task, "until": "turn_end"}),
            ("wait_for_events", {"task_ids": [neo_task, pending(world)], "until": "turn_end"}),
        ):
            assert (await client.call(tool, **arguments))["resultType"] == "complete"

    @pytest.mark.parametrize("method", METHODS)
    async def test_every_method_needs_the_declaration(self, client: TasksClient, method: str) -> None:
        task_id = await client.started("hello")
        for capabilities in (NEITHER, FORMS):
            error = await refused(client.declaring(capabilities), method, task_id)
            assert error.code == MISSING
            assert error.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


class TestCreation:
    async def test_a_task_is_there_once_it_is_returned(self, client: TasksClient, world: World) -> None:
        # The API itself is only eventually consistent: it does not know its new task at first.
        world.simulator.faults.add(Fault("status", status=404, path="/tasks/.*/events", times=3))
        task_id = await client.started("hello")
        assert sum(r.status == 404 for r in world.simulator.requests) == 3
        assert (await client.get(task_id))["status"] in {"working", "completed"}
        assert len(world.bodies("/tasks")) == 1

    async def test_where_the_task_stays_unknown_the_call_tells_its_id(
        self, client: TasksClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("neo_mcp.server.mcp_tasks.defer._KNOWN_SECONDS", 0.2)
        body = '{"code": 404, "message": "not\u202e here"}'.encode()
        world.simulator.faults.add(Fault("status", status=404, path="/tasks/.*/events", times=0, body=body))
        created = await client.call("create_task", prompt="Go (scenario:hello)", wait=True)
        content = created["structuredContent"]
        assert "Waiting failed" in content["warnings"][-1]
        assert "\u202e" not in content["warnings"][-1]
        assert content["task_id"] in created["content"][0]["text"]

    async def test_a_person_allows_the_start_before_there_is_a_task(self, client: TasksClient) -> None:
        arguments: Json = {"prompt": "Go (scenario:hello)", "approval_mode": "auto", "wait": True}
        params: Json = {"name": "create_task", "arguments": arguments}
        asked = await client.request("tools/call", **params)
        assert asked["resultType"] == "input_required"
        made = await client.request(
            "tools/call", **params, requestState=asked["requestState"], inputResponses=accept(asked)
        )
        assert made["resultType"] == "task"
        await client.until(made["taskId"], "completed")

    async def test_task_ids_have_nothing_in_common_that_could_be_guessed(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world)
        ids = {await client.deferred(neo_task) for _ in range(20)}
        assert len(ids) == 20
        for task_id in ids:
            assert neo_task not in task_id
            assert ORG not in task_id
            assert task_id.isascii()
            assert len(task_id) < 500
        # Not a character of it can be changed.
        one = ids.pop()
        for place in range(0, len(one), 37):
            other = one[:place] + ("A" if one[place] != "A" else "B") + one[place + 1 :]
            assert (await refused(client, "tasks/get", other)).code == INVALID


class TestStates:
    async def test_a_working_task_says_what_neo_is_doing(self, any_client: TasksClient, world: World) -> None:
        todos = [
            {"content": "Read", "status": "completed"},
            {"content": "Wr\x1b[31mite\n", "status": "in_progress"},
        ]
        call = {"id": "t", "name": "todo__TodoWrite", "args": {"todos": todos}}
        neo_task = pending(world, {"type": "assistant_message", "content": "", "tool_calls": [call]})
        task = await any_client.get(await any_client.deferred(neo_task))
        assert task["status"] == "working"
        assert task["statusMessage"] == "to-do 1 of 2 done, now: Write"

    async def test_all_that_is_outstanding_is_asked(self, any_client: TasksClient, world: World) -> None:
        plan = {**REQUEST, "id": "p1", "approval_type": "plan_exit", "context": {"plan_description": "1. x"}}
        question = {**REQUEST, "id": "q1", "message": "Where?", "context": {"tool_name": "ask_user"}}
        task_id = await any_client.deferred(pending(world, REQUEST, plan, question))
        task = await any_client.get(task_id)
        assert task["status"] == "input_required"
        forms = [request["params"]["message"] for request in task["inputRequests"].values()]
        assert [name in form for name, form in zip(("a1", "p1", "Where?"), forms, strict=True)] == [True] * 3

    async def test_a_task_completes_with_what_the_call_would_have_returned(
        self, any_client: TasksClient
    ) -> None:
        task_id = await any_client.started("hello")
        task = await any_client.until(task_id, "completed")
        result = task["result"]["structuredContent"]
        plain = any_client.declaring(NEITHER)
        waited = await plain.call("wait_for_events", task_id=result["task_id"], until="turn_end")
        news = {**waited["structuredContent"]}
        assert (result["cursor"], result["next"]) == (news.pop("cursor"), news.pop("next"))
        assert {**result["news"], "task_id": news["task_id"]} == news
        assert result["news"]["needs"][0]["message"] in task["result"]["content"][0]["text"]
        assert task["statusMessage"].startswith("turn ended: ")

    async def test_a_wait_completes_with_the_very_result_of_the_wait(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world)
        before = await client.declaring(NEITHER).call("wait_for_events", task_id=neo_task, until="any")
        cursor = before["structuredContent"]["cursor"]
        wanted = {"cursor": cursor, "kinds": ["warning"], "budget_tokens": 900}
        task_id = await client.deferred(neo_task, **wanted)
        for body in (
            {"type": "warning", "message": "Slow."},
            {"type": "assistant_message", "content": "Done.", "is_final": True},
        ):
            world.simulator.append_event(ORG, neo_task, body, kind="agentResponse")
        task = await client.until(task_id, "completed")
        waited = await client.call("wait_for_events", task_id=neo_task, until="turn_end", **wanted)
        waited.pop("_meta")
        assert task["result"] == waited

    async def test_a_cancelled_task_is_cancelled(self, any_client: TasksClient, world: World) -> None:
        task_id = await any_client.started("denied-approval")
        await any_client.until(task_id, "input_required")
        await any_client.cancel(task_id)
        await any_client.until(task_id, "cancelled")
        await any_client.cancel(task_id)
        assert [body["event"]["type"] for body in world.bodies() if "event" in body] == ["user_cancel"]

    async def test_an_error_of_neos_is_a_result_and_no_failure(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        error = {"type": "error", "message": "The model is gone."}
        world.simulator.append_event(ORG, neo_task, error, kind="agentResponse")
        task = await client.until(task_id, "completed", "failed")
        assert task["status"] == "completed"
        assert task["result"]["structuredContent"]["needs"][0]["kind"] == "error"

    async def test_a_task_that_is_gone_is_the_calls_own_error(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world)
        task_id = await client.deferred(neo_task)
        body = '{"code": 404, "message": "not\u202e here"}'.encode()
        world.simulator.faults.add(Fault("status", status=404, path=neo_task, times=0, body=body))
        await world.simulator.drop_streams()
        task = await client.until(task_id, "completed", "failed")
        assert task["status"] == "completed"
        assert task["result"]["isError"] is True
        assert 'The API says "not here" (HTTP 404' in task["result"]["content"][0]["text"]
        await client.update(task_id)
        await client.cancel(task_id)


class TestResponses:
    async def test_a_response_moves_the_task_on(self, any_client: TasksClient, world: World) -> None:
        task_id = await any_client.started("question")
        asked = await any_client.until(task_id, "input_required")
        await any_client.update(task_id, **accept(asked))
        over = await any_client.until(task_id, "completed")
        assert "eu-west-1" in over["result"]["content"][0]["text"]
        (sent,) = (body["event"] for body in world.bodies() if "event" in body)
        assert (sent["ok"], sent["instructions"]) == (False, "eu-west-1")

    async def test_some_responses_are_taken_before_others(self, client: TasksClient, world: World) -> None:
        task_id = await client.deferred(pending(world, REQUEST, {**REQUEST, "id": "a2"}))
        first = await client.get(task_id)
        (one, answer), (other, _) = accept(first).items()
        await client.update(task_id, **{one: answer})
        second = await client.get(task_id)
        assert second["status"] == "input_required"
        assert list(second["inputRequests"]) == [other]

    async def test_responses_to_what_is_not_asked_are_ignored(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        strange: dict[str, Json] = {"never-issued": {"action": "accept"}, "other": {"roots": []}}
        await client.update(task_id, **strange)
        assert world.sent(neo_task) == []
        answers = accept(await client.get(task_id))
        await client.update(task_id, **answers)
        await client.update(task_id, **answers)
        assert len(world.sent(neo_task)) == 1

    async def test_a_response_that_is_no_answer_is_refused_and_uses_nothing(
        self, client: TasksClient, world: World
    ) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        asked = await client.get(task_id)
        (key,) = asked["inputRequests"]
        with pytest.raises(Refused) as caught:
            await client.update(task_id, **{key: {"action": "maybe"}})
        assert caught.value.code == INVALID
        assert key in caught.value.message
        assert (await client.get(task_id))["inputRequests"] == asked["inputRequests"]

    @pytest.mark.parametrize(
        "response",
        [
            {"action": "cancel"},
            {"action": "accept"},
            {"action": "accept", "content": {"decision": "approve", "confirmation": "acmee"}},
        ],
    )
    async def test_a_key_is_never_used_again(self, client: TasksClient, world: World, response: Json) -> None:
        """A response was delivered that settles nothing: the same request is asked anew."""
        neo_task = pending(world, {**REQUEST, "sensitivity": "sensitive"})
        task_id = await client.deferred(neo_task)
        keys: list[str] = []
        for _ in range(3):
            task = await client.get(task_id)
            assert ("Asked again" in task["statusMessage"]) is bool(keys)
            (key,) = task["inputRequests"]
            assert key not in keys
            keys.append(key)
            await client.update(task_id, **{key: response})
        assert world.sent(neo_task) == []
        await client.update(task_id, **accept(await client.get(task_id)))
        assert [sent["ok"] for sent in world.sent(neo_task)] == [True]

    async def test_another_request_has_another_key(self, client: TasksClient, world: World) -> None:
        neo_task = pending(world, REQUEST)
        task_id = await client.deferred(neo_task)
        first = await client.get(task_id)
        other = {**REQUEST, "message": "Delete the database?"}
        world.simulator.append_event(ORG, neo_task, other, kind="agentResponse")
        await world.simulator.drop_streams()
        second = await client.get(task_id)
        while second["inputRequests"] == first["inputRequests"]:
            second = await client.get(task_id)
        assert not set(first["inputRequests"]) & set(second["inputRequests"])
        # What was answered is not what is asked any more.
        await client.update(task_id, **accept(first))
        assert world.sent(neo_task) == []
        assert (await client.get(task_id))["inputRequests"] == second["inputRequests"]

    async def test_a_hundred_polls_ask_one_question(self, any_client: TasksClient, world: World) -> None:
        task_id = await any_client.deferred(pending(world, REQUEST))
        asked = [(await any_client.get(task_id))["inputRequests"] for _ in range(100)]
        assert asked == [asked[0]] * 100


class TestErrors:
    @pytest.mark.parametrize("method", METHODS)
    async def test_a_task_id_that_is_none_is_refused(self, client: TasksClient, method: str) -> None:
        texts: set[str] = set()
        for task_id in ("", "x", "786512e2-9e0d-44bd-8f29-789f320fe840", "v1.AAAA", "v1." + "A" * 400):
            error = await refused(client, method, task_id)
            assert error.code == INVALID
            texts.add(error.message)
        (text,) = texts
        assert "not found" in text

    async def test_a_task_is_forgotten_after_its_time(self, world: World) -> None:
        clock = ShiftedClock()
        async with serving(world, clock=clock) as client:
            made = await client.call("wait_for_events", task_id=pending(world), until="turn_end")
            assert made["ttlMs"] == 7 * 24 * 3600 * 1000
            clock.shift(7 * 24 * 3600)
            error = await refused(client, "tasks/get", made["taskId"])
        assert error.code == INVALID
        assert "expired" in error.message

    async def test_an_api_that_is_out_of_reach_is_an_error_and_no_end(self, world: World) -> None:
        async with serving(world, call_timeout=0.5) as client:
            task_id = await client.deferred(pending(world))
            body = '{"code": 500, "message": "out\u202e of order"}'.encode()
            world.simulator.faults.add(Fault("status", status=500, path="[^m]$", times=0, body=body))
            world.simulator.faults.add(Fault("status", status=501, path="/stream$", times=0, body=body))
            await world.simulator.drop_streams()
            errors: list[Refused] = []
            while not errors:
                try:
                    await client.get(task_id)
                except Refused as error:
                    errors.append(error)
            assert errors[0].code == INTERNAL
            assert 'The API says "out of order"' in errors[0].message
            world.simulator.faults.clear()
            assert (await client.until(task_id, "working"))["status"] == "working"

    async def test_a_header_that_names_another_task_is_refused(
        self, client: TasksClient, world: World
    ) -> None:
        one, other = await client.deferred(pending(world)), await client.deferred(pending(world))
        assert isinstance(client.wire, Http)
        assert (await client.get(one))["status"] == "working"
        client.wire.header = ""
        assert (await client.get(one))["status"] == "working"
        client.wire.header = other
        error = await refused(client, "tasks/get", one)
        assert error.code == MISMATCH
        assert client.wire.statuses[-1] == 400

    async def test_a_client_that_cannot_ask_is_told_what_it_lacks(
        self, client: TasksClient, world: World
    ) -> None:
        task_id = await client.deferred(pending(world, REQUEST))
        error = await refused(client.declaring(TASKS), "tasks/get", task_id)
        assert error.code == MISSING
        assert error.data == {"requiredCapabilities": {"elicitation": {"form": {}}}}
        assert (await client.get(task_id))["status"] == "input_required"
