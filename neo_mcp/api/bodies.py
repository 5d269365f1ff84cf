"""Read the bodies of responses as streams, within size limits.

Owns the limits, and keeps a long body from blocking the event loop. Decoding is :mod:`neo_mcp.api.decoding`,
cutting a page into its items :mod:`neo_mcp.api.splitting`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass

import anyio.lowlevel
import httpx

from neo_mcp.api.calls import Page
from neo_mcp.api.decoding import PIECE, BodyDecoder, TooLongError, UnknownEncodingError
from neo_mcp.api.splitting import PageParts, PageSplitter
from neo_mcp.errors import AnswerTooLargeError, UnexpectedResponseError

MAX_ANSWER = 64 * 2**20
"""Default maximum bytes of a response."""

SMALL = 2**20
"""Bytes up to which a body is read at once, on the event loop."""

_FEW = 32 * 2**10
_MAX_VALUES = 20_000
"""Commas in a small page above which it is split all the same: a value takes more memory than its text."""

_OBJECT_SHARE = 16
"""The part of a page's budget that a response that is not a page may use."""

MAX_THROWN_AWAY = 2**30
"""Maximum bytes of a page of one item too large to store, which is read to its end to reach what follows."""

_STORED = 2
"""Memory per limit byte that a stored page may take: most text takes two bytes for a character."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of responses, in decoded bytes, and of calls.

    Attributes:
        answer: Size of one answer.
        event: Size of one event or task on a page.
        calls: Calls in flight at a time; streams do not count.
    """

    answer: int = MAX_ANSWER
    event: int = 16 * 2**20
    calls: int = 16


def decoder_of(response: httpx.Response, limit: int | None) -> BodyDecoder:
    """Return a decoder for the body of ``response``.

    Raises:
        UnexpectedResponseError: If it is encoded in a way that was not asked for.
    """
    try:
        return BodyDecoder(response.headers.get("Content-Encoding", ""), limit)
    except UnknownEncodingError as error:
        raise UnexpectedResponseError(
            f"The answer is compressed as {str(error)[:20]!a}, which was not asked for."
        ) from None


async def decoded(response: httpx.Response, limit: int | None) -> AsyncGenerator[bytes, None]:
    """The pieces of a body, decoded as they come.

    Raises:
        TooLongError: If there are more bytes than ``limit``.
        UnexpectedResponseError: If it is encoded in a way that was not asked for.
        httpx.TransportError: If the connection fails.
        httpx.DecodingError: If it is damaged.
    """
    decoder = decoder_of(response, limit)
    async for data in response.aiter_raw():
        for index, piece in enumerate(decoder.decode(data)):
            if index:
                await anyio.lowlevel.checkpoint()
            yield piece
    decoder.finish()


async def read_object(response: httpx.Response, limits: Limits) -> bytes:
    """Read the body of a response that is not a page.

    Raises:
        AnswerTooLargeError: If it is too long.
        UnexpectedResponseError: If it is encoded in a way that was not asked for.
    """
    return await read_all(response, limits.answer // _OBJECT_SHARE)


async def read_all(response: httpx.Response, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes.

    Raises:
        AnswerTooLargeError: If it is longer.
        UnexpectedResponseError: If it is encoded in a way that was not asked for.
    """
    try:
        async with aclosing(decoded(response, limit)) as pieces:
            return b"".join([piece async for piece in pieces])
    except TooLongError:
        raise _too_large(limit) from None


async def read_beginning(response: httpx.Response, body: bytearray, limit: int) -> None:
    """Add the first bytes of a body to ``body``, ``limit`` at most; stop at bytes that cannot be decoded.

    Raises:
        httpx.TransportError: If the connection fails; what came before is in ``body``.
    """
    with suppress(UnexpectedResponseError, httpx.DecodingError):
        async with aclosing(decoded(response, None)) as pieces:
            async for piece in pieces:
                body += piece[: limit - len(body)]
                if len(body) >= limit:
                    break


async def read_page(
    response: httpx.Response, page: Page, limits: Limits, clean: Callable[[bytes], bytes]
) -> bytes | PageParts:
    """Read the body of a page: a small one as it is, a long one split into its items.

    Args:
        response: The response.
        page: The page that was requested.
        limits: Sizes.
        clean: Takes the access token out of bytes.

    Raises:
        AnswerTooLargeError: If there is too much on the page.
        UnexpectedResponseError: If it is not a page, or has an encoding that was not requested.
    """
    splitter = PageSplitter(
        page.field,
        max_item=limits.event,
        max_stored=_STORED * limits.answer,
        max_items=page.max_items,
    )
    limit = max(limits.answer, MAX_THROWN_AWAY) if page.is_smallest else limits.answer
    try:
        async with aclosing(decoded(response, limit)) as pieces:
            first = await _beginning(pieces, min(SMALL, limits.event))
            body = b"".join(first)
            if len(body) <= min(SMALL, limits.event) and not _is_dense(body):
                return clean(body)
            del body
            await _feed(splitter, first)
            first.clear()
            async for piece in pieces:
                splitter.feed(piece)
        return splitter.finish(clean)
    except TooLongError:
        raise _too_large(limits.answer, splitter.items) from None
    except ValueError as error:
        raise UnexpectedResponseError(f"The answer is not a page of the API: {error}.") from None
    finally:
        # The tracebacks of errors hold what is read here, and who waits to ask again holds the errors.
        splitter.let_go()


async def _beginning(pieces: AsyncIterator[bytes], size: int) -> list[bytes]:
    first: list[bytes] = []
    async for piece in pieces:
        first.append(piece)
        size -= len(piece)
        if size < 0:
            break
    return first


async def _feed(splitter: PageSplitter, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        splitter.feed(piece)
        if len(piece) > PIECE // 16:
            await anyio.lowlevel.checkpoint()


def _is_dense(body: bytes) -> bool:
    return len(body) > _FEW and body.count(b",") > _MAX_VALUES


def _too_large(limit: int, items: int = 0) -> AnswerTooLargeError:
    return AnswerTooLargeError(
        f"The API's answer is above the limit of {limit:,} bytes and was not read to its end.", items=items
    )
