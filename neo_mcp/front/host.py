"""Exchange messages with the host until the server takes over."""

import contextlib
import os
import select
from collections import deque

from neo_mcp.front.conversation import Conversation, Rest
from neo_mcp.front.messages import UnknownError

_CHUNK = 64 * 2**10
_FLUSH_SECONDS = 0.2
_MAX_UNSENT = 24 * 2**20
"""Bytes of answers that wait for a host that does not read: above it, no more is read."""


def converse(incoming: int, outgoing: int, conversation: Conversation) -> Rest | None:
    """Answer a host; never wait for one that does not read, where the system lets that be known.

    Returns:
        The conversation to continue; ``None`` if the host is gone.
    """
    exchange = _wait_for_both if hasattr(select, "poll") else _wait_for_input
    return exchange(incoming, outgoing, conversation)


def _wait_for_both(incoming: int, outgoing: int, conversation: Conversation) -> Rest | None:
    unsent: deque[bytes] = deque()
    waiting = 0
    with contextlib.suppress(OSError):
        while True:
            events = _events(incoming, outgoing, waiting)
            if outgoing in events:
                if events[outgoing] & select.POLLNVAL:
                    # Some systems cannot wait for devices.
                    return conversation.rest(b"".join(unsent))
                if events[outgoing] & (select.POLLERR | select.POLLHUP):
                    # A host that reads no answers has nothing more to ask.
                    return None
                waiting -= _send(outgoing, unsent)
            if incoming not in events:
                continue
            try:
                chunk = os.read(incoming, _CHUNK)
                for part in conversation.feed(chunk):
                    unsent.append(part)
                    waiting += len(part)
            except BlockingIOError:
                # Another process read it first.
                continue
            except UnknownError:
                # The server takes a while to load.
                _flush(outgoing, unsent, 0)
                return conversation.rest(b"".join(unsent))
            if not chunk:
                _flush(outgoing, unsent, _FLUSH_SECONDS)
                return None
    return None


def _wait_for_input(incoming: int, outgoing: int, conversation: Conversation) -> Rest | None:
    """Answer what the host has sent, then read on: nothing can wait for two pipes on Windows."""
    with contextlib.suppress(OSError):
        chunk = b"."
        while chunk:
            chunk = os.read(incoming, _CHUNK)
            try:
                for part in conversation.feed(chunk):
                    unsent = part
                    while unsent:
                        unsent = unsent[os.write(outgoing, unsent) :]
            except UnknownError:
                return conversation.rest()
    return None


def _events(incoming: int, outgoing: int, waiting: int) -> dict[int, int]:
    """Wait until something can be read or, while so many bytes wait, written."""
    poll = select.poll()
    poll.register(outgoing, select.POLLOUT if waiting else 0)
    if waiting <= _MAX_UNSENT:
        poll.register(incoming, select.POLLIN)
    return dict(poll.poll())


def _send(outgoing: int, unsent: deque[bytes]) -> int:
    """Send as much as is possible without waiting, to a descriptor that is ready for it; return how much."""
    data = unsent.popleft()
    while unsent and len(data) < select.PIPE_BUF:
        data += unsent.popleft()
    written = 0
    with contextlib.suppress(BlockingIOError):
        written = os.write(outgoing, data[: select.PIPE_BUF])
    if written < len(data):
        unsent.appendleft(data[written:])
    return written


def _flush(outgoing: int, unsent: deque[bytes], seconds: float) -> None:
    """Send what is left, for as long as the host reads, with pauses of ``seconds`` at most."""
    poll = select.poll()
    poll.register(outgoing, select.POLLOUT)
    while unsent and poll.poll(seconds * 1000):
        _send(outgoing, unsent)
