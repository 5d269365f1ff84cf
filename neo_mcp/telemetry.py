"""Log set-up. Standard output belongs to the protocol, so logs go to standard error and nowhere else.

A record is a line for people, or a JSON object for programs. Whatever it quotes, it is cut; of records from
one place in the code only so many are written in a time, and then how many were not. Not here: how it is
written (:mod:`neo_mcp.standard_streams`), and spans and metrics (:mod:`neo_mcp.instruments`).
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.hidden_text import first_characters
from neo_mcp.instruments import current_ids
from neo_mcp.standard_streams import Sink

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being served; empty between requests."""

_MAX_LINE = 16_384
_MAX_MESSAGE, _MAX_FOREIGN_MESSAGE = 500, 200
"""Characters of a message: of ours, and of libraries', which quote what strangers send."""

WINDOW_SECONDS = 10.0
MAX_LINES, MAX_TRACEBACKS, MAX_DEBUG_LINES = 30, 10, 300
"""How many records from one place in the code are written in that time."""


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


def _call_later(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


@dataclass(slots=True)
class _Window:
    """The records from one place in the code since a moment.

    Attributes:
        left: How many may still be written.
        omitted: How many were not.
    """

    ends: float
    left: int
    omitted: int = 0


class FloodGate(logging.Filter):
    """Lets only so many records from one line of code through, and reports later how many it did not.

    Args:
        handler: Takes the report.
        clock: Time.
        later: Calls something after so many seconds.
    """

    def __init__(
        self,
        handler: logging.Handler,
        *,
        clock: Clock = SYSTEM_CLOCK,
        later: Callable[[float, Callable[[], None]], None] = _call_later,
    ) -> None:
        super().__init__()
        self._handler = handler
        self._now = clock.monotonic
        self._later = later
        self._windows: dict[tuple[str, int], _Window] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """True if the record is written."""
        location = record.pathname, record.lineno
        with self._lock:
            window = self._windows.get(location)
            if window is None or (window.ends <= self._now() and not window.omitted):
                window = self._windows[location] = _Window(self._now() + WINDOW_SECONDS, _limit(record))
            if window.left:
                window.left -= 1
                return True
            window.omitted += 1
            if window.omitted == 1:
                left = max(window.ends - self._now(), 0.0)
                self._later(left, partial(self._report, location, record.name, record.levelno))
        return False

    def _report(self, location: tuple[str, int], name: str, level: int) -> None:
        with self._lock:
            omitted = self._windows.pop(location).omitted
        fields = {"name": name, "levelno": level, "levelname": logging.getLevelName(level)}
        where = f"{location[0].rpartition(os.sep)[2]}:{location[1]}"
        text = f"{omitted} more records like the last ones from {where} were left out"
        self._handler.emit(logging.makeLogRecord({**fields, "msg": text}))


def _limit(record: logging.LogRecord) -> int:
    if record.exc_info:
        return MAX_TRACEBACKS
    return MAX_LINES if record.levelno > logging.DEBUG else MAX_DEBUG_LINES


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

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as the base names it
        """Its first line."""
        record.message = _message(record, self._shown)
        return super().formatMessage(record)


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
            "message": _message(record, self._shown),
            "request_id": REQUEST_ID.get(),
            "api_request_id": next(_api_request_ids(record), ""),
            "trace_id": trace_id,
            "span_id": span_id,
            "exception": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: _cut(self._shown(text)) for name, text in fields.items() if text})


def _api_request_ids(record: logging.LogRecord) -> Iterator[str]:
    """The ids that the API gave to the requests whose failures a record is about."""
    args = record.args if isinstance(record.args, tuple) else ()
    for error in (*args, record.exc_info[1] if record.exc_info else None):
        while isinstance(error, BaseException):
            if request_id := getattr(error, "request_id", None):
                yield str(request_id)
            error = error.__cause__  # noqa: PLW2901 - on to what was behind it


def _message(record: logging.LogRecord, shown: Callable[[str], str]) -> str:
    """The record's message on one line; cut last, as half of a secret is not recognised."""
    text = shown(_cut(record.getMessage())).replace("\n", "\\n")
    return _cut(text, _MAX_MESSAGE if record.name.startswith(__package__) else _MAX_FOREIGN_MESSAGE)


def _cut(text: str, limit: int = _MAX_LINE) -> str:
    return text if len(text) <= limit else f"{first_characters(text, limit)}… ({len(text)} characters)"


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
    handler.addFilter(FloodGate(handler))
    handler.setFormatter(_Objects(shown) if as_json else _Lines(shown))
    if as_json:
        sink.lost = lambda count: json.dumps({"level": "warning", "message": f"{count} more were dropped"})
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for chatty in ("httpx", "httpcore", "mcp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
