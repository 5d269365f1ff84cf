"""Requests over HTTP: headers, time limits, the number in flight, and the retry loop.

Owns the connections. Knows no endpoint: a request comes as a :class:`~neo_mcp.api.calls.Call`, and
whether to repeat it is decided by :mod:`neo_mcp.api.retry`.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import anyio
import httpx

from neo_mcp._version import __version__
from neo_mcp.api.bodies import Limits, decoder_of, read_beginning, read_object, read_page
from neo_mcp.api.calls import Call
from neo_mcp.api.certificates import Certificates, is_untrusted
from neo_mcp.api.decoding import ACCEPTED
from neo_mcp.api.exchange import exchange
from neo_mcp.api.http_clients import Proxy, new_transport, proxy_advice, proxy_of
from neo_mcp.api.responses import ResponseReader, as_unconfirmed, is_event_stream, logger
from neo_mcp.api.retry import FailureKind, RetryPolicy, kind_of_exception, kind_of_status
from neo_mcp.api.settings import Address, Timeouts
from neo_mcp.api.splitting import PageParts
from neo_mcp.clock import Clock
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import (
    AmbiguousWriteError,
    ConnectionFailedError,
    InvalidArgumentError,
    MissingTokenError,
    NeoError,
    RateLimitedError,
    UnexpectedResponseError,
)
from neo_mcp.hints import Hint, NextStep
from neo_mcp.secret import SecretStr
from neo_mcp.token_guard import TokenGuard

_MIN_ATTEMPT = 1.0
_GRACE = 1.0
_MAX_ERROR_BODY = 64 * 2**10
_LARGE_BODY = 2**20
"""Bytes from which on a thread looks for the token, so that others are served meanwhile."""

_HTTP_FAILURES = (httpx.TransportError, httpx.DecodingError, OSError)
_HEADER_VALUE = re.compile(rb"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?")


@dataclass(frozen=True, slots=True)
class _Failure:
    kind: FailureKind
    error: NeoError
    cause: Exception | None = None


class Transport:
    """Sends calls and opens streams to one address with one token.

    Attributes:
        guard: Removes the token from everything else that is sent and received.
    """

    def __init__(
        self,
        address: Address,
        token: SecretStr | None,
        *,
        timeouts: Timeouts,
        retry: RetryPolicy,
        clock: Clock,
        certificates: Certificates,
        on_unauthorized: Callable[[], object] | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._address = address
        self._token = token
        self._timeouts = timeouts
        self._retry = retry
        self._clock = clock
        self._slots = anyio.Semaphore(limits.calls, fast_acquire=True)
        self.guard = TokenGuard(token)
        self._reader = ResponseReader(self.guard)
        self._certificates = certificates
        self._on_unauthorized = on_unauthorized
        self._limits = limits
        self._proxy: Proxy | None = None
        self._calls: httpx.AsyncHTTPTransport | None = None
        self._streams: httpx.AsyncHTTPTransport | None = None
        self._headers = httpx.Headers()
        self._closed = False

    async def aclose(self) -> None:
        """Close every connection; the transport cannot be used again."""
        self._closed = True
        for connections in (self._calls, self._streams):
            if connections is not None:
                await connections.aclose()

    async def call(self, call: Call) -> bytes:
        """Send ``call`` under the retry policy, and return the body of its success.

        Raises:
            NeoError: Any failure, in the terms of :mod:`neo_mcp.errors`.
        """
        body = await self.call_page(call)
        return body if isinstance(body, bytes) else body.rest

    async def call_page(self, call: Call) -> bytes | PageParts:
        """Like :meth:`call`, for a page: a long one comes in parts.

        Raises:
            NeoError: Any failure, in the terms of :mod:`neo_mcp.errors`.
        """
        connections = self._for_calls()
        budget = self._timeouts.create if call.is_create else self._timeouts.call
        # A call holds its slot while it waits for a retry: a server in trouble gets fewer of them.
        async with self._slots:
            started = self._clock.monotonic()
            attempt = 1
            while True:
                left = budget - (self._clock.monotonic() - started)
                limit = max(left, min(budget, _MIN_ATTEMPT))
                result = await self._attempt(connections, call, limit, attempt)
                if not isinstance(result, _Failure):
                    return result
                error = result.error
                delay = self._retry.delay(
                    result.kind,
                    repeatable=call.repeatable,
                    attempt=attempt,
                    left=budget - (self._clock.monotonic() - started),
                    jitter=self._clock.jitter(),
                    retry_after=error.retry_after if isinstance(error, RateLimitedError) else None,
                )
                if delay is None or call.is_optional:
                    raise error from result.cause
                await self._clock.sleep(delay)
                attempt += 1

    async def open_stream(self, path: str, last_event_id: str) -> httpx.Response:
        """Open an event stream; the caller closes the response.

        Args:
            path: Where.
            last_event_id: Only events after it are sent; empty for all.

        Raises:
            ConnectionFailedError: If there is no connection, or no answer on it.
            UnexpectedResponseError: If the answer is a success but no event stream, or a redirect.
            ApiError: If the API answers with an error status.
        """
        connections = self._for_streams()
        headers = httpx.Headers(self._headers)
        # A compressed stream tends to be held back until a block is full.
        headers.update(
            {"Accept": "text/event-stream", "Cache-Control": "no-cache", "Accept-Encoding": "identity"}
        )
        resume = last_event_id.encode("utf-8", "replace")
        if _HEADER_VALUE.fullmatch(resume):
            # As bytes: httpx would refuse to encode an event id that is not ASCII.
            headers.update([(b"Last-Event-ID", resume)])
        # The allowed silence changes while a stream is read: the reader checks it.
        timeout = {**self._phases(self._timeouts.call), "read": None}
        request = httpx.Request(
            "GET", self._address.url + path, headers=headers, extensions={"timeout": timeout}
        )
        started = self._clock.monotonic()
        try:
            with exchange(request, path, self.guard) as answered, self._clock.fail_after(self._timeouts.call):
                response = await self._send(request, connections)
                answered(response)
        except _HTTP_FAILURES as error:
            raise self._disconnected(None, error) from error
        self._log("GET", path, response, started)
        try:
            if is_event_stream(response):
                decoder_of(response, None)
                return response
            refusal = self._refusal(response, await self._error_body(response))
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        raise refusal

    def describe(self, error: Exception) -> str:
        """A short description of an error of the HTTP library."""
        if isinstance(error, (httpx.TimeoutException, TimeoutError)):
            return "it timed out"
        return self._reader.redact(str(error)).rstrip(".") or type(error).__name__

    async def _attempt(
        self, connections: httpx.AsyncHTTPTransport, call: Call, limit: float, attempt: int
    ) -> bytes | PageParts | _Failure:
        try:
            query = tuple((name, value) for name, value in call.params.items() if value is not None)
            request = httpx.Request(
                call.method,
                _parsed(self._address.url + call.path, query),
                headers=self._headers,
                content=await self._redacted(call.body) if call.body else call.body,
                extensions={"timeout": self._phases(limit)},
            )
            if call.body is not None:
                request.headers["Content-Type"] = "application/json"
        except UnicodeEncodeError:
            raise InvalidArgumentError(
                "The text holds half of a surrogate pair, which is no character."
            ) from None
        started = self._clock.monotonic()
        try:
            # The limit of each phase fires before this one and shows whether anything was sent; this one
            # ends a response that keeps dripping in.
            with (
                exchange(request, call.path, self.guard, attempt=attempt) as answered,
                anyio.fail_after(limit + _GRACE),
            ):
                response = await self._send(request, connections)
                answered(response)
                body = await self._body(response, call)
        except UnexpectedResponseError as error:
            return _Failure(FailureKind.FINAL, as_unconfirmed(call, error))
        except _HTTP_FAILURES as error:
            return _Failure(kind_of_exception(error), self._disconnected(call, error), error)
        self._log(call.method, call.path, response, started)
        if response.is_success:
            return body
        return self._failure(call, response, body if isinstance(body, bytes) else b"")

    async def _send(self, request: httpx.Request, connections: httpx.AsyncHTTPTransport) -> httpx.Response:
        if self._closed:
            raise RuntimeError("this client is closed")
        response = await connections.handle_async_request(request)
        response.request = request
        return response

    def _phases(self, limit: float) -> dict[str, float]:
        """Seconds for each phase of a request."""
        connect = min(limit, self._timeouts.connect)
        return {"connect": connect, "read": limit, "write": limit, "pool": limit}

    async def _redacted(self, body: bytes) -> bytes:
        if len(body) < _LARGE_BODY:
            return self.guard.data(body)
        return await anyio.to_thread.run_sync(self.guard.data, body)

    async def _body(self, response: httpx.Response, call: Call) -> bytes | PageParts:
        try:
            if not response.is_success:
                beginning = bytearray()
                await read_beginning(response, beginning, _MAX_ERROR_BODY)
                return bytes(beginning)
            if call.page is not None:
                return await read_page(response, call.page, self._limits, self.guard.data)
            return self.guard.data(await read_object(response, self._limits))
        finally:
            await response.aclose()

    def _failure(self, call: Call, response: httpx.Response, body: bytes) -> _Failure:
        kind = kind_of_status(response.status_code)
        error = self._reader.error(response, body, self._clock.now())
        # A failure behind a proxy may come after the server acted, with a status that says otherwise.
        uncertain = kind is FailureKind.UNCERTAIN or response.is_server_error
        if uncertain and not call.repeatable and call.doubt is not None:
            unsure = AmbiguousWriteError(f"{error.problem} {call.doubt.what}", next_step=call.doubt.next_step)
            return _Failure(kind, unsure)
        return _Failure(kind, error)

    def _disconnected(self, call: Call | None, error: Exception) -> NeoError:
        why = self.describe(error)
        where = f"{self._address.origin} through {self._proxy}" if self._proxy else self._address.origin
        if kind_of_exception(error) is not FailureKind.UNCERTAIN:
            advice: NextStep | None = proxy_advice(error, self._proxy) if self._proxy else None
            if is_untrusted(error):
                advice = Hint.TRUST_CERTIFICATE
            return ConnectionFailedError(f"No connection to {where}: {why}.", next_step=advice)
        problem = f"The connection to {where} failed before the answer was complete: {why}."
        if call is None or call.doubt is None:
            return ConnectionFailedError(problem)
        return AmbiguousWriteError(f"{problem} {call.doubt.what}", next_step=call.doubt.next_step)

    async def _error_body(self, response: httpx.Response) -> bytes:
        """The beginning of an error's body; empty if it cannot be read in time."""
        body = bytearray()
        with anyio.move_on_after(self._timeouts.call), suppress(*_HTTP_FAILURES):
            await read_beginning(response, body, _MAX_ERROR_BODY)
        return bytes(body)

    def _refusal(self, response: httpx.Response, body: bytes) -> NeoError:
        if not response.is_success:
            return self._reader.error(response, body, self._clock.now())
        kind = self._reader.redact(response.headers.get("Content-Type", ""))[:100] or "without a content type"
        return UnexpectedResponseError(
            f"The event stream was answered with {response.status_code} {kind} in place of text/event-stream."
        )

    def _log(self, method: str, path: str, response: httpx.Response, started: float) -> None:
        """Log an answer, and report one that refuses the token."""
        milliseconds = 1000 * (self._clock.monotonic() - started)
        request_id = self._reader.request_id(response)
        logger.debug(
            "%s %s %d %.0f ms %s", method, path, response.status_code, milliseconds, request_id or "-"
        )
        self._reader.log_warnings(response)
        if response.status_code == httpx.codes.UNAUTHORIZED and self._on_unauthorized is not None:
            self._on_unauthorized()

    def _for_calls(self) -> httpx.AsyncHTTPTransport:
        if self._calls is None:
            self._calls = self._connections(httpx.Limits())
        return self._calls

    def _for_streams(self) -> httpx.AsyncHTTPTransport:
        if self._streams is None:
            # Streams are few and long: each has its own connection, and none is reused.
            self._streams = self._connections(httpx.Limits(max_connections=None, max_keepalive_connections=0))
        return self._streams

    def _connections(self, limits: httpx.Limits) -> httpx.AsyncHTTPTransport:
        # Not a whole client: nothing here has cookies, follows redirects or negotiates.
        if self._token is None:
            raise MissingTokenError(f"There is no access token for {self._address.url}.")
        self._proxy = proxy_of(self._address)
        self._headers = _common_headers(self._token)
        return new_transport(self._address, self._certificates, limits)


def _common_headers(token: SecretStr) -> httpx.Headers:
    return httpx.Headers(
        {
            "Authorization": f"token {token.get_secret_value()}",
            "Accept": "application/vnd.pulumi+8",
            "Accept-Encoding": ACCEPTED,
            "Connection": "keep-alive",
            "User-Agent": f"{PROGRAM}/{__version__} (python-httpx/{httpx.__version__})",
            "X-Pulumi-Source": PROGRAM,
        }
    )


@lru_cache(maxsize=256)
def _parsed(url: str, query: tuple[tuple[str, str | int], ...]) -> httpx.URL:
    # Parsing takes as long as a tenth of a whole request, and a task is asked for again and again.
    return httpx.URL(url, params=query) if query else httpx.URL(url)
