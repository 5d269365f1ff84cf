"""Log set-up. Standard output belongs to the protocol, so logs go to standard error and nowhere else.

What is to be logged travels through a bounded queue to a thread of its own: a host that never drains standard
error blocks that thread and nothing more, and what finds the queue full is dropped. A record is a line for
people, or a JSON object for programs. Not here: what others print (:mod:`neo_mcp.standard_streams`), and
spans and metrics (:mod:`neo_mcp.instruments`).
"""

import contextlib
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

from neo_mcp.hidden_text import first_characters
from neo_mcp.instruments import current_ids

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being served; empty between requests."""

_QUEUE_SIZE = 1000
_LONGEST = 16_384
_STDERR = 2


class Sink:
    """Bytes to a file descriptor, in order, by a thread that may wait for room when nobody else does.

    Attributes:
        lost: Says how many were dropped, in a line.
    """

    def __init__(self, descriptor: int = _STDERR) -> None:
        self.lost: Callable[[int], str] = "({} more found no room)".format
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
                item += f"{self.lost(self._dropped)}\n".encode()
                self._dropped = 0
            with contextlib.suppress(OSError):
                while item:
                    item = item[os.write(self._descriptor, item) :]


class _SinkHandler(logging.Handler):
    """Passes the text of records on."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's text into the sink."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a record that cannot be put into words must not reach the caller
            known = {"name": record.name, "levelname": record.levelname, "levelno": record.levelno}
            text = self.format(logging.makeLogRecord({**known, "msg": "a log record could not be formatted"}))
        self._sink.put(f"{text}\n".encode("utf-8", "backslashreplace"))


class _Lines(logging.Formatter):
    """A record as a line, with the id of the request that it is about."""

    def __init__(self, shown: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s:%(request)s %(message)s")
        self._shown = shown

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        request_id = REQUEST_ID.get()
        record.request = f" [{request_id}]" if request_id else ""
        return _cut(self._shown(super().format(record)))


class _Objects(logging.Formatter):
    """A record as a JSON object in one line; what is not known is left out."""

    def __init__(self, shown: Callable[[str], str]) -> None:
        super().__init__()
        self._shown = shown

    def format(self, record: logging.LogRecord) -> str:
        """The record's object."""
        trace_id, span_id = current_ids() or ("", "")
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
            "api_request_id": next(_api_request_ids(record), ""),
            "trace_id": trace_id,
            "span_id": span_id,
            "exception": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: _cut(self._shown(text)) for name, text in fields.items() if text})


def _api_request_ids(record: logging.LogRecord) -> Iterator[str]:
    """The ids that the API gave to the requests whose failures a record is about."""
    told = record.args if isinstance(record.args, tuple) else ()
    for error in (*told, record.exc_info[1] if record.exc_info else None):
        while isinstance(error, BaseException):
            if found := getattr(error, "request_id", None):
                yield str(found)
            error = error.__cause__  # noqa: PLW2901 - on to what was behind it


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{first_characters(text, _LONGEST)}… ({len(text)} characters)"


def configure_logging(
    level: str, sink: Sink | None = None, shown: Callable[[str], str] = str, *, as_json: bool = False
) -> None:
    """Log records of ``level`` and above, without ever blocking the caller.

    Args:
        level: A level's name.
        sink: Where to; standard error by default.
        shown: Makes of a record's whole text, its traceback included, what may be shown.
        as_json: Write objects, for programs, rather than lines for people.
    """
    sink = sink or Sink()
    handler = _SinkHandler(sink)
    handler.setFormatter(_Objects(shown) if as_json else _Lines(shown))
    if as_json:
        sink.lost = lambda count: json.dumps({"level": "warning", "message": f"{count} more found no room"})
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for chatty in ("httpx", "httpcore", "mcp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
