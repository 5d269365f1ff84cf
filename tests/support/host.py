"""A host, a person and a server over a simulated Neo API, for tests."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import anyio
import anyio.lowlevel
import jsonschema
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.client.session import ElicitationFnT, IncomingMessage
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError

from neo_mcp.clock import SYSTEM_CLOCK, Clock, SystemClock
from neo_mcp.config import Settings
from neo_mcp.secret import SecretStr
from neo_mcp.server.app import NeoServer
from neo_mcp.server.tools import TOOLS
from neo_mcp.simulator import Simulator

ORG = "acme"
TOKEN = "pul-sim-alice"
LEGACY, MODERN = "legacy", "2026-07-28"
ERAS = (LEGACY, MODERN)
BUDGET = 6000
PATIENCE = 30.0

Json = dict[str, Any]


async def until(condition: Callable[[], object]) -> None:
    """Give other tasks and processes the time they need for ``condition``; fail if it never holds."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the condition may be in another process
            await anyio.sleep(0.002)


def tokens(text: str) -> int:
    return -(-len(text.encode()) // 3)


@dataclass
class Person:
    """Answers every form in one way, and remembers what was shown."""

    action: Literal["accept", "decline", "cancel"] = "accept"
    choice: int = 0
    guidance: str | None = None
    typed: str | None = None
    forms: list[str] = field(default_factory=list)
    before: Callable[[], Any] | None = None

    async def __call__(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK's signature
        params: types.ElicitRequestParams,
    ) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestFormParams)
        self.forms.append(params.message)
        if self.before is not None:
            await self.before()
        if self.action != "accept":
            return types.ElicitResult(action=self.action)
        fields = params.requested_schema["properties"]
        options = fields["decision"]["enum"]
        content: dict[str, str | int | float | bool | list[str] | None] = {"decision": options[self.choice]}
        if "confirmation" in fields:
            wanted = fields["confirmation"]["description"]
            content["confirmation"] = wanted if self.typed is None else self.typed
        if self.guidance is not None:
            content["guidance"] = self.guidance
        jsonschema.validate(content, params.requested_schema)
        return types.ElicitResult(action="accept", content=content)


APPROVES = {"choice": 0}
DENIES = {"choice": 1}


class Host:
    """An MCP host that holds every result against what is promised for all of them."""

    def __init__(self, client: Client, budget: int) -> None:
        self.client = client
        self.budget = budget

    async def call(
        self,
        tool: str,
        on_progress: ProgressFnT | None = None,
        /,
        **arguments: Any,  # noqa: ANN401 - any JSON
    ) -> Json:
        result = await self.raw(tool, arguments, on_progress)
        text = text_of(result)
        assert not result.is_error, text
        content = result.structured_content
        assert isinstance(content, dict)
        schema = TOOLS[tool].definition.output_schema
        assert schema is not None
        jsonschema.validate(content, schema)
        for key in ("cursor", "task_id", "next", "next_cursor", "url"):
            if key in content:
                assert str(content[key]) in text
        budget = arguments.get("budget_tokens", self.budget)
        spent = tokens(text) + tokens(json.dumps(content, ensure_ascii=False))
        assert spent <= budget, f"{tool}: {spent} of {budget} tokens"
        return content

    async def text(self, tool: str, **arguments: Any) -> str:  # noqa: ANN401 - any JSON
        result = await self.raw(tool, arguments)
        assert not result.is_error
        return text_of(result)

    async def refused(self, tool: str, **arguments: Any) -> str:  # noqa: ANN401 - any JSON
        result = await self.raw(tool, arguments)
        text = text_of(result)
        assert result.is_error, text
        assert result.structured_content is None
        return text

    async def raw(
        self, tool: str, arguments: Mapping[str, Any], on_progress: ProgressFnT | None = None
    ) -> types.CallToolResult:
        with anyio.fail_after(PATIENCE):
            result = await self.client.call_tool(tool, dict(arguments), progress_callback=on_progress)
        assert isinstance(result, types.CallToolResult)
        return result

    async def create(self, scenario: str, **arguments: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON
        """Start a task, whatever was started before; gives back its id and the first cursor."""
        arguments = {"prompt": f"Please (scenario:{scenario})", "duplicate": True, **arguments}
        created = await self.call("create_task", **arguments)
        return created["task_id"], created["cursor"]

    async def wait(self, task_id: str, cursor: str | None = None, **arguments: Any) -> Json:  # noqa: ANN401 - any JSON
        given = {"cursor": cursor} if cursor is not None else {}
        return await self.call("wait_for_events", task_id=task_id, **given, **arguments)

    async def resource_text(self, uri: str) -> str:
        """What a resource says."""
        with anyio.fail_after(PATIENCE):
            result = await self.client.read_resource(uri)
        assert isinstance(result, types.ReadResourceResult)
        (content,) = result.contents
        assert isinstance(content, types.TextResourceContents)
        return content.text

    async def resource(self, uri: str) -> Json:
        """A resource that is JSON."""
        content: Json = json.loads(await self.resource_text(uri))
        return content

    async def refused_resource(self, uri: str) -> tuple[int, str]:
        """Code and message of the protocol error."""
        with pytest.raises(MCPError) as caught:
            await self.client.read_resource(uri)
        return caught.value.error.code, caught.value.error.message


def text_of(result: types.CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))


class SkippingClock(SystemClock):
    """Real time, in which sleeping takes none: what was slept is added to it."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.on_sleep: Callable[[], Awaitable[None]] | None = None

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return super().monotonic() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.on_sleep is not None:
            await self.on_sleep()
        await anyio.lowlevel.checkpoint()

    def jitter(self) -> float:
        return 0.0


class World:
    """A simulated Neo, and as many hosts as a test wants."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.notified: list[IncomingMessage] = []

    def settings(self, **changes: Any) -> Settings:  # noqa: ANN401 - the fields of the settings
        given = {"token": SecretStr(TOKEN), "api_url": self.simulator.url, "organization": ORG, **changes}
        return Settings(**given)

    @asynccontextmanager
    async def host(
        self,
        person: ElicitationFnT | None = None,
        *,
        mode: str = MODERN,
        clock: Clock = SYSTEM_CLOCK,
        **settings: Any,  # noqa: ANN401 - the fields of the settings
    ) -> AsyncIterator[Host]:
        server = NeoServer(self.settings(**settings), clock=clock)
        async with self.connected(server, person, mode=mode) as host:
            yield host

    @asynccontextmanager
    async def connected(
        self, server: NeoServer, person: ElicitationFnT | None = None, *, mode: str = MODERN
    ) -> AsyncIterator[Host]:
        async def note(message: IncomingMessage) -> None:
            self.notified.append(message)

        client = Client(
            server.protocol, mode=mode, elicitation_callback=person, message_handler=note, cache=None
        )
        async with client:
            yield Host(client, server.settings.budget_tokens)

    def asked(self, method: str, path_end: str) -> int:
        """How many such requests have come."""
        return sum(r.method == method and r.path.endswith(path_end) for r in self.simulator.requests)

    def bodies(self, path_end: str = "", method: str = "POST") -> list[Json]:
        """The JSON bodies of the requests so far."""
        return [
            json.loads(r.body)
            for r in self.simulator.requests
            if r.method == method and r.path.endswith(path_end)
        ]

    def sent(self, task_id: str) -> list[Json]:
        """What was posted to the task."""
        return [body["event"] for body in self.bodies(f"/tasks/{task_id}")]

    def events(self, task_id: str) -> list[Json]:
        return [event.body for event in self.simulator.store.get(ORG, task_id).events]
