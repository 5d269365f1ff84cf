"""The demo plays whole conversations over real transports."""

from pathlib import Path

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
