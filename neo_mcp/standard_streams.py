"""Standard input, output and error while the first two carry the protocol.

The protocol gets descriptors of its own, which no child process inherits. Whatever else in the process uses
the standard ones finds no input, and its output goes to standard error through a pipe that a thread empties.

Log records pass through a bounded queue to a thread of its own: a host that never reads standard error blocks
that thread alone, and records that find the queue full are dropped. Knows nothing of messages.
"""

import contextlib
import faulthandler
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_PIPE_BYTES = 2**20
_CHUNK = 16_384
_LAST_WORDS_SECONDS = 0.2
_QUEUE_SIZE = 1000


class Sink:
    """Bytes to a file descriptor, in order, by a thread that may block when no other does.

    Attributes:
        lost: Makes a line of the number that were dropped.
    """

    def __init__(self, descriptor: int = _STDERR) -> None:
        self.lost: Callable[[int], str] = "({} more were dropped)".format
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


class Wire:
    """The streams of the protocol.

    Attributes:
        incoming: Descriptor of what was standard input.
        outgoing: Descriptor of what was standard output.
        log: Where to log: what was standard error.
        is_used: Set once a message was written. From then on standard output is never given back: what is
            printed while the process ends would land behind the last message.
    """

    def __init__(self, incoming: int, outgoing: int, log: Sink) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self.log = log
        self.is_used = False


@contextlib.contextmanager
def claimed() -> Iterator[Wire]:
    """Claim standard input and output for the protocol while this block runs."""
    _open_all()
    _flush()
    # The log's is never closed: its thread may be in the middle of writing for as long as the process lives.
    incoming, outgoing, stderr = os.dup(_STDIN), os.dup(_STDOUT), os.dup(_STDERR)
    wire = Wire(incoming, outgoing, Sink(stderr))
    relay = _divert(wire.log, stderr)
    try:
        yield wire
    finally:
        _flush()
        os.dup2(incoming, _STDIN)
        os.dup2(stderr, _STDERR)
        if wire.is_used:
            _point(_STDOUT, os.O_WRONLY)
        else:
            os.dup2(outgoing, _STDOUT)
        relay.join(_LAST_WORDS_SECONDS)
        wire.log.flush(_LAST_WORDS_SECONDS)
        os.close(incoming)
        os.close(outgoing)


def _divert(log: Sink, stderr: int) -> threading.Thread:
    """Point the standard descriptors elsewhere; the thread returned ends when they point back."""
    source, target = os.pipe()
    _widen(target)
    _point(_STDIN, os.O_RDONLY)
    os.dup2(target, _STDOUT)
    os.dup2(target, _STDERR)
    os.close(target)
    if faulthandler.is_enabled():
        # What it writes while the process crashes, no thread of this process could pass on.
        faulthandler.enable(stderr)
    thread = threading.Thread(target=_relay, args=(source, log), name="stray output", daemon=True)
    thread.start()
    return thread


def _relay(source: int, log: Sink) -> None:
    with contextlib.suppress(OSError):
        while chunk := os.read(source, _CHUNK):
            log.put(chunk)
    os.close(source)


def _widen(pipe: int) -> None:
    """Enlarge the pipe for what compiled code prints at once: while that runs, the reading thread may not."""
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415 - not everywhere

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _open_all() -> None:
    """A standard descriptor may be closed from the start, and the next file opened would get its number."""
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            _point(descriptor, os.O_RDWR)


def _point(descriptor: int, flags: int) -> None:
    """Point a standard descriptor at nothing."""
    nothing = os.open(os.devnull, flags)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
