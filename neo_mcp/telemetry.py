"""Log set-up. Standard output belongs to the protocol, so logs go to standard error and nowhere else.

The record travels through a bounded queue to a thread of its own: a host that never drains standard error
blocks that thread and nothing more, and what finds the queue full is dropped.
"""

import contextlib
import logging
import os
import queue
import threading
from logging.handlers import QueueHandler

_QUEUE_SIZE = 1000
_STDERR = 2


class _DroppingQueueHandler(QueueHandler):
    """Never waits for room."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def configure_logging(level: str) -> None:
    """Log records of ``level`` and above to standard error, without ever blocking the caller."""
    records: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUE_SIZE)
    handler = _DroppingQueueHandler(records)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    # A daemon: a blocked standard error cannot keep the process alive.
    threading.Thread(target=_write, args=(records,), name="log", daemon=True).start()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for chatty in ("httpx", "httpcore", "mcp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _write(records: queue.Queue[logging.LogRecord]) -> None:
    """Write record after record, past every lock that the end of the process would wait for."""
    while True:
        # The queue's handler has formatted it, exception and all.
        text = f"{records.get().getMessage()}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            while text:
                text = text[os.write(_STDERR, text) :]
