"""A terminal that can do nothing gets text alone, from every command."""

import pytest

from neo_mcp.simulator import Simulator
from tests.support.command_line import terminal
from tests.support.host import ORG
from tests.support.processes import environment

COMMANDS = {
    "--help": 0,
    "docs reference": 0,
    "tasks": 0,
    "tasks --limit x": 2,
    "doctor": 0,
    "watch TASK": 3,
    "export TASK": 0,
    "respond TASK deny Not-now": 0,
    "create Hello --yes --watch": 0,
    "install --print": 0,
    "install cursor --yes": 0,
    "demo --speed 1000": 0,
}


@pytest.mark.parametrize(
    "more", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}], ids=["dumb", "NO_COLOR"]
)
@pytest.mark.parametrize("command", COMMANDS)
async def test_it_gets_text_alone(
    command: str, more: dict[str, str], simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    plan = {"type": "user_approval_request", "id": "a1", "message": "Go?", "approval_type": "general"}
    task_id = simulator.add_task(ORG, events=[("agentResponse", plan)], status="idle")
    words = [task_id if word == "TASK" else word for word in command.split()]
    env = environment(simulator.url, str(home), HOME=str(home), NEO_MCP_APPROVALS="host", **more)
    async with terminal(*words, env=env) as screen:
        assert await screen.status() == COMMANDS[command], screen.screen
    moved = "\x1b[2K" in screen.screen
    assert "\x1b" not in screen.screen.replace("\x1b[2K", "")
    assert "TERM" in more
    assert not moved or more["TERM"] == "xterm"
    assert "\r" not in screen.screen.replace("\r\x1b[2K", "")
