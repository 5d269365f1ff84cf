"""Ctrl-C at any moment: a command ends with status 130 and at most one sentence.

An interrupt ends the process at once where there is nothing to clean up: while a command is loaded, and after
it. A command on files gets Python's ``KeyboardInterrupt``, an asynchronous one is cancelled; a second
interrupt then ends the process. A process that was started with interrupts ignored ignores them.
"""

import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from anyio import CancelScope

STATUS = 130

_T = TypeVar("_T")
_Handler = Callable[[int, FrameType | None], Any]

_advice: list[str] = []
_scopes: "list[CancelScope]" = []


def leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:  # noqa: ARG001 - as handlers are called
    """End the process at once."""
    os._exit(STATUS)


@contextmanager
def handled(handler: _Handler, *, after: bool = False) -> Iterator[None]:
    """Have ``handler`` called for interrupts within this block.

    Args:
        handler: As of :func:`signal.signal`.
        after: Whether it stays afterwards, for what is left of the process.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler if after else before)


def raised() -> "Any":  # noqa: ANN401 - a context manager
    """Have an interrupt raise ``KeyboardInterrupt`` within this block."""
    return handled(signal.default_int_handler)


def run(function: Callable[..., Awaitable[_T]], *arguments: object) -> _T:
    """Run a coroutine function to its end; an interrupt cancels it.

    Raises:
        KeyboardInterrupt: If it was interrupted, once it has cleaned up.
    """
    import asyncio  # noqa: PLC0415 - a host waits for `serve`, which has its own way

    import anyio  # noqa: PLC0415 - likewise

    results: list[_T] = []
    scopes: list[CancelScope] = []

    async def call() -> None:
        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as scope:

            def cancel(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as handlers are called
                signal.signal(signal.SIGINT, leave)
                loop.call_soon_threadsafe(scope.cancel)

            scopes.append(scope)
            _scopes.append(scope)
            try:
                with handled(cancel):
                    results.append(await function(*arguments))
            finally:
                _scopes.remove(scope)

    try:
        anyio.run(call)
    except Exception:
        # What fails because it is cancelled.
        if not any(scope.cancel_called for scope in scopes):
            raise
        results.clear()
    if not results:
        raise KeyboardInterrupt
    return results[0]


async def blocking(function: Callable[..., _T], *arguments: object) -> _T:
    """Call what blocks, such as reading from a terminal; an interrupt ends it and cancels the command."""
    try:
        with raised():
            return function(*arguments)
    except KeyboardInterrupt:
        if not _scopes:
            raise
    from anyio import sleep_forever  # noqa: PLC0415 - loaded by now

    _scopes[-1].cancel()
    await sleep_forever()
    raise AssertionError  # not reached


@contextmanager
def advised(text: str) -> Iterator[None]:
    """Say ``text`` if the command is interrupted within this block."""
    _advice.append(text)
    yield
    # An interrupt leaves it there.
    _advice.remove(text)


def advice() -> str:
    """The text for an interrupt that has come; empty for none."""
    text = _advice[-1] if _advice else ""
    _advice.clear()
    return text
