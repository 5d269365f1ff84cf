"""A reference for waits: the SDK's own server over HTTP, whose one tool waits for an event and answers.

A line on standard input is a list of tasks whose calls are answered; the line that it gets has the moment at
which each task's were released.
"""

import json
import sys
import time
from collections import defaultdict

import anyio
import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("holding")
events: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)


@server.tool()
async def hold(task_id: str, timeout_seconds: float) -> str:
    """Wait for the task's event."""
    with anyio.move_on_after(timeout_seconds):
        await events[task_id].wait()
    return "ok"


def _release(task_id: str) -> int:
    moment = time.perf_counter_ns()
    events.pop(task_id).set()
    return moment


async def _obey() -> None:
    async for line in anyio.wrap_file(sys.stdin):
        sent = [_release(task_id) for task_id in json.loads(line)]
        sys.stdout.write(json.dumps({"sent": sent}) + "\n")
        sys.stdout.flush()


async def _serve() -> None:
    app = server.streamable_http_app()
    listener = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False))
    async with anyio.create_task_group() as group:
        group.start_soon(_obey)
        await listener.serve()
        group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(_serve)
