"""Options without effect where they are given, numbers in their limits, words for unknown options.

argparse leaves these to programs. Which option needs another one, or is of no use beside it, is a table.
"""

import argparse
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from neo_mcp.config import SETTINGS

_MAX_PORT = 65_535


class _Rule(NamedTuple):
    """Options of a command that have an effect only with another option, or only without it."""

    options: tuple[str, ...]
    other: str
    is_needed: bool
    why: str = ""


_HTTP_SETTINGS = tuple(setting.flag for setting in SETTINGS if setting.is_for_http)
_ENTRY = ("--env", "--with-token", "--sandbox")
_WATCH = _Rule(("--until", "--tail"), "--watch", is_needed=True)

_RULES: Mapping[str, tuple[_Rule, ...]] = {
    "serve": (
        _Rule(
            ("--host", "--port", "--open", *_HTTP_SETTINGS),
            "--http",
            is_needed=True,
            why="Without it, one host is served, with your token.",
        ),
        _Rule(
            ("--api-url", "--organization", "--token-file"),
            "--sandbox",
            is_needed=False,
            why="The sandbox has an API of its own.",
        ),
    ),
    "create": (_WATCH,),
    "respond": (_WATCH, _Rule(("--force",), "cancel", is_needed=True)),
    "tasks": (_Rule(("--limit",), "--all", is_needed=False),),
    "install": (
        _Rule(_ENTRY, "--http", is_needed=False, why="The host starts nothing then."),
        _Rule((*_ENTRY, "--print", "--links"), "--undo", is_needed=False),
    ),
}


def complaint(options: argparse.Namespace, words: Sequence[str]) -> str:
    """The first fault among the options of a command, for a person; empty if there is none.

    Args:
        options: As they were read.
        words: The command line.
    """
    end = words.index("--") if "--" in words else len(words)
    given = {word.partition("=")[0] for word in words[:end] if word.startswith("--")}
    given.add(str(getattr(options, "action", "")))
    for rule in _RULES.get(options.command, ()):
        for option in rule.options:
            if option in given and (rule.other in given) is not rule.is_needed:
                problem = "requires" if rule.is_needed else "has no effect with"
                return f"{option} {problem} {rule.other}. {rule.why}".strip()
    return ""


def unknown_before(words: Sequence[str], known: Container[str], commands: Container[str]) -> str:
    """The first option in front of a command that is not ``known``; empty if there is none."""
    for word in words:
        if word == "--" or word in commands:
            return ""
        if word.startswith("--") and word.partition("=")[0] not in known:
            return word
    return ""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A question for the one of ``names`` that ``name`` may mean; empty if there is none."""
    from neo_mcp.service.reading import nearest  # noqa: PLC0415 - only where something is wrong

    close = nearest(name, names)
    return f"Did you mean {close}?" if close else ""


def unrecognized(words: Sequence[str], own: Iterable[str], by_command: Mapping[str, Iterable[str]]) -> str:
    """The words for arguments that a command does not have.

    Args:
        words: These arguments.
        own: The command's options.
        by_command: The options of all commands.
    """
    text = f"unrecognized arguments: {' '.join(words)}"
    option = next((word.partition("=")[0] for word in words if word.startswith("--")), "")
    others = [command for command, options in by_command.items() if option in options]
    if option and others:
        return f"{text} ({option} is an option of {', '.join(others)})"
    begun = [name for name in own if option and name.startswith(option)]
    if len(begun) == 1:
        return f"{text} (did you mean {begun[0]}?)"
    if option and (question := did_you_mean(option, own)):
        return f"{text} ({question[0].lower()}{question[1:]})"
    return text


def port(text: str) -> int:
    """The number of a port."""
    return _whole(text, f"a port from 0 to {_MAX_PORT}", lambda number: 0 <= number <= _MAX_PORT)


def count(text: str) -> int:
    """A number of things."""
    return _whole(text, "a whole number from 1", lambda number: number >= 1)


def factor(text: str) -> float:
    """A number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"must be a number from 0, such as 2.5, not {text!r}")
    return value


def _whole(text: str, what: str, is_taken: Callable[[int], bool]) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not is_taken(value):
        raise argparse.ArgumentTypeError(f"must be {what}, not {text!r}")
    return value
