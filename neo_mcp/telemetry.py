"""Log set-up. Standard output belongs to the protocol, so logs go to standard error and nowhere else.

The record travels through a bounded queue to a thread of its own: a host that never drains standard error
blocks that thread and nothing more, and what finds the queue full is dropped.
"""

import contextlib
import logging
import queue
import sys
from logging.handlers import QueueHandler, QueueListener

_QUEUE_SIZE = 1000


class _DroppingQueueHandler(QueueHandler):
    """Never waits for room."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def configure_logging(level: str) -> None:
    """Log records of ``level`` and above to standard error, without ever blocking the caller."""
    target = logging.StreamHandler(sys.stderr)
    target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    records: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUE_SIZE)
    # The listener's thread is a daemon: a blocked standard error cannot keep the process alive.
    QueueListener(records, target).start()
    root = logging.getLogger()
    root.handlers[:] = [_DroppingQueueHandler(records)]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "mcp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
