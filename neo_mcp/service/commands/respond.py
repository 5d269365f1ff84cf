"""The respond tool: messages, decisions, answers and cancellation.

Claims and results of local tool calls are passed to :mod:`neo_mcp.service.commands.local_tools`, cancellation
to :mod:`neo_mcp.service.commands.stop`.
"""

from collections.abc import Sequence
from contextlib import nullcontext, suppress

from neo_mcp.core.attention import AttentionKind
from neo_mcp.core.render.form_text import MAX_VALUE, MAX_VALUES, describe_changes
from neo_mcp.core.render.lines import estimate_tokens
from neo_mcp.core.sanitize import named
from neo_mcp.errors import InvalidArgumentError, NeoError
from neo_mcp.hidden_text import is_blank
from neo_mcp.hints import Hint
from neo_mcp.service.approvals.asker import Asker, approvals_of
from neo_mcp.service.approvals.forms import Along, decision, kind_of, open_question
from neo_mcp.service.approvals.policy import Action, Effect, Reason, Subject
from neo_mcp.service.approvals.questions import Answer, Choice, RefusedError
from neo_mcp.service.approvals.resolve import PendingRequest, send_answer, whole
from neo_mcp.service.commands.claims import right_of
from neo_mcp.service.commands.local_tools import claim, return_results
from neo_mcp.service.commands.stop import in_time, kill_session, stop
from neo_mcp.service.inputs import RespondInput, parse_entities, slash_commands
from neo_mcp.service.results import RespondedResult
from neo_mcp.service.task_names import console_of
from neo_mcp.service.tasks import TaskService
from neo_mcp.watch import Watcher
from neo_mcp.wire import (
    EntityDiff,
    ToolCall,
    UserApprovalRequest,
    UserMessage,
)
from neo_mcp.wire.events import is_question_tool

_TEXT = 'Give it as text, such as "Use eu-central-1."'
_CONFLICT_SECONDS = 20.0
_WORDS_TOKENS = 500


async def respond(tasks: TaskService, asker: Asker, args: RespondInput) -> RespondedResult:
    """Send a message, a decision, an answer or a cancellation, from a person or the host's model."""
    if args.force and args.action != "cancel":
        raise InvalidArgumentError('force goes with action "cancel" only.')
    if (args.claim or args.other_client_gone) and args.action not in {"tool_results", "cancel"}:
        raise InvalidArgumentError('claim and other_client_gone go with "tool_results" or "cancel" only.')
    # A person who is asked whether to kill the session takes time.
    is_bound = args.action == "cancel" and not args.force
    with in_time(tasks) if is_bound else nullcontext():
        return await _respond(tasks, asker, args)


async def _respond(tasks: TaskService, asker: Asker, args: RespondInput) -> RespondedResult:
    organization = await tasks.organization(args.organization)
    args = args.model_copy(update={"organization": organization})
    async with tasks.followed(organization, args.task_id) as watcher:
        if args.action == "claim":
            return await _claim(tasks, asker, watcher)
        if args.action == "tool_results":
            return await _return_results(tasks, asker, watcher, args)
        sent = await _ACTIONS[args.action](tasks, asker, watcher, args)
    return RespondedResult(task_id=args.task_id, sent=sent, next=Hint.WAIT)


async def _message(tasks: TaskService, asker: Asker, watcher: Watcher, args: RespondInput) -> str:
    if not args.text or is_blank(args.text):
        raise InvalidArgumentError("A message needs text.", next_step=_TEXT)
    for request in watcher.log.state.pending_approvals or (None,):
        _check(tasks, asker, watcher, Action.MESSAGE, request)
    event = UserMessage(
        content=args.text, entity_diff=_entity_diff(tasks, args), commands=slash_commands(args.commands)
    )
    await tasks.deliveries.send(watcher, event, conflict_wait=_CONFLICT_SECONDS)
    return "The message was sent."


async def _approve(tasks: TaskService, asker: Asker, watcher: Watcher, args: RespondInput) -> str:
    request = await _requested(watcher, args.request_id or asker.answered_request)
    _check(tasks, asker, watcher, Action.APPROVE, request)
    if args.text and estimate_tokens(args.text) > _WORDS_TOKENS:
        raise InvalidArgumentError(
            "The text is too long to go with an approval.", next_step="Send it as a message afterwards."
        )
    along = _along(tasks, args)
    question = decision(tasks, watcher, await whole(watcher, request.id), along)
    open_request = PendingRequest(watcher, request.id)
    answer = await approvals_of(tasks.settings).decide(asker, question, open_request)
    return await send_answer(tasks, watcher, request.id, question, answer, along)


async def _deny(tasks: TaskService, asker: Asker, watcher: Watcher, args: RespondInput) -> str:
    request = await _requested(watcher, args.request_id)
    _check(tasks, asker, watcher, Action.DENY, request)
    await tasks.deliveries.confirm(
        watcher, request.id, ok=False, instructions=args.text, entity_diff=_entity_diff(tasks, args)
    )
    return f"{named(request.id)} was denied."


async def _answer(tasks: TaskService, asker: Asker, watcher: Watcher, args: RespondInput) -> str:
    request = await _requested(watcher, args.request_id or asker.answered_request, questions_only=True)
    if not args.text or is_blank(args.text):
        raise InvalidArgumentError("An answer needs text.", next_step=_TEXT)
    _check(tasks, asker, watcher, Action.ANSWER, request)
    along = _along(tasks, args)
    question = open_question(tasks, watcher, await whole(watcher, request.id), along)
    open_request = PendingRequest(watcher, request.id)
    words = await approvals_of(tasks.settings).answer(asker, question, args.text, open_request)
    return await send_answer(tasks, watcher, request.id, question, Answer(Choice.YES, words), along)


def _check(
    tasks: TaskService,
    asker: Asker,
    watcher: Watcher,
    action: Action,
    request: UserApprovalRequest | None = None,
) -> None:
    """Refuse an action that the policy does not allow, or that does not fit the request.

    Raises:
        RefusedError: If this server sends nothing.
        InvalidArgumentError: Naming the action that fits.
    """
    subject = Subject.NOTHING if request is None else Subject(kind_of(watcher, request))
    reason = approvals_of(tasks.settings).ruling(asker, action, subject).reason
    about = named(request.id) if request is not None else "This"
    match reason:
        case Reason.READ_ONLY:
            raise RefusedError("This server is read-only; nothing was sent.")
        case Reason.IS_QUESTION:
            raise InvalidArgumentError(
                f"{about} is a question: it is answered or left open.",
                next_step=Hint.USE_ANSWER,
            )
        case Reason.NOT_A_QUESTION:
            raise InvalidArgumentError(
                f"{about} asks for a decision, not for words.",
                next_step=Hint.USE_DECISION,
            )
        case Reason.REQUEST_PENDING:
            raise InvalidArgumentError(
                "Neo takes no message while it waits for an answer to: "
                f"{_listed(watcher, watcher.log.state.pending_approvals)}.",
                next_step=Hint.REDIRECT_BY_ANSWER if subject is Subject.QUESTION else Hint.REDIRECT_BY_DENIAL,
            )
        case _:
            return


def _is_refused(tasks: TaskService, asker: Asker, action: Action, asked: ToolCall) -> bool:
    """True if the policy denies the caller ``action`` on this local call: a question may be for a person."""
    subject = Subject.QUESTION if is_question_tool(asked.name) else Subject.LOCAL_TOOLS
    return approvals_of(tasks.settings).ruling(asker, action, subject).effect is Effect.REFUSED


async def _claim(tasks: TaskService, asker: Asker, watcher: Watcher) -> RespondedResult:
    _check(tasks, asker, watcher, Action.CLAIM)

    def is_refused(asked: ToolCall) -> bool:
        return _is_refused(tasks, asker, Action.CLAIM, asked)

    return await claim(tasks, watcher, is_refused)


async def _return_results(
    tasks: TaskService, asker: Asker, watcher: Watcher, args: RespondInput
) -> RespondedResult:
    """Accept results, except of a local call that is a question if only a person may answer questions.

    Raises:
        RefusedError: If one is.
    """
    right = right_of(tasks, watcher, args.claim, others_gone=args.other_client_gone)
    results, local_calls = args.tool_results or (), watcher.log.state.local_calls
    for result in results:
        asked = local_calls.get(result.tool_call_id)
        if asked is not None and _is_refused(tasks, asker, Action.TOOL_RESULTS, asked):
            url = tasks.client.task_url(watcher.organization, watcher.task_id)
            raise RefusedError(
                f"{named(asked.id)} is a question, and this server lets only a person answer "
                "questions. Nothing was stored or sent.",
                next_step=f"Ask the person to answer at {url}",
            )
    return await return_results(tasks, watcher, results, _entity_diff(tasks, args), right)


async def _cancel(tasks: TaskService, asker: Asker, watcher: Watcher, args: RespondInput) -> str:
    if args.force:
        return await kill_session(tasks, asker, watcher)
    _check(tasks, asker, watcher, Action.CANCEL)
    right = right_of(tasks, watcher, args.claim, others_gone=args.other_client_gone)
    return await stop(tasks, watcher, right)


async def _requested(
    watcher: Watcher, request_id: str | None, *, questions_only: bool = False
) -> UserApprovalRequest:
    """The given request, read from the API if the live stream has not delivered it yet."""
    try:
        return _pending(watcher, request_id, questions_only=questions_only)
    except InvalidArgumentError:
        with suppress(NeoError):
            await watcher.read_again()
        return _pending(watcher, request_id, questions_only=questions_only)


def _pending(
    watcher: Watcher, request_id: str | None, *, questions_only: bool = False
) -> UserApprovalRequest:
    """The given request: the one named, or the only one there is."""
    pending = watcher.log.state.pending_approvals
    if request_id is not None:
        for request in pending:
            if request.id == request_id:
                return request
        raise InvalidArgumentError(
            f"{PendingRequest(watcher, request_id).resolution}; nothing was sent.",
            next_step=f"Pending: {_listed(watcher, pending)}."
            if pending
            else ("Nothing is pending; ", Hint.SEE.of(what="what Neo is doing")),
        )
    fitting = [r for r in pending if not questions_only or kind_of(watcher, r) is AttentionKind.QUESTION]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and pending:
        raise InvalidArgumentError(f"No question is pending. Pending: {_listed(watcher, pending)}.")
    if not fitting:
        raise InvalidArgumentError("Nothing is pending.", next_step=Hint.SEE.of(what="what Neo is doing"))
    raise InvalidArgumentError(
        "Several requests are pending.", next_step=f"Name one by request_id: {_listed(watcher, fitting)}."
    )


def _along(tasks: TaskService, args: RespondInput) -> Along:
    """The caller's own additions to an answer, whole: no one can agree to a text that they have not seen."""
    changes = describe_changes(args.add_entities or (), args.remove_entities or ())
    if len(changes) > MAX_VALUES or any(len(change) > MAX_VALUE for change in changes):
        raise InvalidArgumentError(
            f"At most {MAX_VALUES} entities go with an answer, and no longer names.",
            next_step="Send the others with a message afterwards.",
        )
    return Along(args.text, changes, _entity_diff(tasks, args))


def _entity_diff(tasks: TaskService, args: RespondInput) -> EntityDiff | None:
    if not args.add_entities and not args.remove_entities:
        return None
    console = console_of(tasks.client.task_url)
    return EntityDiff(
        add=parse_entities(args.add_entities, args.organization, console=console),
        remove=parse_entities(args.remove_entities, args.organization, console=console),
    )


def _listed(watcher: Watcher, requests: Sequence[UserApprovalRequest]) -> str:
    return ", ".join(f"{named(request.id)} ({kind_of(watcher, request)})" for request in requests)


_ACTIONS = {
    "message": _message,
    "approve": _approve,
    "deny": _deny,
    "answer": _answer,
    "cancel": _cancel,
}
