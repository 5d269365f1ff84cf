"""The live event stream of a task, as an ASGI application.

Owns: replay, resumption after `Last-Event-ID`, keep-alives.
Not here: faults in the stream (`gate`, `disturb`).
"""

import asyncio
from typing import Final

from starlette.types import Receive, Scope, Send

from neo_mcp.simulator.connections import OpenStreams
from neo_mcp.simulator.task import Task

KEEP_ALIVE: Final = b": keep-alive\n\n"
_HEADERS: Final = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class EventStream:
    """Every event after `last_event_id` (all of them, where that is unknown), then new ones as they come."""

    def __init__(
        self, task: Task, last_event_id: str | None, keep_alive_seconds: float, streams: OpenStreams
    ) -> None:
        self._task = task
        self._keep_alive_seconds = keep_alive_seconds
        ids = [event.id for event in task.events]
        self._next = ids.index(last_event_id) + 1 if last_event_id in ids else 0
        self._streams = streams
        self._gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until the client is gone."""
        watcher = asyncio.create_task(self._watch(receive))
        try:
            with self._streams.carrying(scope["state"]["connection"]):
                await self._serve(send)
        finally:
            watcher.cancel()

    async def _serve(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        while not self._gone:
            frame = await self._next_frame()
            await send({"type": "http.response.body", "body": frame, "more_body": True})

    async def _next_frame(self) -> bytes:
        try:
            async with asyncio.timeout(self._keep_alive_seconds):
                while self._next >= len(self._task.events) and not self._gone:
                    await self._task.changed.wait()
        except TimeoutError:
            return KEEP_ALIVE
        if self._gone:
            return b""
        self._next += 1
        return self._task.events[self._next - 1].frame()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.changed.notify()
