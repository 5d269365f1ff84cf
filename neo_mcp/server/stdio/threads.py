"""Pipes where the event loop cannot wait for them (Windows): a thread for each direction.

Both threads are daemons: one that waits for a host keeps no process alive.
"""

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

import anyio

_MAX_WRITTEN = 64 * 2**10
"""Bytes that are written at once: a thread that waits for a host has so much of unsent data in hand."""


class ThreadedInput:
    """A source of bytes that a thread reads, a chunk each time that one is asked for."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._demand = threading.Semaphore(0)
        self._is_reading = False
        self._is_closed = False
        threading.Thread(target=self._run, name="standard input", daemon=True).start()

    async def read(self, size: int) -> bytes:  # noqa: ARG002 - the thread's chunks have a size of their own
        """Return a chunk once available; empty at end of input, and once it is closed."""
        if self._is_closed:
            return b""
        if not self._is_reading:
            self._is_reading = True
            self._demand.release()
        chunk = await self._chunks.get()
        self._is_reading = False
        return chunk

    def close(self) -> None:
        """End the input, though the thread may wait for more of it."""
        self._is_closed = True
        self._chunks.put_nowait(b"")

    def _run(self) -> None:
        chunk = b"."
        # The loop may be closed by the time that something comes.
        with suppress(RuntimeError):
            while chunk and self._demand.acquire():
                chunk = b""
                with suppress(OSError):
                    chunk = os.read(self._descriptor, self._size)
                self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)


class ThreadedOutput:
    """A sink for bytes that a thread writes.

    Attributes:
        unsent: Number of bytes that are not written yet.

    Args:
        descriptor: Where to.
        on_lost: Called once when the host stops reading for good.
    """

    def __init__(self, descriptor: int, on_lost: Callable[[], None]) -> None:
        self.unsent = 0
        self._descriptor = descriptor
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._is_sent = anyio.Event()
        self._lost: OSError | None = None
        threading.Thread(target=self._run, name="standard output", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Have ``data`` written after what is unsent.

        Raises:
            OSError: If the host is gone.
        """
        self._check()
        self.unsent += len(data)
        self._queue.put(data)

    async def drain(self) -> None:
        """Wait until everything is written.

        Raises:
            OSError: If the host is gone.
        """
        while self.unsent and self._lost is None:
            await self._is_sent.wait()
        self._check()

    def _check(self) -> None:
        if self._lost is not None:
            raise OSError(self._lost.errno, self._lost.strerror)

    def _run(self) -> None:
        # The loop may be closed before everything is written.
        with suppress(RuntimeError):
            try:
                while True:
                    data = memoryview(self._queue.get())
                    while data:
                        count = os.write(self._descriptor, data[:_MAX_WRITTEN])
                        data = data[count:]
                        self._loop.call_soon_threadsafe(self._note, count)
            except OSError as error:
                self._loop.call_soon_threadsafe(self._lose, error)

    def _note(self, count: int) -> None:
        self.unsent -= count
        if not self.unsent:
            self._is_sent.set()
            self._is_sent = anyio.Event()

    def _lose(self, error: OSError) -> None:
        self._lost = error
        self._is_sent.set()
        self._on_lost()
