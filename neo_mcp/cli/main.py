"""Reads the command line and starts what it names; without arguments, serves stdio.

What a command needs is imported when it runs: a host waits for ``serve`` every time it starts.
"""

import argparse
import os
import sys
from collections.abc import Sequence

import anyio

from neo_mcp._version import __version__
from neo_mcp.cli.quick import collect_rarely, quick_imports
from neo_mcp.config import SETTINGS, Settings, load_settings
from neo_mcp.errors import NeoError
from neo_mcp.telemetry import configure_logging

_FAILED, _USAGE_ERROR, _INTERRUPTED = 1, 2, 130
_HOST, _PORT = "127.0.0.1", 8365


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The process's exit status: 0, 1 if the command failed, 2 for bad usage or settings.
    """
    options = build_parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        status: int = options.run(options)
    except NeoError as error:
        print(f"pulumi-neo-mcp: {error}", file=sys.stderr)  # noqa: T201 - the command line speaks to people
        return _USAGE_ERROR
    except ExceptionGroup as group:
        # What went wrong in the middle of something concurrent comes wrapped.
        errors, others = group.split(NeoError)
        if errors is None or others is not None:
            raise
        print(f"pulumi-neo-mcp: {_innermost(errors)}", file=sys.stderr)  # noqa: T201 - likewise
        return _FAILED
    return status


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="pulumi-neo-mcp",
        description="Lets any MCP host delegate infrastructure work to Pulumi Neo. Independent project.",
        epilog="Without a command, serves one host on standard input and output.",
    )
    parser.add_argument("--version", action="version", version=f"pulumi-neo-mcp {__version__}")
    _add_serve_options(parser)
    parser.set_defaults(http=False, host=_HOST, port=_PORT, sandbox=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve MCP hosts on stdio or HTTP")
    _add_serve_options(serve)
    simulate = commands.add_parser("simulate", help="run a simulated Neo API to try things against")
    _add_simulate_options(simulate)
    demo = commands.add_parser("demo", help="watch a host delegate a task to a simulated Neo")
    demo.add_argument("--http", action="store_true", help="connect over HTTP rather than stdio")
    demo.add_argument("--approve", action="store_true", help="fill in the forms yourself, in this terminal")
    demo.add_argument(
        "--local-tools",
        dest="scenario",
        action="store_const",
        const="local-tools",
        default=argparse.SUPPRESS,
        help="lend Neo tools that read example files",
    )
    demo.add_argument("--scenario", default="public-bucket", help="which conversation to play")
    demo.add_argument("--speed", type=float, default=2.0, help="how many times faster than life")
    demo.set_defaults(run=_demo)
    return parser


def _add_serve_options(parser: argparse.ArgumentParser) -> None:
    # Absent options stay absent, so that `serve` does not undo what was given before it.
    absent = argparse.SUPPRESS
    parser.add_argument("--http", action="store_true", default=absent, help="serve HTTP rather than stdio")
    parser.add_argument("--host", default=absent, help=f"address for --http, loopback only ({_HOST})")
    parser.add_argument("--port", type=int, default=absent, help=f"port for --http ({_PORT}; 0: any)")
    parser.add_argument(
        "--sandbox",
        action="store_true",
        default=absent,
        help="work against a simulated Neo of its own: no account needed",
    )
    group = parser.add_argument_group("settings")
    for setting in SETTINGS:
        text = f"{setting.help} [{setting.env}; default: {setting.default}]".replace("%", "%%")
        if setting.is_switch:
            group.add_argument(
                setting.flag, dest=setting.name, action="store_const", const="true", default=absent, help=text
            )
        else:
            group.add_argument(
                setting.flag, dest=setting.name, metavar=setting.name.upper(), default=absent, help=text
            )
    parser.set_defaults(run=_serve)


def _add_simulate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    parser.add_argument("--port", type=int, default=8366, help="port to bind (default 8366)")
    parser.add_argument("--time-scale", type=float, default=1.0, help="stretch of scripted pauses; 0: none")
    parser.add_argument("--first-generation", action="store_true", help="speak the API's earlier dialect")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="inject a fault, such as status:503,path=/events/stream,times=2 (may be repeated)",
    )
    parser.set_defaults(run=_simulate)


def _settings(options: argparse.Namespace) -> Settings:
    return load_settings(os.environ, {s.name: getattr(options, s.name, None) for s in SETTINGS})


def _serve(options: argparse.Namespace) -> int:
    with quick_imports():
        from neo_mcp.cli.serve import serve  # noqa: PLC0415 - see the module's docstring
    collect_rarely()

    settings = _settings(options)
    configure_logging(settings.log_level)
    anyio.run(serve, settings, options)
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from neo_mcp.cli.simulate import simulate  # noqa: PLC0415 - see the module's docstring

    return simulate(options)


def _demo(options: argparse.Namespace) -> int:
    from neo_mcp.cli.demo import demo  # noqa: PLC0415 - see the module's docstring

    status = 0
    try:
        status = anyio.run(demo, options)
    except* BrokenPipeError:
        # Whoever read the output has seen enough, as `head` does; nobody is left to flush it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except* KeyboardInterrupt:
        status = _INTERRUPTED
    return status
