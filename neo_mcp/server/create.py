"""The create_task and update_task tools: starting a task, and changing one, without loosening control."""

from neo_mcp.core.cursor import encode_cursor
from neo_mcp.core.render import cut
from neo_mcp.core.sanitize import clean, count_removed, exact_json, quotation, quoted
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.server.call import Call
from neo_mcp.server.inputs import (
    CreateTaskInput,
    UpdateTaskInput,
    cli_integration_refs,
    integration_refs,
    parse_entities,
    slash_commands,
)
from neo_mcp.server.policy import Action
from neo_mcp.server.questions import Decision, RefusedError, Verdict, removed_note
from neo_mcp.server.results import CreatedResult, TaskFacts, UpdatedResult
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


async def create_task(call: Call, args: CreateTaskInput) -> CreatedResult:
    """Start a task."""
    organization = await call.organization(args.organization)
    request = _request(args, read_only=call.app.settings.read_only)
    if args.approval_mode not in {None, ApprovalMode.MANUAL}:
        await _allow(call, _start_form(organization, request))
    created = await call.app.creations.create(
        organization, request, key=args.idempotency_key, duplicate=bool(args.duplicate)
    )
    return CreatedResult(
        task_id=created.task_id,
        organization=organization,
        url=call.app.client.task_url(organization, created.task_id),
        cursor=encode_cursor(organization, created.task_id, ""),
        warnings=[*map(clean, created.warnings), *_forced(call, args)] or None,
        next="Neo is working: call wait_for_events with this task_id and cursor.",
    )


async def update_task(call: Call, args: UpdateTaskInput) -> UpdatedResult:
    """Change what is given, and nothing else."""
    organization = await call.organization(args.organization)
    client = call.app.client
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
            "Nothing to change.", next_step="Give at least one of name, shared, …_mode."
        )
    if changes.approval_mode or changes.permission_mode:
        task = await client.get_task(args.task_id, organization=organization)
        loosened = _loosened(task, changes)
        if loosened:
            text = f"Loosen control of the Neo task {quoted(task.name)} in {organization}?\n\n{loosened}"
            url = client.task_url(organization, task.id)
            await _allow(
                call,
                Decision(
                    text=text,
                    action=Action.LOOSEN,
                    yes="allow",
                    no="refuse",
                    otherwise=f"A person can change it at {url}",
                ),
            )
    task = await client.update_task(args.task_id, changes, organization=organization)
    return UpdatedResult(task=TaskFacts.of(task, organization, client.task_url(organization, task.id)))


async def _allow(call: Call, question: Decision) -> None:
    answer = await call.app.approvals.decide(call.ctx, call.params, question)
    if answer.verdict is Verdict.NO:
        said = f" They said: {quoted(answer.words, _WORDS)}" if answer.words else ""
        raise RefusedError(f"The person refused; nothing was sent.{said}")


def _forced(call: Call, args: CreateTaskInput) -> list[str]:
    """Says so if the task is not as the caller wanted it."""
    if call.app.settings.read_only and args.permission_mode is PermissionMode.DEFAULT:
        return ["This server only looks: the task is read-only."]
    return []


def _start_form(organization: str, request: CreateTask) -> Decision:
    """What a person has to see before a task starts that asks less than the strictest mode would."""
    asks = {
        ApprovalMode.AUTO: "changes infrastructure WITHOUT asking for approval",
        ApprovalMode.BALANCED: "asks for approval of sensitive operations only",
    }
    lines = [f"Start a Neo task in {organization} that {asks[ApprovalMode(request.approval_mode or '')]}?"]
    settings = request.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"message", "source"}
    )
    lines += [f"{name}: {exact_json(value)}" for name, value in settings.items()]
    entities = request.message.entity_diff.add if request.message.entity_diff else ()
    lines += [f"about: {clean(', '.join(map(describe, entities)))}"] if entities else []
    commands = request.message.commands or {}
    lines += [f"commands: {clean(', '.join(commands))}"] if commands else []
    content, removed = count_removed(request.message.content)
    lines += ["", quotation(cut(content, _FORM_TOKENS, "the host has the rest"))]
    lines += ["", removed_note(removed)] if removed else []
    return Decision(
        text="\n".join(lines),
        action=Action.CREATE_LOOSE,
        about=request.model_dump_json(exclude={"message": {"timestamp"}}),
        yes="allow",
        no="refuse",
        otherwise="Leave approval_mode out, or make it manual: a person then decides on each change.",
    )


def _request(args: CreateTaskInput, *, read_only: bool) -> CreateTask:
    content = args.prompt
    if args.context:
        content += f"\n\nContext from the conversation that delegates this task:\n{args.context}"
    entities = parse_entities(args.entities)
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


def _loosened(task: Task, changes: UpdateTask) -> str:
    """What the changes take away from people, in words; empty if nothing."""
    parts: list[str] = []
    if changes.approval_mode is not None and _is_looser(task.approval_mode, changes.approval_mode):
        parts.append(f"Approval mode: {task.approval_mode or 'unknown'} → {changes.approval_mode}")
    if changes.permission_mode is PermissionMode.DEFAULT and task.permission_mode == PermissionMode.READ_ONLY:
        parts.append("Permission mode: read-only → default: Neo may write")
    return "\n".join(parts)


def _is_looser(before: ApprovalMode | str | None, after: ApprovalMode) -> bool:
    if not isinstance(before, ApprovalMode):
        return after is not ApprovalMode.MANUAL
    return _STRICTEST_FIRST.index(after) > _STRICTEST_FIRST.index(before)
