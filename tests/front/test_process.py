"""The front as a process: what it loads, and how it ends or hands over."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.generate.answers import LISTS, envelope, initialize, line
from tests.support.host import PATIENCE, World, until
from tests.support.processes import HELLO, Running, environment, running

loading = partial(running, is_forked=False)
"""The program with nothing loaded."""

HEAVY = {
    "anyio",
    "pydantic",
    "pydantic_core",
    "mcp",
    "mcp_types",
    "httpx",
    "opentelemetry",
    "asyncio",
    "logging",
}
REPORTING = """
import atexit, os, sys
atexit.register(lambda: os.write(2, ("loaded: " + " ".join(sys.modules) + "\\n").encode()))
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""
SLOW = """
import os, sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "mcp":
            os.write(2, b"loading\\n")
            time.sleep(60)

sys.meta_path.insert(0, Slow())
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The server is never loaded."""

LIST = line("tools/list", None, 2)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return environment(None, str(tmp_path))


@pytest.fixture(params=["with the front", "without"])
def env_of_world(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    # Where spans may be exported, the server is loaded at once.
    tracing = {} if request.param == "with the front" else {"OTEL_SDK_DISABLED": "true"}
    return environment(world.simulator.url, str(tmp_path), **tracing)


async def run(*command: str, env: dict[str, str], sent: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    with anyio.fail_after(PATIENCE):
        return await anyio.run_process([sys.executable, *command], env=env, input=sent, check=False)


async def loaded(*arguments: str, env: dict[str, str], sent: bytes = b"") -> set[str]:
    """The top-level modules that a process has loaded at its end."""
    done = await run("-c", REPORTING, *arguments, env=env, sent=sent)
    (names,) = [each for each in done.stderr.decode().splitlines() if each.startswith("loaded: ")]
    return {name.partition(".")[0] for name in names.split()[1:]}


class TestLoading:
    HANDSHAKE = initialize("2025-06-18", {}) + line("notifications/initialized", {}, None)
    ALL = HANDSHAKE + b"".join(line(method, None, n) for n, method in enumerate((*LISTS, "ping"), 1))

    @pytest.mark.parametrize("arguments", [[], ["serve"], ["serve", "--sandbox"], ["--read-only", "serve"]])
    async def test_what_every_host_asks_first_loads_nothing(
        self, arguments: list[str], env: dict[str, str]
    ) -> None:
        assert not await loaded(*arguments, env=env, sent=self.ALL) & HEAVY
        modern = b"".join(line(method, envelope({}), n) for n, method in enumerate(LISTS))
        assert not await loaded(*arguments, env=env, sent=modern) & HEAVY

    async def test_warnings_come_before_the_first_answer_and_load_no_server(
        self, env: dict[str, str]
    ) -> None:
        env["NEO_MCP_ORGANISATION"] = "acme"
        assert not await loaded(env=env, sent=self.ALL) & (HEAVY - {"logging"})
        done = await run("-m", "neo_mcp", env=env, sent=self.ALL)
        assert b"did you mean NEO_MCP_ORGANIZATION?" in done.stderr
        assert len(done.stdout.splitlines()) == 5

    @pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["serve", "--help"]])
    async def test_neither_does_help(self, arguments: list[str], env: dict[str, str]) -> None:
        assert not await loaded(*arguments, env=env) & HEAVY

    @pytest.mark.parametrize("arguments", [["tasks"], ["create", "Say hello (scenario:hello)", "--yes"]])
    async def test_a_persons_commands_do_not_load_the_protocol(
        self, arguments: list[str], env_of_world: dict[str, str]
    ) -> None:
        assert not await loaded(*arguments, env=env_of_world) & {"mcp", "mcp_types", "starlette", "uvicorn"}


class TestHandingOver:
    async def test_the_server_goes_on_in_the_same_process(
        self, world: World, env_of_world: dict[str, str]
    ) -> None:
        async with loading("serve", env=env_of_world) as server:
            hello = await server.initialize(elicitation={})
            assert hello["result"]["protocolVersion"] == HELLO["protocolVersion"]
            assert len((await server.request("tools/list"))["result"]["tools"]) == 6
            world.simulator.add_task("acme", name="Told apart")
            result = await server.call("list_tasks")
            assert "Told apart" in json.dumps(result)
            assert len((await server.request("tools/list"))["result"]["tools"]) == 6
            await close(server)
        ids = [json.loads(each)["id"] for each in bytes(server.written).splitlines()]
        assert ids == [1, 2, 3, 4]

    async def test_what_a_client_can_do_is_known_to_the_server(
        self, world: World, env_of_world: dict[str, str]
    ) -> None:
        plan = {"type": "user_approval_request", "id": "a1", "message": "Go?", "approval_type": "general"}
        task_id = world.simulator.add_task("acme", status="running", events=[("agentResponse", plan)])
        async with loading("serve", env=env_of_world) as server:
            await server.initialize(elicitation={})
            arguments = {"task_id": task_id, "action": "approve", "request_id": "a1"}
            await server.send("tools/call", name="respond", arguments=arguments)
            while server.last.get("method") != "elicitation/create":
                await server.read()

    def test_all_that_came_at_once_is_answered(self, env: dict[str, str]) -> None:
        call = line("tools/call", {"name": "no_such_tool", "arguments": {}}, 3)
        sent = initialize("2025-11-25", {}) + LIST + call + line("ping", None, 4)
        readable, writable = os.pipe()
        with subprocess.Popen(
            [sys.executable, "-m", "neo_mcp"], env=env, stdin=readable, stdout=subprocess.PIPE
        ) as process:
            os.close(readable)
            os.write(writable, sent)
            assert process.stdout is not None
            answers = [json.loads(process.stdout.readline()) for _ in range(4)]
            os.close(writable)
            assert process.wait(PATIENCE) == 0
        assert [answer["id"] for answer in answers[:2]] == [0, 2]
        assert {answer["id"] for answer in answers[2:]} == {3, 4}

    def test_regular_files_will_do(self, env: dict[str, str], tmp_path: Path) -> None:
        for name, last in (("front", b""), ("server", b"broken\n")):
            (tmp_path / name).write_bytes(initialize("2025-11-25", {}) + LIST + last)
            with (tmp_path / name).open("rb") as source, (tmp_path / "out").open("wb") as target:
                done = subprocess.run(
                    [sys.executable, "-m", "neo_mcp"],
                    env=env,
                    stdin=source,
                    stdout=target,
                    timeout=PATIENCE,
                    check=False,
                )
            assert done.returncode == 0
            answers = [json.loads(each) for each in (tmp_path / "out").read_bytes().splitlines()]
            assert [answer["id"] for answer in answers] == [0, 2] + [None] * bool(last)


class TestAHostThatReadsNothing:
    COUNT = 2000

    async def test_it_may_send_all_it_has_and_read_then(self, env: dict[str, str]) -> None:
        async with loading("serve", env=env) as server:
            await server.initialize()
            with anyio.fail_after(PATIENCE):
                for n in range(self.COUNT):
                    await server.send_line(line("tools/list", None, n).strip())
                await server.send_line(line("tools/call", {"name": "no_such_tool"}, self.COUNT).strip())
            ids = [(await server.read())["id"] for _ in range(self.COUNT + 1)]
            assert ids == list(range(self.COUNT + 1))
            await close(server)

    async def test_its_end_is_noticed(self, env: dict[str, str]) -> None:
        readable, writable = os.pipe()
        try:
            process = await anyio.open_process(
                [sys.executable, "-m", "neo_mcp"], env=env, stdout=writable, stderr=None
            )
            async with process:
                assert process.stdin is not None
                with anyio.fail_after(PATIENCE):
                    await process.stdin.send(initialize("2025-11-25", {}) + LIST * self.COUNT)
                    await process.stdin.aclose()
                    assert await process.wait() == 0
        finally:
            os.close(readable)
            os.close(writable)


class TestEnding:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_a_signal_ends_it(self, env: dict[str, str], number: signal.Signals) -> None:
        async with loading("serve", env=env) as server:
            await server.initialize()
            server.process.send_signal(number)
            assert await server.exit_status() == 0
        assert server.stderr == b""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_a_signal_ends_it_while_the_server_is_loaded(
        self, env: dict[str, str], number: signal.Signals
    ) -> None:
        async with loading("serve", env=env, code=SLOW) as server:
            await server.initialize()
            await server.send("tools/call", name="list_tasks", arguments={})
            await server.says("loading")
            server.process.send_signal(number)
            assert await server.exit_status() == 0
        assert b"Traceback" not in server.stderr

    async def test_a_host_that_leaves_while_the_server_is_loaded_is_missed(self, env: dict[str, str]) -> None:
        async with loading("serve", env=env) as server:
            await server.initialize()
            await server.send("tools/call", name="no_such_tool", arguments={})
            await close(server)
        assert b"Traceback" not in server.stderr

    async def test_a_host_that_only_stops_reading_ends_it(self, env: dict[str, str]) -> None:
        readable, writable = os.pipe()
        process = await anyio.open_process([sys.executable, "-m", "neo_mcp"], env=env, stdout=writable)
        os.close(writable)
        async with process:
            assert process.stdin is not None
            await process.stdin.send(initialize("2025-11-25", {}))
            await anyio.wait_readable(readable)
            os.close(readable)
            await until(lambda: process.returncode is not None)
            assert process.returncode == 0

    async def test_pipes_are_left_as_they_were(self, env: dict[str, str]) -> None:
        (a, b), (c, d) = os.pipe(), os.pipe()
        try:
            process = await anyio.open_process([sys.executable, "-m", "neo_mcp"], env=env, stdin=a, stdout=d)
            async with process:
                os.write(b, initialize("2025-11-25", {}))
                await anyio.wait_readable(c)
                process.kill()
                await process.wait()
            assert all(os.get_blocking(descriptor) for descriptor in (a, b, c, d))
        finally:
            for descriptor in (a, b, c, d):
                os.close(descriptor)


@pytest.mark.parametrize(
    "settings",
    [
        {"NEO_MCP_WAIT_SECONDS": "soon"},
        {"NEO_MCP_TOKEN_FILE": "/no/such/file"},
        {"PULUMI_BACKEND_URL": "http://api.example"},
        {"PULUMI_BACKEND_URL": "https://user:password@api.example"},
        {"PULUMI_ACCESS_TOKEN": "two words"},
        {"NEO_MCP_ORGANIZATION": "no/name"},
    ],
)
async def test_wrong_settings_are_refused_before_a_host_is_answered(
    env: dict[str, str], settings: dict[str, str]
) -> None:
    done = await run("-m", "neo_mcp", env={**env, **settings}, sent=initialize("2025-11-25", {}) + LIST)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"pulumi-neo-mcp: " in done.stderr


async def test_messages_with_headers_are_answered_in_kind(env_of_world: dict[str, str]) -> None:
    """By the front, and by the server after it."""

    async def ask(server: Running, message: bytes) -> Any:  # noqa: ANN401 - any JSON
        assert server.process.stdin is not None
        content = message.strip()
        await server.process.stdin.send(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        with anyio.fail_after(PATIENCE):
            length = (await server.stdout.receive_until(b"\r\n\r\n", 100)).partition(b": ")[2]
            return json.loads(await server.stdout.receive_exactly(int(length)))

    async with loading("serve", env=env_of_world) as server:
        hello = await ask(server, initialize("2024-11-05", {}))
        assert hello["result"]["protocolVersion"] == "2024-11-05"
        assert len((await ask(server, LIST))["result"]["tools"]) == 6
        called = await ask(server, line("tools/call", {"name": "list_tasks", "arguments": {}}, 3))
        assert called["result"]["isError"] is False
        assert len((await ask(server, LIST))["result"]["tools"]) == 6
        await close(server)


async def close(server: Running) -> None:
    assert server.process.stdin is not None
    await server.process.stdin.aclose()
    assert await server.exit_status() == 0
