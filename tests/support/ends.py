"""Server processes in every state, and every way to end them."""

import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from neo_mcp.simulator.faults import Fault
from tests.support.host import ORG, World, until
from tests.support.processes import Running, running

MARK = b"clean-up has run"

CODE = """
import os, sys
from neo_mcp.api import NeoClient
inner = NeoClient.aclose
async def marked(*args):
    try:
        return await inner(*args)
    finally:
        os.write(2, b"clean-up has run\\n")
NeoClient.aclose = marked
from neo_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""

SLOW_NAMES = """
import socket, time
quick = socket.getaddrinfo
def slow(host, *args, **kwargs):
    if host in ("localhost", b"localhost"):
        os.write(2, b"looking for a name\\n")
        time.sleep(60)
    return quick(host, *args, **kwargs)
socket.getaddrinfo = slow
"""

LEFT_THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
"""

MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
PLAN = [{"type": "user_approval_request", "id": "a1", "message": "Go?", "approval_type": "general"}]


async def end_input(server: Running) -> None:
    assert server.process.stdin is not None
    await server.process.stdin.aclose()


async def interrupt(server: Running) -> None:
    server.process.send_signal(signal.SIGINT)


async def terminate(server: Running) -> None:
    server.process.send_signal(signal.SIGTERM)


WAYS: dict[str, Callable[[Running], Awaitable[None]]] = {
    "end of input": end_input,
    "SIGINT": interrupt,
    "SIGTERM": terminate,
}

State = Callable[[Running, World], Awaitable[None]]


async def idle(server: Running, world: World) -> None:  # noqa: ARG001 - a state
    await server.initialize()
    # The first call loads the server.
    await server.call("list_tasks")


async def waiting(server: Running, world: World) -> None:
    await server.initialize()
    for _ in range(3):
        task_id = world.simulator.add_task(ORG, status="running")
        await server.send("tools/call", name="wait_for_events", arguments={"task_id": task_id})
    await until(lambda: world.simulator.open_streams == 3)


async def creating(server: Running, world: World) -> None:
    await server.initialize()
    world.simulator.faults.add(Fault("latency", method="POST", path="/tasks$", seconds=60))
    before = world.asked("POST", "/tasks")
    await server.send("tools/call", name="create_task", arguments={"prompt": "Please (scenario:hello)"})
    await until(lambda: world.asked("POST", "/tasks") > before)


async def retrying(server: Running, world: World) -> None:
    await server.initialize()
    world.simulator.faults.add(Fault("status", status=503, retry_after="30", times=0))
    before = world.asked("GET", "/tasks")
    await server.send("tools/call", name="list_tasks", arguments={})
    await until(lambda: world.asked("GET", "/tasks") > before)


async def looking_for_a_name(server: Running, world: World) -> None:  # noqa: ARG001 - a state
    await server.initialize()
    await server.send("tools/call", name="list_tasks", arguments={})
    await server.says("looking for a name")


async def subscribed(server: Running, world: World) -> None:
    await server.initialize()
    for _ in range(3):
        task_id = world.simulator.add_task(ORG, status="running")
        await server.request("resources/subscribe", uri=f"neo://{ORG}/tasks/{task_id}")
    await until(lambda: world.simulator.open_streams == 3)


async def listening(server: Running, world: World) -> None:
    tasks = [world.simulator.add_task(ORG, status="running") for _ in range(3)]
    uris = [f"neo://{ORG}/tasks/{task_id}" for task_id in tasks]
    await server.send(
        "subscriptions/listen", notifications={"resourceSubscriptions": uris}, _meta=MODERN_META
    )
    await until(lambda: world.simulator.open_streams == 3)


async def asking(server: Running, world: World) -> None:
    await server.initialize(elicitation={})
    task_id = world.simulator.add_task(ORG, status="running", events=[("agentResponse", e) for e in PLAN])
    arguments = {"task_id": task_id, "action": "approve", "request_id": "a1"}
    await server.send("tools/call", name="respond", arguments=arguments)
    while (await server.read()).get("method") != "elicitation/create":
        pass


async def unread(server: Running, world: World) -> None:
    """Results that are too large for the pipe, and a host that does not read."""
    await server.initialize()
    task_id = world.simulator.add_task(ORG)
    for _ in range(8):
        body = {"type": "assistant_message", "content": "x" * 2**18, "is_final": True}
        world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
    for _ in range(5):
        await server.send("resources/read", uri=f"neo://{ORG}/tasks/{task_id}/events")
    await until_full(server)


async def unread_complaints(server: Running, world: World) -> None:  # noqa: ARG001 - a state
    """Answers to broken lines likewise."""
    await server.initialize()
    for _ in range(20):
        await server.send_line(b"broken\n" * 500)
    await until_full(server)


async def until_full(server: Running) -> None:
    """Wait until output is stuck: what this side takes unasked is full, and so must be the pipe soon."""
    stream: Any = server.process.stdout
    await until(lambda: len(stream._stream._buffer) > 2**17)


@dataclass(frozen=True)
class Case:
    """What the server does when its end comes.

    Attributes:
        code: Runs before the server.
        by_name: The API's address names a host.
    """

    state: State
    code: str = ""
    by_name: bool = False


CASES = {
    "idle": Case(idle),
    "waiting": Case(waiting),
    "creating": Case(creating),
    "retrying": Case(retrying),
    "subscribed": Case(subscribed),
    "listening": Case(listening),
    "asking": Case(asking),
    "host reads no results": Case(unread),
    "host reads no complaints": Case(unread_complaints),
    "name look-up hangs": Case(looking_for_a_name, SLOW_NAMES, by_name=True),
    "thread left behind": Case(idle, LEFT_THREAD),
}


async def seconds_to_end(case: Case, way: str, world: World, env: dict[str, str]) -> float:
    """Bring a server into a state, end it, and check that it ended in order."""
    if case.by_name:
        env = {**env, "PULUMI_BACKEND_URL": env["PULUMI_BACKEND_URL"].replace("127.0.0.1", "localhost")}
    start = CODE.replace("from neo_mcp.cli", f"{case.code}\nfrom neo_mcp.cli")
    async with running("serve", env=env, code=start) as server:
        await case.state(server, world)
        began = time.perf_counter()
        await WAYS[way](server)
        # Not its output's end: nobody may read that.
        await until(lambda: server.process.returncode is not None)
        seconds = time.perf_counter() - began
        await server.says(MARK.decode())
        assert await server.exit_status() == 0
    await until(lambda: world.simulator.open_streams == 0)
    assert b"Traceback" not in server.stderr
    assert b"does not end" not in server.stderr
    return seconds
