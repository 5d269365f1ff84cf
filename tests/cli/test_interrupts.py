"""Ctrl-C at any moment ends a command with status 130 and one sentence at most."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from neo_mcp.simulator import Fault, Simulator
from tests.support.command_line import run, terminal
from tests.support.examples import long, some
from tests.support.forked import start
from tests.support.host import ORG, PATIENCE, until
from tests.support.processes import environment

SERVERS = {"serve", "serve --http --port 0", "simulate --port 0"}
"""Commands that an interrupt is to end, so that their status is 0 once they run."""

ENDLESS = {
    "serve --http --port 0": b"http://",
    "simulate --port 0": b"http://",
    "watch TASK --until turn-end": b"(request a1)",
}
"""Commands that nothing else ends, and what they print once they run."""

COMMANDS = [
    "--version",
    "--help",
    "docs",
    "docs reference",
    "install --print",
    "install cursor claude-code codex --yes",
    "doctor",
    "tasks",
    "create Hello",
    "create Hello --watch",
    "watch TASK",
    "watch TASK --until turn-end",
    "export TASK",
    "export TASK -o FILE",
    "respond TASK deny",
    "demo --speed 1000",
    *sorted(SERVERS),
]

SELF = """
import os, signal, sys
moment, marker = int(sys.argv.pop(1)), os.open(sys.argv.pop(1), os.O_CREAT | os.O_WRONLY)
kinds = set(sys.argv.pop(1).split(",")) - {""}
pid, left, busy = os.getpid(), [moment], []

def hook(event, arguments):
    if busy or os.getpid() != pid or (kinds and event not in kinds):
        return
    left[0] -= 1
    if left[0] == 0:
        busy.append(event)
        os.write(marker, event.encode())
        os.kill(pid, signal.SIGINT)

from neo_mcp.cli import main
if sys.argv[1] == "loaded":
    sys.argv.pop(1)
sys.addaudithook(hook)
sys.exit(main())
"""
"""Interrupts itself at the interpreter's event of that number: an import, a file, a connection."""

MOMENTS = [2, 40, 300, 900, 1_500, *(long(n) for n in (10, 150, 600, 1_200, 2_500, 4_000, 6_000))]
LATE_MOMENTS = [1, 5, 12, 25, *(long(n) for n in (2, 3, 8, 16, 20, 32, 40, 60, 90, 130, 180))]


@pytest.fixture
def task_id(simulator: Simulator) -> str:
    plan = {"type": "user_approval_request", "id": "a1", "message": "Go?", "approval_type": "general"}
    return simulator.add_task(ORG, events=[("agentResponse", plan)], status="idle")


async def interrupted(
    command: str, moment: int, url: str, task_id: str, folder: Path, *, kinds: str = "", is_forked: bool
) -> tuple[int, str, str]:
    """The status and the words of a command that was interrupted, and at which event; empty if at none."""
    env = environment(url, str(folder / "pulumi"), HOME=str(folder), NEO_MCP_APPROVALS="host")
    words = [{"TASK": task_id, "FILE": str(folder / "copy.md")}.get(word, word) for word in command.split()]
    marker = folder / "marker"

    def written() -> bytes:
        return (folder / "stderr").read_bytes() + (folder / "stdout").read_bytes()

    with (folder / "stderr").open("wb") as errors, (folder / "stdout").open("wb") as output:
        reading, writing = os.pipe()
        try:
            async with await start(
                [str(moment), str(marker), kinds, "loaded", *words],
                env=env,
                streams=(reading, output.fileno(), errors.fileno()),
                code=SELF,
                is_forked=is_forked,
            ) as process:
                os.close(writing)
                is_ended = False
                with anyio.fail_after(PATIENCE):
                    if command in ENDLESS:
                        await until(lambda: process.returncode is not None or ENDLESS[command] in written())
                        if not marker.read_bytes():
                            process.send_signal(signal.SIGINT)
                            is_ended = True
                    status = await process.wait()
        finally:
            os.close(reading)
    # The event may come while an earlier interrupt is obeyed, and a second one ends a process at once.
    return status, (folder / "stderr").read_text(), "" if is_ended else marker.read_text()


def check(command: str, status: int, said: str, event: str) -> None:
    assert "Traceback" not in said, said
    assert "Exception" not in said, said
    if not event:
        return
    assert status == 130 or (command in SERVERS and status == 0), (status, said, event)
    assert said.count("\n") <= (2 if command in SERVERS else 1), said


FIRST = """
import os, signal, sys
def hook(event, arguments):
    if event == "import" and arguments[0] == "neo_mcp.cli":
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
import runpy
runpy.run_module("neo_mcp", run_name="__main__")
"""


async def test_so_does_one_before_anything_of_the_command_is_loaded(tmp_path: Path) -> None:
    env = environment(None, str(tmp_path))
    async with await start(["docs"], env=env, code=FIRST, is_forked=False) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        await process.stdin.aclose()
        with anyio.fail_after(PATIENCE):
            said = b"".join([chunk async for chunk in process.stderr])
            assert (await process.wait(), said) == (130, b"")


def test_little_is_imported_before_interrupts_are_taken_care_of() -> None:
    code = "import sys; before = set(sys.modules); import neo_mcp.__main__; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - code of ours
    loaded = set(done.stdout.split())
    ours = {"neo_mcp", "neo_mcp._version", "neo_mcp.__main__", "neo_mcp.signals"}
    assert {name for name in loaded if name.startswith("neo_mcp")} == ours
    assert not loaded & {"typing", "re", "threading", "contextlib", "inspect", "importlib.metadata"}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("command", some(COMMANDS, every=3))
async def test_an_interrupt_while_it_is_loaded_costs_a_sentence_at_most(
    command: str, moment: int, simulator: Simulator, task_id: str, tmp_path: Path
) -> None:
    check(command, *await interrupted(command, moment, simulator.url, task_id, tmp_path, is_forked=False))


@pytest.mark.parametrize("moment", LATE_MOMENTS)
@pytest.mark.parametrize("command", COMMANDS)
async def test_so_does_one_while_it_runs(
    command: str, moment: int, simulator: Simulator, task_id: str, tmp_path: Path
) -> None:
    """Counted are its files and connections, without imports."""
    files = "open,os.rename,os.remove,os.mkdir,os.chmod,tempfile.mkdtemp"
    kinds = f"{files},socket.connect,socket.__new__,socket.bind"
    result = await interrupted(command, moment, simulator.url, task_id, tmp_path, kinds=kinds, is_forked=True)
    check(command, *result)


@pytest.mark.parametrize("moment", range(1, 26))
@pytest.mark.parametrize("kind", ["open", "os.rename,os.chmod,os.remove"])
async def test_no_file_of_a_host_is_left_half_written(
    moment: int, kind: str, simulator: Simulator, task_id: str, tmp_path: Path
) -> None:
    before = '{"mcpServers": {"other": {"command": "x"}}}'
    folder = tmp_path / ".cursor"
    folder.mkdir()
    (folder / "mcp.json").write_text(before)
    status, said, event = await interrupted(
        "install cursor --yes", moment, simulator.url, task_id, tmp_path, kinds=kind, is_forked=True
    )
    check("install cursor --yes", status, said, event)
    after = (folder / "mcp.json").read_text()
    assert after == before or set(json.loads(after)["mcpServers"]) == {"other", "neo"}
    copies = [path for path in folder.iterdir() if path.name != "mcp.json"]
    assert all(path.name.endswith(".neo-backup") and path.read_text() == before for path in copies)


@pytest.mark.parametrize("command", ["create -", "respond TASK message -"])
async def test_a_person_is_told_what_is_read_and_can_interrupt_it(
    command: str, simulator: Simulator, task_id: str, tmp_path: Path
) -> None:
    words = [task_id if word == "TASK" else word for word in command.split()]
    async with terminal(*words, env=environment(simulator.url, str(tmp_path))) as screen:
        await screen.sees("Ctrl-D on a line of its own ends it.")
        screen.process.send_signal(signal.SIGINT)
        assert await screen.status() == 130
    assert screen.screen.count("\n") <= 2
    assert len(simulator.store.visible(ORG, "alice")) == 1


@pytest.mark.parametrize("more", [[], ["--organization", ORG]])
async def test_an_interrupted_watch_tells_how_to_return_and_how_to_stop_it(
    more: list[str], simulator: Simulator, tmp_path: Path
) -> None:
    task = simulator.add_task(ORG, status="running")
    env = environment(simulator.url, str(tmp_path))
    async with terminal("watch", task, *more, env=env) as screen:
        await screen.sees("/neo/tasks/")
        screen.process.send_signal(signal.SIGINT)
        assert await screen.status() == 130
    last = screen.screen.splitlines()[-1]
    assert "pulumi-neo-mcp: Neo goes on with the task; " in last
    name = f"{ORG}/{task}" if more else task
    returning, stopping = re.findall("`pulumi-neo-mcp ([^`]+)`", last)
    assert (returning, stopping) == (f"watch {name}", f"respond {name} cancel")
    done = await run(*stopping.split(), env=environment(simulator.url, str(tmp_path)))
    assert done.status == 0
    assert await status_of(returning.split(), env) in {0, 1, 3}


async def status_of(command: list[str], env: dict[str, str]) -> int:
    return (await run(*command, env=env)).status


async def test_an_interrupted_write_tells_what_is_unknown(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.add(Fault("latency", method="POST", seconds=3600))
    async with terminal("create", "Hello", "--yes", env=environment(simulator.url, str(tmp_path))) as screen:
        await until(lambda: any(request.method == "POST" for request in simulator.requests))
        screen.process.send_signal(signal.SIGINT)
        assert await screen.status() == 130
    assert "check `pulumi-neo-mcp tasks` before you create it again" in screen.screen
