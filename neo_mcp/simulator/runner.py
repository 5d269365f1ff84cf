"""The agent at work: performs the actions of a script, in time, and waits where it has to.

Owns: one asyncio task per running turn, and stopping them.
Not here: which steps come (`script`), what people may send meanwhile (`conversation`).
"""

import asyncio
import uuid
from typing import Final

from neo_mcp.simulator.script import Action, AskPerson, Decision, Emit, Pause, Reply, RunLocally, Script
from neo_mcp.simulator.task import Body, Task

BOOT_SECONDS: Final = 0.4


def settled_by_mode(mode: str, request: Body) -> bool:
    """Whether this approval mode settles the request without a person: plans and questions never."""
    if request.get("approval_type") == "plan_exit" or _is_question(request):
        return False
    return mode == "auto" or (mode == "balanced" and request.get("sensitivity") != "sensitive")


def _is_question(request: Body) -> bool:
    name = str((request.get("context") or {}).get("tool_name", ""))
    return name == "ask_user" or name.endswith("__ask_user")


def settle_by_mode(task: Task) -> None:
    """Approve, in the person's name, what the task's mode lets through."""
    for approval, request in list(task.pending.items()):
        if settled_by_mode(task.approval_mode, request):
            confirmation = {"type": "user_confirmation", "approval_request_id": approval, "ok": True}
            task.append("userInput", confirmation, synthetic=True)


class Runner:
    """Runs the turns of all tasks."""

    def __init__(self, time_scale: float) -> None:
        self.time_scale = time_scale
        self._turns: dict[str, asyncio.Task[None]] = {}

    def start(self, task: Task, script: Script) -> None:
        """Begin a turn."""
        self._turns[task.id] = asyncio.get_running_loop().create_task(self._run(task, script))

    def stop(self, task: Task) -> None:
        """End the running turn at once; not a step more is played."""
        if turn := self._turns.pop(task.id, None):
            turn.cancel()

    def is_working(self, task: Task) -> bool:
        """Whether the turn can go on by itself: it runs and waits for nobody."""
        turn = self._turns.get(task.id)
        return turn is not None and not turn.done() and not task.pending and not task.open_calls

    async def settle(self, task: Task) -> None:
        """Wait until the task's turn is over or waits for somebody."""
        while self.is_working(task):
            await task.changed.wait()

    async def aclose(self) -> None:
        """End every turn. One that broke is an error in the simulator: it is raised here."""
        turns, self._turns = list(self._turns.values()), {}
        for turn in turns:
            turn.cancel()
        for outcome in await asyncio.gather(*turns, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _run(self, task: Task, script: Script) -> None:
        if task.phase is None:
            task.phase = "booting"
            await self._pause(BOOT_SECONDS)
        task.phase = "ready"
        reply: Reply = None
        try:
            while True:
                reply = await self._perform(task, script.send(reply))
        except StopIteration:
            if self._turns.get(task.id) is asyncio.current_task():  # a follow-up may have come meanwhile
                del self._turns[task.id]
        finally:
            script.close()
            task.changed.notify()

    async def _perform(self, task: Task, action: Action) -> Reply:
        match action:
            case Emit(body):
                task.append("agentResponse", body)
                await asyncio.sleep(0)
            case Pause(seconds):
                await self._pause(seconds)
            case AskPerson(body):
                return await self._ask(task, body)
            case RunLocally(body):
                task.append("agentResponse", body)
                while task.open_calls:
                    await task.changed.wait()
                return dict(task.results)
        return None

    async def _ask(self, task: Task, body: Body) -> Decision:
        approval = body["id"]
        task.append("agentResponse", body)
        settle_by_mode(task)
        while approval in task.pending:
            await task.changed.wait()
        answer = task.decisions[approval]
        return Decision(ok=answer["ok"], instructions=answer.get("instructions") or "")

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.time_scale)


def fresh_id(prefix: str) -> str:
    """An id nobody has used."""
    return f"{prefix}_{uuid.uuid4().hex[:20]}"
