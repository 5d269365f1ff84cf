"""The forms of requests: all that a person has to see before they decide.

Owns the content of each form and its order. How foreign text is quoted is
:mod:`neo_mcp.core.render.form_text`; how an answer is read is :mod:`neo_mcp.service.approvals.questions`.
"""

import hashlib
import json
from dataclasses import dataclass

from neo_mcp.core.attention import AttentionKind, call_of, calls_elsewhere, options_of, request_kind
from neo_mcp.core.held import Body
from neo_mcp.core.operation import Operation, operation
from neo_mcp.core.render.file_changes import file_changes
from neo_mcp.core.render.form_text import FormText, confirmation_text
from neo_mcp.core.sanitize import clean, exact_json
from neo_mcp.hints import Hint, NextStep
from neo_mcp.service.approvals.policy import Action, Subject
from neo_mcp.service.approvals.questions import Decision, OpenQuestion, Question
from neo_mcp.service.tasks import TaskService
from neo_mcp.watch import Watcher
from neo_mcp.wire import EntityDiff, Task, UserApprovalRequest

_FORM_SHARE = 0.5
"""Share of a result's budget that a request may take in a form: a person reads less than a model."""

_ARGUMENTS_TOKENS = 200
_WORDS_TOKENS = 500
_FILES_TOKENS = 400
_REST = "the task's page has the rest"
_TYPE_STACK = "type the name of the stack, as the form shows it"
_TYPE_ORGANIZATION = "type the name of the organization, as the form shows it"


@dataclass(frozen=True, slots=True)
class Along:
    """The parts that a caller adds to an answer.

    Attributes:
        text: A message to Neo; for a question, the proposed answer.
        changes: The changes to the task's entities, as a person sees them.
        entity_diff: The same, as the API takes it.
    """

    text: str | None = None
    changes: tuple[str, ...] = ()
    entity_diff: EntityDiff | None = None


NOTHING_ALONG = Along()


def question_about(
    tasks: TaskService, watcher: Watcher, body: Body, along: Along = NOTHING_ALONG
) -> Question:
    """The form for a request."""
    if request_kind(body.request, body.call) is AttentionKind.QUESTION:
        return open_question(tasks, watcher, body, along)
    return decision(tasks, watcher, body, along)


def decision(tasks: TaskService, watcher: Watcher, body: Body, along: Along = NOTHING_ALONG) -> Decision:
    """The form for an approval or a plan."""
    request, what = body.request, operation_of(tasks, watcher, body)
    kind = request_kind(request, body.call)
    is_plan = kind is AttentionKind.PLAN
    name = confirmation_text(what.target, watcher.organization) if what.is_sensitive else ""
    is_stack = name == what.target
    form = FormText(
        "Pulumi Neo asks you to accept its plan." if is_plan else "Pulumi Neo asks for permission."
    )
    form.begin_values()
    _add_operation(form, what, request)
    if name:
        form.add_own_line("To agree", _TYPE_STACK if is_stack else _TYPE_ORGANIZATION)
    form.begin_values()
    _add_task(form, tasks, watcher)
    form.add_values("Request", request.id)
    _add_request(form, tasks, request)
    if what.call is not None and what.call.args:
        form.add_quote(
            "Arguments", exact_json(what.call.args), tokens=_ARGUMENTS_TOKENS, rest=_REST, is_code=True
        )
    form.add_quote(
        "Words that go to Neo with your answer",
        along.text or "",
        tokens=_WORDS_TOKENS,
        rest="the caller has the rest",
    )
    _add_changes(form, along)
    return Decision(
        text=form.text,
        otherwise=_otherwise(tasks, watcher),
        action=Action.APPROVE,
        subject=Subject(kind),
        request_id=request.id,
        about=_everything(request, what, along),
        yes="accept the plan" if is_plan else "approve",
        no="deny",
        to_type=name,
        kind="stack" if is_stack else "organization",
    )


def open_question(
    tasks: TaskService, watcher: Watcher, body: Body, along: Along = NOTHING_ALONG
) -> OpenQuestion:
    """The form for a question of Neo's."""
    request = body.request
    form = FormText("Pulumi Neo asks a question.")
    form.begin_values()
    _add_task(form, tasks, watcher)
    form.add_values("Request", request.id)
    _add_request(form, tasks, request)
    proposal = clean(along.text or "").strip()
    is_whole = form.add_quote(
        "Proposed answer", proposal, tokens=_WORDS_TOKENS, rest="the caller has the rest"
    )
    _add_changes(form, along)
    return OpenQuestion(
        text=form.text,
        otherwise=_otherwise(tasks, watcher),
        action=Action.ANSWER,
        subject=Subject.QUESTION,
        request_id=request.id,
        about=_everything(request, operation_of(tasks, watcher, body), along),
        # No one can agree to a text that they have not seen.
        proposal=proposal if is_whole else "",
        options=options_of(request),
    )


def kill_form(tasks: TaskService, watcher: Watcher, task: Task) -> Decision:
    """The form for killing a task's session; an answer is valid for the turn that runs now."""
    url = tasks.client.task_url(watcher.organization, watcher.task_id)
    form = FormText("Kill the session of this Neo task?")
    form.add_sentence("A running operation is cut off and may leave infrastructure half changed.")
    form.begin_values()
    add_task(form, name=task.name, task_id=watcher.task_id, organization=watcher.organization, url=url)
    calls = watcher.log.state.local_calls
    elsewhere = calls_elsewhere(watcher.log.state, watcher.announced_here)
    if elsewhere:
        form.add_values("Being run by another client", *(calls[call_id].name for call_id in elsewhere))
    return Decision(
        text=form.text,
        about=f"turn {watcher.log.state.turns}",
        action=Action.KILL,
        yes="kill",
        no="keep",
        otherwise=f"A person can stop it at {url}",
    )


def operation_of(tasks: TaskService, watcher: Watcher, body: Body) -> Operation:
    """The operation that a request asks permission for."""
    state = watcher.log.state
    return operation(
        body.request,
        body.call,
        state.entities,
        tasks.settings.protected_stacks,
        watcher.organization,
        lacks_entities=state.lacks_entities,
    )


def kind_of(watcher: Watcher, request: UserApprovalRequest) -> AttentionKind:
    """The kind of a request, by its own fields and by the call that waits for it."""
    return request_kind(request, call_of(watcher.log.state, request))


def add_task(form: FormText, *, name: str | None, task_id: str, organization: str, url: str) -> None:
    """Add the facts that distinguish tasks: names can be alike, and Neo chooses them."""
    form.add_values("Task", name or task_id)
    form.add_values("Task id", task_id)
    form.add_values("Organization", organization)
    form.add_url("Page", url)


def _add_task(form: FormText, tasks: TaskService, watcher: Watcher) -> None:
    organization, task_id = watcher.organization, watcher.task_id
    add_task(
        form,
        name=watcher.log.state.name,
        task_id=task_id,
        organization=organization,
        url=tasks.client.task_url(organization, task_id),
    )


def _add_operation(form: FormText, what: Operation, request: UserApprovalRequest) -> None:
    if what.tool:
        form.add_values("Tool", what.tool)
    if what.claimed:
        form.add_values("The request names another tool", what.claimed)
    for stack in what.stacks:
        form.add_values("Stack", stack, note="(PROTECTED)" if stack in what.protected else "")
    if not what.stacks:
        form.add_own_line("Stack", "none is named")
    if what.is_protected and not what.protected:
        form.add_own_line("Protection", "counts as PROTECTED, as the stack is not known")
    if request.sensitivity:
        form.add_values("Sensitivity", str(request.sensitivity))
    else:
        form.add_own_line("Sensitivity", "not stated")


def _add_request(form: FormText, tasks: TaskService, request: UserApprovalRequest) -> None:
    """Quote the message, the plan and the changes, each within its share of the budget."""
    share = int(tasks.settings.budget_tokens * _FORM_SHARE) // 3
    context = request.context
    diff = (context.git_diff if context else None) or {}
    form.add_quote("Neo writes", request.message, tokens=share, rest=_REST)
    form.add_quote("Plan", (context and context.plan_description) or "", tokens=share, rest=_REST)
    files = "\n".join(map(str, file_changes(diff)))
    form.add_quote("Changed files", files, tokens=_FILES_TOKENS, rest=_REST, is_code=True)
    patches = "\n".join(f"{name}\n{patch}" for name, patch in diff.items())
    form.add_quote("Diff", patches, tokens=share, rest=_REST, is_code=True)


def _add_changes(form: FormText, along: Along) -> None:
    if along.changes:
        form.begin_values()
        form.add_values("Changes to the task's context", *along.changes)


def _everything(request: UserApprovalRequest, what: Operation, along: Along) -> str:
    arguments = json.dumps(what.call.args, sort_keys=True, default=str) if what.call else ""
    words = json.dumps([along.text, along.changes])
    whole = f"{request.model_dump_json()}\0{arguments}\0{words}"
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()


def _otherwise(tasks: TaskService, watcher: Watcher) -> NextStep:
    url = tasks.client.task_url(watcher.organization, watcher.task_id)
    return Hint.DECIDE_AT.of(url=url)
