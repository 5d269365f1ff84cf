"""A dashboard: follows the latest tasks of an organization live, and prints a line whenever one changes.

``python -m neo_mcp.docs.examples.dashboard --count 10``

Nothing is polled: each task has one stream, and the lines come as its events do. Ctrl-C ends it.
"""

import argparse
import os
from contextlib import suppress

import anyio

from neo_mcp import NeoClient
from neo_mcp.watch import Hub, Watcher, status, until_true
from neo_mcp.wire import Task

API_URL = os.environ.get("PULUMI_BACKEND_URL", "https://api.pulumi.com")
TOKEN = os.environ.get("PULUMI_ACCESS_TOKEN")


async def main(organization: str | None, count: int) -> None:
    """Follow the latest tasks until interrupted."""
    async with (
        NeoClient(token=TOKEN, api_url=API_URL, organization=organization) as neo,
        anyio.create_task_group() as group,
    ):
        where = await neo.resolve_organization()
        page = await neo.list_tasks(page_size=count)
        hub = Hub(neo, group)
        for task in page.tasks:
            group.start_soon(follow, hub, where, task)


async def follow(hub: Hub, organization: str, task: Task) -> None:
    """One task's lines, until it cannot be followed any more."""
    async with hub.follow(organization, task.id) as watcher:
        shown = ""

        def has_news() -> bool:
            return describe(watcher) != shown

        while watcher.failure is None:
            await until_true([watcher], has_news)
            shown = describe(watcher)
            print(f"{task.id[:8]}  {watcher.log.state.name or task.name}: {shown}", flush=True)


def describe(watcher: Watcher) -> str:
    """The current need, else Neo's current activity."""
    needs = ", ".join(
        f"{need.kind}: {need.message.splitlines()[0]}" for need in watcher.attention() if need.message
    )
    return needs or status(watcher)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Follow an organization's latest tasks.")
    parser.add_argument("--organization")
    parser.add_argument("--count", type=int, default=10, help="how many (10)")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        anyio.run(main, options.organization, options.count)
