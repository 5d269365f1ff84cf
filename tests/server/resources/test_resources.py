"""Resources, prompts and completions."""

import json

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    ReadResourceResult,
    TextContent,
    TextResourceContents,
)

from neo_mcp.docs import PAGES, page
from neo_mcp.secret import SecretStr
from neo_mcp.simulator import Fault
from tests.support.host import LEGACY, ORG, Host, World

NOT_FOUND = -32002
TRANSCRIPT = "neo://{organization}/tasks/{task_id}/transcript"


async def read(host: Host, uri: str) -> TextResourceContents:
    result = await host.client.read_resource(uri)
    assert isinstance(result, ReadResourceResult)
    (content,) = result.contents
    assert isinstance(content, TextResourceContents)
    assert content.uri == uri
    return content


class TestListing:
    async def test_the_templates_name_every_kind(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            listed = await host.client.list_resource_templates()
        assert [template.uri_template for template in listed.resource_templates] == [
            "neo://{organization}/tasks",
            "neo://{organization}/tasks/{task_id}",
            TRANSCRIPT,
            "neo://{organization}/tasks/{task_id}/events",
            "neo://{organization}/tasks/{task_id}/{view}{?start,before,count,offset}",
        ]

    async def test_recent_transcripts_are_listed_page_after_page(self, world: World, era: str) -> None:
        made = {world.simulator.add_task(ORG, name=f"Task {n}") for n in range(25)}
        async with world.host(mode=era) as host:
            first = await host.client.list_resources()
            second = await host.client.list_resources(cursor=first.next_cursor)
        listed = [resource.uri for resource in first.resources]
        tasks, *transcripts = [uri for uri in listed if uri.startswith("neo://")]
        assert tasks == f"neo://{ORG}/tasks"
        transcripts += [resource.uri for resource in second.resources]
        assert set(transcripts) == {f"neo://{ORG}/tasks/{task_id}/transcript" for task_id in made}
        assert len(transcripts) == 25
        assert second.next_cursor is None

    async def test_what_the_api_refuses_leaves_the_documentation(self, world: World) -> None:
        world.simulator.faults.add(Fault("status", status=403, times=0))
        async with world.host() as host:
            listed = (await host.client.list_resources()).resources
        assert [resource.uri for resource in listed] == [f"neo-docs://{name}" for name in PAGES]

    @pytest.mark.parametrize("kind", ["tools", "resources", "resource_templates", "prompts"])
    async def test_a_cursor_that_is_not_ours_is_refused(self, world: World, era: str, kind: str) -> None:
        async with world.host(mode=era) as host:
            with pytest.raises(MCPError) as caught:
                await getattr(host.client, f"list_{kind}")(cursor="bogus")
        assert caught.value.error.code == INVALID_PARAMS


class TestReading:
    async def test_the_tasks_of_an_organization(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, name="The only one")
        async with world.host(mode=era) as host:
            content = await read(host, f"neo://{ORG}/tasks")
        (facts,) = json.loads(content.text)
        assert (facts["task_id"], facts["name"]) == (task_id, "The only one")
        assert content.mime_type == "application/json"

    async def test_one_task(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG, name="One")
        async with world.host(mode=era) as host:
            content = await read(host, f"neo://{ORG}/tasks/{task_id}")
        assert json.loads(content.text)["name"] == "One"

    async def test_a_transcript(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("hello")
            await host.wait(task_id, cursor)
            live = await read(host, f"neo://{ORG}/tasks/{task_id}/transcript")
        async with world.host(mode=era) as host:
            again = await read(host, f"neo://{ORG}/tasks/{task_id}/transcript")
        assert live.text == again.text
        assert live.text.startswith("# ")
        assert "> Please (scenario:hello)" in live.text
        assert live.mime_type == "text/markdown"

    async def test_events_are_all_there_without_the_encrypted_token(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("everything")
            await host.wait(task_id, cursor)
            content = await read(host, f"neo://{ORG}/tasks/{task_id}/events")
        events = json.loads(content.text)["events"]
        types = [event["type"] for event in world.events(task_id)]
        assert [event["eventBody"]["type"] for event in events] == types
        assert "provide_pulumi_access_token" in types
        assert "not-a-real-secret" not in content.text

    @pytest.mark.parametrize(
        "uri",
        [
            f"neo://{ORG}/tasks/no-such-task",
            f"neo://{ORG}/tasks/no-such-task/events",
            f"neo://{ORG}/tasks/t/diff",
            f"neo://{ORG}",
            "neo-docs://no-such-page",
            "neo-docs://../tutorial",
            "file:///etc/passwd",
            "neo://",
            "",
        ],
    )
    async def test_an_unknown_address_is_an_error_of_its_era(self, world: World, era: str, uri: str) -> None:
        async with world.host(mode=era) as host:
            with pytest.raises(MCPError) as caught:
                await host.client.read_resource(uri)
        assert caught.value.error.code == (NOT_FOUND if era == LEGACY else INVALID_PARAMS)

    async def test_the_documentation_is_read_without_the_api(self, world: World, era: str) -> None:
        # The pages name the simulator's own token: as anybody's in use, it would be taken out.
        async with world.host(mode=era, token=SecretStr("another")) as host:
            for name in PAGES:
                content = await read(host, f"neo-docs://{name}")
                assert (content.text, content.mime_type) == (page(name), "text/markdown")
        assert world.simulator.requests == []

    async def test_a_failing_api_is_no_missing_resource(self, world: World, era: str) -> None:
        task_id = world.simulator.add_task(ORG)
        world.simulator.faults.add(Fault("status", status=401, times=0))
        async with world.host(mode=era) as host:
            with pytest.raises(MCPError, match="HTTP 401") as caught:
                await host.client.read_resource(f"neo://{ORG}/tasks/{task_id}")
        assert caught.value.error.code == INTERNAL_ERROR

    @pytest.mark.parametrize(
        "uri",
        [
            "neo://../tasks/x",
            "neo://acme/tasks/..",
            "neo://acme/tasks/%2e%2e",
            "neo://acme/tasks/a%2fb/events",
            "neo://acme/tasks/x?pageSize=1",
            "neo://acme/tasks/x#y",
            "neo://acme/tasks/x\n",
            "neo://user:pw@acme/tasks",
            "neo://acme/tasks/" + "x" * 500,
        ],
    )
    async def test_a_hostile_address_reaches_nothing(self, world: World, era: str, uri: str) -> None:
        async with world.host(mode=era) as host:
            with pytest.raises(MCPError):
                await host.client.read_resource(uri)
        assert world.simulator.requests == []


class TestPrompts:
    async def test_they_are_filled_in(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            assert [p.name for p in (await host.client.list_prompts()).prompts] == [
                "delegate_to_neo",
                "plan_with_neo",
                "fix_policy_issue",
                "review_pull_request",
                "catch_up",
                "run_local_tools",
            ]
            found = await host.client.get_prompt("delegate_to_neo", {"goal": "Fix it", "stack": "shop/prod"})
            (message,) = found.messages
            assert isinstance(message.content, TextContent)
            assert "Fix it" in message.content.text
            assert "shop/prod" in message.content.text

    async def test_what_a_person_types_is_taken_as_it_is(self, world: World, era: str) -> None:
        goal = "Explain {stack} and {goal}"
        async with world.host(mode=era) as host:
            for name in ("delegate_to_neo", "plan_with_neo"):
                (message,) = (await host.client.get_prompt(name, {"goal": goal})).messages
                assert isinstance(message.content, TextContent)
                assert goal in message.content.text
                assert "'stack" not in message.content.text

    @pytest.mark.parametrize(
        ("name", "arguments"), [("no-such", {}), ("catch_up", {}), ("catch_up", {"task_id": ""})]
    )
    async def test_an_unknown_one_or_a_missing_argument_is_refused(
        self, world: World, era: str, name: str, arguments: dict[str, str]
    ) -> None:
        async with world.host(mode=era) as host:
            with pytest.raises(MCPError) as caught:
                await host.client.get_prompt(name, arguments)
        assert caught.value.error.code == INVALID_PARAMS
