"""What each method sends, and what it makes of the answer."""

from typing import Any

import pytest

from neo_mcp._version import __version__
from neo_mcp.api import NeoClient
from neo_mcp.errors import ConflictError, InvalidArgumentError
from neo_mcp.wire import (
    ApprovalMode,
    CreateTask,
    EntityDiff,
    IntegrationRef,
    PermissionMode,
    PullRequest,
    Repository,
    SlashCommand,
    SortBy,
    SortDirection,
    Stack,
    TaskType,
    ToolResult,
    ToolResults,
    UpdateTask,
    UserConfirmation,
    UserEvent,
    UserExecToolCall,
    UserMessage,
)
from tests.api.support import (
    TASK,
    TASKS,
    TOKEN,
    FakeClock,
    RawServer,
    answer,
    answering,
    client_for,
    failure,
    task,
)

NOW = "2026-01-02T03:04:05.678Z"
USER = {
    "githubLogin": "alice",
    "name": "Alice",
    "organizations": [{"githubLogin": "acme"}, {"githubLogin": "zeta"}],
}


def only_body(server: RawServer) -> Any:  # noqa: ANN401 - any JSON
    (request,) = server.requests
    return request.json()


async def test_every_call_says_who_asks() -> None:
    async with answering(answer(200, task())) as server, client_for(server) as client:
        await client.get_task(TASK)
    headers = server.requests[0].headers
    assert headers["authorization"] == f"token {TOKEN}"
    assert headers["accept"] == "application/vnd.pulumi+8"
    assert headers["x-pulumi-source"] == "pulumi-neo-mcp"
    assert headers["user-agent"].startswith(f"pulumi-neo-mcp/{__version__} ")
    assert server.requests[0].target == f"{TASKS}/{TASK}"


async def test_a_path_prefix_of_the_address_is_kept() -> None:
    async with answering(answer(200, task())) as server, client_for(f"{server.url}/pulumi/") as client:
        await client.get_task(TASK)
    assert server.requests[0].path == f"/pulumi{TASKS}/{TASK}"


async def test_the_user_is_asked_for_once() -> None:
    async with answering(answer(200, USER)) as server, client_for(server) as client:
        assert await client.get_user() is await client.get_user()
    assert [request.target for request in server.requests] == ["/api/user"]


async def test_a_failure_to_get_the_user_is_not_remembered() -> None:
    async with answering(failure(403), answer(200, USER)) as server, client_for(server) as client:
        with pytest.raises(Exception, match="because"):
            await client.get_user()
        assert (await client.get_user()).github_login == "alice"


@pytest.mark.parametrize(
    ("organizations", "chosen"),
    [(["acme", "alice"], "alice"), (["acme", "zeta"], "acme"), ([], "alice"), (None, "alice")],
)
async def test_the_users_own_organization_is_the_last_resort(
    organizations: list[str] | None, chosen: str
) -> None:
    names = None if organizations is None else [{"githubLogin": name} for name in organizations]
    user = {"githubLogin": "alice", "organizations": names}
    answers = failure(404), answer(200, user)
    async with answering(*answers) as server, client_for(server, organization=None) as client:
        assert await client.resolve_organization() == chosen


async def test_a_named_organization_comes_before_the_configured_one() -> None:
    async with answering(b"") as server, client_for(server) as client:
        assert await client.resolve_organization("zeta") == "zeta"
        assert await client.resolve_organization() == "acme"
    assert server.requests == []


@pytest.mark.parametrize("bad", ["..", ".", "", "a/b", "a%2fb", "a b", "ä", "a\n"])
async def test_an_impossible_id_makes_no_request(bad: str) -> None:
    async with answering(b"") as server, client_for(server, organization=None) as client:
        for attempt in (
            client.get_task(bad),
            client.update_task(bad, UpdateTask()),
            client.respond(bad, UserMessage(content="x")),
            client.cancel_task(bad),
            client.list_events(bad),
            anext(client.stream_events(bad)),
            *([client.get_task(TASK, organization=bad)] if bad else []),
        ):
            with pytest.raises(InvalidArgumentError):
                await attempt
    assert server.requests == []


async def test_a_list_is_filtered_and_ordered_by_the_server() -> None:
    page = {"tasks": [task()], "continuationToken": "next"}
    async with answering(answer(200, page)) as server, client_for(server) as client:
        found = await client.list_tasks(
            continuation_token="a b&c",
            page_size=5,
            sort_by=SortBy.TOKENS_USED,
            sort_direction=SortDirection.ASCENDING,
            task_type=TaskType.ASYNC,
        )
    assert found.continuation_token == "next"
    query = server.requests[0].target.partition("?")[2].replace("%20", "+")
    assert query == "continuationToken=a+b%26c&pageSize=5&sortBy=tokensUsed&sortDirection=asc&taskType=async"


@pytest.mark.parametrize("size", [0, -1, 1001])
async def test_a_page_has_one_to_a_thousand_items(size: int) -> None:
    async with answering(b"") as server, client_for(server) as client:
        with pytest.raises(InvalidArgumentError):
            await client.list_tasks(page_size=size)
        with pytest.raises(InvalidArgumentError):
            await client.list_events(TASK, page_size=size)
    assert server.requests == []


@pytest.mark.parametrize("last", ["", None])
async def test_pages_follow_each_other_until_a_token_is_empty(last: str | None) -> None:
    def page(name: str, token: str | None) -> bytes:
        return answer(200, {"tasks": [task() | {"id": name}], "continuationToken": token})

    async with (
        answering(page("a", "t1"), page("b", "t2"), page("c", last)) as server,
        client_for(server) as client,
    ):
        assert [found.id async for found in client.iter_tasks(page_size=1)] == ["a", "b", "c"]
    assert [request.target.partition("?")[2] for request in server.requests] == [
        "pageSize=1",
        "continuationToken=t1&pageSize=1",
        "continuationToken=t2&pageSize=1",
    ]


async def test_a_token_that_comes_again_ends_the_pages() -> None:
    page = answer(200, {"tasks": [task()], "events": [], "continuationToken": "again"})
    async with answering(page) as server, client_for(server) as client:
        assert len([found async for found in client.iter_tasks()]) == 2
        assert [event async for event in client.iter_events(TASK)] == []
    assert len(server.requests) == 4


async def test_all_events_are_read_and_a_bad_one_costs_only_itself() -> None:
    good = {"id": "e1", "type": "agentResponse", "eventBody": {"type": "warning", "message": "hm"}}
    pages = [{"events": [good], "continuationToken": "t"}, {"events": [{"id": "e2"}, {**good, "id": "e3"}]}]
    async with answering(*(answer(200, page) for page in pages)) as server, client_for(server) as client:
        events = [event async for event in client.iter_events(TASK)]
    assert [(event.id, event.body.type) for event in events] == [
        ("e1", "warning"),
        ("e2", "unreadable"),
        ("e3", "warning"),
    ]
    assert server.requests[0].target == f"{TASKS}/{TASK}/events?pageSize=1000"


async def test_a_task_is_created_from_plain_words() -> None:
    async with answering(answer(201, {"taskId": TASK})) as server, client_for(server) as client:
        created = await client.create_task("list my stacks")
    assert created.task_id == TASK
    assert created.message.timestamp == NOW
    assert created.warnings == ()
    assert only_body(server) == {
        "message": {"type": "user_message", "content": "list my stacks", "timestamp": NOW}
    }


async def test_a_task_is_created_with_everything_there_is() -> None:
    diff = EntityDiff(
        add=(Stack(name="prod", project="billing"), PullRequest(number=3, repo=Repository(name="r", org="o")))
    )
    message = UserMessage(
        content="x",
        timestamp="2020-01-01T00:00:00Z",
        entity_diff=diff,
        commands={"/fix": SlashCommand(name="/fix")},
    )
    wanted = CreateTask(
        message=message,
        approval_mode=ApprovalMode.MANUAL,
        plan_mode=True,
        permission_mode=PermissionMode.READ_ONLY,
        enabled_integrations=(IntegrationRef(id="honeycomb"),),
        cli_integrations=(),
    )
    async with answering(answer(201, {"taskId": TASK})) as server, client_for(server) as client:
        await client.create_task(wanted)
    command = {"name": "/fix", "builtIn": True, "description": "", "prompt": "", "tag": "", "modifiedAt": NOW}
    pull_request = {
        "type": "pull_request",
        "number": 3,
        "merged": False,
        "repo": {"type": "repository", "name": "r", "org": "o"},
    }
    assert only_body(server) == {
        "message": {
            "type": "user_message",
            "content": "x",
            "timestamp": "2020-01-01T00:00:00Z",
            "entity_diff": {
                "add": [{"type": "stack", "name": "prod", "project": "billing"}, pull_request],
                "remove": [],
            },
            "commands": {"/fix": command},
        },
        "approvalMode": "manual",
        "planMode": True,
        "permissionMode": "read-only",
        "enabledIntegrations": [{"id": "honeycomb"}],
        "cliIntegrations": [],
    }


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (UserMessage(content="go on"), {"type": "user_message", "content": "go on"}),
        (
            UserConfirmation(approval_request_id="a1", ok=False, instructions="no"),
            {"type": "user_confirmation", "approval_request_id": "a1", "ok": False, "instructions": "no"},
        ),
        (
            UserExecToolCall(tool_call_id="c1", name="fs__read"),
            {"type": "exec_tool_call", "tool_call_id": "c1", "name": "fs__read"},
        ),
        (
            ToolResults(
                tool_results=(
                    ToolResult(tool_call_id="c1", name="fs__read"),
                    ToolResult(
                        tool_call_id="c2", name="n", content={"a": None, "b": "\ud800"}, is_error=True
                    ),
                )
            ),
            {
                "type": "tool_result",
                "tool_results": [
                    {"tool_call_id": "c1", "name": "fs__read", "content": {}, "is_error": False},
                    {
                        "tool_call_id": "c2",
                        "name": "n",
                        "content": {"a": None, "b": "\ufffd"},
                        "is_error": True,
                    },
                ],
            },
        ),
    ],
)
async def test_a_user_event_is_sent_with_its_time(event: UserEvent, sent: dict[str, Any]) -> None:
    async with answering(answer(202)) as server, client_for(server) as client:
        returned = await client.respond(TASK, event)
    assert only_body(server) == {"event": sent | {"timestamp": NOW}}
    assert returned.timestamp == NOW
    assert server.requests[0].target == f"{TASKS}/{TASK}"


async def test_what_json_cannot_carry_is_refused_before_sending() -> None:
    result = ToolResult(tool_call_id="c", name="n", content={"a": object()})
    async with answering(b"") as server, client_for(server) as client:
        with pytest.raises(InvalidArgumentError):
            await client.respond(TASK, ToolResults(tool_results=(result,)))
    assert server.requests == []


async def test_an_update_names_only_what_changes() -> None:
    async with answering(answer(200, task())) as server, client_for(server) as client:
        await client.update_task(TASK, UpdateTask(name="new", approval_mode=ApprovalMode.AUTO))
    assert server.requests[0].method == "PATCH"
    assert only_body(server) == {"name": "new", "approvalMode": "auto"}


async def test_a_task_is_cancelled_by_force() -> None:
    async with answering(answer(204)) as server, client_for(server) as client:
        await client.cancel_task(TASK)
    assert server.requests[0].target == f"{TASKS}/{TASK}/cancel"
    assert only_body(server) == {"force": True}


async def test_a_conflict_says_what_the_api_said() -> None:
    async with (
        answering(failure(409, "session stopped")) as server,
        client_for(server, FakeClock()) as client,
    ):
        with pytest.raises(ConflictError, match=r"\"session stopped\" .* cancel it again"):
            await client.cancel_task(TASK)
    assert len(server.requests) == 1


async def test_proxy_settings_do_not_apply_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with answering(answer(200, task())) as server, client_for(server) as client:
        await client.get_task(TASK)


def test_a_client_is_made_without_connecting() -> None:
    NeoClient(token=TOKEN)
