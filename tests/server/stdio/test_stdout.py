"""Only messages reach standard output, whoever else prints; and standard error holds nobody up."""

import json
import sys
from pathlib import Path

import anyio
import pytest

from tests.support.host import PATIENCE, World
from tests.support.processes import Running, environment, running

pytestmark = pytest.mark.scorecard("only protocol messages on standard output")

STRAY = "stray output"

IMPORTING = """
import os, subprocess, sys

class Chatty:
    def find_spec(self, name, path=None, target=None):
        if name in {"anyio", "pydantic", "httpx", "mcp", "mcp_types", "neo_mcp.server.app"}:
            print("stray output of", name)
            sys.stdout.write("stray output\\n")
            os.write(1, b"stray output of a descriptor\\n")
            subprocess.run(["echo", "stray output of a child"], check=True)

sys.meta_path.insert(0, Chatty())
"""
"""A `sitecustomize` module: makes importing a dependency as noisy as can be."""

CALLING = """
import asyncio, atexit, ctypes, os, subprocess, sys, threading
import neo_mcp.server.tools as tools
libc = ctypes.CDLL(None)
inner = tools.TOOLS["list_tasks"].run

def everything(where):
    print("stray output,", where)
    sys.stdout.write("stray output\\n")
    sys.stdout.buffer.write(b"stray output\\n")
    sys.__stdout__.write("stray output\\n")
    os.write(1, b"stray output of a descriptor, " + where.encode() + b"\\n")
    libc.puts(b"stray output of compiled code")
    if where != "at the end":
        subprocess.run(["sh", "-c", "echo stray output of a child; cat"], check=True, close_fds=False)

async def noisy(call, args):
    everything("in a call")
    await asyncio.to_thread(everything, "in a thread")
    return await inner(call, args)

object.__setattr__(tools.TOOLS["list_tasks"], "run", noisy)
atexit.register(everything, "at the end")
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""

FLOODING = """
import asyncio, gc, logging, os, sys, threading, traceback, warnings
import neo_mcp.server.tools as tools
inner = tools.TOOLS["list_tasks"].run
TEXT = "x" * 100_000

def log():
    for name in ("", "mcp.server", "uvicorn.error", "uvicorn.access", "httpx", "asyncio", "py.warnings"):
        logging.getLogger(name).error(TEXT)

def warn():
    warnings.warn(TEXT + str(id(object())))

def raise_in_task():
    async def fail():
        raise ValueError(TEXT)
    task = asyncio.get_running_loop().create_task(fail())
    task.add_done_callback(lambda _: gc.collect())
    del task

def raise_in_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)

def raise_in_thread():
    def fail():
        raise ValueError(TEXT)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

def raise_in_finalizer():
    class Bad:
        def __del__(self):
            raise ValueError(TEXT)
    Bad()

def print_it():
    print(TEXT)
    print(TEXT, file=sys.stderr)

def write():
    os.write(1, TEXT.encode())
    os.write(2, TEXT.encode())

def trace():
    try:
        raise ValueError(TEXT)
    except ValueError:
        traceback.print_exc()

async def flooding(call, args):
    for _ in range(40):
        globals()[args.organization]()
    await asyncio.sleep(0)
    return await inner(call, args.model_copy(update={"organization": None}))

object.__setattr__(tools.TOOLS["list_tasks"], "run", flooding)
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""

FLOODS = (
    *("log", "warn", "raise_in_task", "raise_in_callback", "raise_in_thread", "raise_in_finalizer"),
    *("print_it", "write", "trace"),
)

INHERITING = """
import os, subprocess, sys
import neo_mcp.server.tools as tools
inner = tools.TOOLS["list_tasks"].run

async def starting_a_child(call, args):
    code = (
        "import os; print('child:', [n for n in os.listdir('/proc/self/fd') if int(n) > 2], "
        "os.path.realpath('/proc/self/fd/0'), repr(open(0).read()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, close_fds=False)
    return await inner(call, args)

object.__setattr__(tools.TOOLS["list_tasks"], "run", starting_a_child)
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def env(world: World, tmp_path: Path) -> dict[str, str]:
    return environment(world.simulator.url, str(tmp_path))


async def close(server: Running) -> None:
    assert server.process.stdin is not None
    await server.process.stdin.aclose()
    assert await server.exit_status() == 0


class TestStrayOutput:
    async def test_what_dependencies_print_when_imported_is_no_message(
        self, env: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "sitecustomize.py").write_text(IMPORTING)
        async with running("serve", env={**env, "PYTHONPATH": str(tmp_path)}) as server:
            await server.initialize()
            await server.call("list_tasks")
            await close(server)
        for name in ("anyio", "pydantic", "httpx", "mcp", "neo_mcp.server.app"):
            assert f"{STRAY} of {name}\n".encode() in server.stderr
        assert b"stray" not in server.written
        assert len(bytes(server.written).splitlines()) == 2

    async def test_what_is_printed_in_calls_threads_and_at_the_end_is_no_message(
        self, env: dict[str, str]
    ) -> None:
        async with running("serve", env=env, code=CALLING) as server:
            await server.initialize()
            for _ in range(3):
                result = await server.call("list_tasks")
                assert result.get("isError") is not True
            await close(server)
        for text in ("of a descriptor, in a call", ", in a thread", "of a child"):
            assert f"{STRAY} {text}".replace(" ,", ",").encode() in server.stderr
        assert b"stray" not in server.written
        assert len(bytes(server.written).splitlines()) == 4

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc")
    async def test_a_child_process_inherits_neither_end_of_the_protocol(self, env: dict[str, str]) -> None:
        async with running("serve", env=env, code=INHERITING) as server:
            await server.initialize()
            # A request that waits in the pipe while the child reads its standard input.
            sent = {await server.send("tools/call", name="list_tasks", arguments={})}
            sent.add(await server.send("tools/list"))
            answers = [await server.read(), await server.read()]
            assert {answer["id"] for answer in answers} == sent
            assert all("result" in answer for answer in answers)
            await server.says("child: ")
            await close(server)
        (said,) = [line for line in bytes(server.stderr).splitlines() if line.startswith(b"child: ")]
        # What is left is the directory that is being listed.
        assert said.count(b"'") == 4
        assert said.endswith(b"/dev/null ''")

    @pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
    async def test_a_standard_descriptor_may_be_closed_from_the_start(
        self, env: dict[str, str], tmp_path: Path, closed: str
    ) -> None:
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        (tmp_path / "in").write_text(json.dumps(hello))
        command = f"exec {sys.executable} -m neo_mcp <{tmp_path}/in {closed}"
        with anyio.fail_after(PATIENCE):
            done = await anyio.run_process(["sh", "-c", command], env=env, check=False)
        assert done.returncode == 0
        assert all(json.loads(line)["id"] == 1 for line in done.stdout.splitlines())
        assert b"Traceback" not in done.stderr


class TestUndrainedStandardError:
    async def test_it_changes_nothing(self, env: dict[str, str]) -> None:
        env["NEO_MCP_LOG_LEVEL"] = "debug"
        async with running("serve", env=env, read_stderr=False, code=FLOODING) as server:
            await server.initialize()
            for flood in FLOODS:
                result = await server.call("list_tasks", organization=flood)
                assert result.get("isError") is not True, flood
            await close(server)
        assert b"xxxx" not in server.written
