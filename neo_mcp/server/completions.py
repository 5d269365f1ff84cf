"""Completion of the arguments of prompts and resource addresses: organizations, tasks, entities."""

from collections.abc import Iterable

import anyio
from mcp_types import CompleteRequestParams, CompleteResult, Completion, PromptReference

from neo_mcp.core.sanitize import named
from neo_mcp.errors import NeoError
from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.resources.read import TEMPLATES
from neo_mcp.service.tasks import TaskService
from neo_mcp.wire import Entity, PolicyIssue, PullRequest, Stack

_MAX_ITEMS = 100
_PATIENCE_SECONDS = 3.0
"""A person who types waits no longer."""


async def complete(tasks: TaskService, params: CompleteRequestParams) -> CompleteResult:
    """Values for an argument; empty for anything unknown, or if the API does not answer in time."""
    known = params.context.arguments if params.context and params.context.arguments else {}
    organization, typed = known.get("organization") or None, params.argument.value
    values: list[str] = []
    with anyio.move_on_after(_PATIENCE_SECONDS):
        try:
            match params.argument.name if _is_ours(params) else "":
                case "organization":
                    values = await _organizations(tasks, typed)
                case "task_id":
                    values = await _task_ids(tasks, typed, organization)
                case "stack" | "pull_request" | "policy_issue" as kind:
                    values = await _entities(tasks, kind, typed, organization)
        except NeoError:
            # Completion is a courtesy: errors are reported by the calls themselves.
            pass
    # What a person picks goes into a prompt: nothing but plain names and ids.
    values = [value for value in values if named(value) == value]
    return CompleteResult(
        completion=Completion(
            values=values[:_MAX_ITEMS], total=len(values), has_more=len(values) > _MAX_ITEMS
        )
    )


def _is_ours(params: CompleteRequestParams) -> bool:
    if isinstance(params.ref, PromptReference):
        return params.ref.name in PROMPTS
    return params.ref.uri in {template.uri_template for template in TEMPLATES.resource_templates}


async def _organizations(tasks: TaskService, typed: str) -> list[str]:
    user = await tasks.client.get_user()
    return _matching(typed, ((each.github_login, each.github_login) for each in user.organizations))


async def _task_ids(tasks: TaskService, typed: str, organization: str | None) -> list[str]:
    """Recent tasks, by their ids or names."""
    recent = await tasks.recent.of(tasks.client, organization)
    by_id = _matching(typed, ((task.id, task.id) for task in recent))
    return list(dict.fromkeys([*by_id, *_matching(typed, ((task.name, task.id) for task in recent))]))


async def _entities(tasks: TaskService, kind: str, typed: str, organization: str | None) -> list[str]:
    """Entities of recent tasks as results name them, without the word for their type."""
    recent = await tasks.recent.of(tasks.client, organization)
    names = (_name(each) for task in recent for each in task.entities if each.type == kind)
    return _matching(typed, ((name, name) for name in dict.fromkeys(names) if name))


def _matching(typed: str, called: Iterable[tuple[str, str]]) -> list[str]:
    """The values whose names begin with what was typed, then those that contain it; letters of any case."""
    query = typed.strip().casefold()
    positions = [(name.casefold().find(query), value) for name, value in called]
    return [value for at, value in positions if at == 0] + [value for at, value in positions if at > 0]


def _name(entity: Entity) -> str:
    match entity:
        case Stack():
            return f"{entity.project}/{entity.name}"
        case PullRequest():
            return f"{entity.repo.org}/{entity.repo.name}#{entity.number}"
        case PolicyIssue():
            return entity.id
        case _:
            return ""
