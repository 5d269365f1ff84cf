"""Sends a task's event stream as fast as a socket takes it, so that whoever reads it is what is measured.

A process of its own. Every connection gets one answer; that of the stream stays open when all events are out.
"""

import asyncio
import json
import sys
from typing import Any

from tests.benchmarks.events import envelopes

PATH = "/api/preview/agents/acme/tasks/0b5a1c9e-0000-4000-8000-000000000001"
_TASK = {
    "id": PATH.rpartition("/")[2],
    "name": "A task",
    "status": "running",
    "createdAt": "2026-01-01T00:00:00Z",
}


def frames(count: int) -> bytes:
    """The stream's bytes."""
    return b"".join(
        f"id: {envelope['id']}\ndata: {json.dumps(envelope, separators=(',', ':'))}\n\n".encode()
        for envelope in envelopes(count)
    )


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: bytes) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    path = head.split(b" ", 2)[1].partition(b"?")[0]
    if path.endswith(b"/stream"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        writer.write(stream)
        await reader.read()
    else:
        content: dict[str, Any] = {"events": []} if path.endswith(b"/events") else _TASK
        body = json.dumps(content).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
        writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
    writer.close()


async def _serve(count: int) -> None:
    stream = frames(count)
    server = await asyncio.start_server(lambda r, w: _answer(r, w, stream), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
