"""Reads the command line and starts what it names; without arguments, serves stdio.

What a command needs is imported when it runs: a host waits for ``serve`` every time it starts.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from neo_mcp._version import __version__
from neo_mcp.cli import interrupts, standard_output
from neo_mcp.constants import PROGRAM
from neo_mcp.signals import INTERRUPTED, leave

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from neo_mcp.cli.parser import Run
    from neo_mcp.cli.settings import Options

_FAILED, _USAGE_ERROR = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The process's exit status: 0, 1 if the command failed, 2 for bad usage or settings, 3 if a task that
        was watched needs attention, 130 after an interrupt; servers that one ends return 0.
    """
    # Afterwards, too, where the process ends with it.
    with interrupts.handled(leave, after=arguments is None):
        standard_output.prepare()
        return _status(sys.argv[1:] if arguments is None else arguments)


def _status(given: Sequence[str]) -> int:
    status = _FAILED
    try:
        status = _flushed(given)
    except* KeyboardInterrupt:
        status = INTERRUPTED
        if advice := interrupts.advice():
            _say(advice)
    except* OSError as group:
        error = _innermost(group)
        if not (isinstance(error, OSError) and standard_output.is_lost(error)):
            raise
        standard_output.discard()
        status = 0
        if not standard_output.is_unread(error):
            status = _FAILED
            _say(f"Standard output takes nothing more: {error.strerror}.")
    return status


def _flushed(given: Sequence[str]) -> int:
    try:
        return _run(given)
    finally:
        # Not by the interpreter at its end, which would print what went wrong.
        sys.stdout.flush()


def _run(given: Sequence[str]) -> int:
    if list(given) == ["--version"]:
        print(f"{PROGRAM} {__version__}")  # noqa: T201 - the command line speaks to people
        return 0
    from neo_mcp.errors import NeoError  # noqa: PLC0415 - see the module's docstring

    try:
        if list(given) in ([], ["serve"]):
            return _serve(_serve_defaults())
        options = build_parser(given).parse_args(given)
        return int(options.run(options))
    except NeoError as error:
        _complain(error)
        return _USAGE_ERROR
    except ExceptionGroup as group:
        # What went wrong in the middle of something concurrent comes wrapped.
        errors, others = group.split(NeoError)
        if errors is None or others is not None:
            raise
        _complain(_innermost(errors))
        return _FAILED


def build_parser(given: Sequence[str] | None = None) -> "ArgumentParser":
    """The whole command line, or as much of it as the arguments ``given`` need."""
    from neo_mcp.cli import parser  # noqa: PLC0415 - see the module's docstring

    return parser.build_parser(_RUNS, given)


def _complain(error: BaseException) -> None:
    from neo_mcp.cli.shown import shown_without  # noqa: PLC0415 - see the module's docstring
    from neo_mcp.cli.terminal.wording import TERMINAL  # noqa: PLC0415 - likewise
    from neo_mcp.config import TOKEN_ENV  # noqa: PLC0415 - likewise
    from neo_mcp.errors import NeoError  # noqa: PLC0415 - likewise
    from neo_mcp.secret import SecretStr  # noqa: PLC0415 - likewise

    # If two settings are mixed up, the token must not appear on a screen.
    shown = shown_without(SecretStr(os.environ.get(TOKEN_ENV, "").strip()))
    text = error.text(TERMINAL) if isinstance(error, NeoError) else str(error)
    _say(shown(text))


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"{PROGRAM}: {text}", file=sys.stderr)  # noqa: T201 - the command line speaks to people


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _serve_defaults() -> "Options":
    """The options that the parser would return, which takes longer to load than all that serves at first."""
    from types import SimpleNamespace  # noqa: PLC0415 - see the module's docstring

    from neo_mcp.cli.settings import SERVE  # noqa: PLC0415 - likewise

    return SimpleNamespace(**SERVE)


def _serve(options: "Options") -> int:
    from neo_mcp.cli.launch import launch  # noqa: PLC0415 - see the module's docstring

    return launch(options)


def _plain(function: Callable[..., int], options: "Namespace") -> int:
    with interrupts.taken_by_loop():
        return function(options)


def _with_settings(function: Callable[..., int], options: "Namespace") -> int:
    from neo_mcp.cli.settings import settings_of  # noqa: PLC0415 - see the module's docstring

    with interrupts.raised():
        return function(options, settings_of(options))


def _as_coroutine(function: Callable[..., Awaitable[int]], options: "Namespace") -> int:
    return interrupts.run(function, options)


def _on_tasks(function: Any, options: "Namespace") -> int:  # noqa: ANN401 - a command of console's
    from neo_mcp.cli.terminal.console import run  # noqa: PLC0415 - see the module's docstring

    return run(function, options)


def _runner(target: str, run: "Callable[[Any, Namespace], int]") -> "Run":
    """Loads the function at ``target`` for ``run``."""

    def load_and_run(options: "Namespace") -> int:
        from pkgutil import resolve_name  # noqa: PLC0415 - see the module's docstring

        from neo_mcp.cli.startup import quick_imports  # noqa: PLC0415 - likewise

        with quick_imports():
            function = resolve_name(target)
        return run(function, options)

    return load_and_run


_RUNS: "dict[str, Run]" = {
    "serve": _serve,
    "simulate": _runner("neo_mcp.cli.simulate:simulate", _plain),
    "demo": _runner("neo_mcp.cli.demo.command:demo", _as_coroutine),
    "install": _runner("neo_mcp.cli.install.command:install", _with_settings),
    "doctor": _runner("neo_mcp.cli.doctor.command:doctor", _as_coroutine),
    "tasks": _runner("neo_mcp.cli.tasks.list:tasks", _on_tasks),
    "watch": _runner("neo_mcp.cli.tasks.watch:watch", _on_tasks),
    "respond": _runner("neo_mcp.cli.tasks.respond:respond", _on_tasks),
    "create": _runner("neo_mcp.cli.tasks.create:create", _on_tasks),
    "export": _runner("neo_mcp.cli.tasks.export:export", _on_tasks),
    "docs": _runner("neo_mcp.cli.docs:docs", _plain),
}
