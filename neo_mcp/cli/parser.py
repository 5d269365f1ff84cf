"""The command line as argparse knows it: every command, its arguments, and what each means.

Owns the texts of ``--help``. What a command does is in a module of its own, which its ``run`` imports.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from neo_mcp._version import __version__
from neo_mcp.cli import usage
from neo_mcp.cli.settings import SERVE
from neo_mcp.config import SETTINGS, TOKEN_ENV, Setting
from neo_mcp.constants import PROGRAM

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_MAX_COMPLAINT = 500
_WIDTH = 100

Run = Callable[[argparse.Namespace], int]


class _Command(NamedTuple):
    """A command: its name, what it is for, and how its arguments are added."""

    name: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]


class _Joined(argparse.Action):
    """Joins the values of a repeated option with commas."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002 - likewise
    ) -> None:
        earlier = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, values if earlier is None else f"{earlier},{values}")


class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001 - no public name
    """Joins lists given before the command with those given after it; argparse keeps only the latter."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 - argparse's signature
        option_string: str | None = None,
    ) -> None:
        names = [setting.name for setting in SETTINGS if setting.is_list]
        before = {name: getattr(namespace, name) for name in names if hasattr(namespace, name)}
        super().__call__(parser, namespace, values, option_string)
        for name, earlier in before.items():
            later = getattr(namespace, name)
            if later != earlier:
                setattr(namespace, name, f"{earlier},{later}")


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments without repeating terminal sequences or secrets."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in argparse, which overloads it
        """Read a whole command line."""
        words = sys.argv[1:] if args is None else list(args)
        # argparse would take the value of such an option for the command.
        if unknown := usage.unknown_before(words, self._option_string_actions, [c.name for c in _COMMANDS]):
            self.error(_unrecognized("serve", [unknown]))
        options, rest = self.parse_known_args(words, namespace)
        problem = _unrecognized(options.command, rest) if rest else usage.complaint(options, words)
        if problem:
            command = f"{self.prog} {options.command}" if options.command in words else self.prog
            self._refuse(command, problem)
        return options

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - argparse's signature
        """Refuse what is no choice, with the one that is meant."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            names = [*map(str, action.choices or ())]
            if isinstance(action, _Commands):
                names += [option for option in self._option_string_actions if option.startswith("--")]
            if question := usage.did_you_mean(str(value), names):
                raise argparse.ArgumentError(action, f"{error.message}. {question}") from None
            raise

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        """Print help. argparse itself ignores a standard output that takes nothing."""
        if file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Report it, and exit."""
        self._refuse(self.prog, message)

    def _refuse(self, command: str, message: str) -> NoReturn:
        from neo_mcp.cli.shown import shown_without  # noqa: PLC0415 - only where something is wrong
        from neo_mcp.core.sanitize import cut  # noqa: PLC0415 - likewise
        from neo_mcp.secret import SecretStr  # noqa: PLC0415 - likewise

        shown = shown_without(SecretStr(os.environ.get(TOKEN_ENV, "").strip()))
        # Dozens of options in a line of usage would hide what is wrong.
        self.exit(2, f"{command}: error: {cut(shown(message), _MAX_COMPLAINT)}\nUsage: {command} --help\n")


def build_parser(runs: dict[str, Run], given: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The whole command line, or as much of it as ``given`` needs: starting is to be quick.

    Args:
        runs: What each command does, by its name.
        given: The arguments that will be read; ``None`` for any.
    """
    formatter = _formatter(given)
    parser = _Parser(
        prog=PROGRAM,
        description="Lets any MCP host delegate infrastructure work to Pulumi Neo. Independent project.",
        epilog="Without a command, serves one host on standard input and output.",
        # What is short today would be ambiguous with the next option.
        allow_abbrev=False,
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _add_serve(parser)
    parser.set_defaults(**SERVE)
    parser.set_defaults(command="serve", run=runs["serve"])
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", action=_Commands)
    for command in _COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=_sentence(command.help),
            allow_abbrev=False,
            formatter_class=formatter,
        )
        if given is None or command.name in given:
            command.add(sub)
        sub.set_defaults(command=command.name, run=runs[command.name])
    return parser


def _formatter(given: Sequence[str] | None) -> partial[argparse.HelpFormatter]:
    """Makes what formats help. Every option asks for one, and finding out the terminal's width takes long."""
    width = _WIDTH
    if given is None or not {"-h", "--help"}.isdisjoint(given):
        from shutil import get_terminal_size  # noqa: PLC0415 - only for people

        width = get_terminal_size().columns - 2
    return partial(argparse.HelpFormatter, width=width)


def _unrecognized(own: str, words: Sequence[str]) -> str:
    by_command: dict[str, list[str]] = {}
    for command in _COMMANDS:
        parser = argparse.ArgumentParser()
        command.add(parser)
        by_command[command.name] = [*parser._option_string_actions]  # noqa: SLF001 - no public list
    return usage.unrecognized(words, by_command[own], by_command)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _add_settings(parser: argparse.ArgumentParser) -> None:
    _add_group(parser.add_argument_group("settings"), [s for s in SETTINGS if not s.is_for_http])


def _add_group(group: argparse._ArgumentGroup, settings: Iterable[Setting]) -> None:
    # Absent options stay absent, so that a command does not undo what was given before it.
    absent = argparse.SUPPRESS
    for setting in settings:
        text = f"{setting.help} [{setting.env}; default: {setting.default}]".replace("%", "%%")
        if setting.is_switch:
            group.add_argument(
                setting.flag, dest=setting.name, action="store_const", const="true", default=absent, help=text
            )
        else:
            group.add_argument(
                setting.flag,
                action=_Joined if setting.is_list else "store",
                dest=setting.name,
                metavar=setting.name.upper(),
                default=absent,
                help=text,
            )


def _add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sandbox",
        action="store_true",
        default=argparse.SUPPRESS,
        help="work against a simulated Neo of its own: no account needed",
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    absent, host, port = argparse.SUPPRESS, SERVE["host"], SERVE["port"]
    parser.add_argument("--http", action="store_true", default=absent, help="serve HTTP rather than stdio")
    parser.add_argument("--host", default=absent, help=f"address for --http ({host}); others need --auth")
    parser.add_argument("--port", type=usage.port, default=absent, help=f"port for --http ({port}; 0: any)")
    parser.add_argument("--open", action="store_true", default=absent, help="open the tasks in a browser")
    _add_sandbox(parser)
    _add_settings(parser)
    _add_group(parser.add_argument_group("settings for --http"), [s for s in SETTINGS if s.is_for_http])


def _add_install(parser: argparse.ArgumentParser) -> None:
    from neo_mcp.cli.install.hosts import BY_NAME  # noqa: PLC0415 - who serves has no use for it

    add = parser.add_argument
    add("hosts", nargs="*", metavar="HOST", help=f"{', '.join(BY_NAME)}; default: those on this machine")
    add("--yes", "-y", action="store_true", help="write without asking")
    add("--undo", action="store_true", help="take it out again")
    add("--print", action="store_true", help="print what to put in by hand; write nothing")
    add("--links", action="store_true", help="print links that install it at a click; write nothing")
    add("--name", default="neo", help="name of the server in the host (neo)")
    add("--project", action="store_true", help="in the files of the project in this directory")
    add("--http", dest="http_url", metavar="URL", help="connect to a server that runs there (serve --http)")
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="environment variable to set")
    add("--with-token", action="store_true", help="write the access token into the file, readable as it is")
    _add_sandbox(parser)
    _add_settings(parser)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "A tick is for what was checked, a dot for what is only shown. The report has versions, settings and "
        "where they are from, the checks and the last log lines; no tokens, passwords or home directory."
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument(
        "--report", metavar="FILE", help="write all of it to a file for a fault report; - for standard output"
    )
    _add_settings(parser)


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--limit", type=usage.count, default=20, help="how many (20)")
    parser.add_argument("--all", action="store_true", help="all there are")
    _add_settings(parser)


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="id (its beginning will do), or web address")


def _add_watching(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--until",
        choices=["attention", "turn-end"],
        default="attention",
        help="stop when something needs attention, or only when the turn is over (attention)",
    )
    parser.add_argument(
        "--tail", type=usage.count, default=10, help="how much of the past to show (10 events)"
    )


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Status: 0 the turn ended well, 1 it did not, 3 something needs attention."
    _add_task(parser)
    _add_watching(parser)
    _add_settings(parser)


def _add_respond(parser: argparse.ArgumentParser) -> None:
    _add_task(parser)
    add = parser.add_argument
    add(
        "action",
        choices=["approve", "deny", "answer", "message", "cancel"],
        help="decide what Neo asks to do, answer its question, send it a message, or stop its turn",
    )
    add("text", nargs="?", help="answer, message, or words with a decision; - reads standard input")
    add("--request", metavar="ID", help="which request; needed if several are pending")
    add("--yes", "-y", action="store_true", help="do not ask; without a terminal, see --approvals")
    add("--force", action="store_true", help="with cancel: kill the session")
    add("--watch", action="store_true", help="then watch the task")
    _add_watching(parser)
    _add_settings(parser)


def _add_create(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("prompt", metavar="PROMPT", help="what Neo should do; - reads standard input")
    add("--about", action="append", metavar="ENTITY", help="'stack project/name', 'repository org/name', …")
    add("--plan", action="store_true", help="research and propose a plan first")
    add("--approval-mode", choices=["manual", "balanced", "auto"], help="when Neo asks")
    add("--permission-mode", choices=["default", "read-only"], help="whether Neo may write")
    add("--duplicate", action="store_true", help="start it even if the same was started just now")
    add("--yes", "-y", action="store_true", help="do not ask; without a terminal, see --approvals")
    add("--watch", action="store_true", help="then watch the task")
    _add_watching(parser)
    _add_settings(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_task(parser)
    add = parser.add_argument
    add("--format", choices=["markdown", "json", "html"], help="default: by the file's name, else markdown")
    add("--output", "-o", metavar="FILE", help="where to write it; default: standard output")
    _add_settings(parser)


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind")
    add("--port", type=usage.port, default=8366, help="port to bind (default 8366)")
    add("--time-scale", type=usage.factor, default=1.0, help="stretch of scripted pauses; 0: none")
    add(
        "--resolve-after",
        type=usage.factor,
        default=0.1,
        metavar="SECONDS",
        help="delay of the service's own responses in modes auto and balanced (default 0.1)",
    )
    add("--first-generation", action="store_true", help="speak the API's earlier dialect")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="inject a fault, such as status:503,path=/events/stream,times=2 (may be repeated)",
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--http", action="store_true", help="connect over HTTP rather than stdio")
    add("--approve", action="store_true", help="fill in the forms yourself, in this terminal")
    add(
        "--local-tools",
        dest="scenario",
        action="store_const",
        const="local-tools",
        default=argparse.SUPPRESS,
        help="give Neo local tools that read example files",
    )
    add("--scenario", default="public-bucket", help="which conversation to play")
    add("--speed", type=usage.factor, default=2.0, help="how many times faster than life")


def _add_docs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", nargs="?", metavar="PAGE", help="which; without it, the pages are listed")


_COMMANDS = (
    _Command("install", "set it up in the MCP hosts on this machine", _add_install),
    _Command("doctor", "check the set-up, and advise on what is wrong", _add_doctor),
    _Command("tasks", "list tasks", _add_tasks),
    _Command("create", "start a task", _add_create),
    _Command("watch", "follow a task live", _add_watch),
    _Command("respond", "approve, deny, answer, send a message, or cancel", _add_respond),
    _Command("export", "write a task's transcript to a file", _add_export),
    _Command("serve", "serve MCP hosts on stdio or HTTP", _add_serve),
    _Command("simulate", "run a simulated Neo API to try things against", _add_simulate),
    _Command("demo", "watch a host delegate a task to a simulated Neo", _add_demo),
    _Command("docs", "read the documentation", _add_docs),
)
