"""The create_task and update_task tools: start or change a task without loosening control.

Exactly the content of the form that a person agreed to is sent, or nothing is. The form of a change is made
again from the current task right before it is sent. That of a new task needs no second check, since its
content is all in the request itself, with the mode by name even if it is the organization's default.
"""

from neo_mcp.core.cursor import encode_cursor
from neo_mcp.core.render.form_text import FormText
from neo_mcp.core.sanitize import clean, quoted
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hints import Hint
from neo_mcp.service.approvals.asker import Asker, approvals_of
from neo_mcp.service.approvals.forms import add_task
from neo_mcp.service.approvals.policy import Action, Effect, Subject
from neo_mcp.service.approvals.questions import Choice, Decision, RefusedError
from neo_mcp.service.inputs import (
    CreateTaskInput,
    UpdateTaskInput,
    cli_integration_refs,
    integration_refs,
    parse_entities,
    slash_commands,
)
from neo_mcp.service.results import CreatedResult, TaskFacts, UpdatedResult
from neo_mcp.service.task_names import console_of
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.writes.creation import Order
from neo_mcp.service.writes.modes import ChosenMode, choose
from neo_mcp.wire import (
    ApprovalMode,
    CreateTask,
    EntityDiff,
    PermissionMode,
    Task,
    TaskSource,
    ToolExecutionMode,
    UpdateTask,
    UserMessage,
    describe,
)

_STRICTEST_FIRST = tuple(ApprovalMode)
_FORM_TOKENS = 1000
_WORDS = 1000
_STARTS = {
    ApprovalMode.AUTO: "Start a Neo task that changes infrastructure WITHOUT asking for approval?",
    ApprovalMode.BALANCED: "Start a Neo task that asks for approval of sensitive operations only?",
}
_YES_NO = {False: "no", True: "yes"}
_CHANGED = "The request changed while the form was open; nothing was sent."


async def create_task(tasks: TaskService, asker: Asker, args: CreateTaskInput) -> CreatedResult:
    """Start a task."""
    organization = await tasks.organization(args.organization)
    console = console_of(tasks.client.task_url)
    asked = _request(args, organization, console, read_only=tasks.settings.read_only)
    creations, key = tasks.creations, args.idempotency_key
    created, warning = None, ""
    if args.approval_mode is None and not args.duplicate and not asker.answered_request is not None:
        # No one is asked about a task that was started already.
        created = await creations.find(organization, asked, key=key)
    if created is None:
        chosen = await _choose_mode(tasks, asker, organization, args.approval_mode)
        request = asked.model_copy(update={"approval_mode": chosen.mode})
        form = _start_form(organization, request, chosen) if chosen.needs_person else None
        order = Order(request, asked, is_agreed=await _is_agreed(tasks, asker, form))
        created = await creations.create(organization, order, key=key, duplicate=bool(args.duplicate))
        # By now the generation of the API is known: the first has no modes.
        warning = "" if tasks.client.is_first_generation else chosen.warning
    warnings = [*map(clean, created.warnings), *filter(None, [warning]), *_forced(tasks, args)]
    return CreatedResult(
        task_id=created.task_id,
        organization=organization,
        url=tasks.client.task_url(organization, created.task_id),
        cursor=encode_cursor(organization, created.task_id, ""),
        warnings=warnings or None,
        next=Hint.STARTED,
    )


async def update_task(tasks: TaskService, asker: Asker, args: UpdateTaskInput) -> UpdatedResult:
    """Change the given settings, and nothing else."""
    organization = await tasks.organization(args.organization)
    client = tasks.client
    name = args.name.strip() if args.name is not None else None
    if name == "":
        raise InvalidArgumentError("A name needs at least one character.")
    changes = UpdateTask(
        name=name,
        is_shared=args.shared,
        approval_mode=args.approval_mode,
        permission_mode=args.permission_mode,
    )
    if not changes.model_dump(exclude_none=True):
        raise InvalidArgumentError(
            "Nothing to change.", next_step="Give name, shared, approval_mode or permission_mode."
        )
    if changes.approval_mode or changes.permission_mode:

        async def current_form() -> Decision | None:
            task = await client.get_task(args.task_id, organization=organization)
            return _loosening_form(organization, task, client.task_url(organization, args.task_id), changes)

        form = await current_form()
        if await _is_agreed(tasks, asker, form) and not _is_same(form, await current_form()):
            raise RefusedError(_CHANGED, next_step=Hint.SEE.of(what="the task as it is now"))
    task = await client.update_task(args.task_id, changes, organization=organization)
    watcher = tasks.hub.peek(organization, args.task_id)
    if watcher is not None:
        watcher.learn(task)
    return UpdatedResult(task=TaskFacts.of(task, organization, client.task_url(organization, task.id)))


async def _choose_mode(
    tasks: TaskService, asker: Asker, organization: str, given: ApprovalMode | None
) -> ChosenMode:
    """The approval mode to send: the given one, or one derived from the organization's default."""
    effect = approvals_of(tasks.settings).ruling(asker, Action.CREATE_LOOSE, Subject.NOTHING).effect
    if given is not None or effect is Effect.SENT:
        return ChosenMode(given)
    default = await tasks.default_modes.of(organization)
    if tasks.client.is_first_generation:
        return ChosenMode(None)
    return choose(default, can_ask=effect is Effect.FORM)


async def _is_agreed(tasks: TaskService, asker: Asker, form: Decision | None) -> bool:
    """Ask for agreement to ``form``: of a person, or for the operator, of a trusted host.

    Without a form there is nothing to agree to.

    Raises:
        RefusedError: If they did not agree, cannot be asked, or answered a form that is no longer needed.
    """
    if form is None:
        if asker.answered_request is not None:
            # Their answer may have been no.
            raise RefusedError(_CHANGED, next_step="Call again: it decides anew what to ask.")
        return False
    answer = await approvals_of(tasks.settings).decide(asker, form)
    if answer.choice is Choice.NO:
        reply = f" Their words: {quoted(answer.words, _WORDS)}" if answer.words else ""
        raise RefusedError(f"The person refused; nothing was sent.{reply}")
    return True


def _is_same(form: Decision | None, other: Decision | None) -> bool:
    return form is not None and other is not None and form.digest == other.digest


def _forced(tasks: TaskService, args: CreateTaskInput) -> list[str]:
    """A note if the task differs from the caller's request."""
    if tasks.settings.read_only and args.permission_mode is PermissionMode.DEFAULT:
        return ["This server is read-only, and so is the task."]
    return []


def _start_form(organization: str, request: CreateTask, chosen: ChosenMode) -> Decision:
    """The form to agree to before a task starts in a mode below the strictest."""
    form = FormText(_STARTS[ApprovalMode(request.approval_mode or "")])
    if chosen.is_default:
        form.add_sentence("No approval mode was chosen: this is the organization's default.")
    form.begin_values()
    form.add_values("Organization", organization)
    settings = request.model_dump(mode="json", exclude_none=True, exclude={"message", "source"})
    if request.enabled_integrations is not None:
        settings["enabled_integrations"] = [each.id for each in request.enabled_integrations]
    if request.cli_integrations is not None:
        settings["cli_integrations"] = [f"{each.catalog_id}/{each.name}" for each in request.cli_integrations]
    form.add_settings(settings)
    entities = request.message.entity_diff.add if request.message.entity_diff else ()
    if entities:
        form.add_values("About", *map(describe, entities))
    if request.message.commands:
        form.add_values("Commands", *request.message.commands)
    form.add_quote("Prompt", request.message.content, tokens=_FORM_TOKENS, rest="the host has the rest")
    return Decision(
        text=form.text,
        action=Action.CREATE_LOOSE,
        about=request.model_dump_json(exclude={"message": {"timestamp"}}),
        yes="allow",
        no="refuse",
        otherwise="Make approval_mode manual: a person then decides on each change.",
    )


def _request(args: CreateTaskInput, organization: str, console: str, *, read_only: bool) -> CreateTask:
    content = args.prompt
    if args.context:
        content += f"\n\nContext from the conversation that delegates this task:\n{args.context}"
    entities = parse_entities(args.entities, organization, console=console)
    message = UserMessage(
        content=content,
        entity_diff=EntityDiff(add=entities) if entities else None,
        commands=slash_commands(args.commands),
    )
    return CreateTask(
        message=message,
        approval_mode=args.approval_mode,
        plan_mode=args.plan_mode,
        permission_mode=PermissionMode.READ_ONLY if read_only else args.permission_mode,
        role=args.role,
        source=TaskSource.API,
        tool_execution_mode=ToolExecutionMode(args.tool_execution_mode) if args.tool_execution_mode else None,
        enabled_integrations=integration_refs(args.integrations),
        cli_integrations=cli_integration_refs(args.cli_integrations),
    )


def _loosening_form(organization: str, task: Task, url: str, changes: UpdateTask) -> Decision | None:
    """The form to agree to before a task asks less or may do more: all that is sent, and to which task."""
    if not _is_loosened(task, changes):
        return None
    form = FormText("Loosen control of this Neo task?")
    form.begin_values()
    add_task(form, name=task.name, task_id=task.id, organization=organization, url=url)
    form.begin_values()
    if changes.approval_mode is not None:
        form.add_change("Approval mode", task.approval_mode, changes.approval_mode)
    if changes.permission_mode is not None:
        before = task.permission_mode or PermissionMode.DEFAULT
        may_write = changes.permission_mode is PermissionMode.DEFAULT
        form.add_change(
            "Permission mode", before, changes.permission_mode, note="Neo may write" if may_write else ""
        )
    if changes.is_shared is not None:
        before, after = _YES_NO[task.is_shared], _YES_NO[changes.is_shared]
        form.add_change("Visible to the whole organization", before, after)
    if changes.name is not None:
        form.add_change("Name", task.name, changes.name)
    return Decision(
        text=form.text,
        about=changes.model_dump_json(),
        action=Action.LOOSEN,
        yes="allow",
        no="refuse",
        otherwise=f"A person can change it at {url}",
    )


def _is_loosened(task: Task, changes: UpdateTask) -> bool:
    """True if the changes take any control away from people."""
    if changes.approval_mode is not None and _is_looser(task.approval_mode, changes.approval_mode):
        return True
    is_limited = task.permission_mode not in {None, PermissionMode.DEFAULT}
    return changes.permission_mode is PermissionMode.DEFAULT and is_limited


def _is_looser(before: ApprovalMode | str | None, after: ApprovalMode) -> bool:
    if not isinstance(before, ApprovalMode):
        return after is not ApprovalMode.MANUAL
    return _STRICTEST_FIRST.index(after) > _STRICTEST_FIRST.index(before)
