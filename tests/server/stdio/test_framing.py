"""A line over the limits is answered under the id of its request, wherever in the line that stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import JSONRPCError

from neo_mcp.server.stdio.framing import LineSplitter, Refusal, decode

NESTED = b"[" * 100 + b"]" * 100
DEEP = json.loads(NESTED)
IDS = st.integers(-(10**18), 10**18) | st.text(max_size=20).filter(str.isprintable)


def decoded(line: bytes, part: int = 2**20) -> object:
    splitter = LineSplitter()
    lines = [
        each for start in range(0, len(line), part) for each in splitter.feed(line[start : start + part])
    ]
    (only,) = [*lines, *splitter.feed(b"\n")]
    return decode(only)


def refusal(line: bytes, part: int = 2**20) -> dict[str, Any]:
    answer = decoded(line, part)
    assert isinstance(answer, Refusal)
    content: dict[str, Any] = json.loads(answer.answer)
    return content


@given(IDS, st.permutations(["jsonrpc", "id", "method", "params"]), st.integers(1, 60), st.booleans())
def test_the_id_of_a_refused_request_comes_back(
    request_id: int | str,
    order: list[str],
    part: int,
    pretty: bool,
) -> None:
    message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": {"deep": DEEP}}
    line = json.dumps({name: message[name] for name in order}, separators=None if pretty else (",", ":"))
    answer = refusal(line.encode(), part)
    assert answer["id"] == request_id
    assert answer["error"]["code"] == -32600
    assert "64 levels" in answer["error"]["message"]


@given(IDS, st.permutations(["jsonrpc", "id", "result"]))
def test_a_refused_answer_fails_its_question(request_id: int | str, order: list[str]) -> None:
    message = {"jsonrpc": "2.0", "id": request_id, "result": {"deep": DEEP}}
    failed = decoded(json.dumps({name: message[name] for name in order}).encode())
    assert isinstance(failed, JSONRPCError)
    assert failed.id == request_id


@pytest.mark.parametrize(
    "line",
    [
        b'{"params": {"id": 5, "x": ' + NESTED + b"}}",
        b'{"params": {"x": ' + NESTED + b', "id": 5}}',
        NESTED,
        b'{"id": true, "params": ' + NESTED + b"}",
        b'{"id": [5], "params": ' + NESTED + b"}",
        b'{"x": "}, \\"id\\": 5", "params": ' + NESTED + b"}",
        b"9" * 200 + b'{"params": [], "id": 5}',
    ],
)
def test_another_id_is_not_taken_for_it(line: bytes) -> None:
    assert refusal(line)["id"] is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"x": ' + NESTED + b"}}",
        b'{"params": {"x": ' + NESTED + b'}, "method": "notifications/progress", "jsonrpc": "2.0"}',
        b'{"method": "notifications/progress", "params": {"progress": 0.' + b"9" * 200 + b"}}",
    ],
)
def test_a_notification_over_the_limits_is_not_answered(line: bytes) -> None:
    assert decoded(line) is None


def test_what_calls_itself_a_notification_and_has_an_id_is_answered() -> None:
    line = b'{"id": 5, "method": "notifications/progress", "params": ' + NESTED + b"}"
    assert refusal(line)["id"] == 5


def test_a_line_too_long_says_so() -> None:
    line = json.dumps({"id": 3, "method": "\u00e9" * (3 * 2**20)}).encode()
    answer = refusal(line)
    assert (answer["id"], answer["error"]["code"]) == (3, -32600)
    assert "longer than 16 MiB" in answer["error"]["message"]


def test_the_line_after_a_refused_one_is_read() -> None:
    splitter = LineSplitter()
    first, second = splitter.feed(b"[" * 100 + b'\n{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    assert isinstance(decode(first), Refusal)
    assert not isinstance(decode(second), Refusal)


@pytest.mark.parametrize("line", [b"[]", b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]'])
def test_a_batch_is_refused_with_what_to_do(line: bytes) -> None:
    answer = refusal(line)
    assert answer["id"] is None
    assert answer["error"]["code"] == -32600
    assert "send each one by itself" in answer["error"]["message"]
