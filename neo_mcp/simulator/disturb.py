"""The effects of faults on a response body: a pure transformation, chunk by chunk.

An event frame is a chunk of its own that starts with `id:`; that is how the stream writes them.
Not here: choosing the faults (`faults`) and touching the connection (`gate`).
"""

from collections.abc import Sequence
from typing import Final, Literal

from neo_mcp.simulator.faults import Fault

Ending = Literal["cut", "reset", "clean_end", "silence"]
ENDINGS: Final[dict[str, Ending]] = {
    "cut": "cut",
    "reset": "reset",
    "clean_end": "clean_end",
    "silence": "silence",
    "truncated_json": "clean_end",
}
_HUGE: Final = (
    b'id: %(id)s\ndata: {"id":"%(id)s","isSynthetic":false,"type":"agentResponse","eventBody":'
    b'{"type":"warning","timestamp":"2026-01-01T00:00:00Z","message":"%(text)s"}}\n\n'
)


class Disturbance:
    """The faults of one response, applied to its body as it passes."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults
        self._bytes = 0
        self._events = 0
        self.ending: Ending | None = None

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send in place of this chunk (an empty one: the body has not begun).

        Once `ending` is set nothing follows.
        """
        if self.ending:
            return b""
        is_event = chunk.startswith(b"id:")
        if is_event:
            chunk = self._alter(chunk)
            self._events += 1
        for fault in self._faults:
            if fault.kind in ENDINGS:
                chunk = self._limit(fault, chunk)
        self._bytes += len(chunk)
        return chunk

    def _alter(self, frame: bytes) -> bytes:
        for fault in self._faults:
            here = self._events == (fault.after_events or 0)
            if fault.kind == "malformed" and here:
                frame = frame.partition(b"\n")[0] + b'\ndata: {"id": "broken", "eventBody": {\n\n'
            elif fault.kind == "gap" and self._events < (fault.after_events or 0):
                return b""
            elif fault.kind == "duplicate":
                frame += frame
            elif fault.kind == "huge" and here:
                frame = _huge(frame, fault.at or 0) + frame
        return frame

    def _limit(self, fault: Fault, chunk: bytes) -> bytes:
        if fault.after_events is not None:
            reached, passed = self._events >= fault.after_events, chunk
        elif fault.at is None and fault.kind == "truncated_json":
            reached, passed = bool(chunk), chunk[: len(chunk) // 2]
        else:
            remaining = (fault.at or 0) - self._bytes
            reached, passed = len(chunk) >= remaining, chunk[: max(0, remaining)]
        if not reached:
            return chunk
        self.ending = ENDINGS[fault.kind]
        return passed


def _huge(frame: bytes, size: int) -> bytes:
    identity = frame.partition(b"\n")[0].removeprefix(b"id: ") + b"-huge"
    overhead = len((_HUGE % {b"id": identity, b"text": b""}).split(b"data: ", 1)[1]) - len(b"\n\n")
    return _HUGE % {b"id": identity, b"text": b"x" * max(0, size - overhead)}
