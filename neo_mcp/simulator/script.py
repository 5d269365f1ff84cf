"""The next step of the scripted agent: a pure interpreter of scenario steps.

A turn is a generator of actions: `Emit` an event, `Pause`, `AskPerson` (answered with a `Decision`),
`RunLocally` (answered with the results). It reads no clock and performs nothing; `runner` does.

A step is an object with exactly one of these verbs, and for some of them more fields:

- `say`, `think`: a message in between. `final`: the message that ends the turn. `warn`: a warning.
- `error`: ends the turn with an error. `pause`: seconds of nothing.
- `tool`: a tool call by name, with `args`, `text` (what the agent says with it), `progress` (a list of
  texts), `seconds`, `result` (an object), `failed` (the result is an error), `writes` (refused in a read-only
  task), and `approval` {`message`, `sensitivity`, `git_diff`, `last_approval_diff`}: ask first; `denied`:
  steps after a refusal.
- `approve`: ask without a tool, with `approval` as above, then the steps in `approved` or in `denied`.
- `ask`: a question with `options`; the answer is `{{answer}}` from then on; `name`: the tool that asks.
- `todo`: the to-do list as {`completed`, `in_progress`, `pending`}.
- `local`: a batch of tool calls [{`tool`, `args`}] that the caller's machine runs, with `text`; `failed`:
  steps for when one of them failed.
- `rename`, `entities` {`add`, `remove`}, `compress` (the summary), `token`: the event of that kind.

A text is a string, a list of lines, {`lines`} (the form for `args` and `result`, where a list is a list), or
{`line`, `bytes`}: the line repeated, `{{n}}` counting, to about that size. In texts `{{prompt}}`,
`{{answer}}` and `{{instructions}}` stand for what the person wrote last.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Step = Mapping[str, Any]
Text = str | list[str] | dict[str, Any]
Body = dict[str, Any]

_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)\}\}")
MODEL: Final = "simulated-model"
CHARACTERS_PER_TOKEN: Final = 4
OPENING_CONTEXT: Final = 6_000


@dataclass(frozen=True, slots=True)
class Emit:
    """Publish an event of the agent."""

    body: Body


@dataclass(frozen=True, slots=True)
class Pause:
    """Let this many seconds pass, before scaling."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Publish an approval request and wait until it is settled."""

    body: Body


@dataclass(frozen=True, slots=True)
class RunLocally:
    """Publish a message whose tool calls run on the caller's machine; wait for the last result."""

    body: Body


@dataclass(frozen=True, slots=True)
class Decision:
    """How an approval was settled."""

    ok: bool
    instructions: str = ""


Action = Emit | Pause | AskPerson | RunLocally
Reply = Decision | dict[str, Body] | None
Script = Generator[Action, Reply, None]


@dataclass(slots=True)
class Surroundings:
    """The context of a turn: the prompt, fresh ids, and the task's current settings.

    `local_mode` is where local tool calls run; `cloud` makes them ordinary ones.
    """

    prompt: str
    new_id: Callable[[str], str]
    is_read_only: Callable[[], bool]
    local_mode: str = "cli"
    context_tokens: int = 0


def render(text: Text, words: Mapping[str, str]) -> str:
    """The text with its placeholders filled in."""
    if isinstance(text, dict) and "lines" in text:
        return render(text["lines"], words)
    if isinstance(text, dict):
        line, size = text["line"] + "\n", int(text["bytes"])
        return "".join(line.replace("{{n}}", str(number)) for number in range(1, size // len(line) + 2))
    whole = text if isinstance(text, str) else "\n".join(text)
    return _PLACEHOLDER.sub(lambda match: words.get(match[1], match[0]), whole)


def _is_text(value: object) -> bool:
    if isinstance(value, dict):
        return value.keys() in ({"lines"}, {"line", "bytes"})
    return isinstance(value, str)


@dataclass(slots=True)
class Turn:
    """One turn of the agent: from a person's message to the final message or an error."""

    around: Surroundings
    words: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    over: bool = False
    context: int = 0

    def play(self, steps: Iterable[Step], plan: Mapping[str, Any] | None = None) -> Script:
        """The whole turn. With a `plan` {`research`, `description`, `revised`} it is agreed on first."""
        self.words = {"prompt": self.around.prompt, "answer": "", "instructions": ""}
        self.context = max(self.around.context_tokens, OPENING_CONTEXT)
        if plan is not None:
            yield from self._plan(plan)
        yield from self._steps(steps)
        if not self.over:
            yield from self._final({"final": "Done."})

    def _steps(self, steps: Iterable[Step]) -> Script:
        for step in steps:
            if self.over:
                return
            play: Callable[[Step], Script] = getattr(self, f"_{verb_of(step)}")
            yield from play(step)

    def _text(self, text: Text) -> str:
        return render(text, self.words)

    def _value(self, value: Any) -> Any:  # noqa: ANN401 - any JSON in, the same JSON out
        """The value with the texts inside it rendered."""
        if _is_text(value):
            return self._text(value)
        if isinstance(value, dict):
            return {name: self._value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return value

    def _message(self, text: str, calls: Iterable[Body] = (), *, final: bool = False, **more: object) -> Body:
        spoken = len(text) // CHARACTERS_PER_TOKEN + 40
        usage = {"input_tokens": 900, "output_tokens": spoken, "cache_read_input_tokens": self.context}
        self.context += 900 + spoken
        body = {
            "type": "assistant_message",
            "content": text,
            "is_final": final,
            "token_usage": {MODEL: usage},
        }
        if calls := list(calls):
            body["tool_calls"] = calls
        return {**body, **more}

    def _call(self, name: str, args: Body, mode: str = "cloud") -> Body:
        return {
            "id": self.around.new_id("call"),
            "name": name,
            "args": self._value(args),
            "execution_mode": mode,
        }

    def _respond(self, call: Body, content: Body, *, failed: bool = False) -> Emit:
        self.context += len(str(content)) // CHARACTERS_PER_TOKEN // 10
        return Emit(
            {
                "type": "tool_response",
                "tool_call_id": call["id"],
                "name": call["name"],
                "content": content,
                "is_error": failed,
            }
        )

    def _decide(self, body: Body) -> Generator[Action, Reply, Decision]:
        reply = yield AskPerson(
            {"type": "user_approval_request", "id": self.around.new_id("approval"), **body}
        )
        decision = reply if isinstance(reply, Decision) else Decision(ok=False)
        self.words["instructions"] = decision.instructions
        return decision

    def _plan(self, plan: Mapping[str, Any]) -> Script:
        yield from self._steps(plan.get("research", ()))
        description: Text = plan["description"]
        while not self.over:
            text = self._text(description)
            request = {
                "approval_type": "plan_exit",
                "message": "The plan is ready. Shall I carry it out?",
                "source": "agent",
                "sensitivity": "regular",
                "buttons": ["Approve plan", "Keep planning"],
                "context": {"plan_description": text},
            }
            decision = yield from self._decide(request)
            if decision.ok:
                return
            if not decision.instructions:
                yield from self._final({"final": "I leave it at the plan. Nothing was changed."})
                return
            yield from self._say({"say": "I revise the plan: {{instructions}}"})
            description = plan["revised"]

    def _say(self, step: Step) -> Script:
        yield Emit(self._message(self._text(step["say"])))
        yield Pause(1.5)

    def _think(self, step: Step) -> Script:
        yield Emit(self._message(self._text(step["think"]), thinking_signatures=["c2ltdWxhdGVkIHRob3VnaHQ="]))
        yield Pause(2.0)

    def _final(self, step: Step) -> Script:
        text = self._text(step["final"])
        if self.refused:
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(self.refused))
            text += (
                f"\n\nThis task is read-only, so I did not run {names}: nothing was changed in Pulumi Cloud."
            )
        yield Emit(self._message(text, final=True))
        self.over = True

    def _warn(self, step: Step) -> Script:
        yield Emit({"type": "warning", "message": self._text(step["warn"])})

    def _error(self, step: Step) -> Script:
        yield Emit({"type": "error", "message": self._text(step["error"])})
        self.over = True

    def _pause(self, step: Step) -> Script:
        yield Pause(float(step["pause"]))

    def _tool(self, step: Step) -> Script:
        call = self._call(step["tool"], step.get("args", {}))
        yield Emit(self._message(self._text(step.get("text", "")), [call]))
        yield Pause(1.0)
        if step.get("writes") and self.around.is_read_only():
            self.refused.append(call["name"])
            yield self._respond(call, {"error": "permission denied: this task is read-only"}, failed=True)
            return
        if "approval" in step:
            decision = yield from self._permission(step, call)
            if not decision.ok:
                denial = {"error": "denied by the user", "instructions": decision.instructions}
                yield self._respond(call, denial, failed=True)
                yield from self._steps(step.get("denied", DENIED))
                return
        yield from self._execute(step, call)

    def _execute(self, step: Step, call: Body) -> Script:
        named = {"tool_call_id": call["id"], "name": call["name"]}
        yield Emit({"type": "exec_tool_call", **named})
        lines = step.get("progress", [])
        pause = Pause(float(step.get("seconds", 1.0)) / (len(lines) + 1))
        for number, line in enumerate(lines, 1):
            yield pause
            done = {"step": {"number": number, "of": len(lines)}}
            content = self._text(line)
            yield Emit(
                {
                    "type": "exec_tool_call_progress",
                    **named,
                    "status": "running",
                    "metadata": done,
                    "content": content,
                }
            )
        yield pause
        yield self._respond(
            call, self._value(step.get("result", {"ok": True})), failed=bool(step.get("failed"))
        )

    def _permission(self, step: Step, call: Body) -> Generator[Action, Reply, Decision]:
        return (yield from self._decide(self._request(step["approval"], call)))

    def _request(self, approval: Mapping[str, Any], call: Body | None) -> Body:
        context: Body = {
            name: {file: self._text(patch) for file, patch in approval[name].items()}
            for name in ("git_diff", "last_approval_diff")
            if name in approval
        }
        if call is not None:
            context |= {"tool_name": call["name"], "tool_call_id": call["id"]}
        return {
            "approval_type": "general" if call is None else "tool_permission",
            "message": self._text(approval["message"]),
            "source": "agent" if call is None else "system",
            "sensitivity": approval.get("sensitivity", "regular"),
            "buttons": ["Approve", "Deny"],
            "context": context,
        }

    def _approve(self, step: Step) -> Script:
        decision = yield from self._decide(self._request(step["approval"], None))
        yield from self._steps(step.get("approved", ()) if decision.ok else step.get("denied", DENIED))

    def _ask(self, step: Step) -> Script:
        text = self._text(step["ask"])
        call = self._call(step.get("name", "ux__ask_user"), {"question": text})
        yield Emit(self._message("", [call]))
        request = {
            "approval_type": "general",
            "message": text,
            "source": "agent",
            "buttons": step.get("options", []),
            "context": {"tool_name": call["name"], "tool_call_id": call["id"]},
        }
        decision = yield from self._decide(request)
        self.words["answer"] = decision.instructions
        yield self._respond(call, {"answer": decision.instructions})

    def _todo(self, step: Step) -> Script:
        entries = [(status, text) for status in TODO_STATUSES for text in step["todo"].get(status, [])]
        todos = [
            {"content": text, "status": status, "priority": "medium", "index": index}
            for index, (status, text) in enumerate(entries)
        ]
        call = self._call("todo__TodoWrite", {"todos": todos})
        yield Emit(self._message("", [call]))
        yield self._respond(call, {"ok": True})

    def _local(self, step: Step) -> Script:
        mode = self.around.local_mode
        if mode == "cloud":
            yield from self._steps(step["local"])
            return
        calls = [self._call(item["tool"], item.get("args", {}), mode) for item in step["local"]]
        results = yield RunLocally(self._message(self._text(step.get("text", "")), calls, final=True))
        yield Pause(1.0)
        failed = isinstance(results, dict) and any(item.get("is_error") for item in results.values())
        if failed:
            yield from self._steps(step.get("failed", ()))

    def _rename(self, step: Step) -> Script:
        yield Emit({"type": "set_task_name", "name": self._text(step["rename"])})

    def _entities(self, step: Step) -> Script:
        yield Emit({"type": "change_entities", "changes": step["entities"]})

    def _compress(self, step: Step) -> Script:
        event = {"type": "context_compression_event"}
        yield Emit({**event, "status": "compressing", "message": "Making room in the context"})
        yield Pause(1.0)
        self.context //= 4
        summary = {"context_summary": self._text(step["compress"]), "tail_length": 6}
        yield Emit({**event, "status": "compressed", "message": "Context made smaller", **summary})

    def _token(self, _step: Step) -> Script:
        made_up = "age1-not-a-real-secret-0000000000000000"
        yield Emit({"type": "provide_pulumi_access_token", "encrypted_pulumi_access_token": made_up})


TODO_STATUSES: Final = ("completed", "in_progress", "pending")
DENIED: Final[list[Step]] = [
    {"final": "You said no, so I stopped here. Nothing was changed. {{instructions}}"}
]
VERBS: Final = (
    "say",
    "think",
    "final",
    "warn",
    "error",
    "pause",
    "tool",
    "approve",
    "ask",
    "todo",
    "local",
    "rename",
    "entities",
    "compress",
    "token",
)


def verb_of(step: Step) -> str:
    """The verb of a step.

    Raises:
        ValueError: If it has none, or more than one.
    """
    verbs = [verb for verb in VERBS if verb in step]
    if len(verbs) != 1:
        raise ValueError(f"a step needs exactly one verb of {', '.join(VERBS)}: {dict(step)!r}")
    return verbs[0]
