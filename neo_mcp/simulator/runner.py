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
AUTOMATIC_ANSWER: Final = "Use your best judgment."


def resolved_by_mode(mode: str, request: Body) -> bool:
    """Return whether the service resolves the request by itself in this approval mode.

    Plans wait for a person in every mode, questions in every mode but `auto`.
    """
    if request.get("approval_type") == "plan_exit":
        return False
    if mode == "balanced":
        return request.get("sensitivity") != "sensitive" and not _is_question(request)
    return mode == "auto"


def automatic_confirmation(request: Body) -> Body:
    """The service's own response: consent, or to a question its first option."""
    event = {"type": "user_confirmation", "approval_request_id": request["id"]}
    if not _is_question(request):
        return {**event, "ok": True}
    options = [option for option in request.get("buttons") or () if isinstance(option, str)]
    return {**event, "ok": False, "instructions": (options or [AUTOMATIC_ANSWER])[0]}


def _is_question(request: Body) -> bool:
    name = str((request.get("context") or {}).get("tool_name", ""))
    return name == "ask_user" or name.endswith("__ask_user")


class Runner:
    """Runs the turns of all tasks.

    Attributes:
        time_scale: Multiplies every scripted pause.
        resolve_after: Seconds between a request and the service's own response to it, in modes where it
            gives one; not scaled.
    """

    def __init__(self, time_scale: float, resolve_after: float) -> None:
        self.time_scale = time_scale
        self.resolve_after = resolve_after
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._resolving: dict[tuple[str, str], asyncio.Task[None]] = {}

    def start(self, task: Task, script: Script) -> None:
        """Begin a turn."""
        self._turns[task.id] = asyncio.get_running_loop().create_task(self._run(task, script))

    def stop(self, task: Task) -> None:
        """End the running turn at once; not a step more is played."""
        if turn := self._turns.pop(task.id, None):
            turn.cancel()

    def is_working(self, task: Task) -> bool:
        """True if the task can go on by itself: it waits for no person and no client."""
        if any((task.id, approval) in self._resolving for approval in task.pending):
            return True
        turn = self._turns.get(task.id)
        return turn is not None and not turn.done() and not task.pending and not task.open_calls

    def resolve_by_mode(self, task: Task) -> None:
        """Resolve, after the gap, the pending requests that the task's mode lets through."""
        for approval, request in list(task.pending.items()):
            key = (task.id, approval)
            if key in self._resolving or not resolved_by_mode(task.approval_mode, request):
                continue
            if not self.resolve_after:
                task.append("userInput", automatic_confirmation(request), synthetic=True)
                continue
            job = self._resolve(task, request, self.resolve_after)
            self._resolving[key] = asyncio.get_running_loop().create_task(job)

    async def _resolve(self, task: Task, request: Body, seconds: float) -> None:
        """Respond to a request, unless a person, a cancel or another mode came first."""
        try:
            await asyncio.sleep(seconds)
            if request["id"] in task.pending and resolved_by_mode(task.approval_mode, request):
                task.append("userInput", automatic_confirmation(request), synthetic=True)
        finally:
            self._resolving.pop((task.id, request["id"]), None)
            task.changed.notify()

    async def wait_idle(self, task: Task) -> None:
        """Wait until the task's turn is over or waits for input."""
        while self.is_working(task):
            await task.changed.wait()

    async def aclose(self) -> None:
        """End every turn. One that broke is an error in the simulator: it is raised here."""
        jobs = [*self._turns.values(), *self._resolving.values()]
        self._turns, self._resolving = {}, {}
        for job in jobs:
            job.cancel()
        for result in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

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
        self.resolve_by_mode(task)
        while approval in task.pending:
            await task.changed.wait()
        answer = task.decisions[approval]
        return Decision(ok=answer["ok"], instructions=answer.get("instructions") or "")

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.time_scale)


def fresh_id(prefix: str) -> str:
    """An unused id."""
    return f"{prefix}_{uuid.uuid4().hex[:20]}"
