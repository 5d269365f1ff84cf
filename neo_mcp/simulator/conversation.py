"""The actions that people may take on a task, and when.

Owns: the rules behind create, respond, update and force-cancel, once a request is well-formed and its sender
known.
Not here: shapes of requests (`parsing`), permissions (`app`), what the agent says (`script`, `catalogue`).
"""

from collections.abc import Callable
from typing import Final, Unpack

from neo_mcp.simulator.catalogue import GENERIC_TURN, Scenario, named, pick
from neo_mcp.simulator.errors import ApiError, bad_request, ongoing
from neo_mcp.simulator.runner import Runner, fresh_id
from neo_mcp.simulator.script import Surroundings, Turn
from neo_mcp.simulator.store import Store
from neo_mcp.simulator.task import LOCAL_MODES, Body, Task, TaskOptions

NAME_LENGTH: Final = 60


class Conversation:
    """The dealings between people and scripted agents."""

    def __init__(self, store: Store, runner: Runner, *, first_generation: bool) -> None:
        self._store = store
        self._runner = runner
        self._first_generation = first_generation
        self._scenarios: dict[str, tuple[Scenario, int]] = {}
        self._rules: dict[str, Callable[[Task, Body], None]] = {
            "user_message": self._message,
            "user_confirmation": self._confirmation,
            "user_cancel": self._cancel,
            "exec_tool_call": self._exec,
            "tool_result": self._result,
        }

    def create(self, organization: str, login: str, message: Body, **options: Unpack[TaskOptions]) -> Task:
        """Start a task with its first message."""
        first_line = " ".join(message["content"].split())
        name = first_line if len(first_line) <= NAME_LENGTH else first_line[: NAME_LENGTH - 1] + "…"
        task = self._store.create(organization, login, name, **options)
        task.append("userInput", message)
        self._scenarios[task.id] = (pick(message["content"]), 0)
        self._start_turn(task, message["content"])
        return task

    def respond(self, task: Task, event: Body) -> None:
        """Take what a person sends.

        Raises:
            ApiError: 400 where the event refers to something unknown, 409 where it comes at the wrong time.
                An approval that never existed is 400: the documented 404 speaks of the task.
        """
        self._rules[event["type"]](task, event)

    def update(self, task: Task, changes: Body) -> None:
        """Change settings; a more trusting approval mode resolves what is pending under it."""
        task.name = changes.get("name", task.name)
        task.permission_mode = changes.get("permissionMode", task.permission_mode)
        task.approval_mode = changes.get("approvalMode", task.approval_mode)
        task.role = changes.get("role", task.role)
        if changes.get("isShared"):
            task.share()
        elif "isShared" in changes:
            task.is_shared = False
        if "approvalMode" in changes:
            self._runner.resolve_by_mode(task)

    def force_cancel(self, task: Task) -> None:
        """Kill the agent. It gets no chance to say so: no event tells of it."""
        self._runner.stop(task)
        task.end_turn()

    def _message(self, task: Task, event: Body) -> None:
        if task.pending:
            task.append("userInput", event)
            task.append("agentResponse", {"type": "awaiting_approvals"})
            return
        if task.turn_is_running:
            raise ongoing()
        task.append("userInput", event)
        if scenario := named(event["content"]):
            self._scenarios[task.id] = (scenario, 0)
        self._start_turn(task, event["content"])

    def _confirmation(self, task: Task, event: Body) -> None:
        approval = event["approval_request_id"]
        if approval not in task.pending:
            if approval in task.decisions:
                raise ApiError(409, "the approval request has already been settled")
            raise bad_request("unknown approval request")
        task.append("userInput", event)

    def _cancel(self, task: Task, event: Body) -> None:
        if task.open_calls:
            raise ongoing()
        was_running = task.turn_is_running or bool(task.pending)
        self._runner.stop(task)
        task.append("userInput", event)
        task.append("agentResponse", {"type": "cancelled", "operation_was_running": was_running})

    def _exec(self, task: Task, event: Body) -> None:
        """Record an announcement as the service does: as the agent's event, without its author."""
        call = self._check_call(task, event)
        started: Body = {
            name: event[name] for name in ("type", "timestamp", "tool_call_id", "name") if name in event
        }
        task.change_entities(event.get("entity_diff"))
        task.append(
            "agentResponse", {**started, "args": call["args"], "execution_mode": call["execution_mode"]}
        )

    def _result(self, task: Task, event: Body) -> None:
        for item in event["tool_results"]:
            self._check_call(task, item)
            if item["tool_call_id"] not in task.announced:
                raise bad_request(f"no exec_tool_call came before the result of {item['tool_call_id']!r}")
        task.append("userInput", event)

    def _check_call(self, task: Task, item: Body) -> Body:
        call_id = item["tool_call_id"]
        call = task.local_calls.get(call_id)
        if call is None or call["name"] != item["name"]:
            raise bad_request(f"no local tool call {call_id!r} named {item['name']!r}")
        if call_id in task.results:
            raise ApiError(409, f"tool call {call_id!r} already has a result")
        return call

    def _local_mode(self, task: Task) -> str:
        """The first generation runs no tools locally; later, even a cloud task meets those of a scenario."""
        if self._first_generation:
            return "cloud"
        return task.tool_execution_mode if task.tool_execution_mode in LOCAL_MODES else "cli"

    def _start_turn(self, task: Task, prompt: str) -> None:
        scenario, number = self._scenarios.get(task.id, (None, 0))
        steps = scenario.turns[number] if scenario and number < len(scenario.turns) else GENERIC_TURN
        if scenario:
            self._scenarios[task.id] = (scenario, number + 1)
        turn = Turn(
            Surroundings(
                prompt=prompt,
                new_id=fresh_id,
                is_read_only=lambda: task.permission_mode == "read-only",
                local_mode=self._local_mode(task),
                context_tokens=task.context_tokens,
            )
        )
        plan = scenario.plan if scenario and task.plan_mode and number == 0 else None
        self._runner.start(task, turn.play(steps, plan))
