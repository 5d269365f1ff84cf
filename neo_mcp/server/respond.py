"""The respond tool: messages, decisions, answers, tool results and cancellation."""

from collections.abc import Callable, Iterable, Sequence

import anyio

from neo_mcp.core.attention import AttentionKind, request_kind
from neo_mcp.core.render import estimate_tokens
from neo_mcp.core.sanitize import clean
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.server.approvals import Question, RefusedError, Verdict
from neo_mcp.server.call import Call
from neo_mcp.server.fit import describe_needs
from neo_mcp.server.inputs import RespondInput, parse_entities, slash_commands
from neo_mcp.server.results import RespondedResult
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import (
    Cancelled,
    EntityDiff,
    Event,
    ToolResult,
    ToolResults,
    UserApprovalRequest,
    UserCancel,
    UserConfirmation,
    UserEvent,
    UserExecToolCall,
    UserMessage,
)

_CONFLICT_SECONDS = 20.0
_CANCEL_SECONDS = 90.0
_ECHO_SECONDS = 5.0
_WORDS_TOKENS = 500
_WAIT_NEXT = "Call wait_for_events with the cursor you have."


async def respond(call: Call, args: RespondInput) -> RespondedResult:
    """Send what a person, or the host's model, has to say."""
    if args.force and args.action != "cancel":
        raise InvalidArgumentError('force goes with action "cancel" only.')
    organization = await call.organization(args.organization)
    async with call.app.followed(organization, args.task_id) as watcher:
        sent = await _ACTIONS[args.action](call, watcher, args)
    return RespondedResult(task_id=args.task_id, sent=sent, next=_WAIT_NEXT)


async def _message(call: Call, watcher: Watcher, args: RespondInput) -> str:
    if not args.text or not args.text.strip():
        raise InvalidArgumentError("A message needs text.")
    pending = watcher.log.state.pending_approvals
    if pending:
        raise InvalidArgumentError(
            f"Neo takes no message while it waits for an answer to: {_listed(pending)}.",
            next_step='To redirect it, respond with action "deny" and your guidance in text.',
        )
    event = UserMessage(
        content=args.text, entity_diff=_entity_diff(args), commands=slash_commands(args.commands)
    )
    await _send(call, watcher, event, conflict_wait=_CONFLICT_SECONDS)
    return "The message was sent."


async def _approve(call: Call, watcher: Watcher, args: RespondInput) -> str:
    request = _pending(watcher, args.request_id)
    if request.is_question:
        raise InvalidArgumentError(
            f"{request.id} is a question, not an approval.", next_step='Use action "answer" with text.'
        )
    question = _question(call, watcher, request, args)
    answer = await call.app.approvals.decide(call.ctx, call.params, question)
    now = watcher.log.state.approvals.get(request.id)
    if now is None or _question(call, watcher, now, args).digest != question.digest:
        raise RefusedError(
            f"{request.id} was settled or changed in the meantime; nothing was sent.",
            next_step="Call get_task to see what is asked now.",
        )
    if answer.verdict is Verdict.NO:
        await _confirm(call, watcher, args, request, ok=False, instructions=answer.guidance or None)
        said = f" They said: {answer.guidance}" if answer.guidance else ""
        return f"The person DENIED {request.id}; the denial was sent.{said}"
    await _confirm(call, watcher, args, request, ok=True, instructions=answer.guidance or args.text)
    return f"{request.id} was approved."


async def _say_no_or_answer(call: Call, watcher: Watcher, args: RespondInput) -> str:
    request = _pending(watcher, args.request_id, questions_only=args.action == "answer")
    if args.action == "answer" and not (args.text and args.text.strip()):
        raise InvalidArgumentError("An answer needs text.")
    if args.action == "answer" and not request.is_question:
        raise InvalidArgumentError(
            f"{request.id} asks for a decision, not for words.", next_step='Use action "approve" or "deny".'
        )
    # On the wire an answer is a refusal with instructions: that is how the API carries words.
    await _confirm(call, watcher, args, request, ok=False, instructions=args.text)
    return f"{request.id} was answered." if request.is_question else f"{request.id} was denied."


async def _confirm(
    call: Call,
    watcher: Watcher,
    args: RespondInput,
    request: UserApprovalRequest,
    *,
    ok: bool,
    instructions: str | None,
) -> None:
    event = UserConfirmation(
        approval_request_id=request.id, ok=ok, instructions=instructions, entity_diff=_entity_diff(args)
    )
    await _send(call, watcher, event)


async def _tool_results(call: Call, watcher: Watcher, args: RespondInput) -> str:
    pending = watcher.log.state.local_calls
    if len({result.tool_call_id for result in args.tool_results or ()}) < len(args.tool_results or ()):
        raise InvalidArgumentError("A tool call has more than one result.", next_step="Give one for each.")
    given = {result.tool_call_id: result for result in args.tool_results or ()}
    if not pending:
        raise InvalidArgumentError("Neo waits for no tool results.", next_step="Call get_task to see why.")
    unknown, missing = given.keys() - pending.keys(), pending.keys() - given.keys()
    if unknown or missing:
        problems = [f"{_ids(unknown)} is not pending"] if unknown else []
        problems += [f"{_ids(missing)} has no result"] if missing else []
        raise InvalidArgumentError(
            f"Tool results have to match the pending calls: {'; '.join(problems)}.",
            next_step=f"Give one result for each of {_ids(pending)}; set is_error on those that failed.",
        )
    for call_id, tool_call in pending.items():
        await _send(call, watcher, UserExecToolCall(tool_call_id=call_id, name=tool_call.name), echo=False)
    results = tuple(
        ToolResult(
            tool_call_id=call_id,
            name=tool_call.name,
            content={"output": given[call_id].content},
            is_error=given[call_id].is_error,
        )
        for call_id, tool_call in pending.items()
    )
    await _send(call, watcher, ToolResults(tool_results=results, entity_diff=_entity_diff(args)))
    return f"{len(results)} tool results were sent."


async def _cancel(call: Call, watcher: Watcher, args: RespondInput) -> str:
    if not args.force:
        await _send(call, watcher, UserCancel(), conflict_wait=_CANCEL_SECONDS)
        return "Neo was asked to stop."
    url = call.app.client.task_url(watcher.organization, watcher.task_id)
    name = clean(watcher.log.state.name or watcher.task_id)
    text = (
        f"Kill the session of the Neo task {name!r} in {watcher.organization}?\n\n"
        "A running operation is cut off and may leave infrastructure half changed."
    )
    question = Question(text, "kill", "keep", f"A person can stop it at {url}")
    answer = await call.app.approvals.decide(call.ctx, call.params, question)
    if answer.verdict is Verdict.NO:
        raise RefusedError("The person refused; nothing was sent.")
    await call.app.client.cancel_task(watcher.task_id, organization=watcher.organization)
    watcher.stopped()
    return "The session was killed; the task is idle."


async def _send(
    call: Call, watcher: Watcher, event: UserEvent, *, conflict_wait: float = 0.0, echo: bool = True
) -> None:
    """Post the event and, with ``echo``, hold on until it shows in the log, so that the next wait sees it."""
    before = watcher.log.last_id
    sent = await call.app.client.respond(
        watcher.task_id, event, organization=watcher.organization, conflict_wait=conflict_wait
    )
    watcher.poke()
    if echo:
        arrived = _echo_of(sent, watcher, before)
        with anyio.move_on_after(_ECHO_SECONDS):
            await until_true([watcher], arrived)


def _echo_of(sent: UserEvent, watcher: Watcher, before: str) -> Callable[[], bool]:
    def is_echo(event: Event) -> bool:
        match sent, event.body:
            case UserConfirmation(), UserConfirmation():
                return sent.approval_request_id == event.body.approval_request_id
            case UserMessage(), UserMessage():
                return sent.content == event.body.content
            case UserCancel(), _:
                # What was pending stays so until Neo has stopped.
                return isinstance(event.body, Cancelled)
            case _:
                return type(sent) is type(event.body)

    return lambda: any(is_echo(event) for event in watcher.log.since(before).events)


def _pending(
    watcher: Watcher, request_id: str | None, *, questions_only: bool = False
) -> UserApprovalRequest:
    """The request that is meant: the one named, or the only one there is."""
    pending = watcher.log.state.pending_approvals
    if request_id is not None:
        for request in pending:
            if request.id == request_id:
                return request
        raise InvalidArgumentError(
            f"No request {request_id[:80]!a} is pending: it is unknown or was settled already.",
            next_step=f"Pending: {_listed(pending)}." if pending else "Nothing is pending.",
        )
    fitting = [r for r in pending if r.is_question or not questions_only]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and pending:
        raise InvalidArgumentError(f"No question is pending. Pending: {_listed(pending)}.")
    if not fitting:
        raise InvalidArgumentError("Nothing is pending.", next_step="Call get_task to see what Neo is doing.")
    raise InvalidArgumentError(
        "Several requests are pending.", next_step=f"Name one by request_id: {_listed(fitting)}."
    )


def _question(call: Call, watcher: Watcher, request: UserApprovalRequest, args: RespondInput) -> Question:
    """What a person has to see before they decide on ``request``: also what the agent would send along."""
    needs = [n for n in watcher.attention() if n.request is not None and n.request.id == request.id]
    budget = call.app.settings.budget_tokens // 2
    shown = describe_needs(needs, watcher.organization, watcher.task_id, budget)
    about = watcher.log.state.name or watcher.task_id
    title = f"Neo task {clean(about)!r} in {watcher.organization} asks:"
    text = "\n\n".join([title, *(need.form() for need in shown), *_sent_along(args)])
    plan = request_kind(request) is AttentionKind.PLAN
    url = call.app.client.task_url(watcher.organization, watcher.task_id)
    otherwise = f"Ask the person to decide at {url} and wait for it with wait_for_events."
    return Question(text, "accept the plan" if plan else "approve", "deny", otherwise)


def _sent_along(args: RespondInput) -> list[str]:
    """The caller's own additions to a decision, whole: nobody agrees to words that they have not seen."""
    if args.text and estimate_tokens(args.text) > _WORDS_TOKENS:
        raise InvalidArgumentError(
            "The text is too long to go with an approval.", next_step="Send it as a message afterwards."
        )
    added, removed = args.add_entities or (), args.remove_entities or ()
    changes = ", ".join([*(f"+{name}" for name in added), *(f"-{name}" for name in removed)])
    lines = [f"The agent adds these words: {clean(args.text)}"] if args.text else []
    return [*lines, f"The agent changes the task's context: {clean(changes)}"] if changes else lines


def _entity_diff(args: RespondInput) -> EntityDiff | None:
    if not args.add_entities and not args.remove_entities:
        return None
    return EntityDiff(add=parse_entities(args.add_entities), remove=parse_entities(args.remove_entities))


def _listed(requests: Sequence[UserApprovalRequest]) -> str:
    return ", ".join(f"{request.id} ({request_kind(request)})" for request in requests)


def _ids(ids: Iterable[str]) -> str:
    return ", ".join(sorted(ids))


_ACTIONS = {
    "message": _message,
    "approve": _approve,
    "deny": _say_no_or_answer,
    "answer": _say_no_or_answer,
    "tool_results": _tool_results,
    "cancel": _cancel,
}
