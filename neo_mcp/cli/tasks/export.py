"""The ``export`` command: a task's whole conversation as Markdown, as JSON, or as a page of HTML."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from neo_mcp.cli import files, interrupts
from neo_mcp.cli.shown import guarded_by
from neo_mcp.cli.terminal.console import out
from neo_mcp.cli.terminal.task_ref import find_task
from neo_mcp.config import Settings
from neo_mcp.core.render.transcript import transcript
from neo_mcp.core.sanitize import ascii_json, one_line
from neo_mcp.core.times import all_dated
from neo_mcp.service.client import make_client
from neo_mcp.wire import Event, Task

_BY_SUFFIX = {".json": "json", ".html": "html", ".htm": "html"}


async def export(settings: Settings, options: argparse.Namespace) -> int:
    """Write it to a file, or to standard output."""
    form = options.format or _BY_SUFFIX.get(Path(options.output or "").suffix.lower(), "markdown")
    async with make_client(settings) as client:
        address = await find_task(client, options.task)
        task = await client.get_task(address.task_id, organization=address.organization)
        events = [
            event async for event in client.iter_events(address.task_id, organization=address.organization)
        ]
        url = client.task_url(address.organization, address.task_id)
        text = guarded_by(settings.token)(_rendered(form, task, events, url))
    if options.output in {None, "-"}:
        out(settings).plain(text.rstrip("\n"))
        return 0
    path = Path(options.output)
    is_file = await interrupts.blocking(files.write, path, text)
    if is_file:
        out(settings).good(f"{len(events):,} events are in {path}")
    return 0


def _rendered(form: str, task: Task, events: Sequence[Event], url: str) -> str:
    if form == "json":
        document = {
            "url": url,
            "task": task.model_dump(mode="json", by_alias=True, exclude_none=True),
            "events": [event.model_dump(mode="json", by_alias=True) for event in all_dated(events)],
        }
        return ascii_json(document, indent=1) + "\n"
    text = transcript(task, events, url=url)
    if form == "markdown":
        return text
    from neo_mcp.core.render.html import page  # noqa: PLC0415 - the other forms do without its library

    return page(one_line(task.name) or task.id, text)
