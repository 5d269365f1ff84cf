"""Messages as lines and after headers: the front and the server split them alike, however they arrive."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.front.messages import MAX_MESSAGE, UnknownError, first_frame, framed
from neo_mcp.server.stdio.framing import LineSplitter, Overlong

CONTENTS = st.text(max_size=30).map(lambda text: json.dumps(text).encode())
MESSAGES = st.tuples(CONTENTS, st.booleans())


def in_chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if b > a]


@given(st.lists(MESSAGES, max_size=6), st.lists(st.integers(0, 999), max_size=6))
def test_messages_come_out_as_they_went_in(messages: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    data = b"".join(part for content, header in messages for part in framed(content, has_header=header))
    splitter, buffer = LineSplitter(), bytearray()
    lines: list[bytes | Overlong] = []
    frames: list[tuple[bytes, bool]] = []
    for chunk in in_chunks(data, cuts):
        lines += splitter.feed(chunk)
        buffer += chunk
        while frame := first_frame(buffer):
            frames.append((frame.content, frame.has_header))
            del buffer[: frame.end]
    assert lines == [content for content, _ in messages]
    assert frames == messages
    assert not messages or splitter.has_headers is messages[-1][1]


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 2\r\n\r\n",
        b"content-length:2\n\n",
        b"Content-Length: 2 \r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n",
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_headers_come_in_many_spellings(headers: bytes) -> None:
    data = headers + b'{}{"x": 1}\n'
    for size in (1, 3, len(data)):
        splitter = LineSplitter()
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert [line for chunk in chunks for line in splitter.feed(chunk)] == [b"{}", b'{"x": 1}']
    frame = first_frame(data)
    assert frame is not None
    assert (frame.content, frame.has_header, data[frame.end :]) == (b"{}", True, b'{"x": 1}\n')
    assert all(first_frame(data[:end]) is None for end in range(len(headers) + 2))


def test_a_line_end_after_a_message_changes_nothing() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"Content-Length: 2\r\n\r\n{}\r\n") == [b"{}", b"\r"]
    assert splitter.has_headers


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"Content-Length: two\n", [b"Content-Length: two"]),
        (b"Content-Length: 99999999999\n", [b"Content-Length: 99999999999"]),
        (b"Content-Length: 5\n{}\n", [b"{}"]),
        (b"Content-Length: 0\r\n\r\n{}\n", [b"{}"]),
        (b"Content-Type: x\r\n\r\n{}\n", [b"\r", b"{}"]),
        (b"contentious\n", [b"contentious"]),
    ],
)
def test_other_headers_are_lines_or_nothing(data: bytes, lines: list[bytes]) -> None:
    for chunks in ([data], [data[n : n + 1] for n in range(len(data))]):
        splitter = LineSplitter()
        assert [line for chunk in chunks for line in splitter.feed(chunk)] == lines


@pytest.mark.parametrize(
    "data", [b"Content-Length: two\n", b"Content-Length: 5\n{}\n", b"content-x: y\n\n{}"]
)
def test_the_front_leaves_odd_headers_to_the_server(data: bytes) -> None:
    with pytest.raises(UnknownError):
        first_frame(data)


@pytest.mark.parametrize(
    "data", [b"x" * (MAX_MESSAGE + 1), b"Content-Length: 99999\r\n\r\n" + b"x" * MAX_MESSAGE]
)
def test_the_front_leaves_what_is_long_to_the_server(data: bytes) -> None:
    with pytest.raises(UnknownError):
        first_frame(data)


def test_a_message_that_is_cut_ends_with_the_input() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b'Content-Length: 10\r\n\r\n{"x"') == []
    assert splitter.end() == [b'{"x"\n']
    assert splitter.end() == [b""]


def test_a_message_over_the_limits_is_refused_with_headers_too() -> None:
    content = b"[" * 100 + b"]" * 100
    (line,) = LineSplitter().feed(b"Content-Length: 200\r\n\r\n" + content)
    assert isinstance(line, Overlong)
