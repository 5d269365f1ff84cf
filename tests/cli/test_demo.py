"""The demo plays whole conversations over real transports."""

import sys
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest

from tests.server.processes import environment, running


@pytest.mark.parametrize("transport", [[], ["--http"]])
@pytest.mark.parametrize("scenario", ["public-bucket", "question", "local-tools"])
async def test_a_conversation_is_played_to_its_end(
    tmp_path: Path, scenario: str, transport: list[str]
) -> None:
    arguments = ["demo", "--scenario", scenario, "--speed", "1000", *transport]
    async with running(*arguments, env=environment(None, str(tmp_path))) as demo:
        status = await demo.exit_status()
    text = demo.written.decode()
    assert status == 0, text + demo.stderr.decode()
    assert "     host create_task" in text
    assert "     done " in text
    assert "/neo/tasks/" in text
    assert demo.stderr == b""


async def test_a_conversation_that_fails_ends_with_1(tmp_path: Path) -> None:
    arguments = ["demo", "--scenario", "failing-deploy", "--speed", "1000"]
    async with running(*arguments, env=environment(None, str(tmp_path))) as demo:
        assert await demo.exit_status() == 1
    assert "   failed " in demo.written.decode()


async def test_a_reader_who_has_seen_enough_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "neo_mcp", "demo", "--speed", "100"]
    with anyio.fail_after(60):
        async with await anyio.open_process(command, stdout=PIPE, stderr=PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            await process.stdout.receive()
            await process.stdout.aclose()
            complaints = b"".join([chunk async for chunk in process.stderr])
            assert await process.wait() == 0
    assert complaints == b""
