"""What an organization has set for Neo: read liberally, once, and without proving anything about tasks."""

import anyio.abc
import pytest

from neo_mcp.errors import (
    ApiError,
    AuthenticationError,
    ConnectionFailedError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
    UnsupportedByServerError,
)
from neo_mcp.wire import ApprovalMode, CreateTask, OrganizationMetadata, UserMessage
from tests.api.support import (
    TASK,
    FakeClock,
    RawServer,
    Request,
    answer,
    answering,
    client_for,
    failure,
    serving,
)
from tests.api.test_generations import PROBE, Old

PATH = "/api/orgs/acme/metadata"


async def test_it_is_read() -> None:
    body = {
        "id": "o1",
        "neoEnabled": True,
        "neoAgentDisabled": False,
        "neoApprovalMode": "balanced",
        "neoTaskSharingMode": "org",
        "neoSomethingNew": [1],
    }
    async with answering(answer(200, body)) as server, client_for(server) as client:
        found = await client.get_organization("acme")
    assert [(request.method, request.path) for request in server.requests] == [("GET", PATH)]
    assert found.neo_approval_mode is ApprovalMode.BALANCED
    assert (found.neo_enabled, found.neo_agent_disabled, found.neo_task_sharing_mode) == (True, False, "org")


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        (b"{}", None),
        (b'{"neoApprovalMode": null}', None),
        (b'{"neoApprovalMode": ["auto"]}', None),
        (b'{"neoApprovalMode": 1, "neoEnabled": "perhaps", "neoTaskSharingMode": {}}', None),
        (b'{"neoApprovalMode": "paranoid"}', "paranoid"),
        (b'{"neoApprovalMode": "auto", "neoEnabled": null}', ApprovalMode.AUTO),
    ],
)
def test_odd_values_cost_only_themselves(body: bytes, mode: object) -> None:
    assert OrganizationMetadata.model_validate_json(body).neo_approval_mode == mode


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (failure(401), AuthenticationError),
        (failure(402), ApiError),
        (failure(403), PermissionDeniedError),
        (failure(429), RateLimitedError),
        (failure(500), ServerError),
        (failure(503), ServerError),
        (answer(200, b"<html>"), UnexpectedResponseError),
        (answer(200, b"[]"), UnexpectedResponseError),
        (answer(200, b""), UnexpectedResponseError),
        (answer(302, Location="https://elsewhere.example/"), UnexpectedResponseError),
    ],
)
async def test_it_is_asked_for_once_whatever_the_answer(said: bytes, error: type[Exception]) -> None:
    clock = FakeClock()
    async with answering(said) as server, client_for(server, clock) as client:
        with pytest.raises(error):
            await client.get_organization("acme")
    assert len(server.requests) == 1
    assert clock.sleeps == []


async def test_without_a_connection_it_is_tried_once() -> None:
    async with answering(b"") as server:
        gone = server.url
    clock = FakeClock()
    async with client_for(gone, clock) as client:
        with pytest.raises(ConnectionFailedError):
            await client.get_organization("acme")
    assert clock.sleeps == []


@pytest.mark.parametrize("name", ["", "../user", "a/b", "acme?x=1"])
async def test_only_a_name_gets_into_the_path(name: str) -> None:
    async with answering(answer(200, {})) as server, client_for(server) as client:
        with pytest.raises(InvalidArgumentError):
            await client.get_organization(name)
    assert server.requests == []


class TestGenerations:
    async def test_where_it_is_not_there_the_first_generation_is_found_out(self) -> None:
        async with serving(old := Old()) as server, client_for(server) as client:
            known = [client.is_first_generation]
            with pytest.raises(NotFoundError):
                await client.get_organization("acme")
            known.append(client.is_first_generation)
        assert known == [False, True]
        assert old.calls == [("GET", PATH), PROBE]

    async def test_that_it_is_there_proves_nothing(self) -> None:
        """An installation may have this endpoint and tasks of the first generation."""
        old = Old()

        async def handler(request: Request, wire: anyio.abc.SocketStream) -> None:
            if request.path == PATH:
                await wire.send(answer(200, {"neoApprovalMode": "auto"}))
            else:
                await old(request, wire)

        async with serving(handler) as server, client_for(server) as client:
            await client.get_organization("acme")
            assert (await client.get_task(TASK)).id == TASK
            assert client.is_first_generation

    async def test_a_mode_that_nobody_chose_is_not_sent_to_the_first_generation(self) -> None:
        wanted = CreateTask(message=UserMessage(content="x"), approval_mode=ApprovalMode.MANUAL)
        async with serving(old := Old()) as server, client_for(server) as client:
            with pytest.raises(UnsupportedByServerError):
                await client.create_task(wanted)
            created = await client.create_task(wanted, assumed_mode=True)
        assert created.task_id == TASK
        assert [set(body) for body in old.bodies] == [{"content", "timestamp"}]

    async def test_to_the_second_it_is(self) -> None:
        wanted = CreateTask(message=UserMessage(content="x"), approval_mode=ApprovalMode.MANUAL)
        server: RawServer
        async with answering(answer(201, {"taskId": TASK})) as server, client_for(server) as client:
            await client.create_task(wanted, assumed_mode=True)
        (request,) = server.requests
        assert request.json()["approvalMode"] == "manual"
