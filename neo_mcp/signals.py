"""The signals that ask a process to end, and the quickest answer to one."""

import os
import signal

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""Ctrl-C, what a supervisor sends, and Windows' Ctrl-Break."""

INTERRUPTED = 130
"""The exit status of a command that was interrupted."""


# Nothing is imported for annotations: see `__main__`.
def leave(number: int = signal.SIGINT, frame: object = None) -> None:  # noqa: ARG001 - as handlers are called
    """End the process at once, as an interrupted one."""
    os._exit(INTERRUPTED)
