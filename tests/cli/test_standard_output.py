"""No command ends in a traceback because of where its output goes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from neo_mcp.simulator import Simulator
from tests.support.examples import long
from tests.support.forked import start
from tests.support.host import ORG, PATIENCE
from tests.support.processes import environment

COMMANDS = {
    "--version": 0,
    "--help": 0,
    "tasks --help": 0,
    "docs": 0,
    "docs reference": 0,
    "docs nothing": 2,
    "install --print": 0,
    "install cursor --yes": 0,
    "install --links": 0,
    "doctor": 0,
    "tasks": 0,
    "create Hello": 0,
    "watch TASK": 3,
    "export TASK": 0,
    "export TASK -o -": 0,
    "respond TASK deny": 0,
    "nothing": 2,
}
"""Command lines, and their status where standard output takes everything."""

ENCODINGS = ["ascii", long("latin-1"), long("cp1252"), long("cp437"), long("utf-8")]
NAME = "Änderung → 日本 ✓ \ud800"


@pytest.fixture
def task_id(simulator: Simulator) -> str:
    plan = {
        "type": "user_approval_request",
        "id": "a1",
        "message": NAME.encode("utf-8", "replace").decode(),
        "approval_type": "general",
    }
    return simulator.add_task(ORG, name="Änderung → 日本", events=[("agentResponse", plan)], status="idle")


@contextmanager
def output(kind: str) -> Iterator[int]:
    """A descriptor that takes nothing, or nothing more."""
    if kind == "full":
        number = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, number = os.pipe()
        os.close(reading)
    try:
        yield number
    finally:
        os.close(number)


async def status_and_words(
    command: list[str], env: dict[str, str], descriptor: int, *, code: str | None = None
) -> tuple[int, str]:
    with (env_file := Path(env["PULUMI_HOME"]) / "stderr").open("wb") as errors, anyio.fail_after(PATIENCE):
        streams = (os.open(os.devnull, os.O_RDONLY), descriptor, errors.fileno())
        try:
            async with await start(command, env=env, streams=streams, code=code) as process:
                status = await process.wait()
        finally:
            os.close(streams[0])
    return status, env_file.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("kind", ["full", "unread"])
@pytest.mark.parametrize("command", COMMANDS)
async def test_output_that_takes_nothing_costs_a_sentence_at_most(
    command: str, kind: str, simulator: Simulator, task_id: str, tmp_path: Path
) -> None:
    env = environment(simulator.url, str(tmp_path), HOME=str(tmp_path))
    words = [task_id if word == "TASK" else word for word in command.split()]
    with output(kind) as descriptor:
        status, said = await status_and_words(words, env, descriptor)
    assert "Traceback" not in said
    assert "Exception" not in said
    if COMMANDS[command] == 2:
        assert status == 2
    else:
        assert (status, "takes nothing more: No space" in said) == (
            (1, True) if kind == "full" else (0, False)
        )


CLOSED = """
import os, sys
os.close(int(sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-m", "neo_mcp", *sys.argv[2:]])
"""


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_stream_that_is_closed_from_the_start_takes_nothing_away(
    number: int, simulator: Simulator, task_id: str, tmp_path: Path
) -> None:
    env = environment(simulator.url, str(tmp_path), HOME=str(tmp_path))
    with (tmp_path / "out").open("wb") as file:
        command = [str(number), "export", task_id, "-o", str(tmp_path / "copy.md")]
        status, said = await status_and_words(command, env, file.fileno(), code=CLOSED)
    assert (status, "Traceback" in said) == (0, False)
    assert "Änderung" in (tmp_path / "copy.md").read_text("utf-8")


ENCODED = """
import sys
sys.stdout.reconfigure(encoding=sys.argv.pop(1))
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS)
async def test_characters_that_the_encoding_lacks_are_replaced(
    command: str, encoding: str, simulator: Simulator, task_id: str, tmp_path: Path
) -> None:
    env = environment(simulator.url, str(tmp_path), HOME=str(tmp_path))
    words = [encoding, *(task_id if word == "TASK" else word for word in command.split())]
    with (tmp_path / "out").open("wb") as file:
        status, said = await status_and_words(words, env, file.fileno(), code=ENCODED)
    assert "Traceback" not in said, said
    assert status == COMMANDS[command], said
    assert (tmp_path / "out").read_bytes().decode(encoding) or status


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_check_that_failed_does_not_look_like_one_that_did_not(encoding: str, tmp_path: Path) -> None:
    env = environment("http://127.0.0.1:1", str(tmp_path), HOME=str(tmp_path))
    with (tmp_path / "out").open("wb") as file:
        await status_and_words([encoding, "doctor"], env, file.fileno(), code=ENCODED)
    lines = (tmp_path / "out").read_bytes().decode(encoding).splitlines()
    marks = {line.split()[1]: line[:1] for line in lines if line[:2].endswith(" ")}
    assert len({marks["python"], marks["proxy"], marks["token"], marks["api"]}) == 4
    assert "?" not in marks.values()
