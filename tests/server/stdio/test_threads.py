"""Serving where the event loop takes no pipes, as on Windows: by threads, and tried here as well."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from neo_mcp.server.stdio.threads import ThreadedInput, ThreadedOutput
from tests.support.ends import CODE, MARK
from tests.support.host import PATIENCE, World
from tests.support.processes import Running, environment, running

AS_ON_WINDOWS = f"""
import select
import neo_mcp.server.stdio.transport as transport
del select.poll
transport._LOOPS_TAKE_PIPES = False
{CODE}"""


@pytest.fixture
def env(world: World, tmp_path: Path) -> dict[str, str]:
    return environment(world.simulator.url, str(tmp_path))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    readable, writable = os.pipe()
    yield readable, writable
    for descriptor in (readable, writable):
        try:
            os.close(descriptor)
        except OSError:
            continue


async def a_task(server: Running) -> None:
    await server.initialize()
    assert len((await server.request("tools/list"))["result"]["tools"]) == 6
    started = await server.call("create_task", prompt="Say hello (scenario:hello)", wait=True)
    assert started.get("isError") is not True, started


async def test_a_host_is_served_until_its_input_ends(env: dict[str, str]) -> None:
    async with running("serve", env=env, code=AS_ON_WINDOWS) as server:
        await a_task(server)
        await server.send_line(b"{not json")
        assert (await server.read())["error"]["code"] == -32700
        last = await server.send("ping")
        assert server.process.stdin is not None
        await server.process.stdin.aclose()
        assert (await server.answer(last))["result"] == {}
        assert await server.exit_status() == 0
        await server.says(MARK.decode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_order_while_a_thread_waits_for_the_host(
    env: dict[str, str], number: signal.Signals
) -> None:
    async with running("serve", env=env, code=AS_ON_WINDOWS) as server:
        await a_task(server)
        server.process.send_signal(number)
        assert await server.exit_status() == 0
        await server.says(MARK.decode())


async def test_a_host_that_reads_no_answers_is_left_though_its_input_stays_open(env: dict[str, str]) -> None:
    async with running("serve", env=env, code=AS_ON_WINDOWS) as server:
        await a_task(server)
        assert server.process.stdout is not None
        await server.process.stdout.aclose()
        await server.send("tools/list")
        with anyio.fail_after(PATIENCE):
            assert await server.process.wait() == 0


async def test_a_host_that_is_answered_without_the_server_may_leave(env: dict[str, str]) -> None:
    async with running("serve", env=env, code=AS_ON_WINDOWS) as server:
        await server.initialize()
        assert server.process.stdin is not None
        await server.process.stdin.aclose()
        assert await server.exit_status() == 0


async def test_what_is_written_counts_as_unsent_until_it_is_read(pipe: tuple[int, int]) -> None:
    readable, writable = pipe
    output = ThreadedOutput(writable, pytest.fail)
    output.write(b"x" * 2**20)
    output.write(b"y")
    received = bytearray()

    def read() -> None:
        while len(received) <= 2**20:
            received.extend(os.read(readable, 2**16))

    assert output.unsent == 2**20 + 1
    reader = threading.Thread(target=read)
    reader.start()
    with anyio.fail_after(PATIENCE):
        await output.drain()
    reader.join()
    assert (output.unsent, bytes(received[-2:])) == (0, b"xy")


async def test_a_reader_that_is_gone_is_noticed_once(pipe: tuple[int, int]) -> None:
    readable, writable = pipe
    lost: list[bool] = []
    output = ThreadedOutput(writable, lambda: lost.append(True))
    os.close(readable)
    output.write(b"x")
    with anyio.fail_after(PATIENCE), pytest.raises(BrokenPipeError):
        await output.drain()
    with pytest.raises(BrokenPipeError):
        output.write(b"y")
    assert lost == [True]


async def test_input_comes_in_order_and_ends(pipe: tuple[int, int]) -> None:
    readable, writable = pipe
    source = ThreadedInput(readable, 4)
    os.write(writable, b"abcdefgh")
    with anyio.move_on_after(0):
        # What was asked for and not taken is not lost.
        await source.read(1)
    with anyio.fail_after(PATIENCE):
        assert [await source.read(1), await source.read(1)] == [b"abcd", b"efgh"]
        os.close(writable)
        assert await source.read(1) == b""


async def test_closed_input_ends_though_nothing_comes(pipe: tuple[int, int]) -> None:
    source = ThreadedInput(pipe[0], 4)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:

            async def read() -> None:
                assert await source.read(1) == b""

            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            source.close()
        assert await source.read(1) == b""
