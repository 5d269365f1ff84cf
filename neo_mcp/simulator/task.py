"""One agent task: its settings, its event log, and the state derived from its events.

Owns: the `AgentTask` representation and the fold of events into name, entities, tokens, pending approvals and
status.
Not here: who may do what (`app`), what people may send when (`conversation`), what the agent does next
(`runner`).
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypedDict

from neo_mcp.simulator.config import PEOPLE, ROLES

Body = dict[str, Any]
Kind = Literal["agentResponse", "userInput"]

CONTEXT_WINDOW: Final = 200_000
COMPACTION_PERCENT: Final = 80
LOCAL_MODES: Final = ("cli", "worker")


def now() -> str:
    """The time as the API writes it: RFC 3339, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8; a lone surrogate, which UTF-8 cannot carry, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Signal:
    """Wakes those who wait for a change. Without an await between checking and waiting, none is missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake those who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Sleep until the next `notify`."""
        await self._event.wait()


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the log: the envelope's bytes exactly as served, and the body they were made from."""

    id: str
    raw: bytes
    kind: Kind
    body: Body

    def frame(self) -> bytes:
        """The event as a Server-Sent Events frame."""
        data = b"".join(b"data: " + line + b"\n" for line in self.raw.splitlines() or [b""])
        return b"id: " + self.id.encode() + b"\n" + data + b"\n"


class TaskOptions(TypedDict, total=False):
    """The settings that may be chosen when a task is created; the rest follows from its events."""

    approval_mode: str
    permission_mode: str
    plan_mode: bool
    tool_execution_mode: str
    source: str
    task_type: str
    role: str | None
    agent_definition_id: str | None
    is_shared: bool
    entities: list[Body]
    enabled_integrations: list[str] | None
    cli_integrations: list[tuple[str, str]] | None


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """A task and everything known about it."""

    organization: str
    creator: str
    name: str
    serial: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=now)
    approval_mode: str = "manual"
    permission_mode: str = "default"
    plan_mode: bool = False
    tool_execution_mode: str = "cloud"
    source: str = "api"
    task_type: str = "sync"
    role: str | None = None
    agent_definition_id: str | None = None
    is_shared: bool = False
    shared_at: str | None = None
    entities: list[Body] = field(default_factory=list)
    enabled_integrations: list[str] | None = None
    cli_integrations: list[tuple[str, str]] | None = None

    events: list[Event] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)
    last_event_at: str = field(default_factory=now)
    turn_is_running: bool = False
    failed: bool = False
    phase: str | None = None
    heartbeat: str | None = None
    tokens_used: int = 0
    context_tokens: int = 0
    pending: dict[str, Body] = field(default_factory=dict)
    decisions: dict[str, Body] = field(default_factory=dict)
    local_calls: dict[str, Body] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    results: dict[str, Body] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """``running`` while a turn runs and no approval is pending; else ``idle``."""
        return "running" if self.turn_is_running and not self.pending else "idle"

    @property
    def open_calls(self) -> list[str]:
        """Local tool calls of the current batch that have no result yet."""
        return [call for call in self.local_calls if call not in self.results]

    def share(self) -> None:
        """Let the organisation see it; the first time is remembered."""
        self.is_shared = True
        self.shared_at = self.shared_at or now()

    def append(self, kind: Kind, body: Body, *, synthetic: bool = False, event_id: str | None = None) -> str:
        """Add an event, apply it to the state, wake the readers, and return the event's id."""
        body = {"type": body["type"], "timestamp": now(), **body}
        event_id = event_id or str(uuid.uuid4())
        envelope = {"id": event_id, "isSynthetic": synthetic, "type": kind, "eventBody": body}
        self._add(Event(event_id, encode(envelope), kind, body))
        return event_id

    def append_raw(self, envelope: bytes, event_id: str) -> None:
        """Add an event that is these bytes, whatever they are; it changes no more than the times."""
        self._add(Event(event_id, envelope, "agentResponse", {}))

    def _add(self, event: Event) -> None:
        self.events.append(event)
        self.last_event_at = now()
        self.change_entities(event.body.get("entity_diff") or event.body.get("changes"))
        if event.kind == "agentResponse":
            self.heartbeat = self.last_event_at
            self._apply_agent(event.body)
        else:
            self._apply_person(event.body)
        self.changed.notify()

    def end_turn(self, *, failed: bool = False) -> None:
        """Let nothing run or wait any more; open approvals count as denied."""
        self.turn_is_running = False
        self.failed = failed
        self.phase = "ready" if self.phase else None
        for approval in self.pending:
            self.decisions.setdefault(approval, {"ok": False})
        self.pending.clear()
        self.local_calls.clear()
        self.announced.clear()
        self.results.clear()
        self.changed.notify()

    def change_entities(self, diff: Body | None) -> None:
        """Add and remove entities as `diff` says."""
        for entity in (diff or {}).get("remove") or []:
            self.entities = [known for known in self.entities if not _same_entity(known, entity)]
        for entity in (diff or {}).get("add") or []:
            self.entities = [known for known in self.entities if not _same_entity(known, entity)] + [entity]

    def _apply_agent(self, body: Body) -> None:
        match body.get("type"):
            case "assistant_message":
                self._apply_message(body)
            case "user_approval_request":
                self.pending[body["id"]] = body
            case "error":
                self.end_turn(failed=True)
            case "cancelled":
                self.end_turn()
            case "exec_tool_call":
                self.announced.add(str(body.get("tool_call_id")))
            case "set_task_name":
                self.name = body["name"]
            case "context_compression_event" if body.get("status") == "compressed":
                self.context_tokens //= 4

    def _apply_message(self, body: Body) -> None:
        for usage in (body.get("token_usage") or {}).values():
            self.context_tokens = usage.get("input_tokens", 0) + usage.get("cache_read_input_tokens", 0)
            self.tokens_used += usage.get("input_tokens", 0) + 4 * usage.get("output_tokens", 0)
        calls = [call for call in body.get("tool_calls") or [] if call.get("execution_mode") in LOCAL_MODES]
        if calls:
            self.local_calls = {call["id"]: call for call in calls}
            self.announced.clear()
            self.results.clear()
        elif body.get("is_final"):
            self.end_turn()

    def _apply_person(self, body: Body) -> None:
        match body.get("type"):
            case "user_message" if not self.pending:
                self.turn_is_running = True
            case "user_confirmation":
                self.pending.pop(body["approval_request_id"], None)
                self.decisions[body["approval_request_id"]] = body
            case "exec_tool_call":
                self.announced.add(body["tool_call_id"])
            case "tool_result":
                self.results.update({item["tool_call_id"]: item for item in body["tool_results"]})

    def as_json(self) -> Body:
        """The task as the API shows it (`AgentTask`); what is not known is left out."""
        known = {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "createdAt": self.created_at,
            "createdBy": PEOPLE[self.creator].info(),
            "approvalMode": self.approval_mode,
            "permissionMode": self.permission_mode,
            "planMode": self.plan_mode,
            "isShared": self.is_shared,
            "sharedAt": self.shared_at,
            "entities": self.entities,
            "taskType": self.task_type,
            "asyncTriggerType": self._trigger(),
            "source": self.source,
            "role": self.role,
            "roleName": ROLES[self.role] if self.role else None,
            "agentDefinitionId": self.agent_definition_id,
            "toolExecutionMode": self.tool_execution_mode,
            "tokensUsed": self.tokens_used,
            "runtimePhase": "running" if self.phase == "ready" and self.status == "running" else self.phase,
            "lastHeartbeat": self.heartbeat,
        }
        if self.context_tokens:
            known |= {
                "contextUsedTokens": self.context_tokens,
                "contextWindowTokens": CONTEXT_WINDOW,
                "contextCompactionThresholdPercent": COMPACTION_PERCENT,
            }
        return {name: value for name, value in known.items() if value is not None}

    def _trigger(self) -> str | None:
        if self.task_type == "sync":
            return None
        return "scheduled" if self.source == "schedule" else "external_signal"


def _same_entity(one: Body, other: Body) -> bool:
    """True if the identifying fields that both have are equal."""
    keys = ("type", "name", "project", "org", "number", "id", "repo")
    return all(one.get(key) == other.get(key) for key in keys if key in one and key in other)
