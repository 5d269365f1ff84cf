"""Standard input is read in its encoding, without marks, or refused in words."""

import json
import re
import sys
from pathlib import Path

import anyio
import pytest

from neo_mcp.cli.main import main
from neo_mcp.cli.standard_input import decoded
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.simulator import Simulator
from tests.support.forked import start
from tests.support.host import ORG, PATIENCE
from tests.support.processes import environment

TEXT = "Grüße → 日本 👍\nzweite Zeile"
ENCODINGS = {
    "utf-8": TEXT.encode(),
    "utf-8 with a mark": TEXT.encode("utf-8-sig"),
    "utf-16": TEXT.encode("utf-16"),
    "utf-16 little": b"\xff\xfe" + TEXT.encode("utf-16-le"),
    "utf-16 big": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "utf-32": TEXT.encode("utf-32"),
    "utf-32 big": b"\0\0\xfe\xff" + TEXT.encode("utf-32-be"),
}
REFUSED = {
    "latin-1": "Grüße".encode("latin-1"),
    "utf-16 without a mark": "Hello".encode("utf-16-le"),
    "half of utf-16": TEXT.encode("utf-16")[:-1],
    "binary": bytes(range(256)),
    "an executable": b"\x7fELF\x02\x01\x01\0\0",
}
COMMANDS = [["create", "-"], ["respond", "TASK", "message", "-"]]


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_that_says_which_it_is_is_read(name: str) -> None:
    assert decoded(ENCODINGS[name]) == TEXT


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp437"])
def test_the_systems_encoding_is_read_where_it_is_not_utf_8(encoding: str) -> None:
    assert decoded("Grüße".encode(encoding), encoding) == "Grüße"
    assert decoded(TEXT.encode(), encoding) == TEXT


@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_refused_in_words(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Standard input (is not|holds NUL).*convert it first"):
        decoded(REFUSED[name])


@pytest.mark.parametrize(("encoding", "text"), [("utf-16-le", TEXT), ("latin-1", "Grüße")])
def test_the_advice_to_convert_it_works(encoding: str, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        decoded(text.encode(encoding))
    found = re.search(r"iconv -f (\S+) -t (\S+)", str(refused.value))
    assert found
    assert decoded(text.encode(encoding).decode(found[1]).encode(found[2])) == text


def test_windows_which_has_no_such_program_is_not_advised_to_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(InvalidArgumentError, match=r"Save it as UTF-8\.$"):
        decoded(TEXT.encode("utf-16-le"))


async def sent(command: list[str], content: bytes, simulator: Simulator, folder: Path) -> tuple[int, str]:
    task_id = simulator.add_task(ORG, status="idle")
    words = [task_id if word == "TASK" else word for word in command]
    env = environment(simulator.url, str(folder))
    async with await start(words, env=env) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        await process.stdin.send(content)
        await process.stdin.aclose()
        with anyio.fail_after(PATIENCE):
            said = b"".join([chunk async for chunk in process.stderr])
            return await process.wait(), said.decode()


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS, ids=str)
async def test_every_command_sends_what_was_meant(
    command: list[str], name: str, simulator: Simulator, tmp_path: Path
) -> None:
    status, said = await sent(command, ENCODINGS[name], simulator, tmp_path)
    assert (status, said) == (0, "")
    (request,) = [request for request in simulator.requests if request.method == "POST"]
    body = json.loads(request.body)
    assert body.get("message", body.get("event"))["content"] == TEXT


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", COMMANDS, ids=str)
async def test_every_command_refuses_the_rest_and_sends_nothing(
    command: list[str], name: str, simulator: Simulator, tmp_path: Path
) -> None:
    status, said = await sent(command, REFUSED[name], simulator, tmp_path)
    assert status == 2
    assert "Standard input " in said
    assert "Traceback" not in said
    assert not [request for request in simulator.requests if request.method == "POST"]


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf", b"\x1a\r\n"], ids=repr)
@pytest.mark.parametrize("command", COMMANDS, ids=str)
async def test_an_empty_one_is_named_and_nothing_is_sent(
    command: list[str], content: bytes, simulator: Simulator, tmp_path: Path
) -> None:
    status, said = await sent(command, content, simulator, tmp_path)
    assert status == 2
    assert "Standard input was empty" in said
    assert not [request for request in simulator.requests if request.method == "POST"]


def test_more_than_a_message_can_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "big").write_bytes("é".encode() * (2**20 + 1))
    for name, value in environment("http://127.0.0.1:1", str(tmp_path)).items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "big").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert main(["create", "-"]) == 2
    assert "more than 1,048,576 characters" in capsys.readouterr().err
