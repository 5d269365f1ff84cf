"""The simulated API in a process of its own, driven through its pipes.

It must not share an event loop with a client that is being timed. A line in is a command, a line out its
answer; events are stamped with the monotonic clock, which all processes of a machine share, at the moment
before they are appended.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import anyio

from neo_mcp.simulator import (
    DEFAULT_ORGANIZATION,
    DEFAULT_TOKEN,
    Simulator,
    SimulatorConfig,
    running_simulator,
)
from tests.benchmarks.events import conversation, step
from tests.benchmarks.process import Process


class Simulated(Process):
    """A simulator that runs as long as its block."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "tests.benchmarks.simulated"])
        self.url: str = json.loads(self.read())["url"]

    @property
    def environment(self) -> dict[str, str]:
        """What points a server at it."""
        return {
            "PULUMI_BACKEND_URL": self.url,
            "PULUMI_ACCESS_TOKEN": DEFAULT_TOKEN,
            "PULUMI_HOME": "/nonexistent",
            "NEO_MCP_ORGANIZATION": DEFAULT_ORGANIZATION,
        }

    def add_task(self, events: int = 0) -> str:
        """Make a running task with so many events."""
        task: str = self._ask(do="add", events=events)["task"]
        return task

    def start_append(self, tasks: Sequence[str]) -> None:
        """Have an event appended to each of these tasks; :meth:`sent` tells when that was."""
        self.write(_line(do="append", tasks=tasks))

    def sent(self) -> list[int]:
        """The moments at which the last appended events left, in nanoseconds of the monotonic clock."""
        moments: list[int] = json.loads(self.read())["sent"]
        return moments

    def streams(self) -> int:
        """How many event streams are open."""
        count: int = self._ask(do="streams")["streams"]
        return count

    def settle(self, task: str) -> int:
        """Wait until the task's script stops; the bytes of its events as JSON."""
        size: int = self._ask(do="settle", task=task)["bytes"]
        return size

    def _ask(self, **command: object) -> dict[str, Any]:
        self.write(_line(**command))
        answer: dict[str, Any] = json.loads(self.read())
        return answer


def _line(**command: object) -> bytes:
    return json.dumps(command).encode() + b"\n"


async def _obey(simulator: Simulator, command: dict[str, Any]) -> dict[str, Any]:
    match command["do"]:
        case "add":
            events = (("agentResponse", body) for body in conversation(command["events"]))
            task = simulator.add_task(DEFAULT_ORGANIZATION, events=events, status="running")
            return {"task": task}
        case "append":
            return {"sent": [_append(simulator, task) for task in command["tasks"]]}
        case "settle":
            settled = await simulator.wait_idle(DEFAULT_ORGANIZATION, command["task"])
            return {"bytes": sum(len(event.raw) + 1 for event in settled.events)}
        case _:
            return {"streams": simulator.open_streams}


def _append(simulator: Simulator, task: str) -> int:
    body = step(time.perf_counter_ns())
    moment = time.perf_counter_ns()
    simulator.append_event(DEFAULT_ORGANIZATION, task, body, kind="agentResponse")
    return moment


async def _serve(write: Callable[[str], object]) -> None:
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator:
        write(json.dumps({"url": simulator.url}) + "\n")
        async for line in anyio.wrap_file(sys.stdin):
            write(json.dumps(await _obey(simulator, json.loads(line))) + "\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text file, as always
    asyncio.run(_serve(sys.stdout.write))
