"""The ``respond`` and ``create`` commands, for a person at a terminal.

The rules are the tools' own: this calls them, with the terminal in place of a host. Owns only how the
command line's words become theirs.
"""

import argparse
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from neo_mcp.cli.tasks.watch import follow
from neo_mcp.cli.terminal.asker import TerminalAsker, ask, has_terminal, refusals_shown, tightened
from neo_mcp.cli.terminal.console import out, text_from
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.cli.terminal.task_ref import TaskAddress, find_task
from neo_mcp.config import Settings
from neo_mcp.core.attention import AttentionKind, options_of
from neo_mcp.core.sanitize import clean
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.service.approvals.questions import RefusedError
from neo_mcp.service.client import make_client
from neo_mcp.service.commands import create as creation
from neo_mcp.service.commands import respond as responding
from neo_mcp.service.inputs import CreateTaskInput, RespondInput
from neo_mcp.service.schema import read_arguments
from neo_mcp.service.tasks import TaskService, open_tasks

_WHOLE = 1_000_000
"""Tokens of a form: a terminal shows all of it."""


async def respond(settings: Settings, options: argparse.Namespace) -> int:
    """Send one thing to a task.

    Raises:
        NeoError: If it is refused, by the policy, the person, or the API.
    """
    settings, text, paint = tightened(settings, os.environ), text_from(options.text), out(settings)
    if settings.read_only:
        raise RefusedError("This program is set to be read-only; nothing was sent.")
    # Words that go with an approval are the person's, and no part of what is asked of them.
    words, text = (text, None) if options.action == "approve" else (None, text)
    person = TerminalAsker(paint, yes=options.yes, words=words)
    async with _tasks(settings) as tasks:
        address = await find_task(tasks.client, options.task)
        if options.action == "answer" and not text and has_terminal():
            text = await _typed_answer(tasks, address, paint)
        given: dict[str, Any] = {
            "task_id": address.task_id,
            "organization": address.organization,
            "action": options.action,
            "text": text,
            "request_id": options.request,
            "force": options.force,
        }
        with refusals_shown(paint):
            result = await responding.respond(tasks, person, _arguments(RespondInput, given))
        paint.good(clean(result.sent))
        return await _watched(tasks, address, options)


async def create(settings: Settings, options: argparse.Namespace) -> int:
    """Start a task.

    Raises:
        NeoError: If it is refused, by the policy, the person, or the API.
    """
    settings, paint = tightened(settings, os.environ), out(settings)
    person = TerminalAsker(paint, yes=options.yes)
    async with _tasks(settings) as tasks:
        given: dict[str, Any] = {
            "prompt": text_from(options.prompt),
            "entities": options.about,
            "plan_mode": options.plan or None,
            "approval_mode": options.approval_mode,
            "permission_mode": options.permission_mode,
        }
        with refusals_shown(paint):
            created = await creation.create_task(tasks, person, _arguments(CreateTaskInput, given))
        for warning in created.warnings or ():
            paint.bad(warning)
        paint.plain(created.task_id)
        paint.detail(created.url)
        return await _watched(tasks, TaskAddress(created.organization, created.task_id), options)


@asynccontextmanager
async def _tasks(settings: Settings) -> AsyncIterator[TaskService]:
    async with (
        make_client(settings) as client,
        open_tasks(client, settings._replace(budget_tokens=_WHOLE)) as tasks,
    ):
        yield tasks


def _arguments(model: type[Any], given: dict[str, Any]) -> Any:  # noqa: ANN401 - of the model's type
    return read_arguments(model, {name: value for name, value in given.items() if value is not None})


async def _typed_answer(tasks: TaskService, address: TaskAddress, paint: Painter) -> str:
    async with tasks.followed(address.organization, address.task_id) as watcher:
        needs = watcher.attention()
    questions = [need.request for need in needs if need.request and need.kind is AttentionKind.QUESTION]
    if not questions:
        raise InvalidArgumentError("Neo asks no question.")
    for question in questions:
        paint.question(clean(question.message), options_of(question))
    options = options_of(questions[0]) if len(questions) == 1 else ()
    typed = await ask("Your answer, or its number:" if options else "Your answer:")
    return chosen(typed, options)


def chosen(typed: str, options: Sequence[str]) -> str:
    """The answer that is typed: an option by its number, or words.

    Raises:
        InvalidArgumentError: If it is the number of one option and the words of another.
    """
    is_number = typed.isascii() and typed.isdecimal() and 1 <= int(typed) <= len(options)
    answer = options[int(typed) - 1] if is_number else typed
    if typed in options and answer != typed:
        raise InvalidArgumentError(
            f"{typed} is the number of one answer and the words of another; nothing was sent.",
            next_step="Give the answer on the command line, where numbers are words.",
        )
    return answer


async def _watched(tasks: TaskService, address: TaskAddress, options: argparse.Namespace) -> int:
    if not options.watch:
        return 0
    async with tasks.followed(address.organization, address.task_id) as watcher:
        url = tasks.client.task_url(address.organization, address.task_id)
        return await follow(watcher, address, url, options, tasks.settings)
