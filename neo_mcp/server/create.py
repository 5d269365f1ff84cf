"""The create_task and update_task tools: starting a task, and changing one, without loosening control."""

from neo_mcp.core.cursor import encode_cursor
from neo_mcp.core.render import cut
from neo_mcp.core.sanitize import clean
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.server.approvals import Question, RefusedError, Verdict
from neo_mcp.server.call import Call
from neo_mcp.server.inputs import (
    CreateTaskInput,
    UpdateTaskInput,
    cli_integration_refs,
    integration_refs,
    parse_entities,
    slash_commands,
)
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
)

_STRICTEST_FIRST = tuple(ApprovalMode)
_FORM_TOKENS = 1000
_AUTO_OTHERWISE = "Create the task without approval_mode: a person then decides on each change."


async def create_task(call: Call, args: CreateTaskInput) -> CreatedResult:
    """Start a task."""
    organization = await call.organization(args.organization)
    request = _request(args)
    if args.approval_mode is ApprovalMode.AUTO:
        text = f"Start a Neo task in {organization} that changes infrastructure WITHOUT asking for approval?"
        told = cut(clean(request.message.content), _FORM_TOKENS, "the host has the rest")
        await _allow(call, Question(f"{text}\n\n{told}", "allow", "refuse", _AUTO_OTHERWISE))
    created = await call.app.client.create_task(request, organization=organization)
    return CreatedResult(
        task_id=created.task_id,
        organization=organization,
        url=call.app.client.task_url(organization, created.task_id),
        cursor=encode_cursor(organization, created.task_id, ""),
        warnings=[clean(warning) for warning in created.warnings] or None,
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
            text = f"Loosen control of the Neo task {clean(task.name)!r} in {organization}?\n\n{loosened}"
            url = client.task_url(organization, task.id)
            await _allow(call, Question(text, "allow", "refuse", f"A person can change it at {url}"))
    task = await client.update_task(args.task_id, changes, organization=organization)
    return UpdatedResult(task=TaskFacts.of(task, organization, client.task_url(organization, task.id)))


async def _allow(call: Call, question: Question) -> None:
    answer = await call.app.approvals.decide(call.ctx, call.params, question)
    if answer.verdict is Verdict.NO:
        said = f" They said: {answer.guidance}" if answer.guidance else ""
        raise RefusedError(f"The person refused; nothing was sent.{said}")


def _request(args: CreateTaskInput) -> CreateTask:
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
        permission_mode=args.permission_mode,
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
