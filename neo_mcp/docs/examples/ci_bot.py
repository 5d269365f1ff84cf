"""A step of a build: has Neo examine something, waits for it, and fails the build unless it went well.

``python -m neo_mcp.docs.examples.ci_bot "Does this change break our policies?" --seconds 1800``

The task is read-only, so it asks for nothing to be approved. Status: 0 it ended well, 1 it did not,
3 something needs attention, 4 the time is up. The token is read from PULUMI_ACCESS_TOKEN.
"""

import argparse
import os
import sys

import anyio

from neo_mcp import NeoClient
from neo_mcp.errors import NeoError
from neo_mcp.watch import AttentionKind, Hub, News, Reader, Until, wait
from neo_mcp.wire import CreateTask, PermissionMode, UserMessage

API_URL = os.environ.get("PULUMI_BACKEND_URL", "https://api.pulumi.com")
TOKEN = os.environ.get("PULUMI_ACCESS_TOKEN")


async def run(prompt: str, organization: str | None, seconds: float) -> int:
    """Start the task and see it through; returns the exit status."""
    async with (
        NeoClient(token=TOKEN, api_url=API_URL, organization=organization) as neo,
        anyio.create_task_group() as background,
    ):
        where = await neo.resolve_organization()
        request = CreateTask(
            message=UserMessage(content=prompt), permission_mode=PermissionMode.READ_ONLY, plan_mode=False
        )
        created = await neo.create_task(request)
        print(f"Neo works on it: {neo.task_url(where, created.task_id)}", flush=True)
        hub = Hub(neo, background)
        async with hub.follow(where, created.task_id) as watcher:
            reader = Reader(watcher, event_id="")
            await wait([reader], until=Until.ATTENTION, seconds=seconds, on_progress=say)
            if watcher.failure is not None:
                raise watcher.failure
            status = exit_code(reader.read())
        background.cancel_scope.cancel()
    return status


async def say(activity: str) -> None:
    """A line in the build's log, so that it does not seem to hang."""
    print(f"… {activity}", flush=True)


def exit_code(news: News) -> int:
    """The build's exit code."""
    if not news.needs:
        print("The time is up; Neo still works.")
        return 4
    for need in news.needs:
        print(f"[{need.kind}] {need.message}")
    kinds = {need.kind for need in news.needs}
    if kinds == {AttentionKind.TURN_ENDED}:
        return 0
    return 1 if kinds & {AttentionKind.ERROR, AttentionKind.CANCELLED, AttentionKind.STALLED} else 3


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Let Neo examine something in a build.")
    parser.add_argument("prompt")
    parser.add_argument("--organization")
    parser.add_argument("--seconds", type=float, default=1800.0, help="how long to wait (1800)")
    options = parser.parse_args()
    exit_status = 1
    try:
        exit_status = anyio.run(run, options.prompt, options.organization, options.seconds)
    except* NeoError as errors:
        print(*errors.exceptions, sep="\n", file=sys.stderr)
    sys.exit(exit_status)
