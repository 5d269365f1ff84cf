"""Interpret responses: typed errors, warnings, and the check that they come from the API at all.

Owns the translation of status codes and error bodies. Sends nothing and decides no retries.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

import httpx
from pydantic import ValidationError

from neo_mcp.api.calls import Call
from neo_mcp.api.error_bodies import Words, words_in
from neo_mcp.api.retry import parse_retry_after
from neo_mcp.api.splitting import PageParts
from neo_mcp.errors import (
    AmbiguousWriteError,
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NeoError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
)
from neo_mcp.hidden_text import beginning, first_characters, whole_words
from neo_mcp.token_guard import TokenGuard

logger = logging.getLogger("neo_mcp.api")

MAX_MESSAGE = 500
_MAX_WARNINGS = 100
_MAX_TITLE = 100
_PROXY_LOGIN = "A proxy in between asks for a user and a password: put them into HTTPS_PROXY."
_ERRORS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
}

_T = TypeVar("_T")
_BodyT = TypeVar("_BodyT", bound=bytes | PageParts)


def tidy(text: str, *, limit: int = MAX_MESSAGE) -> str:
    """Return ``text`` on one line, without control characters, of at most ``limit`` characters."""
    # Line ends separate words; other invisible characters do not.
    line = " ".join(beginning(text, 4 * limit).shown.split())
    return line if len(line) <= limit else whole_words(first_characters(line, limit - 1)) + "…"


class ResponseReader:
    """Reads responses, and removes the token from all their text."""

    def __init__(self, guard: TokenGuard) -> None:
        self._guard = guard
        self._warned: set[str] = set()

    def redact(self, text: str) -> str:
        """Return ``text`` on one line without the token, should a server or a library have repeated it."""
        # Once more at the end: the token may have been split by what was removed.
        return self._guard.text(tidy(self._guard.text(text)))

    def request_id(self, response: httpx.Response) -> str | None:
        """The request's id for support, if the API sent one."""
        return self.redact(response.headers.get("X-Pulumi-Request-ID", ""))[:100] or None

    def log_warnings(self, response: httpx.Response) -> None:
        """Log the API's warnings, each text once."""
        for value in response.headers.get_list("X-Pulumi-Warning"):
            text = self.redact(value)
            if text and text not in self._warned and len(self._warned) < _MAX_WARNINGS:
                self._warned.add(text)
                logger.warning("Pulumi Cloud warns: %s", text)

    def error(self, response: httpx.Response, body: bytes, now: datetime) -> NeoError:
        """Return the error for a response that is not a success.

        Args:
            response: Its status and headers.
            body: Its body, or the beginning of it.
            now: The time, to understand a ``Retry-After`` date.
        """
        status = response.status_code
        if status < httpx.codes.BAD_REQUEST:
            return self._redirect(response)
        words = words_in(self._guard.data(body))
        detail = "" if words.is_page else self._detail(words)
        message = detail or self._without_words(status, words)
        request_id = self.request_id(response)
        error: ApiError
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait = parse_retry_after(response.headers.get("Retry-After"), now)
            error = RateLimitedError(message, request_id=request_id, is_quoted=bool(detail), retry_after=wait)
        else:
            advice = _PROXY_LOGIN if status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED else None
            other = ServerError if status >= httpx.codes.INTERNAL_SERVER_ERROR else ApiError
            error = _ERRORS.get(status, other)(
                message, status=status, request_id=request_id, next_step=advice, is_quoted=bool(detail)
            )
        return error

    def _detail(self, words: Words) -> str:
        """The words with the address of an explanation; empty if there are no words."""
        text, link = self.redact(words.text), self._guard.text(words.link)
        if not text or link != words.link or not link or link in text:
            return text
        more = f" (see {link})"
        return tidy(text, limit=MAX_MESSAGE - len(more)) + more

    def _without_words(self, status: int, words: Words) -> str:
        said = f"The API answered {_phrase(status)}"
        if words.is_page:
            title = tidy(self.redact(words.text).replace('"', "'"), limit=_MAX_TITLE)
            return f'{said} with a web page titled "{title}".'
        return f"{said} without a message."

    def _redirect(self, response: httpx.Response) -> NeoError:
        status = response.status_code
        try:
            target = response.request.url.join(response.headers.get("Location", ""))
            where = self.redact(f"{target.scheme}://{target.netloc.decode('ascii', 'replace')}")
        except (httpx.InvalidURL, ValueError):
            where = "an unreadable address"
        if not response.is_redirect:
            return UnexpectedResponseError(
                f"The API answered {_phrase(status)}, which is no answer of its own."
            )
        return UnexpectedResponseError(
            f"The API answered {_phrase(status)} and pointed to {where}; redirects are not followed, "
            "because the access token would go there."
        )


def read(call: Call, body: _BodyT, parse: Callable[[_BodyT], _T]) -> _T:
    """Parse the body of a success.

    Raises:
        UnexpectedResponseError: If it is not a valid response to a read.
        AmbiguousWriteError: The same, to a write.
    """
    try:
        return parse(body)
    except ValueError as error:
        text = body if isinstance(body, bytes) else body.rest
        problem = f"The answer to {call.method} {call.path} is not the API's: {_describe(error, text)}."
    raise as_unconfirmed(call, UnexpectedResponseError(problem))


def as_unconfirmed(call: Call, error: UnexpectedResponseError) -> NeoError:
    """Return ``error``, or after a write, an error that says what may have happened."""
    if call.doubt is None:
        return error
    return AmbiguousWriteError(f"{error.message} {call.doubt.what}", next_step=call.doubt.next_step)


def accepted(_: object, body: bytes) -> None:
    """Accept the empty response to a write; refuse a web page, which comes from a proxy and not from the API.

    Raises:
        ValueError: If it is a web page.
    """
    if body.lstrip().startswith(b"<"):
        raise ValueError


def is_event_stream(response: httpx.Response) -> bool:
    """True if a response is an event stream."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return response.status_code == httpx.codes.OK and bool(kind == "text/event-stream")


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _describe(error: ValueError, body: bytes) -> str:
    if not body.strip():
        return "it is empty"
    if body.lstrip().startswith(b"<"):
        return "it is a web page"
    if isinstance(error, ValidationError):
        # The first finding is enough, and never the input: it is the user's data.
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(str(step) for step in first["loc"])
        return tidy(f"{path}: {first['msg']}" if path else first["msg"], limit=200)
    return tidy(str(error), limit=200)
