"""The ``tasks`` command: an organization's tasks as a table, or as JSON for scripts."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

from neo_mcp.api import NeoClient, task_pages
from neo_mcp.cli.terminal.console import out
from neo_mcp.cli.terminal.paint import Painter, cut_to_width, width_of
from neo_mcp.config import Settings
from neo_mcp.core.sanitize import ascii_json, cut, named, quoted
from neo_mcp.core.summary import TaskSummary
from neo_mcp.service.client import make_client
from neo_mcp.service.listed import left_out
from neo_mcp.wire import Task
from neo_mcp.wire.time import parse_time

_PAGE = 100
_SHORT = 8
_STATUS = 12
_WHO = 20


async def tasks(settings: Settings, options: argparse.Namespace) -> int:
    """List them, latest activity first."""
    async with make_client(settings) as client:
        organization = await client.resolve_organization()
        listed, unreadable = await _some(client, organization, None if options.all else options.limit)
        if options.json:
            rows = [_row(task, client.task_url(organization, task.id)) for task in listed]
            out(settings).plain(ascii_json(rows, indent=2))
        else:
            _table(out(settings), organization, listed, client.clock.now())
        if note := left_out(unreadable):
            # Scripts read the other stream.
            Painter.for_terminal(sys.stderr, os.environ).plain(note)
    return 0


async def _some(client: NeoClient, organization: str, limit: int | None) -> tuple[list[Task], int]:
    """Up to ``limit`` tasks, and the number of those before them that could not be read."""
    size = min(limit or _PAGE, _PAGE)
    tasks: list[Task] = []
    unreadable = 0
    pages = task_pages(
        lambda token: client.list_tasks(organization=organization, continuation_token=token, page_size=size)
    )
    async with aclosing(pages):
        async for page in pages:
            left = len(page.tasks) if limit is None else limit - len(tasks)
            tasks += page.tasks[:left]
            unreadable += len(page.unreadable)
            if len(tasks) == limit:
                break
    return tasks, unreadable


def _row(task: Task, url: str) -> dict[str, object]:
    row = task.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**row, "url": url}


def _table(paint: Painter, organization: str, listed: Sequence[Task], now: datetime) -> None:
    if not listed:
        paint.plain(f"{organization} has no tasks that you can see.")
        return
    summaries = [TaskSummary.of(task) for task in listed]
    length = _telling_length([task.task_id for task in summaries])
    rows = [
        (
            named(task.task_id[:length]),
            named(cut(task.status, _STATUS)) if task.status else "?",
            age(task.created_at, now),
            named(cut(task.created_by, _WHO)) if task.created_by else "",
            quoted(task.name) if task.name else "",
        )
        for task in summaries
    ]
    heads = ("task", "status", "age", "who", "name")
    widths = [max(width_of(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    limit = shutil.get_terminal_size().columns if paint.out.isatty() else None
    for row in [heads, *rows]:
        cells = (cell + " " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True))
        line = "  ".join(cells).rstrip()
        paint.row(cut_to_width(line, limit) if limit else line, status="head" if row is heads else row[1])


def _telling_length(ids: Sequence[str]) -> int:
    """The number of characters that make the ids distinct."""
    whole = max(map(len, ids))
    lengths = range(_SHORT, whole)
    return next((n for n in lengths if len({task_id[:n] for task_id in ids}) == len(set(ids))), whole)


def age(timestamp: str, now: datetime) -> str:
    """How long ago ``timestamp`` (RFC 3339) was, such as ``3 h``; empty if it is no time."""
    then = parse_time(timestamp)
    if then is None:
        return ""
    passed = now - then
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if passed >= timedelta(seconds=seconds):
            return f"{int(passed.total_seconds() // seconds)} {unit}"
    return "now"
