"""The parser of server-sent events."""

import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import pairwise

import httpx
from httpx_sse import EventSource, ServerSentEvent
from hypothesis import example, given
from hypothesis import strategies as st

from neo_mcp.api import OversizedEvent, SseParser

LIMIT = 1000

Seen = tuple[str, str, str] | OversizedEvent


def parse(*chunks: bytes, limit: int = LIMIT) -> list[Seen]:
    parser = SseParser(limit)
    return [plain(frame) for chunk in chunks for frame in parser.feed(chunk)]


def plain(frame: ServerSentEvent | OversizedEvent) -> Seen:
    return frame if isinstance(frame, OversizedEvent) else (frame.event, frame.data, frame.id)


def cut(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return (data[start:end] for start, end in pairwise(bounds))


def in_httpx_sse(chunks: list[bytes]) -> list[Seen]:
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=iter(chunks))
    return [plain(frame) for frame in EventSource(response).iter_sse()]


LINES = st.sampled_from(
    [
        *(b"id: 1", b"id:2", b"id", b"id: a\0b"),
        *(
            b"data: x",
            b"data:  y ",
            b"data",
            b"data:",
            b"data: \xff\xc3",
            b"data: " + b"z" * 30,
            "data: ä€😀".encode(),
        ),
        *(b": ping", b":", b"", b"", b"event: e", b"event", b"retry: 10", b"other: z"),
    ]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=40).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)

# What both parsers agree on: frames with data, an id from the start, and no keep-alives between them.
TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
FRAMES = st.lists(
    st.tuples(
        TEXT.filter(bool), st.sampled_from(["", "message", "other"]), st.lists(TEXT, min_size=1, max_size=3)
    )
)


@given(
    stream=STREAMS,
    places=st.lists(st.integers(0, 10_000), max_size=20),
    limit=st.sampled_from([0, 3, 20, LIMIT]),
)
@example(stream=b"data: x\r\n\r\n", places=[8, 9, 10], limit=LIMIT)
@example(stream=b"\xef\xbb\xbfdata: x\n\n", places=[1, 2, 3], limit=LIMIT)
def test_the_cuts_between_chunks_change_nothing(stream: bytes, places: list[int], limit: int) -> None:
    assert parse(*cut(stream, places), limit=limit) == parse(stream, limit=limit)
    assert parse(*(stream[i : i + 1] for i in range(len(stream))), limit=limit) == parse(stream, limit=limit)


@given(frames=FRAMES, end=ENDS, places=st.lists(st.integers(0, 10_000), max_size=20))
def test_it_agrees_with_httpx_sse_on_well_formed_streams(
    frames: list[tuple[str, str, list[str]]], end: bytes, places: list[int]
) -> None:
    lines = [
        line
        for event_id, kind, data in frames
        for line in (
            f"id: {event_id}",
            *([f"event: {kind}"] if kind else []),
            *(f"data: {text}" for text in data),
            "",
        )
    ]
    stream = b"".join(line.encode() + end for line in lines)
    chunks = [chunk for chunk in cut(stream, places) if chunk]
    assert parse(*chunks) == in_httpx_sse(chunks)


@given(st.binary(max_size=300), st.lists(st.integers(0, 10_000), max_size=10))
def test_no_bytes_make_it_fail(stream: bytes, places: list[int]) -> None:
    assert parse(*cut(stream, places)) == parse(stream)


@given(stream=STREAMS, places=st.lists(st.integers(0, 10_000), max_size=20))
def test_what_is_emitted_of_a_beginning_is_a_beginning_of_what_is_emitted(
    stream: bytes, places: list[int]
) -> None:
    whole = parse(stream)
    for place in places:
        part = parse(stream[: place % (len(stream) + 1)])
        assert part == whole[: len(part)]


def test_an_event_that_is_cut_off_is_never_emitted() -> None:
    assert parse(b"id: 1\ndata: x\n\nid: 2\ndata: y\n") == [("message", "x", "1")]


def test_a_cr_alone_ends_an_event_at_once() -> None:
    assert parse(b"data: x\r\r") == [("message", "x", "")]


def test_a_byte_order_mark_is_skipped_once() -> None:
    assert parse(b"\xef\xbb\xbfdata: x\n\n\xef\xbb\xbfdata: y\n\n") == [("message", "x", "")]
    assert parse(b"\xef", b"\xbb", b"\xbf", b"data: x\n\n") == [("message", "x", "")]


def test_an_id_holds_for_later_events_and_one_with_a_nul_is_ignored() -> None:
    stream = b"id: 1\ndata: x\n\ndata: y\n\nid: 2\0\ndata: z\n\nid\ndata: w\n\n"
    assert parse(stream) == [
        ("message", "x", "1"),
        ("message", "y", "1"),
        ("message", "z", "1"),
        ("message", "w", ""),
    ]


def test_keep_alives_emit_nothing_and_are_counted() -> None:
    parser = SseParser(LIMIT)
    assert parser.feed(b"id: 1\ndata: x\n\n")
    assert parser.keep_alives == 0
    assert parser.feed(b": ping\n") == []
    assert parser.feed(b"\n") == []
    assert parser.keep_alives == 2


def test_lines_of_data_are_joined_by_a_line_feed() -> None:
    assert parse(b"data: a\ndata:b\ndata:  c\ndata\n\n") == [("message", "a\nb\n c\n", "")]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert parse(b"data: a\xffb\n\n") == [("message", "a\ufffdb", "")]


def test_an_event_at_the_limit_is_read_and_one_over_it_leaves_a_marker() -> None:
    at, over = b"data: " + b"x" * LIMIT, b"data: " + b"x" * (LIMIT + 1)
    assert parse(at + b"\n\n") == [("message", "x" * LIMIT, "")]
    assert parse(b"id: 7\n" + over + b"\n\ndata: y\n\n") == [
        OversizedEvent("7", LIMIT + 1),
        ("message", "y", "7"),
    ]


def test_the_limit_is_for_all_lines_of_an_event_together() -> None:
    half = b"data: " + b"x" * (LIMIT // 2) + b"\n"
    assert parse(half + half + b"id: 9\n\n") == [OversizedEvent("9", LIMIT + 1)]


def test_an_event_over_the_limit_is_not_kept_in_memory() -> None:
    parser = SseParser(10_000)
    chunk = b"x" * 65_536
    tracemalloc.start()
    try:
        parser.feed(b"id: 1\ndata: ")
        for _ in range(500):
            assert parser.feed(chunk) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert parser.feed(b"\n\n") == [OversizedEvent("1", 500 * 65_536)]
    assert peak < 200_000


def test_a_megabyte_in_tiny_chunks_is_kept_once() -> None:
    parser = SseParser(2**21)
    tracemalloc.start()
    try:
        parser.feed(b"data: ")
        for _ in range(2**17):
            parser.feed(b"12345678")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (frame,) = parser.feed(b"\n\n")
    assert isinstance(frame, ServerSentEvent)
    assert len(frame.data) == 2**20
    assert peak < 4 * 2**20
