"""Serving a connection in the era of the protocol that its host opens with.

In the SDK, the first request decides. But a host may ask which versions there are, run out of patience, and
fall back to the handshake on the same connection: so ``initialize`` decides anew where it asked nothing else.
"""

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest

_PROBE = "server/discover"
Message = SessionMessage | Exception


async def run(
    protocol: Server[Any], incoming: ReadStream[Message], outgoing: WriteStream[SessionMessage]
) -> None:
    """Serve one connection until its end."""
    async with (
        protocol.lifespan(protocol) as state,
        anyio.create_task_group() as group,
        AsyncExitStack() as eras,
    ):

        async def begin() -> MemoryObjectSendStream[Message]:
            send, receive = anyio.create_memory_object_stream[Message]()
            group.start_soon(partial(serve_dual_era_loop, protocol, receive, outgoing, lifespan_state=state))
            # Not before the end of the connection: until then, what was asked may be answered.
            return await eras.enter_async_context(send)

        era = await begin()
        first: str | None = None
        async for message in incoming:
            if isinstance(message, SessionMessage) and isinstance(message.message, JSONRPCRequest):
                method = message.message.method
                if first == _PROBE and method == "initialize":
                    era = await begin()
                # The first one that is no probe counts.
                first = method if first in {None, _PROBE} else first
            await era.send(message)
