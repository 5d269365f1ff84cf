"""The ``respond`` command, for a person at a terminal.

The rules are the tool's own: this calls it, with the terminal in place of a host.
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from neo_mcp.cli.interrupts import advised
from neo_mcp.cli.standard_input import text_from
from neo_mcp.cli.tasks.writes import follow_if_asked, opened_tasks, read_given
from neo_mcp.cli.terminal.asker import TerminalAsker, ask, has_terminal, refusals_shown, tightened
from neo_mcp.cli.terminal.console import out
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.cli.terminal.task_ref import TaskAddress, find_task
from neo_mcp.config import Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.core.attention import AttentionKind, options_of
from neo_mcp.core.sanitize import clean
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.service.approvals.questions import RefusedError
from neo_mcp.service.commands import respond as responding
from neo_mcp.service.inputs import RespondInput
from neo_mcp.service.tasks import TaskService

_UNKNOWN = f"This may have been sent: check with `{PROGRAM} watch {{task}}` before you send it again."


async def respond(settings: Settings, options: argparse.Namespace) -> int:
    """Send one thing to a task.

    Raises:
        NeoError: If it is refused, by the policy, the person, or the API.
    """
    settings, text, paint = tightened(settings, os.environ), await text_from(options.text), out(settings)
    if settings.read_only:
        raise RefusedError("This program is set to be read-only; nothing was sent.")
    # Words that go with an approval are the person's, and no part of what is asked of them.
    words, text = (text, None) if options.action == "approve" else (None, text)
    person = TerminalAsker(paint, yes=options.yes, words=words)
    async with opened_tasks(settings) as tasks:
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
        with advised(_UNKNOWN.format(task=address.name(settings))), refusals_shown(paint):
            result = await responding.respond(tasks, person, read_given(RespondInput, given))
        paint.good(clean(result.sent))
        return await follow_if_asked(tasks, address, options)


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
