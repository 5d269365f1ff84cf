"""The ``create`` command, for a person at a terminal.

The rules are the tool's own: this calls it, with the terminal in place of a host.
"""

import argparse
import os
from typing import Any

from neo_mcp.cli.interrupts import advised
from neo_mcp.cli.standard_input import text_from
from neo_mcp.cli.tasks.writes import follow_if_asked, opened_tasks, read_given
from neo_mcp.cli.terminal.asker import TerminalAsker, refusals_shown, tightened
from neo_mcp.cli.terminal.console import out
from neo_mcp.cli.terminal.task_ref import TaskAddress
from neo_mcp.config import Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.service.commands.create import create_task
from neo_mcp.service.inputs import CreateTaskInput

_UNKNOWN = f"The task may have been started: check `{PROGRAM} tasks` before you create it again."


async def create(settings: Settings, options: argparse.Namespace) -> int:
    """Start a task.

    Raises:
        NeoError: If it is refused, by the policy, the person, or the API.
    """
    settings, paint = tightened(settings, os.environ), out(settings)
    person = TerminalAsker(paint, yes=options.yes)
    async with opened_tasks(settings) as tasks:
        given: dict[str, Any] = {
            "prompt": await text_from(options.prompt),
            "entities": options.about,
            "plan_mode": options.plan or None,
            "approval_mode": options.approval_mode,
            "permission_mode": options.permission_mode,
            "duplicate": options.duplicate or None,
        }
        with advised(_UNKNOWN), refusals_shown(paint):
            created = await create_task(tasks, person, read_given(CreateTaskInput, given))
        for warning in created.warnings or ():
            paint.bad(warning)
        paint.plain(created.task_id)
        paint.detail(created.url)
        return await follow_if_asked(tasks, TaskAddress(created.organization, created.task_id), options)
