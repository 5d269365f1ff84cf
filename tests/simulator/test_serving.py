"""The package from outside: what it imports, and the blocking command in a process of its own."""

import ast
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import neo_mcp.simulator
from neo_mcp.simulator import DEFAULT_TOKEN, SimulatorConfig, running_simulator
from neo_mcp.simulator.catalogue import scenarios

PACKAGE = Path(neo_mcp.simulator.__file__).parent
COMMAND = """
from neo_mcp.simulator import SimulatorConfig, main
raise SystemExit(main(SimulatorConfig(first_generation={})))
"""


def imports(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("module", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_nothing_else_of_the_project(module: Path) -> None:
    ours = {name for name in imports(module) if name.split(".")[0] == "neo_mcp"}
    assert all(name.startswith("neo_mcp.simulator") for name in ours)
    assert not {name.split(".")[0] for name in imports(module)} & {"mcp", "httpx", "pydantic"}


def test_importing_the_package_loads_no_http_library() -> None:
    code = "import sys, neo_mcp.simulator; print({'uvicorn', 'starlette', 'h11'} & sys.modules.keys())"
    printed = subprocess.run(  # noqa: S603 - the code is the line above
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert printed.stdout == "set()\n"


@pytest.mark.parametrize("first_generation", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_tells_how_to_use_it_and_stops_when_told(
    number: signal.Signals, first_generation: bool
) -> None:
    command = [sys.executable, "-c", COMMAND.format(first_generation)]
    with subprocess.Popen(  # noqa: S603 - the command is written above
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines: list[str] = []
        while "Ctrl-C" not in "".join(lines[-1:]):
            lines.append(process.stdout.readline())
        text = "".join(lines)
        found = re.search(r"http://[\d.:]+", text)
        assert found
        assert httpx.get(
            f"{found[0]}/api/user", headers={"authorization": f"token {DEFAULT_TOKEN}"}
        ).is_success
        assert all(name in text for name in scenarios())
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


async def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = SimulatorConfig(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"):
            async with running_simulator(config):
                pass


async def test_bytes_that_are_no_http_are_refused_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_simulator() as running:
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"\x00\x01\x02\r\n\r\n")
            async with httpx.AsyncClient(base_url=running.url) as http:
                assert (await http.get("/api/user")).status_code == 401
    assert capfd.readouterr() == ("", "")


async def test_two_simulators_know_nothing_of_each_other() -> None:
    async with running_simulator() as one, running_simulator() as other:
        task = one.add_task("acme")
        assert one.url != other.url
        assert [known.id for known in one.store.visible("acme", "alice")] == [task]
        assert other.store.visible("acme", "alice") == []
