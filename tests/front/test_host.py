"""Talking to a host on descriptors: one that cannot be waited for, and one that never reads."""

import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from neo_mcp.front.conversation import Conversation
from neo_mcp.front.host import converse
from tests.front.support import ANSWERS
from tests.generate.answers import initialize, line


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    readable, writable = os.pipe()
    yield readable, writable
    os.close(readable)
    os.close(writable)


def conversation() -> Conversation:
    return Conversation(ANSWERS, read_only=False)


@pytest.fixture
def without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.delattr(select, "poll", raising=False)


can_poll = pytest.mark.skipif(not hasattr(select, "poll"), reason="nothing waits for two pipes there")


@pytest.mark.usefixtures("without_poll")
def test_without_a_way_to_wait_for_pipes_a_host_is_answered_in_turn(pipe: tuple[int, int]) -> None:
    readable, writable = os.pipe()
    os.write(writable, initialize("2025-11-25", {}) + line("ping", None, 5) + line("tools/call", {}, 6))
    rest = converse(readable, pipe[1], conversation())
    assert rest is not None
    assert (rest.received, rest.has_ended) == (line("tools/call", {}, 6), False)
    answers = os.read(pipe[0], 2**16).splitlines()
    assert (len(answers), answers[1]) == (2, b'{"jsonrpc":"2.0","id":5,"result":{}}')
    os.write(writable, initialize("2025-11-25", {}).rstrip())
    os.close(writable)
    assert converse(readable, pipe[1], conversation()) is None
    assert os.read(pipe[0], 2**16).count(b"\n") == 1
    os.close(readable)


@pytest.mark.usefixtures("without_poll")
def test_without_it_a_host_that_is_gone_is_noticed(tmp_path: Path) -> None:
    readable, writable = os.pipe()
    os.close(readable)
    (tmp_path / "in").write_bytes(initialize("2025-11-25", {}))
    with (tmp_path / "in").open("rb", buffering=0) as source:
        assert converse(source.fileno(), writable, conversation()) is None
    os.close(writable)


@can_poll
def test_what_is_answered_is_sent_before_the_server_is_loaded(pipe: tuple[int, int]) -> None:
    readable, writable = os.pipe()
    os.write(writable, initialize("2025-11-25", {}) + line("ping", None, 5) + line("tools/call", {}, 6))
    rest = converse(readable, pipe[1], conversation())
    assert rest is not None
    assert (rest.received, rest.unsent) == (line("tools/call", {}, 6), b"")
    assert os.read(pipe[0], 2**16).count(b"\n") == 2
    os.close(readable)
    os.close(writable)


@can_poll
def test_output_that_cannot_be_waited_for_is_left_to_the_server(pipe: tuple[int, int]) -> None:
    readable, writable = pipe
    os.write(writable, initialize("2025-11-25", {}))
    closed = os.dup(writable)
    os.close(closed)
    rest = converse(readable, closed, conversation())
    assert rest is not None
    assert rest.unsent == b""


@can_poll
def test_no_more_is_read_of_a_host_that_does_not_read_until_it_does(
    pipe: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neo_mcp.front.host._MAX_UNSENT", 2**19)
    readable, writable = pipe
    os.set_blocking(writable, False)
    pings = b"".join(line("ping", None, number) for number in range(40_000))
    (tmp_path / "in").write_bytes(initialize("2025-11-25", {}) + pings)
    received, positions = bytearray(), list[int]()
    with (tmp_path / "in").open("rb", buffering=0) as source:

        def read() -> None:
            while (position := os.lseek(source.fileno(), 0, os.SEEK_CUR)) < 2**19:
                pass
            for _ in range(100):
                positions.append(position)
                position = os.lseek(source.fileno(), 0, os.SEEK_CUR)
            while received.count(b"\n") < 40_001:
                received.extend(os.read(readable, 2**16))

        reader = threading.Thread(target=read)
        reader.start()
        assert converse(source.fileno(), writable, conversation()) is None
        reader.join()
    assert max(positions) < (tmp_path / "in").stat().st_size / 2
    assert received.splitlines()[-1] == b'{"jsonrpc":"2.0","id":39999,"result":{}}'
