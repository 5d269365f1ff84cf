"""Common parts of the commands for people: running one, the text of its errors, following a task."""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from neo_mcp.advice import worded
from neo_mcp.api import NeoClient
from neo_mcp.cli import interrupts
from neo_mcp.cli.settings import settings_of
from neo_mcp.cli.shown import guarded_by, shown_without
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.cli.terminal.task_ref import TaskAddress
from neo_mcp.cli.terminal.wording import TERMINAL
from neo_mcp.config import Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import ConfigurationError, InvalidArgumentError, NeoError
from neo_mcp.service.acting import Acting
from neo_mcp.service.client import make_client
from neo_mcp.telemetry import configure_logging
from neo_mcp.watch import Hub, Watcher, until_true

_FAILED, _USAGE_ERROR = 1, 2
_HISTORY_SECONDS = 60.0

Command = Callable[[Settings, argparse.Namespace], Awaitable[int]]


def run(command: Command, options: argparse.Namespace) -> int:
    """Run ``command`` to its end.

    Returns:
        The exit status: as of :func:`attempt`.
    """
    settings = settings_of(options)
    configure_logging(settings.log_level, shown=shown_without(settings.token))
    return interrupts.run(attempt, command, settings, options)


async def attempt(command: Command, settings: Settings, options: argparse.Namespace) -> int:
    """Run ``command``, and print its errors in the words of a terminal.

    Returns:
        The exit status: the command's own, 1 if it failed, 2 for bad usage or settings.
    """
    shown = shown_without(settings.token)
    say = Painter.for_terminal(sys.stderr, os.environ)
    for warning in settings.warnings:
        say.plain(f"{PROGRAM}: {shown(warning)}")
    try:
        if settings.is_fallback:
            async with make_client(settings) as client:
                note = await Acting(settings).note(client)
            if note:
                say.plain(f"{PROGRAM}: {shown(note)}")
        return await command(settings, options)
    except (NeoError, ExceptionGroup) as raised:
        error = _innermost(raised)
        if not isinstance(error, NeoError):
            raise
        say.plain(f"{PROGRAM}: {shown(error.text(worded(TERMINAL, settings)))}")
        return _USAGE_ERROR if isinstance(error, ConfigurationError | InvalidArgumentError) else _FAILED


def out(settings: Settings) -> Painter:
    """Standard output, on which the access token is never shown."""
    return Painter.for_terminal(sys.stdout, os.environ, guarded_by(settings.token))


@asynccontextmanager
async def followed(client: NeoClient, address: TaskAddress) -> AsyncIterator[Watcher]:
    """The watcher of a task, with everything that has happened so far.

    Raises:
        NeoError: If the task cannot be read.
    """
    async with anyio.create_task_group() as background:
        hub = Hub(client, background)
        async with hub.follow(address.organization, address.task_id) as watcher:
            with anyio.move_on_after(_HISTORY_SECONDS):
                await until_true([watcher], lambda: watcher.caught_up)
            if watcher.failure is not None:
                raise watcher.failure
            if not watcher.caught_up:
                raise NeoError("The task's history could not be read in time.", next_step="Try again.")
            yield watcher
        background.cancel_scope.cancel()


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
