"""Event bodies of the API's second generation: the messages and actions of Neo and of people in a task.

A new type belongs in one of the groups at the end. Code that handles every type of event has one function per
group, and the type checker names those that lack the new type.
"""

import json
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field
from pydantic_core import PydanticSerializationError, to_json

from neo_mcp.wire.base import (
    CamelModel,
    Flag,
    JsonContent,
    JsonObject,
    Lenient,
    Many,
    Mapping,
    Text,
    WireModel,
)
from neo_mcp.wire.entities import EntityDiff
from neo_mcp.wire.enums import (
    ApprovalSource,
    ApprovalType,
    CompressionStatus,
    Open,
    Sensitivity,
    ToolExecutionMode,
)
from neo_mcp.wire.ids import MAX_ID, Id

_ENCODER = json.JSONEncoder(default=str, separators=(",", ":"))


def is_question_tool(name: str) -> bool:
    """True if a tool asks a person a question rather than for permission: any spelling of ask_user."""
    method = name.rpartition("__")[2].strip().casefold()
    return method.replace("-", "").replace("_", "") == "askuser"


def _as_json(value: object) -> str:
    try:
        return to_json(value, fallback=str).decode()
    except PydanticSerializationError:
        return _ENCODER.encode(value)  # Lone surrogates, which are no UTF-8: it escapes them.


class Body(WireModel):
    """Base of all event bodies. ``timestamp`` is RFC 3339 text, as sent."""

    timestamp: Text = ""


class TokenUsage(WireModel):
    """Tokens of one model's invocations."""

    input_tokens: Lenient[int] = 0
    output_tokens: Lenient[int] = 0
    cache_creation_input_tokens: Lenient[int] = 0
    cache_read_input_tokens: Lenient[int] = 0

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_creation_input_tokens=self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            cache_read_input_tokens=self.cache_read_input_tokens + other.cache_read_input_tokens,
        )


class ToolCall(WireModel):
    """A tool call that Neo makes or requests."""

    id: Id
    name: str
    args: JsonObject = Field(default_factory=dict)
    execution_mode: Open[ToolExecutionMode] | None = None

    @property
    def runs_elsewhere(self) -> bool:
        """True if Neo is paused until another program has run this call."""
        return self.execution_mode in {ToolExecutionMode.CLI, ToolExecutionMode.WORKER}


class AssistantMessage(Body):
    """Neo's text, its tool calls, or the end of its turn."""

    type: Literal["assistant_message"] = "assistant_message"
    content: Text = ""
    is_final: Flag = False
    tool_calls: Many[ToolCall] = ()
    token_usage: Lenient[Mapping[TokenUsage]] = Field(default_factory=dict)


class ExecToolCall(Body):
    """A tool starts: run by Neo, or by the client that is about to run a local tool call."""

    type: Literal["exec_tool_call"] = "exec_tool_call"
    tool_call_id: Id
    name: Text = ""


class ExecToolCallProgress(Body):
    """A tool makes progress."""

    type: Literal["exec_tool_call_progress"] = "exec_tool_call_progress"
    tool_call_id: Lenient[Id] = ""
    status: Text = ""
    name: Lenient[str | None] = None
    content: Any = None
    metadata: JsonObject = Field(default_factory=dict)

    @property
    def words(self) -> str:
        """The content if there is any, else the status."""
        content = self.content or self.status
        return content if isinstance(content, str) else _as_json(content)


class ToolResponse(Body):
    """A tool's result."""

    type: Literal["tool_response"] = "tool_response"
    tool_call_id: Id
    name: Text = ""
    content: Any = None
    is_error: Flag = False


class ApprovalContext(WireModel):
    """The context of an approval: the tool, the plan, the changes."""

    tool_name: Text | None = None
    # An unreadable one still names a call, though not a known one.
    tool_call_id: Annotated[Text, AfterValidator(lambda text: text[: MAX_ID + 1])] | None = None
    plan_description: Text | None = None
    git_diff: Lenient[dict[str, Text] | None] = None
    last_approval_diff: Lenient[dict[str, Text] | None] = None


class UserApprovalRequest(Body):
    """Neo waits for a person: an approval, a plan to accept, or a question."""

    type: Literal["user_approval_request"] = "user_approval_request"
    id: Id
    message: Text = ""
    approval_type: Open[ApprovalType] = ApprovalType.GENERAL
    # A value of any other shape is present, and not known to be regular.
    sensitivity: Annotated[Sensitivity | Text, Field(union_mode="left_to_right")] | None = None
    source: Open[ApprovalSource] | None = None
    buttons: Lenient[Many[Text]] = ()
    context: Lenient[ApprovalContext | None] = None

    @property
    def is_question(self) -> bool:
        """True if Neo asks for an answer in words rather than for permission."""
        return is_question_tool((self.context and self.context.tool_name) or "")

    @property
    def is_plan(self) -> bool:
        """True if approving this ends plan mode."""
        return self.approval_type == ApprovalType.PLAN_EXIT


class AwaitingApprovals(Body):
    """Neo refused input because approvals are pending."""

    type: Literal["awaiting_approvals"] = "awaiting_approvals"


class ErrorEvent(Body):
    """An error, which ends the turn."""

    type: Literal["error"] = "error"
    message: Text = ""


class WarningEvent(Body):
    """A warning to show; it does not end the turn."""

    type: Literal["warning"] = "warning"
    message: Text = ""


class Cancelled(Body):
    """The turn was cancelled."""

    type: Literal["cancelled"] = "cancelled"
    operation_was_running: Flag = False


class ContextCompression(Body):
    """Housekeeping of Neo's context."""

    type: Literal["context_compression_event"] = "context_compression_event"
    status: Open[CompressionStatus] = ""
    message: Text | None = None
    context_summary: Text | None = None


class ChangeEntities(Body):
    """The task's entities change."""

    type: Literal["change_entities"] = "change_entities"
    changes: EntityDiff = EntityDiff()


class SetTaskName(Body):
    """The task is renamed."""

    type: Literal["set_task_name"] = "set_task_name"
    name: Text


class ProvidePulumiAccessToken(WireModel, extra="ignore"):
    """Carried an encrypted token, which is dropped on arrival and never stored in any form."""

    type: Literal["provide_pulumi_access_token"] = "provide_pulumi_access_token"

    @property
    def timestamp(self) -> str:
        """Always empty: a malformed field must not make this an unknown body, which stores all its fields."""
        return ""


class UserBody(Body):
    """Base of all events from people."""

    entity_diff: EntityDiff | None = None


class SlashCommand(CamelModel):
    """A slash command; its name is all that is needed to invoke one."""

    name: Text
    built_in: Flag = True
    description: Text = ""
    prompt: Text = ""
    tag: Text = ""
    modified_at: Text = ""


class UserMessage(UserBody):
    """An instruction."""

    type: Literal["user_message"] = "user_message"
    content: Text
    commands: dict[str, SlashCommand] | None = None


class UserConfirmation(UserBody):
    """An approval's answer; the answer to a question travels as ``ok=False`` with ``instructions``."""

    type: Literal["user_confirmation"] = "user_confirmation"
    approval_request_id: Id
    ok: bool
    instructions: Text | None = None


class UserCancel(UserBody):
    """Ask Neo to stop."""

    type: Literal["user_cancel"] = "user_cancel"


class ToolResult(WireModel):
    """The result of one tool call that ran elsewhere; ``content`` is never null, as the API demands one."""

    tool_call_id: Id
    name: Text
    content: JsonContent = Field(default_factory=dict)
    is_error: Flag = False


class ToolResults(UserBody):
    """Results of tool calls that ran elsewhere."""

    type: Literal["tool_result"] = "tool_result"
    tool_results: Many[ToolResult] = ()


class UserExecToolCall(UserBody):
    """Announces that a local tool call is about to run; must come before its result."""

    type: Literal["exec_tool_call"] = "exec_tool_call"
    tool_call_id: Id
    name: str


class UnknownBody(Body):
    """A body of a type, or in a shape, that this version does not know; everything is in ``model_extra``."""

    type: Text = "unknown"


class Unreadable(Body):
    """Stands for bytes that are not an event, or for an event over the size limit; made here, never sent."""

    type: Literal["unreadable"] = "unreadable"
    reason: str


WorkBody = AssistantMessage | ExecToolCall | ExecToolCallProgress | ToolResponse | UserApprovalRequest
"""Bodies of Neo's own work: messages, requests and tool runs."""

PersonBody = UserMessage | UserConfirmation | UserCancel | ToolResults
"""Bodies of people's actions."""

NoticeBody = (
    AwaitingApprovals
    | ErrorEvent
    | WarningEvent
    | Cancelled
    | ContextCompression
    | ChangeEntities
    | SetTaskName
    | ProvidePulumiAccessToken
)
"""Bodies about the turn or the task itself."""

EVENT_TYPES = frozenset(
    body.model_fields["type"].default
    for group in (WorkBody, PersonBody, NoticeBody)
    for body in get_args(group)
)
"""The types of bodies that this version understands."""

StrangeBody = UnknownBody | Unreadable
"""Bodies that this version does not understand."""

_KnownBody = Annotated[WorkBody | PersonBody | NoticeBody | Unreadable, Field(discriminator="type")]

EventBody = Annotated[_KnownBody | UnknownBody, Field(union_mode="left_to_right")]

UserEvent = UserMessage | UserConfirmation | UserCancel | UserExecToolCall | ToolResults
"""Events that may be posted to a task."""
