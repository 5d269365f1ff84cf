"""The ``demo`` command: a host delegates a task to a simulated Neo, and sees it through.

Everything is real but Neo itself: the simulator listens on a socket, the server is a process of its own, and
a client of the official SDK talks to it over stdio or HTTP. The person who decides is played by this program,
or sits at its terminal.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from neo_mcp.cli.demo.local_tools import ReadingHands, make_examples
from neo_mcp.cli.terminal.forms import Person, PlayedPerson, TerminalPerson
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.constants import PROGRAM
from neo_mcp.core.render.lines import Line, LineKind
from neo_mcp.core.sanitize import named
from neo_mcp.errors import InvalidArgumentError, NeoError
from neo_mcp.hidden_text import echoed
from neo_mcp.simulator import DEFAULT_ORGANIZATION, DEFAULT_TOKEN, SimulatorConfig, running_simulator
from neo_mcp.simulator.catalogue import scenarios

_PROMPTS = {
    "public-bucket": "Find our public S3 buckets and fix them with a pull request.",
    "failing-deploy": "Deploy the latest release of the storefront.",
    "question": "Set up a database for the new service.",
    "local-tools": "Look at the program in this folder and tell me what should change.",
}
_ANSWER = "Do what you think is best, and keep it cheap."
_STEP_SECONDS = 30
_KINDS = frozenset(LineKind)


async def demo(options: argparse.Namespace) -> int:
    """Play one conversation from the first message to the last.

    Returns:
        0 if Neo's turn ended well, 1 if not.

    Raises:
        InvalidArgumentError: If there is no such scenario.
    """
    if options.scenario not in scenarios():
        raise InvalidArgumentError(
            f"There is no scenario {echoed(options.scenario)}.",
            next_step=f"The scenarios are: {', '.join(scenarios())}.",
        )
    paint = Painter.for_terminal(sys.stdout, os.environ)
    scale = 1 / options.speed if options.speed > 0 else 0.0
    async with running_simulator(SimulatorConfig(time_scale=scale)) as simulator:
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
            make_examples(Path(folder))
            environment = _server_environment(simulator.url, home)
            over = "HTTP" if options.http else "stdio"
            paint.title(f"A host delegates a task to a simulated Neo, over {over}.")
            person = _person(paint, asked=options.approve)
            async with (
                _server(environment, http=options.http) as target,
                Client(target, elicitation_callback=person.fill_in) as client,
            ):
                return await _Host(client, paint, person, ReadingHands(Path(folder))).delegate(
                    options.scenario
                )


def _person(paint: Painter, *, asked: bool) -> Person:
    """The person at the terminal, if ``asked`` for; else a played one."""
    if asked and sys.stdin is not None and sys.stdin.isatty():
        paint.detail("You decide: type a number or a text. Ctrl-D, or nothing, dismisses a form.")
        return TerminalPerson(paint, sys.stdin)
    if asked:
        paint.detail("Standard input is no terminal, so this program plays the person.")
    return PlayedPerson(paint)


def _server_environment(api_url: str, home: str) -> dict[str, str]:
    """The environment of the server process: the simulator's address and token, nothing of the person's."""
    passed = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "TEMP", "TMPDIR") if key in os.environ}
    return {
        **passed,
        "PULUMI_HOME": home,
        "PULUMI_BACKEND_URL": api_url,
        "PULUMI_ACCESS_TOKEN": DEFAULT_TOKEN,
        "NEO_MCP_ORGANIZATION": DEFAULT_ORGANIZATION,
    }


@asynccontextmanager
async def _server(
    environment: Mapping[str, str], *, http: bool
) -> AsyncIterator[StdioServerParameters | str]:
    """The transport that the client connects to; over HTTP, the process runs as long as this block."""
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
    output = b""
    if process.stderr is not None:
        async for chunk in process.stderr:
            output += chunk
            for word in output.decode("utf-8", "replace").split():
                if word.startswith("http://") and output.endswith(b"\n"):
                    return word
    raise NeoError(f"The server did not start: {output.decode('utf-8', 'replace').strip()}")


def _lines(event: str) -> Iterator[Line]:
    """Read the lines of an event back for the sake of colour: a host has nothing but their text."""
    for row in re.split(r"\n (?! )", event):
        label, colon, text = row.partition(": ")
        kind = label.removesuffix(" (final)")
        known = LineKind(kind) if kind in _KINDS else LineKind.OTHER
        yield Line(known, label, text.replace("\n  ", "\n") if colon else None)


class ToolRefusedError(NeoError):
    """The server refused a call."""


class _Host:
    """The agent in the host, which knows nothing but the tools."""

    def __init__(self, client: Client, paint: Painter, person: Person, hands: ReadingHands) -> None:
        self._client = client
        self._paint = paint
        self._person = person
        self._hands = hands

    async def delegate(self, scenario: str) -> int:
        """Create the task, follow it, respond to what it needs."""
        prompt = _PROMPTS.get(scenario, "Do this for us.")
        mode = {"tool_execution_mode": "cli"} if scenario == "local-tools" else {}
        self._paint.host(f"create_task: {prompt}")
        created = await self._call("create_task", prompt=f"{prompt} (scenario:{scenario})", **mode)
        task_id, cursor = created["task_id"], created["cursor"]
        self._paint.detail(created["url"])
        while True:
            waited = await self._call(
                "wait_for_events", task_id=task_id, cursor=cursor, until="any", timeout_seconds=_STEP_SECONDS
            )
            cursor = waited["cursor"]
            for event in waited["events"]:
                self._paint.event(_lines(event))
            for need in waited["needs"]:
                if need["kind"] in {"turn_ended", "error", "cancelled", "stalled"}:
                    return self._over(need, created["url"])
                await self._reply(task_id, need)
                if self._person.left:
                    self._paint.result("Nothing was sent; Neo still waits.", ended_well=False, is_ours=True)
                    return 1

    async def _reply(self, task_id: str, need: Mapping[str, Any]) -> None:
        match need["kind"]:
            case "question":
                self._paint.question(need["message"], need.get("options", ()))
                self._paint.host(f"respond, answer: {_ANSWER}")
                await self._respond(task_id, action="answer", request_id=need["request_id"], text=_ANSWER)
            case "local_tools":
                await self._lend_hands(task_id, need["calls"])
            case _:
                self._paint.host(f"respond, approve: {need['request_id']}")
                await self._respond(task_id, action="approve", request_id=need["request_id"])

    async def _lend_hands(self, task_id: str, calls: Sequence[Mapping[str, Any]]) -> None:
        """Run what is to be run, and return the first result at once and the others together."""
        results: list[Mapping[str, Any]] = []
        for call in calls:
            if call.get("stored"):
                continue
            self._paint.host(f"runs {named(call['name'])} {call['arguments']}")
            result = self._hands.run(call["name"], call["arguments"])
            self._paint.output(result.output, failed=result.is_error)
            results.append(
                {
                    "tool_call_id": call["tool_call_id"],
                    "content": result.output,
                    "is_error": result.is_error,
                }
            )
        for part in (results[:1], results[1:]):
            if part:
                self._paint.host(f"respond, tool results: {len(part)}")
                await self._respond(task_id, action="tool_results", tool_results=part)

    async def _respond(self, task_id: str, **arguments: Any) -> None:  # noqa: ANN401 - any JSON
        """Respond; again where a person filled in a form that the server could not take."""
        while True:
            try:
                reply = await self._call("respond", task_id=task_id, **arguments)
            except ToolRefusedError as error:
                if not self._person.errs:
                    raise
                self._paint.detail(str(error))
                if self._person.left:
                    return
            else:
                self._paint.detail(reply["sent"])
                return

    def _over(self, need: Mapping[str, Any], url: str) -> int:
        ended_well = need["kind"] == "turn_ended"
        self._paint.result(need["message"], ended_well=ended_well)
        self._paint.detail(f"With a real task, the conversation is also at {url}")
        self._paint.detail(f"Next: {PROGRAM} install")
        return 0 if ended_well else 1

    async def _call(self, tool: str, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON
        result: CallToolResult = await self._client.call_tool(tool, arguments)
        if result.is_error or not isinstance(result.structured_content, dict):
            text = " ".join(block.text for block in result.content if isinstance(block, TextContent))
            raise ToolRefusedError(f"{tool}: {text}")
        return result.structured_content
