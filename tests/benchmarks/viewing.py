"""Figures of the task view: what a long task costs its page."""

import json
from statistics import median
from typing import Any

from tests.benchmarks.measure import Row, Target
from tests.benchmarks.setup import Setup

EVENTS = 5_000
RENDERS: dict[str, Any] = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}


def view(setup: Setup) -> list[Row]:
    """A page that is opened on a long task, again once the task is known, and told of one more event."""
    count = min(EVENTS, setup.effort.history_events)
    task_id = setup.api.add_task(count)
    with setup.ours() as server:
        server.handshake(extensions=RENDERS)
        arguments: dict[str, Any] = {"task_id": task_id}
        first = server.time_call("view_task", arguments)
        again = median(server.time_call("view_task", arguments) for _ in range(setup.effort.blocks))
        seen = server.call("view_task", arguments)
        setup.api.start_append([task_id])
        setup.api.sent()
        since = {**arguments, "cursor": seen["cursor"]}
        server.call("view_task", {**since, "wait": 20})
        update = median(server.time_call("view_task", since) for _ in range(setup.effort.blocks))
        news = server.call("view_task", since)
    what = f"task view of {count:,} events"
    return [
        Row(figure=f"{what}, first", unit="ms", ours=first),
        Row(figure="  opened again", unit="ms", ours=again),
        Row(figure="  its newest items", unit="KiB", ours=_size(seen), target=Target(512)),
        Row(figure="  told of one more event", unit="ms", ours=update),
        Row(figure="  that answer", unit="KiB", ours=_size(news)),
    ]


def _size(content: dict[str, Any]) -> float:
    return len(json.dumps(content, ensure_ascii=False).encode()) / 2**10
