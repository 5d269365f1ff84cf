"""The signals that ask a process to end."""

import signal

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""Ctrl-C, what a supervisor sends, and Windows' Ctrl-Break."""
