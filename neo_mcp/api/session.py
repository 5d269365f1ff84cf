"""Calls to a server whose generation may not be known yet.

Owns detecting the generation: the second is assumed, and the first is tried once, when an endpoint does not
exist. Endpoints themselves are :mod:`neo_mcp.api.client`.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.to_thread
import httpx

from neo_mcp.api.calls import Call
from neo_mcp.api.dialect import FIRST, SECOND, Dialect, TaskFilters
from neo_mcp.api.pages import read_tasks
from neo_mcp.api.responses import read
from neo_mcp.api.splitting import PageParts
from neo_mcp.api.transport import Transport
from neo_mcp.constants import Generation
from neo_mcp.errors import (
    AuthenticationError,
    NeoError,
    NotFoundError,
    PermissionDeniedError,
    UnexpectedResponseError,
)
from neo_mcp.token_guard import TokenGuard

_T = TypeVar("_T")


class Session:
    """A transport, and the dialect to use on it."""

    def __init__(self, transport: Transport, generation: Generation) -> None:
        self._transport = transport
        self._dialect: Dialect = FIRST if generation is Generation.FIRST else SECOND
        self._is_resolved = generation is not Generation.AUTO
        self._probing = anyio.Lock()

    @property
    def is_first_generation(self) -> bool:
        """True if the server is known to speak the first generation."""
        return self._dialect is FIRST

    @property
    def guard(self) -> TokenGuard:
        """The guard that removes the access token from all text."""
        return self._transport.guard

    def describe(self, error: Exception) -> str:
        """A short description of an error of the HTTP library."""
        return self._transport.describe(error)

    async def ask(
        self, organization: str, build: Callable[[Dialect], Call], parse: Callable[[Dialect, bytes], _T]
    ) -> _T:
        """Make the call that ``build`` describes, and read its answer with ``parse``."""

        async def ask_in(dialect: Dialect) -> _T:
            call = build(dialect)
            return read(call, await self._transport.call(call), lambda body: parse(dialect, body))

        return await self._ask(organization, ask_in)

    async def ask_page(
        self,
        organization: str,
        build: Callable[[Dialect], Call],
        parse: Callable[[Dialect, bytes | PageParts], _T],
    ) -> _T:
        """Like :meth:`ask`, for a page; a long one is parsed in a thread."""

        async def ask_in(dialect: Dialect) -> _T:
            call = build(dialect)
            body = await self._transport.call_page(call)
            if isinstance(body, bytes):
                return read(call, body, lambda body: parse(dialect, body))
            return await anyio.to_thread.run_sync(lambda: read(call, body, lambda body: parse(dialect, body)))

        return await self._ask(organization, ask_in)

    async def ask_beside(self, organization: str, call: Call, parse: Callable[[bytes], _T]) -> _T:
        """Make a call that belongs to no generation, so its success proves neither.

        If the endpoint does not exist, the server may be of the first generation, which is then detected.
        """
        try:
            return read(call, await self._transport.call(call), parse)
        except NotFoundError:
            await self.turns_out_first(organization)
            raise

    async def open_stream(self, organization: str, task_id: str, last_event_id: str) -> httpx.Response:
        """Open a task's event stream."""
        path = SECOND.stream_path(organization, task_id)
        response = await self._transport.open_stream(path, last_event_id)
        self._resolve(SECOND)
        return response

    async def turns_out_first(self, organization: str) -> bool:
        """Detect whether the server, which answered "not found", speaks the first generation."""
        async with self._probing:
            if self._is_resolved:
                return self._dialect is FIRST
            call = FIRST.list_tasks(organization, TaskFilters(page_size=1))
            try:
                read(call, await self._transport.call_page(call), lambda body: read_tasks(body, 0, 1))
            except (AuthenticationError, PermissionDeniedError):
                # The endpoint exists. Only a success proves it, as a firewall may answer like this as well.
                return True
            except (NotFoundError, UnexpectedResponseError):
                self._resolve(SECOND)
                return False
            except NeoError:
                return False
            self._resolve(FIRST)
            return True

    async def _ask(self, organization: str, ask_in: Callable[[Dialect], Awaitable[_T]]) -> _T:
        dialect = self._dialect
        try:
            answer = await ask_in(dialect)
        except NotFoundError:
            # Not found means not done: the same call may be made again elsewhere.
            if dialect is FIRST or not await self.turns_out_first(organization):
                raise
            dialect = FIRST
            answer = await ask_in(dialect)
        self._resolve(dialect)
        return answer

    def _resolve(self, dialect: Dialect) -> None:
        if not self._is_resolved:
            self._dialect = dialect
            self._is_resolved = True
