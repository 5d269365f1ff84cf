"""Ctrl-C at any moment: a command ends with status 130 and at most one sentence.

An interrupt ends the process at once where there is nothing to clean up: while a command is loaded, and after
it. A command on files gets Python's ``KeyboardInterrupt``, an asynchronous one is cancelled; a second
interrupt then ends the process. A process that was started with interrupts ignored ignores them.
"""

import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from neo_mcp.signals import leave

if TYPE_CHECKING:
    import asyncio

    import anyio

_T = TypeVar("_T")
_Handler = Callable[[int, FrameType | None], Any] | signal.Handlers

_advice: list[str] = []
_running: "list[_Run]" = []


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


def raised() -> AbstractContextManager[None]:
    """Have an interrupt raise ``KeyboardInterrupt`` within this block."""
    return handled(signal.default_int_handler)


def taken_by_loop() -> AbstractContextManager[None]:
    """Leave interrupts to the event loop of a server; on Windows, where loops take none, raise them."""
    return raised() if sys.platform == "win32" else nullcontext()


def run(function: Callable[..., Awaitable[_T]], *arguments: object) -> _T:
    """Run a coroutine function to its end; an interrupt cancels it.

    Raises:
        KeyboardInterrupt: If it was interrupted, once it has cleaned up.
    """
    import asyncio  # noqa: PLC0415 - a host waits for `serve`, which has its own way

    import anyio  # noqa: PLC0415 - likewise

    results: list[_T] = []
    state = _Run()

    async def call() -> None:
        state.loop = asyncio.get_running_loop()
        with anyio.CancelScope() as state.scope:
            _running.append(state)
            try:
                with handled(state.interrupt):
                    results.append(await function(*arguments))
            finally:
                _running.remove(state)

    try:
        anyio.run(call)
    except Exception:
        # What was cancelled may fail.
        if not state.is_interrupted:
            raise
    if state.is_interrupted or not results:
        raise KeyboardInterrupt
    return results[0]


class _Run:
    """A command that can be cancelled."""

    loop: "asyncio.AbstractEventLoop"
    scope: "anyio.CancelScope"

    def __init__(self) -> None:
        self.is_interrupted = False

    def interrupt(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:  # noqa: ARG002 - as handlers are called
        """Cancel it, from a signal's handler; the next signal ends the process."""
        signal.signal(signal.SIGINT, leave)
        self.is_interrupted = True
        self.loop.call_soon_threadsafe(self.scope.cancel)


async def blocking(function: Callable[..., _T], *arguments: object) -> _T:
    """Call what blocks, such as reading from a terminal; an interrupt ends it and cancels the command."""
    run = _running[-1] if _running else None
    # On Windows no handler is called while a pipe is read, so the system ends the process.
    is_deaf = sys.platform == "win32" and not sys.stdin.isatty()
    try:
        with handled(signal.SIG_DFL) if is_deaf else raised():
            if run is None or not run.is_interrupted:
                return function(*arguments)
    except KeyboardInterrupt:
        if run is None:
            raise
        run.interrupt()
    from anyio import sleep_forever  # noqa: PLC0415 - loaded by now

    await sleep_forever()
    raise KeyboardInterrupt


@contextmanager
def advised(text: str) -> Iterator[None]:
    """Say ``text`` if the command is interrupted within this block."""
    _advice.append(text)
    try:
        yield
    except Exception:
        _advice.remove(text)
        raise
    # An interrupt, which is none of these, leaves it there.
    _advice.remove(text)


def advice() -> str:
    """The text for an interrupt that has come; empty for none."""
    text = _advice[-1] if _advice else ""
    _advice.clear()
    return text
