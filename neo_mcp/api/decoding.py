"""Decode a response's body piece by piece, within a limit.

Owns the two encodings that are read, plain and gzip, and the count of decoded bytes: a few bytes of gzip can
stand for a thousand times as many, so the count is taken while they are decoded. Does no I/O.
"""

import zlib
from collections.abc import Iterator

import httpx

PIECE = 64 * 2**10
"""Maximum bytes decoded at a time."""

ACCEPTED = "gzip"
"""The ``Accept-Encoding`` that is sent."""

_GZIP_ONLY = 16 + zlib.MAX_WBITS


class TooLongError(Exception):
    """Raised when a body has more bytes than allowed."""


class UnknownEncodingError(ValueError):
    """Raised when a body has an encoding that was not requested."""


class BodyDecoder:
    """Decodes one body."""

    def __init__(self, encoding: str, limit: int | None) -> None:
        """Begin a body.

        Args:
            encoding: Its ``Content-Encoding``; empty without one.
            limit: Bytes, decoded, above which nothing more is decoded; ``None`` for a body without an end.

        Raises:
            UnknownEncodingError: If it is neither plain nor gzip.
        """
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip"}:
            raise UnknownEncodingError(name)
        self._is_gzip = name.endswith("gzip")
        self._inflater = zlib.decompressobj(_GZIP_ONLY)
        self._is_inside = False
        self._limit = limit
        self._count = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Decode the next bytes of the body, into pieces of at most :data:`PIECE` bytes.

        Raises:
            TooLongError: If the body is longer than the limit; everything yielded before is within it.
            httpx.DecodingError: If it is not gzip.
        """
        for piece in self._inflate(data) if self._is_gzip else _cut(data):
            self._count += len(piece)
            if self._limit is not None and self._count > self._limit:
                raise TooLongError
            yield piece

    def finish(self) -> None:
        """End the body.

        Raises:
            httpx.DecodingError: If it was cut short.
        """
        if self._is_inside:
            raise httpx.DecodingError("the compressed body was cut short")

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        is_full = False
        while data or is_full:
            if self._inflater.eof:
                # Another member may follow, after zeros (RFC 1952 section 2.2; tape blocks are padded).
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._inflater = zlib.decompressobj(_GZIP_ONLY)
            try:
                piece = self._inflater.decompress(data, PIECE)
            except zlib.error as error:
                raise httpx.DecodingError(f"the compressed body is damaged: {error}") from error
            self._is_inside = not self._inflater.eof
            is_full = len(piece) == PIECE and self._is_inside
            data = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
            if piece:
                yield piece


def _cut(data: bytes) -> Iterator[bytes]:
    if len(data) <= PIECE:
        yield data
        return
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
