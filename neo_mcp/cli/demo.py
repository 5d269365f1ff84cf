"""The ``demo`` command: a host delegates a task to a simulated Neo, and sees it through.

Everything is real but Neo itself: the simulator listens on a socket, the server is a process of its own, and
a client of the official SDK talks to it over stdio or HTTP. The person who decides is played by this program.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.context import ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent

from neo_mcp.cli.paint import Painter
from neo_mcp.errors import NeoError
from neo_mcp.simulator import DEFAULT_ORGANIZATION, DEFAULT_TOKEN, SimulatorConfig, running_simulator

_PROMPTS = {
    "public-bucket": "Find our public S3 buckets and fix them with a pull request.",
    "failing-deploy": "Deploy the latest release of the storefront.",
    "question": "Set up a database for the new service.",
}
_ANSWER = "Do what you think is best, and keep it cheap."
_OUTPUT = "(played by the demo)"
_STEP_SECONDS = 30


async def demo(options: argparse.Namespace) -> int:
    """Play one conversation from the first message to the last.

    Returns:
        0 if Neo's turn ended well, 1 if not.
    """
    paint = Painter.for_terminal(sys.stdout, os.environ)
    scale = 1 / options.speed if options.speed > 0 else 0.0
    async with running_simulator(SimulatorConfig(time_scale=scale)) as simulator:
        with tempfile.TemporaryDirectory() as home:
            environment = _server_environment(simulator.url, home)
            over = "HTTP" if options.http else "stdio"
            paint.title(f"A host delegates a task to a simulated Neo, over {over}.")
            async with _server(environment, http=options.http) as target:
                person = _Person(paint)
                async with Client(target, elicitation_callback=person.decide) as client:
                    return await _Host(client, paint).delegate(options.scenario)


def _server_environment(api_url: str, home: str) -> dict[str, str]:
    """What the server process gets: the simulator's address and token, and nothing of the person's own."""
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "TEMP", "TMPDIR") if key in os.environ}
    return {
        **kept,
        "PULUMI_HOME": home,
        "PULUMI_BACKEND_URL": api_url,
        "PULUMI_ACCESS_TOKEN": DEFAULT_TOKEN,
        "NEO_MCP_ORGANIZATION": DEFAULT_ORGANIZATION,
    }


@asynccontextmanager
async def _server(
    environment: Mapping[str, str], *, http: bool
) -> AsyncIterator[StdioServerParameters | str]:
    """What the client connects to; over HTTP, the process runs as long as this block."""
    command = [sys.executable, "-m", "neo_mcp", "serve"]
    if not http:
        yield StdioServerParameters(command=command[0], args=command[1:], env=dict(environment))
        return
    command += ["--http", "--port", "0"]
    async with await anyio.open_process(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            yield await _announced_url(process)
        finally:
            process.terminate()


async def _announced_url(process: anyio.abc.Process) -> str:
    said = b""
    if process.stderr is not None:
        async for chunk in process.stderr:
            said += chunk
            for word in said.decode("utf-8", "replace").split():
                if word.startswith("http://") and said.endswith(b"\n"):
                    return word
    raise NeoError(f"The server did not start: {said.decode('utf-8', 'replace').strip()}")


class _Person:
    """The person at the host, who reads the form and approves."""

    def __init__(self, paint: Painter) -> None:
        self._paint = paint

    async def decide(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK passes it by name
        params: ElicitRequestParams,
    ) -> ElicitResult:
        """Answer the form that the server put in front of the person."""
        fields: dict[str, Any] = getattr(params, "requested_schema", {}).get("properties", {})
        yes = fields["decision"]["enum"][0]
        content = {"decision": yes}
        self._paint.form(params.message)
        self._paint.person(f"chooses “{yes}”")
        if confirmation := fields.get("confirmation"):
            content["confirmation"] = confirmation["description"].rpartition(": ")[2]
            self._paint.person(f"types “{content['confirmation']}”")
        return ElicitResult(action="accept", content=content)


class _Host:
    """The agent in the host, which knows nothing but the tools."""

    def __init__(self, client: Client, paint: Painter) -> None:
        self._client = client
        self._paint = paint

    async def delegate(self, scenario: str) -> int:
        """Create the task, follow it, respond to what it needs."""
        prompt = _PROMPTS.get(scenario, "Do this for us.")
        self._paint.host(f"create_task: {prompt}")
        created = await self._call("create_task", prompt=f"{prompt} (scenario:{scenario})")
        task_id, cursor = created["task_id"], created["cursor"]
        self._paint.detail(created["url"])
        while True:
            waited = await self._call(
                "wait_for_events", task_id=task_id, cursor=cursor, until="any", timeout_seconds=_STEP_SECONDS
            )
            cursor = waited["cursor"]
            for line in waited["events"]:
                self._paint.event(line)
            for need in waited["needs"]:
                if need["kind"] in {"turn_ended", "error", "cancelled", "stalled"}:
                    return self._over(need, created["url"])
                await self._respond(task_id, need)

    async def _respond(self, task_id: str, need: Mapping[str, Any]) -> None:
        match need["kind"]:
            case "question":
                self._paint.question(need["message"])
                self._paint.host(f"respond, answer: {_ANSWER}")
                said = await self._call("respond", task_id=task_id, action="answer", text=_ANSWER)
            case "local_tools":
                calls = need["calls"]
                self._paint.host(f"respond, tool results: {', '.join(call['name'] for call in calls)}")
                results = [
                    {"tool_call_id": c["tool_call_id"], "content": "(played by the demo)"} for c in calls
                ]
                said = await self._call(
                    "respond", task_id=task_id, action="tool_results", tool_results=results
                )
            case _:
                self._paint.host(f"respond, approve: {need['request_id']}")
                said = await self._call(
                    "respond", task_id=task_id, action="approve", request_id=need["request_id"]
                )
        self._paint.detail(said["sent"])

    def _over(self, need: Mapping[str, Any], url: str) -> int:
        ended_well = need["kind"] == "turn_ended"
        self._paint.outcome(need["message"], ended_well=ended_well)
        self._paint.detail(f"In real life the whole conversation is also at {url}")
        return 0 if ended_well else 1

    async def _call(self, tool: str, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON
        result: CallToolResult = await self._client.call_tool(tool, arguments)
        if result.is_error or not isinstance(result.structured_content, dict):
            text = " ".join(block.text for block in result.content if isinstance(block, TextContent))
            raise NeoError(f"{tool}: {text}")
        return result.structured_content
