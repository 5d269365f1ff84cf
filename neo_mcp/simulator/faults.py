"""The faults that can be injected, and when.

Owns: the description of a fault, its command-line spelling, and the book that decides which request meets
which fault.
Not here: doing it (`disturb` for response bodies, `gate` for everything else).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

KINDS: Final = {
    "status": "answer with `status` (default 503), `body` and `retry_after`; nothing is performed",
    "status_after": "perform the request, then answer like `status`",
    "latency": "wait `seconds` before anything else",
    "cut": "close the connection after `at` bytes (or `after_events` events) with the body unfinished",
    "reset": "reset the connection after `at` bytes (or `after_events` events), of which some may get lost",
    "clean_end": "finish the body properly after `at` bytes (or `after_events` events)",
    "silence": "after `at` bytes (or `after_events` events) send nothing more, stay open",
    "truncated_json": "finish the body properly after `at` bytes (default: half of it)",
    "reset_before_response": "reset the connection without an answer; `applied`: is the write performed",
    "duplicate": "send every event twice",
    "replay": "ignore Last-Event-ID",
    "gap": "leave out the first `after_events` events of the stream, as if it was resumed too late",
    "malformed": "replace the data of one event (the one after `after_events`) by broken JSON",
    "huge": "insert an event whose data is `at` bytes long before the event after `after_events`",
}
_LEADING_NUMBER: Final = {
    "status": "status",
    "status_after": "status",
    "latency": "seconds",
    "cut": "at",
    "reset": "at",
    "clean_end": "at",
    "silence": "at",
    "truncated_json": "at",
    "huge": "at",
}
_STATUSES: Final = range(200, 600)
_REQUIRED: Final = {"latency": "seconds", "huge": "at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _FaultOptions:
    path: str = ".*"
    method: str | None = None
    times: int = 1
    skip: int = 0
    at: int | None = None
    after_events: int | None = None
    seconds: float | None = None
    status: int | None = None
    retry_after: str | None = None
    body: bytes | None = None
    applied: bool = True


@dataclass(frozen=True, slots=True)
class Fault(_FaultOptions):
    """One thing that goes wrong; `KINDS` says what each kind does.

    Attributes:
        kind: One of `KINDS`.
        path: Regular expression, searched in the path of the request.
        method: HTTP method it is limited to.
        times: How many matching requests meet it; 0 means every one.
        skip: How many matching requests pass unharmed first.
        at: Bytes of the response body; for `huge` the size of the event.
        after_events: Events of the stream, where a kind counts in events.
        seconds: How long `latency` waits (not scaled).
        status: Status that `status` and `status_after` answer with.
        retry_after: Value of a Retry-After header for these.
        body: Body for these; without one, the usual JSON error.
        applied: Whether `reset_before_response` performs the request before it drops the answer.

    Raises:
        ValueError: For an unknown kind, a broken expression, or a number that the kind needs and lacks.
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(KINDS)}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path of fault {self.kind!r} is no regular expression: {error}") from error
        needed = _REQUIRED.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"fault {self.kind!r} needs {needed!r}")
        for name in ("times", "skip", "at", "after_events", "seconds"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name!r} of fault {self.kind!r} must not be negative")
        if self.status is not None and self.status not in _STATUSES:
            raise ValueError(f"status of fault {self.kind!r} must be from 200 to 599, not {self.status}")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read the spelling `kind[:number][,name=value]...`, such as `status:503,path=/events,times=2`.

        The number is the kind's own: the status, the seconds, or the bytes. A value cannot contain a comma.

        Raises:
            ValueError: With a message that names the part that is wrong.
        """
        head, *settings = text.split(",")
        kind, colon, number = head.strip().partition(":")
        options: dict[str, str] = {}
        if colon:
            if kind not in _LEADING_NUMBER:
                raise ValueError(f"fault {kind!r} takes no number after a colon")
            options[_LEADING_NUMBER[kind]] = number
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals:
                raise ValueError(f"{setting!r} in fault {text!r} must be written name=value")
            options[name.strip()] = value
        return cls(kind, **{name: _convert(name, value) for name, value in options.items()})

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Fault":
        """Read a fault from a JSON object with the attributes' names.

        Raises:
            ValueError: With a message that names the part that is wrong.
        """
        options = {
            str(name): _convert(str(name), str(item)) for name, item in value.items() if name != "kind"
        }
        return cls(str(value.get("kind")), **options)

    def as_json(self) -> dict[str, Any]:
        """The fault as `from_json` reads it, without what is not set."""
        pairs = {field.name: getattr(self, field.name) for field in fields(self)}
        pairs["body"] = self.body.decode("utf-8", "replace") if self.body is not None else None
        return {name: value for name, value in pairs.items() if value is not None}


def _convert(name: str, text: str) -> Any:  # noqa: ANN401 - the type depends on the name
    converters: dict[str, Callable[[str], Any]] = {
        "path": str,
        "method": str.upper,
        "retry_after": str,
        "body": str.encode,
        "seconds": float,
        "applied": _boolean,
        **dict.fromkeys(("times", "skip", "at", "after_events", "status"), int),
    }
    if name not in converters:
        raise ValueError(f"unknown fault setting {name!r}; known: {', '.join(converters)}")
    try:
        return converters[name](text)
    except ValueError:
        raise ValueError(f"fault setting {name!r} cannot be {text!r}") from None


def _boolean(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


@dataclass(slots=True)
class _Entry:
    fault: Fault
    seen: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times > 0 and self.seen >= self.fault.skip + self.fault.times


class FaultBook:
    """The faults in force. Each counts the requests it matches on its own."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._entries = [_Entry(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._entries.append(_Entry(fault))

    def clear(self) -> None:
        """Let everything go right from now on."""
        self._entries.clear()

    def list(self) -> tuple[Fault, ...]:
        """The faults that can still happen, oldest first."""
        return tuple(entry.fault for entry in self._entries if not entry.spent)

    def take(self, method: str, path: str) -> tuple[Fault, ...]:
        """The faults this request meets; they count it."""
        met: list[Fault] = []
        for entry in self._entries:
            fault = entry.fault
            matches = fault.method in (None, method) and re.search(fault.path, path)
            if not matches or entry.spent:
                continue
            entry.seen += 1
            if entry.seen > fault.skip:
                met.append(fault)
        return tuple(met)
