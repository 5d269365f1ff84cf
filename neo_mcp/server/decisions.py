"""What Neo asks of people: as a form that shows all that matters, and as the answer that is sent.

Owns the form of a request and the last look before an answer goes out. Who is asked, and whether, is
:mod:`neo_mcp.server.approvals`; the way there is a tool call or a task handle of the protocol.
"""

import json
from dataclasses import dataclass

from neo_mcp.core.attention import AttentionKind, call_of, request_kind
from neo_mcp.core.operation import Operation, operation
from neo_mcp.core.render import cut
from neo_mcp.core.sanitize import clean, count_removed, exact_json, named, one_line, quotation, quoted
from neo_mcp.errors import NeoError
from neo_mcp.server.call import App
from neo_mcp.server.fit import describe_needs
from neo_mcp.server.policy import Action, Subject
from neo_mcp.server.questions import (
    Answer,
    Decision,
    OpenQuestion,
    Question,
    RefusedError,
    Verdict,
    removed_note,
)
from neo_mcp.server.sending import confirm
from neo_mcp.server.uris import events_uri
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import EntityDiff, Event, UserApprovalRequest, UserConfirmation

_FORM_SHARE = 0.5
"""How much of a result's budget a form may take: a person reads less than a model."""

_ARGUMENTS_TOKENS = 200
_WORDS = 1000
_SEE_NOW = "Call get_task to see what is asked now."


@dataclass(frozen=True, slots=True)
class Along:
    """What the caller would send along with an answer.

    Attributes:
        text: Its own words; for a question, the answer that it proposes.
        changes: The changes to the task's entities in words, as a person sees them.
        entity_diff: The same, as the API takes it.
    """

    text: str | None = None
    changes: str = ""
    entity_diff: EntityDiff | None = None


NOTHING_ALONG = Along()


def question_about(
    app: App, watcher: Watcher, request: UserApprovalRequest, along: Along = NOTHING_ALONG
) -> Question:
    """What a person has to see before they answer ``request``."""
    if _kind(watcher, request) is AttentionKind.QUESTION:
        return open_question(app, watcher, request, along)
    return decision(app, watcher, request, along)


def decision(
    app: App, watcher: Watcher, request: UserApprovalRequest, along: Along = NOTHING_ALONG
) -> Decision:
    """The form for an approval or a plan."""
    what = operation_of(app, watcher, request)
    kind = _kind(watcher, request)
    is_plan = kind is AttentionKind.PLAN
    parts = [_headline(what, is_plan=is_plan), _facts(watcher, what, request)]
    parts += [*_request(app, watcher, request), *_arguments(watcher, what), *_removed(request, what)]
    parts += [f"The agent adds these words:\n{quotation(clean(along.text))}"] if along.text else []
    parts += [f"The agent changes the task's context: {clean(along.changes)}"] if along.changes else []
    to_type, place = "", "stack"
    if what.is_sensitive:
        to_type, place = (what.target, "stack") if what.target else (watcher.organization, "organization")
    return Decision(
        text="\n\n".join(parts),
        otherwise=_otherwise(app, watcher),
        action=Action.APPROVE,
        subject=Subject(kind),
        request_id=request.id,
        about=_everything(request, what),
        yes="accept the plan" if is_plan else "approve",
        no="deny",
        to_type=clean(to_type),
        place=place,
    )


def open_question(
    app: App, watcher: Watcher, request: UserApprovalRequest, along: Along = NOTHING_ALONG
) -> OpenQuestion:
    """The form for a question of Neo's."""
    what = operation_of(app, watcher, request)
    parts = [f"Pulumi Neo asks, in its task {_title(watcher)} in {watcher.organization}:"]
    parts += [*_request(app, watcher, request), *_removed(request, what)]
    parts += [f"The agent changes the task's context: {clean(along.changes)}"] if along.changes else []
    return OpenQuestion(
        text="\n\n".join(parts),
        otherwise=_otherwise(app, watcher),
        action=Action.ANSWER,
        subject=Subject.QUESTION,
        request_id=request.id,
        about=_everything(request, what),
        proposal=clean(along.text or "").strip(),
    )


async def settle(
    app: App,
    watcher: Watcher,
    request_id: str,
    question: Question,
    answer: Answer,
    along: Along = NOTHING_ALONG,
) -> str:
    """Send a person's answer to ``question``, if that is still what Neo asks; says what was sent.

    The task is read again from the API first: what the live stream knows may be old.

    Raises:
        RefusedError: If the request was settled, withdrawn or changed in the meantime; nothing was sent.
        NeoError: If that cannot be found out, or the answer cannot be sent.
    """
    await PendingRequest(watcher, request_id).check()
    now = next(r for r in watcher.log.state.pending_approvals if r.id == request_id)
    if question_about(app, watcher, now, along).digest != question.digest:
        raise RefusedError(
            f"{named(request_id)} changed in the meantime; nothing was sent.", next_step=_SEE_NOW
        )
    if isinstance(question, OpenQuestion):
        # On the wire an answer is a refusal with instructions: that is how the API carries words.
        await confirm(
            app, watcher, request_id, ok=False, instructions=answer.words, entity_diff=along.entity_diff
        )
        return f"{named(request_id)} was answered: {quoted(answer.words)}"
    ok = answer.verdict is Verdict.YES
    words = answer.words or (along.text if ok else None)
    await confirm(app, watcher, request_id, ok=ok, instructions=words or None, entity_diff=along.entity_diff)
    if ok:
        return f"{named(request_id)} was approved."
    said = f" They said: {quoted(answer.words, _WORDS)}" if answer.words else ""
    return f"The person DENIED {named(request_id)}; the denial was sent.{said}"


class AlreadyResolvedError(RefusedError):
    """A request is not pending any more; nothing was sent."""

    default_next_step = _SEE_NOW


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request of Neo's that is being decided here, and may be resolved elsewhere meanwhile."""

    watcher: Watcher
    request_id: str

    async def gone(self) -> None:
        """Return once the request is not pending any more."""
        await until_true([self.watcher], lambda: not self._is_pending)

    async def check(self) -> None:
        """Look the request up at the API.

        Raises:
            AlreadyResolvedError: If it is not pending any more.
            RefusedError: If that cannot be found out.
        """
        try:
            await self.watcher.read_again()
        except NeoError as error:
            raise RefusedError(
                f"Whether this is still what Neo asks could not be found out ({error}); nothing was sent.",
                next_step="Ask again in a moment.",
            ) from error
        if not self._is_pending:
            raise AlreadyResolvedError(f"{self.resolution}; nothing was sent.")

    @property
    def resolution(self) -> str:
        """How the request was resolved, and by whom, as far as the task's events tell."""
        name, result = named(self.request_id), ""
        for event in reversed(self.watcher.log.since("").events):
            match event.body:
                case UserConfirmation(approval_request_id=self.request_id) as body if not result:
                    result = f"{_result_of(body)} by {_author(event)}"
                case UserApprovalRequest(id=self.request_id) as body if result:
                    return f"{name} was already {_result_of_question(body, result)}"
                case _:
                    pass
        if result:
            return f"{name} was already {result}"
        if self.request_id in self.watcher.log.state.withdrawn:
            return f"{name} was withdrawn: its turn has ended"
        return f"{name} is not pending: it is unknown, or was resolved already"

    @property
    def _is_pending(self) -> bool:
        return any(request.id == self.request_id for request in self.watcher.log.state.pending_approvals)


def _author(event: Event) -> str:
    if event.is_synthetic:
        return "the service itself"
    login = event.actor.github_login if event.actor else ""
    return quoted(login) if login else "someone else"


def _result_of(body: UserConfirmation) -> str:
    return "approved" if body.ok else "denied"


def _result_of_question(request: UserApprovalRequest, result: str) -> str:
    return result.replace("denied", "answered", 1) if request.is_question else result


def operation_of(app: App, watcher: Watcher, request: UserApprovalRequest) -> Operation:
    """What ``request`` asks permission for."""
    state = watcher.log.state
    return operation(request, call_of(state, request), state.entities, app.settings.protected_stacks)


def _kind(watcher: Watcher, request: UserApprovalRequest) -> AttentionKind:
    return request_kind(request, call_of(watcher.log.state, request))


def _headline(what: Operation, *, is_plan: bool) -> str:
    if is_plan:
        return "Pulumi Neo asks you to accept its plan."
    runs = f" to run {one_line(what.tool)}" if what.tool else ""
    where = f" on {one_line(what.target)}" if what.target and what.names_stack else ""
    return f"Pulumi Neo asks for permission{runs}{where}."


def _facts(watcher: Watcher, what: Operation, request: UserApprovalRequest) -> str:
    stacks = ", ".join(f"{stack} (PROTECTED)" if stack in what.protected else stack for stack in what.stacks)
    sensitivity = str(request.sensitivity or "not stated") + (
        " — type the name below" if what.is_sensitive else ""
    )
    lines = [
        f"Task: {_title(watcher)} in {watcher.organization}",
        f"Stack: {one_line(stacks) or 'none is named'}",
        f"Sensitivity: {one_line(sensitivity)}",
        f"Request: {named(request.id)}",
    ]
    return "\n".join(lines)


def _request(app: App, watcher: Watcher, request: UserApprovalRequest) -> list[str]:
    needs = [
        need for need in watcher.attention() if need.request is not None and need.request.id == request.id
    ]
    budget = int(app.settings.budget_tokens * _FORM_SHARE)
    described = describe_needs(needs, watcher.organization, watcher.task_id, budget)
    return [quotation(body) for need in described if (body := need.body())]


def _arguments(watcher: Watcher, what: Operation) -> list[str]:
    if what.call is None or not what.call.args:
        return []
    rest = f"read {events_uri(watcher.organization, watcher.task_id)}"
    return [f"With: {cut(exact_json(what.call.args), _ARGUMENTS_TOKENS, rest)}"]


def _removed(request: UserApprovalRequest, what: Operation) -> list[str]:
    """Says what sanitising took away: somebody may have meant to hide something."""
    context = request.context
    texts = [request.message, what.tool, *what.stacks]
    if context is not None:
        texts += [
            context.plan_description or "",
            *(part for item in (context.git_diff or {}).items() for part in item),
        ]
    removed = sum(count_removed(text)[1] for text in texts)
    return [removed_note(removed)] if removed else []


def _everything(request: UserApprovalRequest, what: Operation) -> str:
    arguments = json.dumps(what.call.args, sort_keys=True, default=str) if what.call else ""
    return f"{request.model_dump_json()}\0{arguments}"


def _title(watcher: Watcher) -> str:
    return f"“{one_line(watcher.log.state.name or watcher.task_id)}”"


def _otherwise(app: App, watcher: Watcher) -> str:
    url = app.client.task_url(watcher.organization, watcher.task_id)
    return f"Ask the person to decide at {url} and wait for it with wait_for_events."
