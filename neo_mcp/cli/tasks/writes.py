"""Helpers of the commands that write: ``create`` and ``respond``."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from neo_mcp.cli.tasks.watch import follow, interruptible
from neo_mcp.cli.terminal.task_ref import TaskAddress
from neo_mcp.config import Settings
from neo_mcp.service.client import make_client
from neo_mcp.service.schema import read_arguments
from neo_mcp.service.tasks import TaskService, open_tasks

_WHOLE = 1_000_000
"""Tokens of a form: a terminal shows all of it."""


@asynccontextmanager
async def opened_tasks(settings: Settings) -> AsyncIterator[TaskService]:
    """The tools' service, with a client of its own."""
    async with (
        make_client(settings) as client,
        open_tasks(client, settings._replace(budget_tokens=_WHOLE)) as tasks,
    ):
        yield tasks


def read_given(model: type[Any], given: dict[str, Any]) -> Any:  # noqa: ANN401 - of the model's type
    """Validate the arguments that were given as ``model``."""
    return read_arguments(model, {name: value for name, value in given.items() if value is not None})


async def follow_if_asked(tasks: TaskService, address: TaskAddress, options: argparse.Namespace) -> int:
    """Follow the task with ``--watch``; return the exit status."""
    if not options.watch:
        return 0
    with interruptible(address.name(tasks.settings)):
        async with tasks.followed(address.organization, address.task_id) as watcher:
            url = tasks.client.task_url(address.organization, address.task_id)
            return await follow(watcher, address, url, options, tasks.settings)
