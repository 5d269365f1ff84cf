"""Talking to a host on descriptors: one that cannot be waited for, and one that never reads."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neo_mcp.front.conversation import Conversation
from neo_mcp.front.host import converse
from tests.front.support import ANSWERS
from tests.generate.answers import initialize, line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server does without the front there")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    readable, writable = os.pipe()
    yield readable, writable
    os.close(readable)
    os.close(writable)


def conversation() -> Conversation:
    return Conversation(ANSWERS, read_only=False)


def test_output_that_cannot_be_waited_for_is_left_to_the_server(pipe: tuple[int, int]) -> None:
    readable, writable = pipe
    os.write(writable, initialize("2025-11-25", {}))
    closed = os.dup(writable)
    os.close(closed)
    rest = converse(readable, closed, conversation())
    assert rest is not None
    assert rest.unsent == b""


def test_a_host_that_never_reads_is_left_to_the_server_in_the_end(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    readable, writable = pipe
    os.set_blocking(writable, False)
    pings = b"".join(line("ping", None, number) for number in range(10_000))
    (tmp_path / "in").write_bytes(initialize("2025-11-25", {}) + pings)
    with (tmp_path / "in").open("rb", buffering=0) as source:
        rest = converse(source.fileno(), writable, conversation())
    assert rest is not None
    assert not rest.has_ended
    sent = os.read(readable, 2**20)
    answers = (sent + rest.unsent).splitlines()
    assert 5_000 < len(answers) < 10_000
    assert answers[-1] == b'{"jsonrpc":"2.0","id":%d,"result":{}}' % (len(answers) - 2)
