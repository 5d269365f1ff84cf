"""Sends a task's events as fast as a socket takes them, so that only the reader is measured.

A process of its own. The events are on pages where it has a history; else in a stream, which stays open when
all of them are out.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks.events import conversation, envelopes, results

PATH = "/api/preview/agents/acme/tasks/0b5a1c9e-0000-4000-8000-000000000001"
PAGE_SIZE = 1000
_TASK = {
    "id": PATH.rpartition("/")[2],
    "name": "A task",
    "status": "running",
    "createdAt": "2026-01-01T00:00:00Z",
}
_HEAD = b"HTTP/1.1 200 OK\r\nConnection: %s\r\nContent-Type: %s\r\n"


def frames(events: Iterable[dict[str, Any]]) -> bytes:
    """The bytes of a stream of ``events``."""
    return b"".join(b"id: %s\ndata: %s\n\n" % (event["id"].encode(), _json(event)) for event in events)


def pages(events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """The pages of a task with ``events``."""
    left = [*events]
    for start in range(0, max(len(left), 1), PAGE_SIZE):
        end = start + PAGE_SIZE
        token = {"continuationToken": str(end // PAGE_SIZE)} if end < len(left) else {}
        yield _json({"events": left[start:end], **token})


class _Firehose:
    def __init__(self, stream: bytes, pages: list[bytes]) -> None:
        self._stream = stream
        self._pages = pages

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                address = urlsplit(head.split(b" ", 2)[1].decode())
                if address.path.endswith("/stream"):
                    writer.write(_HEAD % (b"close", b"text/event-stream") + b"\r\n" + self._stream)
                    await reader.read()
                    break
                self._write(writer, self._body(address.path, address.query))
        except asyncio.IncompleteReadError:
            pass  # The client has what it wanted.
        finally:
            writer.close()

    def _body(self, path: str, query: str) -> bytes:
        if not path.endswith("/events"):
            return _json(_TASK)
        number = parse_qs(query).get("continuationToken", ["0"])[0]
        return self._pages[int(number)]

    @staticmethod
    def _write(writer: asyncio.StreamWriter, body: bytes) -> None:
        head = _HEAD % (b"keep-alive", b"application/json") + b"Content-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def _serve(events: Iterable[dict[str, Any]], *, is_history: bool) -> None:
    stream = b"" if is_history else frames(events)
    firehose = _Firehose(stream, [*pages(events if is_history else [])])
    server = await asyncio.start_server(firehose.answer, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="number of events")
    parser.add_argument("--large", action="store_true", help="events of 20 KB")
    parser.add_argument("--history", action="store_true", help="send them on pages, and an empty stream")
    options = parser.parse_args()
    bodies = results(options.count) if options.large else conversation(options.count)
    asyncio.run(_serve(envelopes(bodies), is_history=options.history))
