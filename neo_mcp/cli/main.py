"""Reads the command line and starts what it names; without arguments, serves stdio.

What a command needs is imported when it runs: a host waits for ``serve`` every time it starts.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import anyio
from pydantic import SecretStr

from neo_mcp.cli import parser
from neo_mcp.cli.parser import Run, settings_of
from neo_mcp.cli.quick import collect_rarely, quick_imports
from neo_mcp.config import TOKEN_ENV, LogFormat, Settings
from neo_mcp.errors import NeoError
from neo_mcp.standard_streams import Wire, claimed
from neo_mcp.telemetry import configure_logging

_FAILED, _USAGE_ERROR, _INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The process's exit status: 0, 1 if the command failed, 2 for bad usage or settings, 3 if a task that
        was watched needs somebody, 130 after an interrupt.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = build_parser(given).parse_args(given)
    try:
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


def build_parser(given: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The whole command line, or as much of it as the arguments ``given`` need."""
    return parser.build_parser(_RUNS, given)


def _complain(error: BaseException) -> None:
    from neo_mcp.cli.shown import shown_without  # noqa: PLC0415 - see the module's docstring

    # Whoever mixes up two settings must not find the token on a screen.
    shown = shown_without(SecretStr(os.environ.get(TOKEN_ENV, "").strip()))
    print(f"pulumi-neo-mcp: {shown(str(error))}", file=sys.stderr)  # noqa: T201 - the command line speaks to people


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _serve(options: argparse.Namespace) -> int:
    if options.http:
        return _serve_on(None, options)
    with claimed() as wire:
        return _serve_on(wire, options)


def _serve_on(wire: Wire | None, options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.serve import serve  # noqa: PLC0415 - see the module's docstring
        from neo_mcp.cli.shown import shown_without  # noqa: PLC0415 - likewise
    collect_rarely()

    settings = settings_of(options)
    configure_logging(
        settings.log_level,
        wire.log if wire else None,
        shown_without(settings.token),
        as_json=settings.log_format is LogFormat.JSON,
    )
    with _telemetry(settings):
        anyio.run(partial(serve, wire=wire), settings, options)
    return 0


def _telemetry(settings: Settings) -> AbstractContextManager[None]:
    """Exports spans and metrics, if anybody asks for them."""
    address = settings.metrics_address
    if address is None and not any(name.startswith("OTEL_") for name in os.environ):
        return nullcontext()
    from neo_mcp.exporters import exporting  # noqa: PLC0415 - see the module's docstring

    return exporting(os.environ, address)


def _simulate(options: argparse.Namespace) -> int:
    from neo_mcp.cli.simulate import simulate  # noqa: PLC0415 - see the module's docstring

    return simulate(options)


def _demo(options: argparse.Namespace) -> int:
    from neo_mcp.cli.demo import demo  # noqa: PLC0415 - see the module's docstring

    status = 0
    try:
        status = anyio.run(demo, options)
    except* BrokenPipeError:
        _drop_output()
    except* KeyboardInterrupt:
        status = _INTERRUPTED
    return status


def _install(options: argparse.Namespace) -> int:
    from neo_mcp.cli.install import install  # noqa: PLC0415 - see the module's docstring

    try:
        return install(options, settings_of(options))
    except KeyboardInterrupt:
        return _INTERRUPTED


def _doctor(options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.doctor import doctor  # noqa: PLC0415 - see the module's docstring

    try:
        return anyio.run(doctor, options)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _tasks(options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.tasks import tasks  # noqa: PLC0415 - see the module's docstring
        from neo_mcp.cli.terminal import run  # noqa: PLC0415 - likewise

    return run(tasks, options)


def _watch(options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.terminal import run  # noqa: PLC0415 - see the module's docstring
        from neo_mcp.cli.watch import watch  # noqa: PLC0415 - likewise

    return run(watch, options)


def _respond(options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.respond import respond  # noqa: PLC0415 - see the module's docstring
        from neo_mcp.cli.terminal import run  # noqa: PLC0415 - likewise

    return run(respond, options)


def _create(options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.respond import create  # noqa: PLC0415 - see the module's docstring
        from neo_mcp.cli.terminal import run  # noqa: PLC0415 - likewise

    return run(create, options)


def _export(options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.export import export  # noqa: PLC0415 - see the module's docstring
        from neo_mcp.cli.terminal import run  # noqa: PLC0415 - likewise

    return run(export, options)


def _docs(options: argparse.Namespace) -> int:
    from neo_mcp.cli.docs import docs  # noqa: PLC0415 - see the module's docstring

    try:
        return docs(options)
    except BrokenPipeError:
        _drop_output()
        return 0


def _drop_output() -> None:
    """Whoever read the output has seen enough, as `head` does; nobody is left to flush it to."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_RUNS: dict[str, Run] = {
    "serve": _serve,
    "simulate": _simulate,
    "demo": _demo,
    "install": _install,
    "doctor": _doctor,
    "tasks": _tasks,
    "watch": _watch,
    "respond": _respond,
    "create": _create,
    "export": _export,
    "docs": _docs,
}
