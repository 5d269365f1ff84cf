"""Bodies are decoded to what they are, however their bytes come, and never beyond the limit."""

import gzip
import zlib
from contextlib import suppress
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.api.decoding import PIECE, BodyDecoder, TooLongError, UnknownEncodingError

CONTENT = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=9), st.integers(0, 40_000)),
)
CUTS = st.lists(st.integers(0, 2_000), max_size=12)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def decode(encoding: str, data: list[bytes], limit: int | None) -> tuple[bytes, bool]:
    """What came out, and whether that is all."""
    decoder, out = BodyDecoder(encoding, limit), bytearray()
    try:
        for chunk in data:
            for piece in decoder.decode(chunk):
                assert len(piece) <= PIECE
                out += piece
        decoder.finish()
    except TooLongError:
        return bytes(out), False
    return bytes(out), True


@given(members=st.lists(CONTENT, min_size=1, max_size=4), padding=st.integers(0, 3), cuts=CUTS)
def test_any_gzip_body_in_any_chunks_is_decoded_as_the_standard_library_does(
    members: list[bytes], padding: int, cuts: list[int]
) -> None:
    data = b"".join(gzip.compress(member) + b"\0" * padding for member in members)
    assert decode("gzip", chunks(data, cuts), None) == (gzip.decompress(data), True)


@given(content=CONTENT, cuts=CUTS, encoding=st.sampled_from(["", "identity", " Identity "]))
def test_a_plain_body_in_any_chunks_comes_as_it_is(content: bytes, cuts: list[int], encoding: str) -> None:
    assert decode(encoding, chunks(content, cuts), None) == (content, True)


@given(content=CONTENT, cuts=CUTS, limit=st.integers(0, 100_000), is_gzip=st.booleans())
def test_no_byte_above_the_limit_is_given_out(
    content: bytes, cuts: list[int], limit: int, is_gzip: bool
) -> None:
    data = chunks(gzip.compress(content) if is_gzip else content, cuts)
    out, is_all = decode("gzip" if is_gzip else "", data, limit)
    assert len(out) <= limit
    assert content.startswith(out)
    assert is_all is (len(content) <= limit)


@given(content=CONTENT, end=st.integers(1, 400))
def test_a_compressed_body_that_is_cut_short_is_not_taken_for_a_whole_one(content: bytes, end: int) -> None:
    data = gzip.compress(content)
    with pytest.raises(httpx.DecodingError):
        decode("gzip", [data[: max(1, len(data) - end)]], None)


@given(data=st.binary(min_size=1, max_size=50))
def test_bytes_that_are_no_gzip_raise_nothing_else(data: bytes) -> None:
    with suppress(httpx.DecodingError):
        decode("x-gzip", [data], 1000)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "x"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(UnknownEncodingError):
        BodyDecoder(encoding, None)


def test_a_bomb_is_not_decoded_beyond_its_limit() -> None:
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeezed.compress(bytes(2**20)) for _ in range(64)) + squeezed.flush()
    out, is_all = decode("gzip", [bomb], 100_000)
    assert not is_all
    assert len(out) <= 100_000
