"""A client of the MCP Tasks extension, written from the extension's text: plain JSON-RPC over bytes.

It knows none of our models and none of the SDK's. Every message that it receives is held against the text,
and where the extension's schema lies beside the checkout, against the schema.
"""

import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import anyio
import httpx
import jsonschema

from tests.support.host import PATIENCE, Json
from tests.support.optional import TASKS_SCHEMA
from tests.support.processes import Running

EXTENSION = "io.modelcontextprotocol/tasks"
TASKS: Json = {"extensions": {EXTENSION: {}}}
FORMS: Json = {"elicitation": {"form": {}}}
BOTH: Json = {**TASKS, **FORMS}
NEITHER: Json = {}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
INVALID, INTERNAL, UNKNOWN_METHOD, MISSING, MISMATCH = -32602, -32603, -32601, -32021, -32020

_SCHEMA: Json = json.loads(TASKS_SCHEMA.read_bytes()) if TASKS_SCHEMA.exists() else {}
_RESULTS = {
    "tasks/get": "GetTaskResult",
    "tasks/update": "UpdateTaskResult",
    "tasks/cancel": "CancelTaskResult",
}
_VERSION = "2026-07-28"
_PAYLOADS = {"input_required": "inputRequests", "completed": "result", "failed": "error"}
_STATUSES = {"working", "cancelled", *_PAYLOADS}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def is_valid(instance: Json, name: str) -> bool:
    """Whether it is what the extension's schema calls ``name``; anything is, where there is no schema."""
    if _SCHEMA:
        _validator(name).validate(instance)
    return True


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = {"$schema": _SCHEMA["$schema"], "$ref": f"#/$defs/{name}", "$defs": _SCHEMA["$defs"]}
    return jsonschema.Draft202012Validator(schema)


def check_task(task: Json) -> None:
    """What the text says of every task, wherever it is sent."""
    assert isinstance(task["taskId"], str)
    assert task["status"] in _STATUSES
    for key in ("createdAt", "lastUpdatedAt"):
        assert _TIME.fullmatch(task[key])
    assert datetime.fromisoformat(task["createdAt"]) <= datetime.fromisoformat(task["lastUpdatedAt"])
    assert task["ttlMs"] is None or isinstance(task["ttlMs"], int)
    assert isinstance(task["pollIntervalMs"], int)
    message = task["statusMessage"]
    assert message
    assert message.isprintable()


def check_detailed(task: Json) -> None:
    """What the text says of a task with its payload."""
    check_task(task)
    payload = _PAYLOADS.get(task["status"])
    assert {key for key in _PAYLOADS.values() if key in task} == ({payload} if payload else set())
    for request in (task.get("inputRequests") or {}).values():
        assert request["method"] == "elicitation/create"


class Wire(Protocol):
    """One way to a server."""

    async def request(self, message: Json) -> Json:
        """The response to a request."""

    def stream(self, message: Json) -> Any:  # noqa: ANN401 - an async context manager of a reader of messages
        """The messages that a request brings, as a function that waits for the next one."""


@dataclass
class Stdio:
    """A process, on standard input and output."""

    server: Running

    async def request(self, message: Json) -> Json:
        await self.server.send_line(json.dumps(message).encode())
        return await self.server.answer(message["id"])

    @asynccontextmanager
    async def stream(self, message: Json) -> AsyncIterator[Callable[[], Awaitable[Json]]]:
        await self.server.send_line(json.dumps(message).encode())

        async def following() -> Json:
            while True:
                read = self.server.notified.pop(0) if self.server.notified else await self.server.read()
                # Frames of a stream that was just given up may still come.
                meta = read.get("params", {}).get("_meta", {})
                if message["id"] in {read.get("id"), meta.get(SUBSCRIPTION)}:
                    return read

        yield following
        end = {"method": "notifications/cancelled", "params": {"requestId": message["id"]}}
        await self.server.send_line(json.dumps({"jsonrpc": "2.0", **end}).encode())


@dataclass
class Http:
    """An address. ``header`` replaces what the client sets as Mcp-Name; empty for none."""

    url: str
    client: httpx.AsyncClient
    header: str | None = None
    statuses: list[int] = field(default_factory=list)

    def _headers(self, message: Json) -> dict[str, str]:
        params = message["params"]
        name = params.get("taskId") or params.get("name") if self.header is None else self.header
        return {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": _VERSION,
            "mcp-method": message["method"],
            **({"mcp-name": name} if name else {}),
        }

    async def request(self, message: Json) -> Json:
        response = await self.client.post(
            self.url, json=message, headers=self._headers(message), timeout=PATIENCE
        )
        self.statuses.append(response.status_code)
        lines = [line for line in response.text.splitlines() if line.startswith("data: ")]
        answer: Json = json.loads(lines[-1].removeprefix("data: ") if lines else response.text)
        return answer

    @asynccontextmanager
    async def stream(self, message: Json) -> AsyncIterator[Callable[[], Awaitable[Json]]]:
        async with self.client.stream(
            "POST", self.url, json=message, headers=self._headers(message), timeout=PATIENCE
        ) as response:
            lines = response.aiter_lines()

            async def following() -> Json:
                # What is refused comes as plain JSON.
                async for line in lines:
                    if line.startswith(("data: ", "{")):
                        answer: Json = json.loads(line.removeprefix("data: "))
                        return answer
                raise AssertionError("the stream ended without a result")

            yield following


class Refused(Exception):  # noqa: N818 - what a client is told
    """A JSON-RPC error."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        assert error["message"]
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Json = error.get("data") or {}


class TasksClient:
    """Sends requests that declare ``capabilities``, each its own."""

    def __init__(self, wire: Wire, capabilities: Json = BOTH) -> None:
        self.wire = wire
        self.capabilities = capabilities
        self._ids = itertools.count(1)

    def declaring(self, capabilities: Json) -> "TasksClient":
        """A client on the same wire that declares something else."""
        other = TasksClient(self.wire, capabilities)
        other._ids = self._ids
        return other

    def message(self, method: str, params: Json) -> Json:
        meta = {
            "io.modelcontextprotocol/protocolVersion": _VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "from-the-text", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
        }
        return {
            "jsonrpc": "2.0",
            "id": next(self._ids),
            "method": method,
            "params": {**params, "_meta": meta},
        }

    async def request(self, method: str, **params: Any) -> Json:  # noqa: ANN401 - any JSON
        """The result; every error is raised."""
        message = self.message(method, params)
        with anyio.fail_after(PATIENCE):
            response = await self.wire.request(message)
        assert response["jsonrpc"] == "2.0"
        assert response["id"] == message["id"], response
        if "error" in response:
            assert is_valid(response["error"], "Error")
            raise Refused(response["error"])
        result: Json = response["result"]
        if method in _RESULTS:
            assert result["resultType"] == "complete"
            assert is_valid(result, _RESULTS[method])
        return result

    async def call(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - any JSON
        """A tool's result, or a task in its place."""
        result = await self.request("tools/call", name=tool, arguments=arguments)
        if result["resultType"] == "task":
            assert is_valid(result, "CreateTaskResult")
            check_task(result)
        return result

    async def started(self, scenario: str, **arguments: Any) -> str:  # noqa: ANN401 - any JSON
        """The handle of a task that runs this script."""
        created = await self.call("create_task", prompt=f"Go (scenario:{scenario})", wait=True, **arguments)
        assert created["resultType"] == "task", created
        task_id: str = created["taskId"]
        return task_id

    async def deferred(self, neo_task: str, **arguments: Any) -> str:  # noqa: ANN401 - any JSON
        """The handle of a wait for the end of a Neo task's turn."""
        made = await self.call("wait_for_events", task_id=neo_task, until="turn_end", **arguments)
        assert made["resultType"] == "task", made
        task_id: str = made["taskId"]
        return task_id

    async def get(self, task_id: str) -> Json:
        """The task now."""
        task = await self.request("tasks/get", taskId=task_id)
        check_detailed(task)
        assert task["taskId"] == task_id
        return task

    async def until(self, task_id: str, *statuses: str) -> Json:
        """Poll, faster than a client should, until the task is in one of ``statuses``."""
        with anyio.fail_after(PATIENCE):
            while (task := await self.get(task_id))["status"] not in statuses:  # noqa: ASYNC110 - as clients do
                await anyio.sleep(0.01)
        return task

    async def update(self, task_id: str, **responses: Json) -> Json:
        """Respond to input requests."""
        result = await self.request("tasks/update", taskId=task_id, inputResponses=responses)
        assert set(result) <= {"resultType", "_meta"}
        return result

    async def cancel(self, task_id: str) -> Json:
        """Ask for cancellation."""
        result = await self.request("tasks/cancel", taskId=task_id)
        assert set(result) <= {"resultType", "_meta"}
        return result

    @asynccontextmanager
    async def listen(self, **notifications: Any) -> AsyncIterator["Frames"]:  # noqa: ANN401 - any JSON
        """An acknowledged stream.

        Raises:
            Refused: If it is refused.
        """
        message = self.message("subscriptions/listen", {"notifications": notifications})
        async with self.wire.stream(message) as following:
            frames = Frames(message["id"], following)
            first = await frames.following()
            if "error" in first:
                raise Refused(first["error"])
            assert first["method"] == "notifications/subscriptions/acknowledged"
            frames.agreed = first["params"]["notifications"]
            yield frames


@dataclass
class Frames:
    """What comes on a stream."""

    id: int
    _following: Callable[[], Awaitable[Json]]
    agreed: Json = field(default_factory=dict)
    seen: list[Json] = field(default_factory=list)

    async def following(self) -> Json:
        """The next message."""
        with anyio.fail_after(PATIENCE):
            message = await self._following()
        self.seen.append(message)
        if "method" in message:
            assert message["params"]["_meta"][SUBSCRIPTION] == self.id
        if message.get("method") == "notifications/tasks":
            assert is_valid(message, "TaskStatusNotification")
            check_detailed(message["params"])
        return message

    async def until(self, task_id: str, status: str) -> Json:
        """The first notification of this status of the task."""
        while True:
            params: Json = (await self.following()).get("params", {})
            if (params.get("taskId"), params.get("status")) == (task_id, status):
                return params


def accept(task: Json, **content: Any) -> dict[str, Json]:  # noqa: ANN401 - any JSON
    """Responses to all that is asked: the first choice, with what the form wants typed, or ``content``."""
    return {key: _accepted(request, content) for key, request in task["inputRequests"].items()}


def _accepted(request: Json, content: Json) -> Json:
    schema = request["params"]["requestedSchema"]
    filled: Json = {}
    for name, field_schema in schema["properties"].items():
        if "enum" in field_schema:
            filled[name] = field_schema["enum"][0]
        elif name == "confirmation":
            filled[name] = field_schema["description"]
        elif name in schema["required"]:
            filled[name] = "eu-west-1"
    filled |= content
    jsonschema.validate(filled, schema)
    return {"action": "accept", "content": filled}
