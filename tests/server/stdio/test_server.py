"""Serving one host on standard input and output, as a real process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from tests.support.ends import asking
from tests.support.examples import long
from tests.support.host import ORG, PATIENCE, Host, World, until
from tests.support.processes import CANARY, HELLO, environment, running

INITIALIZE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}).encode()
PRINTING = """
import logging, os, sys
import neo_mcp.server.tools as tools
inner = tools.TOOLS["list_tasks"].run
async def chatty(call, args):
    print("a stray print")
    os.write(1, b"a stray write")
    logging.getLogger("dependency").error("a log record")
    return await inner(call, args)
object.__setattr__(tools.TOOLS["list_tasks"], "run", chatty)
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def env(world: World, tmp_path: Path) -> dict[str, str]:
    return environment(world.simulator.url, str(tmp_path))


class TestSpeaking:
    async def test_a_host_of_either_era_is_served(self, env: dict[str, str], era: str) -> None:
        server = StdioServerParameters(command=sys.executable, args=["-m", "neo_mcp"], env=env)
        async with Client(server, mode=era, cache=None) as client:
            host = Host(client, 6000)
            task_id, cursor = await host.create("hello")
            waited = await host.wait(task_id, cursor)
        assert waited["needs"][0]["kind"] == "turn_ended"

    async def test_the_token_is_in_no_output(self, world: World, env: dict[str, str]) -> None:
        task_id = world.simulator.add_task(ORG, name=f"About {CANARY}")
        async with running("serve", env={**env, "NEO_MCP_LOG_LEVEL": "debug"}) as server:
            await server.initialize()
            for _ in range(2):
                await server.call("create_task", prompt="Say hello (scenario:hello)")
                await server.call("get_task", task_id="no-such-task")
            await server.call("wait_for_events", task_id=task_id, timeout_seconds=1)
            assert server.process.stdin is not None
            await server.process.stdin.aclose()
            assert await server.exit_status() == 0
        written = bytes(server.written).replace(f"About {CANARY}".encode(), b"")
        assert CANARY.encode() not in written
        assert CANARY.encode() not in server.stderr

    async def test_without_any_settings_it_starts_and_lists(self, tmp_path: Path) -> None:
        async with running(env=environment(None, str(tmp_path))) as server:
            assert "result" in await server.initialize()
            listed = await server.request("tools/list")
            assert len(listed["result"]["tools"]) == 6
            result = await server.call("list_tasks")
            assert result["isError"] is True
            assert "pulumi login" in result["content"][0]["text"]

    async def test_only_messages_reach_standard_output(self, env: dict[str, str]) -> None:
        async with running("serve", env=env, code=PRINTING) as server:
            await server.initialize()
            result = await server.call("list_tasks")
            assert result.get("isError") is not True
            for text in ("a stray write", "a log record"):
                await server.says(text)
            assert server.process.stdin is not None
            await server.process.stdin.aclose()
            assert await server.exit_status() == 0
            await server.says("a stray print")
        assert b"stray" not in server.written

    async def test_standard_error_that_nobody_reads_holds_nothing_up(self, env: dict[str, str]) -> None:
        env["NEO_MCP_LOG_LEVEL"] = "debug"
        async with running("serve", env=env, read_stderr=False, code=LOUD) as server:
            await server.initialize()
            for _ in range(30):
                await server.call("list_tasks")
            assert server.process.stdin is not None
            await server.process.stdin.aclose()
            assert await server.exit_status() == 0


LOUD = (
    PRINTING.replace('os.write(1, b"a stray write")', "")
    .replace(
        'logging.getLogger("dependency").error("a log record")',
        '[logging.getLogger("dependency").error("x" * 1000) for _ in range(50)]',
    )
    .replace('print("a stray print")', "")
)


def test_serving_stdio_does_without_what_serves_http() -> None:
    code = (
        "import sys, neo_mcp.cli.serve, neo_mcp.server.app;"
        "ours = {f'neo_mcp.server.{name}' for name in ('http', 'auth', 'oauth', 'limits')};"
        "print(*({'jwt', *ours} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - code of ours
    assert done.stdout.strip() == ""


class TestBrokenInput:
    async def test_it_is_answered_and_the_server_lives(self, env: dict[str, str]) -> None:
        broken: list[tuple[bytes, int, object]] = [
            (b"{not json", -32700, None),
            (b"\xff\xfe", -32700, None),
            (b"[" * 100_000, -32600, None),
            (b'{"jsonrpc": "2.0", "id": 7}', -32600, 7),
            (b"[]", -32600, None),
            (b"1", -32600, None),
            (b'{"jsonrpc": "1.0", "id": "a", "method": "ping"}', -32600, "a"),
            (b'{"jsonrpc": "1.0", "id": 8, "method": "\\ud800"}', -32600, 8),
            (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600, None),
            (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600, None),
            (b'{"jsonrpc": "2.0", "id": [1], "method": "ping"}', -32600, None),
            (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600, 1.5),
            (b'{"jsonrpc": "2.0", "id": 1e400, "method": "ping"}', -32600, None),
            (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32700, None),
            (b'{"jsonrpc": "2.0", "id": ' + b"9" * 5000 + b', "method": "ping"}', -32600, None),
            (b'{"jsonrpc": "2.0", "id": 9, "method": "pi\xffng"}', -32600, 9),
            (b'{"jsonrpc": "2.0", "id": 9, "method": "ping"}\0', -32700, None),
            (b'[{"jsonrpc": "2.0", "id": 9, "method": "ping"}]', -32600, None),
            (b'{"jsonrpc": "2.0", "id": 9, "method": "ping", "params": [1]}', -32600, 9),
            (b'{"jsonrpc": "2.0", "id": 9, "method": ' + b"[" * 500 + b"]" * 500 + b"}", -32600, 9),
        ]
        async with running("serve", env=env) as server:
            await server.initialize()
            for line, code, request_id in broken:
                await server.send_line(line)
                answer = await server.read()
                assert (answer["error"]["code"], answer["id"]) == (code, request_id)
            assert len((await server.request("tools/list"))["result"]["tools"]) == 6

    async def test_a_request_is_served_whatever_its_id_and_its_wrapping(self, env: dict[str, str]) -> None:
        ids = [0, -1, 2**63, 10**30, "", "7", 7, "\ud800", "\0\x1b[2J\u202e", "x" * 100_000]
        async with running("serve", env=env) as server:
            await server.initialize()
            for request_id in ids:
                ping = {"jsonrpc": "2.0", "id": request_id, "method": "ping"}
                await server.send_line(json.dumps(ping).encode())
                answer = await server.read()
                assert (answer["id"], answer["result"]) == (request_id, {})
            for before, after in ((b"\xef\xbb\xbf", b""), (b"\r\n \t", b" \r"), (b"\n\n", b"\n")):
                await server.send_line(before + b'{"jsonrpc": "2.0", "id": 5, "method": "ping"}' + after)
                assert (await server.read())["id"] == 5

    async def test_a_message_may_come_in_single_bytes(self, env: dict[str, str]) -> None:
        async with running("serve", env=env) as server:
            await server.initialize()
            assert server.process.stdin is not None
            for byte in b'{"jsonrpc": "2.0", "id": 5, "method": "ping", "params": {"x": "\xc3\xa9"}}\n':
                await server.process.stdin.send(bytes([byte]))
            assert (await server.read())["id"] == 5

    async def test_the_last_message_may_lack_the_end_of_its_line(self, env: dict[str, str]) -> None:
        done = await anyio.run_process(
            [sys.executable, "-m", "neo_mcp"], env=env, input=INITIALIZE + b'\n{"id": 7', check=False
        )
        answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
        assert "result" in answers[1]
        assert answers[None]["error"]["code"] == -32700
        assert done.returncode == 0

    async def test_two_requests_in_flight_with_the_same_id_are_both_answered(
        self, world: World, env: dict[str, str]
    ) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        params = {"name": "wait_for_events", "arguments": {"task_id": task_id}}
        line = json.dumps({"jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": params}).encode()
        async with running("serve", env=env) as server:
            await server.initialize()
            await server.send_line(line)
            await server.send_line(line)
            await until(lambda: world.simulator.open_streams)
            body = {"type": "error", "message": "It is over."}
            world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
            answers = [await server.read(), await server.read()]
            assert [answer["id"] for answer in answers] == ["same", "same"]
            assert all("It is over." in answer["result"]["content"][0]["text"] for answer in answers)

    async def test_a_malformed_answer_to_a_question_fails_the_question(
        self, world: World, env: dict[str, str]
    ) -> None:
        async with running("serve", env=env) as server:
            await asking(server, world)
            question = server.last["id"]
            await server.send_line(json.dumps({"jsonrpc": "2.0", "id": question, "result": 3}).encode())
            answer = await server.answer(server.next_id)
            assert answer["result"]["isError"] is True
            assert not world.bodies()

    async def test_an_empty_line_is_nothing(self, env: dict[str, str]) -> None:
        async with running("serve", env=env) as server:
            await server.initialize()
            await server.send_line(b"\n \n")
            assert "result" in await server.request("tools/list")

    async def test_half_of_a_surrogate_pair_is_answered(self, env: dict[str, str]) -> None:
        async with running("serve", env=env) as server:
            await server.initialize()
            params = b'"params": {"name": "create_task", "arguments": {"prompt": "\\ud800"}}'
            await server.send_line(b'{"jsonrpc": "2.0", "id": 99, "method": "tools/call", ' + params + b"}")
            answer = await server.answer(99)
            assert "surrogate" in json.dumps(answer)
            assert "result" in await server.request("tools/list")

    async def test_half_of_a_surrogate_pair_from_neo_is_shown_as_a_replacement(
        self, world: World, env: dict[str, str]
    ) -> None:
        envelope = (
            b'{"id": "e1", "type": "agentResponse", "eventBody": {"type": "assistant_message", '
            b'"is_final": true, "content": "half \\ud800 of it"}}'
        )
        task_id = world.simulator.add_task(ORG)
        world.simulator.append_raw(ORG, task_id, envelope, "e1")
        async with running("serve", env=env) as server:
            await server.initialize()
            result = await server.call("get_task", task_id=task_id)
            assert "of it" in result["structuredContent"]["needs"][0]["message"]

    async def test_a_huge_line_is_refused_and_dropped(self, env: dict[str, str]) -> None:
        async with running("serve", env=env) as server:
            await server.initialize()
            await server.send_line(b'{"id": 1, "method": "' + b"x" * (17 * 2**20) + b'"}')
            answer = await server.read()
            assert (answer["id"], answer["error"]["code"]) == (1, -32600)
            assert "more than 5 MiB of text" in answer["error"]["message"]
            assert "result" in await server.request("tools/list")

    @pytest.mark.parametrize(
        ("value", "limit"),
        [
            (b"[" + b"[]," * 5_000_000 + b"1]", "10,000 values"),
            (b"[" * 900 + b"]" * 900, "64 levels"),
            (b"1" * 100_000, "100 characters"),
        ],
    )
    async def test_arguments_over_a_limit_are_refused_and_the_server_lives(
        self, env: dict[str, str], value: bytes, limit: str
    ) -> None:
        call = b'"method": "tools/call", "params": {"name": "respond", "arguments": {"x": %b}}' % value
        async with running("serve", env=env) as server:
            await server.initialize()
            for request_id, line in (("a", b'{"id": "a", %b}'), ("b", b'{%b, "id": "b"}')):
                await server.send_line(line % call)
                answer = await server.read()
                assert (answer["id"], answer["error"]["code"]) == (request_id, -32600)
                assert limit in answer["error"]["message"]
            assert "result" in await server.request("tools/list")

    async def test_an_answer_over_a_limit_fails_the_question(self, world: World, env: dict[str, str]) -> None:
        async with running("serve", env=env) as server:
            await asking(server, world)
            question = server.last["id"]
            content = b'{"action": "accept", "content": {"x": %b}}' % (b"[" * 100 + b"]" * 100)
            await server.send_line(
                b'{"result": %b, "jsonrpc": "2.0", "id": %b}' % (content, json.dumps(question).encode())
            )
            answer = await server.answer(server.next_id)
            assert answer["result"]["isError"] is True
            assert not world.bodies()

    async def test_a_large_line_is_served(self, env: dict[str, str]) -> None:
        async with running("serve", env=env) as server:
            await server.initialize()
            text = "\u00e9" * 2**20
            result = await server.call("respond", task_id="..", action="message", text=text)
            assert "not a valid task id" in result["content"][0]["text"]


class TestEnding:
    @pytest.mark.parametrize("input_is_held_open", [False, True])
    async def test_a_host_that_vanishes_ends_it(
        self, world: World, env: dict[str, str], *, input_is_held_open: bool
    ) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        params = {"name": "wait_for_events", "arguments": {"task_id": task_id}}
        wait = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
        readable, writable = os.pipe()
        process = await anyio.open_process(
            [sys.executable, "-m", "neo_mcp"], env=env, stdout=writable, stderr=subprocess.PIPE
        )
        os.close(writable)
        async with process:
            assert process.stdin is not None
            assert process.stderr is not None
            await process.stdin.send(INITIALIZE + b"\n" + json.dumps(wait).encode() + b"\n")
            await until(lambda: world.simulator.open_streams)
            os.close(readable)
            if not input_is_held_open:
                await process.stdin.aclose()
            said = b"".join([chunk async for chunk in process.stderr])
            assert await process.wait() == 0, said
        assert b"Traceback" not in said


class TestOtherThanPipes:
    @pytest.mark.parametrize(
        ("source", "output"),
        [("file", "file"), *map(long, [("pipe", "pipe"), ("pipe", "file"), ("file", "pipe")])],
    )
    async def test_regular_files_serve_as_well(
        self, env: dict[str, str], tmp_path: Path, source: str, output: str
    ) -> None:
        (tmp_path / "in").write_bytes(INITIALIZE + b"\n")
        with (tmp_path / "in").open("rb") as given, (tmp_path / "out").open("wb") as written:
            done = await anyio.run_process(
                [sys.executable, "-m", "neo_mcp"],
                env=env,
                stdout=written if output == "file" else subprocess.PIPE,
                check=False,
                **({"stdin": given} if source == "file" else {"input": INITIALIZE + b"\n"}),
            )
        assert done.returncode == 0, done.stderr
        text = (tmp_path / "out").read_bytes() if output == "file" else done.stdout
        assert json.loads(text)["result"]["serverInfo"]["name"] == "pulumi-neo-mcp"

    async def test_no_input_at_all_ends_it(self, env: dict[str, str]) -> None:
        with anyio.fail_after(PATIENCE):
            done = await anyio.run_process(
                [sys.executable, "-m", "neo_mcp"], env=env, stdin=subprocess.DEVNULL, check=False
            )
        assert (done.returncode, done.stdout) == (0, b"")

    @pytest.mark.parametrize("number", [long(signal.SIGINT), signal.SIGTERM])
    async def test_a_signal_ends_it_where_only_the_input_is_a_pipe(
        self, env: dict[str, str], tmp_path: Path, number: signal.Signals
    ) -> None:
        with (tmp_path / "out").open("wb") as output:
            command = [sys.executable, "-m", "neo_mcp"]
            async with await anyio.open_process(command, env=env, stdout=output) as process:
                assert process.stdin is not None
                await process.stdin.send(INITIALIZE + b"\n")
                await until(lambda: (tmp_path / "out").read_bytes().endswith(b"\n"))
                process.send_signal(number)
                await until(lambda: process.returncode is not None)
                assert process.returncode == 0

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
    @pytest.mark.parametrize("ending", ["end of input", "SIGINT", long("SIGTERM")])
    async def test_a_terminal_serves_as_well(self, env: dict[str, str], ending: str) -> None:
        import pty  # noqa: PLC0415 - not everywhere

        person, terminal = pty.openpty()
        try:
            os.set_blocking(person, False)
            process = await anyio.open_process(
                [sys.executable, "-m", "neo_mcp"], env=env, stdin=terminal, stdout=terminal
            )
            async with process:
                os.write(person, INITIALIZE + b"\n")
                shown = bytearray()
                with anyio.fail_after(PATIENCE):
                    while b'"serverInfo"' not in shown:
                        await anyio.wait_readable(person)
                        shown += os.read(person, 65536)
                if ending == "end of input":
                    os.write(person, b"\x04")
                else:
                    process.send_signal(signal.Signals[ending])
                await until(lambda: process.returncode is not None)
                assert process.returncode == 0
            assert os.get_blocking(terminal)
        finally:
            os.close(person)
            os.close(terminal)

    async def test_pipes_are_given_back_as_they_were(self, env: dict[str, str]) -> None:
        readable, writable = os.pipe()
        try:
            os.write(writable, INITIALIZE + b"\n")
            process = await anyio.open_process([sys.executable, "-m", "neo_mcp"], env=env, stdin=readable)
            async with process:
                assert process.stdout is not None
                with anyio.fail_after(PATIENCE):
                    await process.stdout.receive()
                    process.send_signal(signal.SIGTERM)
                    await process.wait()
            assert os.get_blocking(readable)
        finally:
            os.close(readable)
            os.close(writable)
