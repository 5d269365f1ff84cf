"""The documentation's examples are run as programs of their own, against a simulated Neo."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from neo_mcp.simulator import Fault, Simulator, SimulatorConfig, running_simulator
from tests.support.command_line import environment
from tests.support.host import ORG, PATIENCE

EXAMPLES = Path(__file__).parents[2] / "neo_mcp" / "docs" / "examples"


class Program:
    """A running example, and what it has printed."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        self.process = process
        self.stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)
        self.printed = ""

    async def says(self, text: str, times: int = 1) -> None:
        """Read until ``text`` has been printed that often."""
        with anyio.fail_after(PATIENCE):
            while self.printed.count(text) < times:
                self.printed += (await self._stdout.receive()).decode()

    async def types(self, line: str) -> None:
        await self.stdin.send(f"{line}\n".encode())

    async def status(self) -> int:
        """Read what is left, and wait for the end."""
        with anyio.fail_after(PATIENCE):
            try:
                while True:
                    self.printed += (await self._stdout.receive()).decode()
            except anyio.EndOfStream:
                return await self.process.wait()


@asynccontextmanager
async def example(name: str, *arguments: str, url: str, home: Path) -> AsyncIterator[Program]:
    """One of the examples as a process; killed at the end if it still runs."""
    command = [sys.executable, "-m", f"neo_mcp.docs.examples.{name}", *arguments]
    async with await anyio.open_process(
        command, env=environment(home, url), stdin=PIPE, stdout=PIPE, stderr=None
    ) as process:
        try:
            yield Program(process)
        finally:
            if process.returncode is None:
                process.kill()


@pytest.mark.parametrize(
    ("scenario", "arguments", "status", "said"),
    [
        ("hello", [], 0, "[turn_ended] "),
        ("question", [], 3, "[question] "),
        ("failing-deploy", [], 3, "[approval] "),
        ("hello", ["--seconds", "0"], 4, "The time is up"),
    ],
)
async def test_the_ci_bot_ends_as_the_task_does(
    simulator: Simulator, tmp_path: Path, scenario: str, arguments: list[str], status: int, said: str
) -> None:
    prompt = f"Please (scenario:{scenario})"
    async with example("ci_bot", prompt, *arguments, url=simulator.url, home=tmp_path) as bot:
        assert await bot.status() == status
        assert said in bot.printed
    (task,) = simulator.store.visible(ORG, "alice")
    assert task.permission_mode == "read-only"


async def test_the_ci_bot_fails_the_build_when_the_turn_fails(tmp_path: Path) -> None:
    async with (
        running_simulator(SimulatorConfig(time_scale=1000)) as simulator,
        example("ci_bot", "Hello", url=simulator.url, home=tmp_path) as bot,
    ):
        await bot.says("… working")
        (task,) = simulator.store.visible(ORG, "alice")
        simulator.append_event(ORG, task.id, {"type": "error", "message": "It broke."}, kind="agentResponse")
        assert await bot.status() == 1
        assert "[error] It broke." in bot.printed


async def test_the_ci_bot_fails_where_neo_cannot_be_used(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.add(Fault("status", status=403, times=0))
    async with example("ci_bot", "Hello", url=simulator.url, home=tmp_path) as bot:
        assert await bot.status() == 1


async def test_the_chat_bot_takes_decisions_answers_and_messages(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with example("chat_bot", url=simulator.url, home=tmp_path) as bot:
        await bot.says("What should Neo do?")
        await bot.types("Please (scenario:denied-approval)")
        await bot.says("you> ", 2)
        await bot.types("Only four nodes")
        await bot.says("Only four nodes")
        await bot.says("you> ", 3)
        await bot.types("yes")
        await bot.says("you> ", 4)
        await bot.stdin.aclose()
        assert await bot.status() == 0
    sent = [event.body for task in simulator.store.visible(ORG, "alice") for event in task.events]
    assert [body["ok"] for body in sent if body["type"] == "user_confirmation"] == [False, True]


async def test_a_program_on_the_service_creates_waits_decides_and_stops(
    simulator: Simulator, tmp_path: Path
) -> None:
    prompt = "Please (scenario:denied-approval)"
    async with example("delegate", prompt, url=simulator.url, home=tmp_path) as program:
        await program.says("approve, deny or stop?")
        await program.types("deny")
        await program.says("approve, deny or stop?", 2)
        await program.types("stop")
        assert await program.status() == 0
        assert "[cancelled]" in program.printed
    (task,) = simulator.store.visible(ORG, "alice")
    sent = [event.body for event in task.events]
    assert [body["ok"] for body in sent if body["type"] == "user_confirmation"] == [False]
    assert "user_cancel" in {body["type"] for body in sent}


async def test_a_program_on_the_service_answers(simulator: Simulator, tmp_path: Path) -> None:
    async with example("delegate", "scenario:question", url=simulator.url, home=tmp_path) as program:
        await program.says("Which AWS region")
        await program.types("eu-west-1")
        assert await program.status() == 0
        assert "[turn_ended]" in program.printed
        assert "eu-west-1 it is" in program.printed


async def test_the_dashboard_shows_every_change_of_every_task(simulator: Simulator, tmp_path: Path) -> None:
    ids = [
        simulator.add_task(
            ORG,
            name=f"Task {n}",
            events=[("userInput", {"type": "user_message", "content": "Go", "timestamp": ""})],
            status="running",
        )
        for n in range(2)
    ]
    async with example("dashboard", url=simulator.url, home=tmp_path) as dashboard:
        for n in range(2):
            await dashboard.says(f"Task {n}: working")
        for n, task_id in enumerate(ids):
            body = {"type": "assistant_message", "content": f"Done {n}", "is_final": True, "tool_calls": []}
            simulator.append_event(ORG, task_id, body, kind="agentResponse")
            await dashboard.says(f"Task {n}: turn_ended: Done {n}")
        dashboard.process.send_signal(signal.SIGINT)
        assert await dashboard.status() == 0


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 80
