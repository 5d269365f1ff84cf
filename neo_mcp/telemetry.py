"""Log set-up. Standard output belongs to the protocol, so logs go to standard error and nowhere else.

The record travels through a bounded queue to a thread of its own: a host that never drains standard error
blocks that thread and nothing more, and what finds the queue full is dropped.
"""

import contextlib
import logging
import os
import queue
import threading

_QUEUE_SIZE = 1000
_STDERR = 2


class _QueueingHandler(logging.Handler):
    """Passes the text of records on, and never waits for room."""

    def __init__(self, lines: queue.Queue[str]) -> None:
        super().__init__()
        self.queue = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's text into the queue, or drop it."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a record that cannot be put into words must not reach the caller
            text = f"a log record of {record.name} could not be formatted"
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(text)


def configure_logging(level: str) -> None:
    """Log records of ``level`` and above to standard error, without ever blocking the caller."""
    lines: queue.Queue[str] = queue.Queue(_QUEUE_SIZE)
    handler = _QueueingHandler(lines)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    # A daemon: a blocked standard error cannot keep the process alive.
    threading.Thread(target=_write, args=(lines,), name="log", daemon=True).start()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for chatty in ("httpx", "httpcore", "mcp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _write(lines: queue.Queue[str]) -> None:
    """Write line after line, past every lock that the end of the process would wait for."""
    while True:
        text = f"{lines.get()}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            while text:
                text = text[os.write(_STDERR, text) :]
