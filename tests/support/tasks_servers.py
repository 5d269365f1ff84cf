"""Servers and Neo tasks for the tests of the MCP Tasks extension."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.server.app import NeoServer
from neo_mcp.server.http.server import running_http
from tests.support.host import ORG, Json, World
from tests.support.tasks_client import BOTH, Http, Refused, TasksClient

REQUEST: Json = {"type": "user_approval_request", "id": "a1", "message": "Go?", "sensitivity": "regular"}
QUESTION: Json = {**REQUEST, "id": "q1", "message": "Where?", "context": {"tool_name": "ask_user"}}
PLAN: Json = {**REQUEST, "id": "p1", "approval_type": "plan_exit", "context": {"plan_description": "1. x"}}
DONE: Json = {"type": "assistant_message", "content": "Done.", "is_final": True}
STOPPED: Json = {"type": "cancelled", "operation_was_running": True}


@asynccontextmanager
async def serving(
    world: World,
    capabilities: Json = BOTH,
    *,
    clock: Clock = SYSTEM_CLOCK,
    **settings: Any,  # noqa: ANN401 - the fields of the settings
) -> AsyncIterator[TasksClient]:
    """A server in this process, over a real socket, and a client of it."""
    async with (
        running_http(NeoServer(world.settings(**settings), clock=clock), host="127.0.0.1", port=0) as url,
        httpx.AsyncClient(verify=False) as http,  # noqa: S501 - plain http; loading certificates is slow
    ):
        yield TasksClient(Http(url, http), capabilities)


def pending(world: World, *more: Json) -> str:
    """A Neo task that works and waits for these answers."""
    task_id = world.simulator.add_task(ORG, status="running")
    for body in ({"type": "assistant_message", "content": "I look."}, *more):
        world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
    return task_id


def happen(world: World, task_id: str, *bodies: Json) -> None:
    """Neo does this."""
    for body in bodies:
        world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def settle(world: World, task_id: str, request_id: str, *, synthetic: bool = False) -> None:
    """Somebody else answers."""
    body = {"type": "user_confirmation", "approval_request_id": request_id, "ok": True}
    world.simulator.append_event(ORG, task_id, body, kind="userInput", synthetic=synthetic)


async def refused(client: TasksClient, method: str, task_id: str) -> Refused:
    params: Json = {"inputResponses": {}} if method == "tasks/update" else {}
    with pytest.raises(Refused) as caught:
        await client.request(method, taskId=task_id, **params)
    return caught.value
