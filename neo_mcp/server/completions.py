"""Completion of prompts' arguments and resource addresses: organizations, tasks, entities."""

from mcp_types import CompleteRequestParams, CompleteResult, Completion, PromptReference

from neo_mcp.core.sanitize import clean
from neo_mcp.errors import NeoError
from neo_mcp.server.call import App
from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.resources import TEMPLATES
from neo_mcp.wire import Entity, PolicyIssue, PullRequest, Stack

_MOST = 100


async def complete(app: App, params: CompleteRequestParams) -> CompleteResult:
    """Values for an argument; an empty list for anything unknown, or where the API cannot be asked."""
    known = params.context.arguments if params.context and params.context.arguments else {}
    try:
        match params.argument.name if _is_ours(params) else "":
            case "organization":
                values = await _organizations(app, params.argument.value)
            case "task_id":
                values = await _task_ids(app, params.argument.value, known.get("organization"))
            case "stack" | "pull_request" | "policy_issue" as kind:
                values = await _entities(app, kind, params.argument.value)
            case _:
                values = []
    except NeoError:
        values = []
    return CompleteResult(
        completion=Completion(values=values[:_MOST], total=len(values), has_more=len(values) > _MOST)
    )


def _is_ours(params: CompleteRequestParams) -> bool:
    if isinstance(params.ref, PromptReference):
        return params.ref.name in PROMPTS
    return params.ref.uri in {template.uri_template for template in TEMPLATES.resource_templates}


async def _organizations(app: App, typed: str) -> list[str]:
    user = await app.client.get_user()
    names = [organization.github_login for organization in user.organizations]
    return [name for name in names if name.lower().startswith(typed.lower())]


async def _task_ids(app: App, typed: str, organization: str | None) -> list[str]:
    """Recent tasks whose id starts with what was typed, or whose name contains it."""
    page = await app.client.list_tasks(organization=organization, page_size=_MOST)
    return [task.id for task in page.tasks if task.id.startswith(typed) or typed.lower() in task.name.lower()]


async def _entities(app: App, kind: str, typed: str) -> list[str]:
    """Entities of recent tasks as results name them, without the word that says what they are."""
    page = await app.client.list_tasks(page_size=_MOST)
    entities = (entity for task in page.tasks for entity in task.entities if entity.type == kind)
    names = dict.fromkeys(clean(_name(entity)) for entity in entities)
    return [name for name in names if typed.lower() in name.lower()]


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
