"""Log set-up. Standard output belongs to the protocol, so logs go to standard error and nowhere else.

What is to be logged travels through a bounded queue to a thread of its own: a host that never drains standard
error blocks that thread and nothing more, and what finds the queue full is dropped. Not here: what others
print (:mod:`neo_mcp.standard_streams`).
"""

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable

_QUEUE_SIZE = 1000
_LONGEST = 16_384
_STDERR = 2


class Sink:
    """Bytes to a file descriptor, in order, by a thread that may wait for room when nobody else does."""

    def __init__(self, descriptor: int = _STDERR) -> None:
        self._descriptor = descriptor
        self._queue: queue.Queue[bytes | threading.Event] = queue.Queue(_QUEUE_SIZE)
        self._dropped = 0
        # A daemon: a blocked standard error cannot keep the process alive.
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def put(self, text: bytes) -> None:
        """Put ``text`` into the queue, or drop it; never wait."""
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def flush(self, seconds: float) -> None:
        """Wait until all is written that is in the queue now, but no longer than ``seconds``."""
        reached = threading.Event()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(reached)
            reached.wait(seconds)

    def _write(self) -> None:
        """Write one after the other, past every lock that the end of the process would wait for."""
        while True:
            item = self._queue.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            if self._dropped:
                item += b"(%d more found no room)\n" % self._dropped
                self._dropped = 0
            with contextlib.suppress(OSError):
                while item:
                    item = item[os.write(self._descriptor, item) :]


class _SinkHandler(logging.Handler):
    """Passes the text of records on."""

    def __init__(self, sink: Sink, shown: Callable[[str], str]) -> None:
        super().__init__()
        self._sink = sink
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's text into the sink."""
        try:
            text = self._shown(self.format(record))
        except Exception:  # noqa: BLE001 - a record that cannot be put into words must not reach the caller
            text = f"a log record of {record.name} could not be formatted"
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}… ({len(text)} characters)"
        self._sink.put(f"{text}\n".encode("utf-8", "backslashreplace"))


def configure_logging(level: str, sink: Sink | None = None, shown: Callable[[str], str] = str) -> None:
    """Log records of ``level`` and above, without ever blocking the caller.

    Args:
        level: A level's name.
        sink: Where to; standard error by default.
        shown: Makes of a record's whole text, its traceback included, what may be shown.
    """
    handler = _SinkHandler(sink or Sink(), shown)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for chatty in ("httpx", "httpcore", "mcp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
