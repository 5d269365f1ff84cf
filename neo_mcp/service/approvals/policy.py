"""The approval policy, as data: who decides about everything that is sent to the API.

One table, read from the top: the first row that fits applies, and there is one for every situation. It
depends on the operator's settings and on the host's capabilities; no tool argument or message is part of it.
Nor is the protocol revision, which only changes how a form travels.

:data:`POSTS` lists the functions that send something, with the actions that they carry out. Pure: asking and
sending are done elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from neo_mcp.options import Answerer, ApprovalPolicy

_T = TypeVar("_T")


class Action(StrEnum):
    """An action that a caller can request on a task."""

    MESSAGE = "message"
    APPROVE = "approve"
    DENY = "deny"
    ANSWER = "answer"
    TOOL_RESULTS = "tool_results"
    CLAIM = "claim"
    CANCEL = "cancel"
    KILL = "cancel with force"
    REPLY = "reply through a task handle"
    CREATE = "create"
    CREATE_LOOSE = "create with fewer approvals"
    UPDATE = "update"
    LOOSEN = "update to fewer approvals or more permissions"


class Subject(StrEnum):
    """The request of Neo's that an action is about.

    ``NOTHING`` stands for an action that is about no request.
    """

    APPROVAL = "approval"
    PLAN = "plan"
    QUESTION = "question"
    LOCAL_TOOLS = "local_tools"
    NOTHING = "nothing"


class Effect(StrEnum):
    """The consequence of an action."""

    SENT = "sent"
    FORM = "form"
    REFUSED = "refused"


class Reason(StrEnum):
    """The reason for a refusal, or for another effect."""

    READ_ONLY = "the operator made this server read-only"
    APPROVES_NOTHING = "the operator lets this server approve nothing"
    CANNOT_ASK = "a person has to be asked, and the host cannot"
    IS_QUESTION = "a question is answered or left open"
    NOT_A_QUESTION = "this is no question"
    NOT_REQUESTED = "Neo does not ask for this"
    REQUEST_PENDING = "Neo takes no message while a request is pending"
    HOST_TRUSTED = "the operator trusts the host's own confirmation"
    MODEL_ANSWERS = "the operator lets the model answer"
    PERSON = "a person decides"
    SAFE = "this needs no decision"


@dataclass(frozen=True, slots=True)
class Situation:
    """The settings and abilities that a ruling depends on.

    Attributes:
        can_ask: Whether a person can be asked with a form.
    """

    approvals: ApprovalPolicy = ApprovalPolicy.ASK
    questions: Answerer = Answerer.MODEL
    read_only: bool = False
    can_ask: bool = True


@dataclass(frozen=True, slots=True)
class Ruling:
    """The effect of an action, and why."""

    effect: Effect
    reason: Reason


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; an empty column fits everything."""

    actions: frozenset[Action]
    subjects: frozenset[Subject]
    ruling: Ruling
    approvals: frozenset[ApprovalPolicy] = field(default_factory=frozenset)
    questions: frozenset[Answerer] = field(default_factory=frozenset)
    read_only: frozenset[bool] = field(default_factory=frozenset)
    can_ask: frozenset[bool] = field(default_factory=frozenset)

    def fits(self, action: Action, subject: Subject, situation: Situation) -> bool:
        """True if this row applies to the action in the situation."""
        columns: tuple[tuple[frozenset[object], object], ...] = (
            (self.actions, action),
            (self.subjects, subject),
            (self.approvals, situation.approvals),
            (self.questions, situation.questions),
            (self.read_only, situation.read_only),
            (self.can_ask, situation.can_ask),
        )
        return all(not column or value in column for column, value in columns)


def rule(action: Action, subject: Subject, situation: Situation) -> Ruling:
    """Return the ruling on an action."""
    return next(row.ruling for row in TABLE if row.fits(action, subject, situation))


def _of(*values: _T) -> frozenset[_T]:
    return frozenset(values)


def _sent(reason: Reason) -> Ruling:
    return Ruling(Effect.SENT, reason)


def _refused(reason: Reason) -> Ruling:
    return Ruling(Effect.REFUSED, reason)


_FORM = Ruling(Effect.FORM, Reason.PERSON)
_ANY: frozenset[Subject] = frozenset()
_DECISIONS = _of(Subject.APPROVAL, Subject.PLAN)
_REQUESTS = _DECISIONS | _of(Subject.QUESTION)
_LOOSER = _of(Action.KILL, Action.CREATE_LOOSE, Action.LOOSEN)
_STARTS = _of(Action.CREATE, Action.CREATE_LOOSE)
_ASK, _HOST, _DENY = _of(ApprovalPolicy.ASK), _of(ApprovalPolicy.HOST), _of(ApprovalPolicy.DENY)
_YES, _NO = frozenset({True}), frozenset({False})

TABLE: tuple[Row, ...] = (
    # A read-only server starts tasks, all of them read-only, and sends nothing else.
    Row(frozenset(Action) - _STARTS, _ANY, _refused(Reason.READ_ONLY), read_only=_YES),
    # An action that does not fit the request. On the wire, denying a question is answering it.
    Row(_of(Action.APPROVE, Action.DENY), _of(Subject.QUESTION), _refused(Reason.IS_QUESTION)),
    Row(_of(Action.ANSWER), _DECISIONS, _refused(Reason.NOT_A_QUESTION)),
    Row(
        _of(Action.APPROVE, Action.DENY, Action.ANSWER, Action.REPLY),
        frozenset(Subject) - _REQUESTS,
        _refused(Reason.NOT_REQUESTED),
    ),
    Row(
        _of(Action.TOOL_RESULTS, Action.CLAIM),
        frozenset(Subject) - {Subject.LOCAL_TOOLS, Subject.QUESTION},
        _refused(Reason.NOT_REQUESTED),
    ),
    Row(_of(Action.MESSAGE), _REQUESTS, _refused(Reason.REQUEST_PENDING)),
    # Decisions, and any action that gives Neo more freedom.
    Row(_of(Action.DENY), _DECISIONS, _sent(Reason.SAFE)),
    Row(_of(Action.APPROVE), _DECISIONS, _sent(Reason.HOST_TRUSTED), approvals=_HOST),
    Row(_of(Action.APPROVE), _DECISIONS, _refused(Reason.APPROVES_NOTHING), approvals=_DENY),
    Row(_of(Action.APPROVE), _DECISIONS, _FORM, approvals=_ASK, can_ask=_YES),
    Row(_of(Action.APPROVE), _DECISIONS, _refused(Reason.CANNOT_ASK), approvals=_ASK, can_ask=_NO),
    Row(_LOOSER, _ANY, _sent(Reason.HOST_TRUSTED), approvals=_HOST),
    Row(_LOOSER, _ANY, _refused(Reason.APPROVES_NOTHING), approvals=_DENY),
    Row(_LOOSER, _ANY, _FORM, approvals=_ASK, can_ask=_YES),
    Row(_LOOSER, _ANY, _refused(Reason.CANNOT_ASK), approvals=_ASK, can_ask=_NO),
    # Questions, whichever way an answer takes: a local call of the question tool is one, too. Who approves is
    # another setting, and has no part in this.
    Row(
        _of(Action.ANSWER, Action.TOOL_RESULTS, Action.CLAIM),
        _of(Subject.QUESTION),
        _sent(Reason.MODEL_ANSWERS),
        questions=_of(Answerer.MODEL),
    ),
    Row(_of(Action.TOOL_RESULTS, Action.CLAIM), _of(Subject.QUESTION), _refused(Reason.IS_QUESTION)),
    Row(_of(Action.ANSWER), _of(Subject.QUESTION), _FORM, can_ask=_YES),
    Row(_of(Action.ANSWER), _of(Subject.QUESTION), _refused(Reason.CANNOT_ASK), can_ask=_NO),
    # A task handle asks a person by itself: no tool is called, so the host does not confirm.
    Row(_of(Action.REPLY), _DECISIONS, _refused(Reason.APPROVES_NOTHING), approvals=_DENY),
    Row(_of(Action.REPLY), _REQUESTS, _FORM, can_ask=_YES),
    Row(_of(Action.REPLY), _REQUESTS, _refused(Reason.CANNOT_ASK), can_ask=_NO),
    # All actions that give Neo no new freedom.
    Row(
        _of(Action.MESSAGE, Action.TOOL_RESULTS, Action.CLAIM, Action.CANCEL, Action.CREATE, Action.UPDATE),
        _ANY,
        _sent(Reason.SAFE),
    ),
)

POSTS: Mapping[str, frozenset[Action]] = {
    "neo_mcp.service.commands.respond._message": _of(Action.MESSAGE),
    "neo_mcp.service.commands.respond._deny": _of(Action.DENY),
    "neo_mcp.service.commands.respond._approve": _of(Action.APPROVE),
    "neo_mcp.service.commands.respond._answer": _of(Action.ANSWER),
    "neo_mcp.service.commands.stop.kill_session": _of(Action.KILL),
    "neo_mcp.service.commands.claims._announce": _of(Action.CLAIM, Action.CANCEL),
    "neo_mcp.service.commands.local_tools.send_results": _of(Action.TOOL_RESULTS, Action.CANCEL),
    "neo_mcp.service.commands.stop._ask_to_stop": _of(Action.CANCEL),
    "neo_mcp.server.mcp_tasks.methods._take": _of(Action.REPLY),
    "neo_mcp.service.commands.create.create_task": _of(Action.CREATE, Action.CREATE_LOOSE),
    "neo_mcp.service.commands.create.update_task": _of(Action.UPDATE, Action.LOOSEN),
}
"""The functions that send something to the API, by the actions that they carry out.

The command line and the task view's page have none of their own: they go through these.
"""
