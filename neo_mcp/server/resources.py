"""Tasks, transcripts and events as resources."""

import json
from collections.abc import AsyncIterator
from typing import Any

from mcp_types import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from neo_mcp.core.sanitize import clean
from neo_mcp.core.transcript import transcript
from neo_mcp.errors import NeoError
from neo_mcp.server.call import App
from neo_mcp.server.results import TaskFacts
from neo_mcp.server.uris import ResourceAddress, View, transcript_uri
from neo_mcp.wire import Event, Task

_MARKDOWN, _JSON = "text/markdown", "application/json"
_PAGE = 20

TEMPLATES = ListResourceTemplatesResult(
    resource_templates=[
        ResourceTemplate(
            uri_template="neo://{organization}/tasks",
            name="tasks",
            title="Neo tasks of an organization",
            description="The latest tasks.",
            mime_type=_JSON,
        ),
        ResourceTemplate(
            uri_template="neo://{organization}/tasks/{task_id}",
            name="task",
            title="A Neo task",
            description="A task's settings and status.",
            mime_type=_JSON,
        ),
        ResourceTemplate(
            uri_template="neo://{organization}/tasks/{task_id}/transcript",
            name="transcript",
            title="Transcript of a Neo task",
            description="The whole conversation, to read.",
            mime_type=_MARKDOWN,
        ),
        ResourceTemplate(
            uri_template="neo://{organization}/tasks/{task_id}/events",
            name="events",
            title="Events of a Neo task",
            description="Every event, uncut, as the API has it.",
            mime_type=_JSON,
        ),
    ]
)


async def list_resources(app: App, cursor: str | None) -> ListResourcesResult:
    """The default organization's task list and its recent transcripts; nothing where it cannot be read.

    Raises:
        NeoError: If ``cursor`` is not one of ours.
    """
    try:
        organization = await app.client.resolve_organization()
        page = await app.client.list_tasks(
            organization=organization, continuation_token=cursor, page_size=_PAGE
        )
    except NeoError:
        # Hosts list resources when they start: a missing token is told by the tools, when they are called.
        if cursor is not None:
            raise
        return ListResourcesResult(resources=[])
    tasks = Resource(
        uri=str(ResourceAddress(View.TASKS, organization)),
        name=f"Neo tasks in {organization}",
        mime_type=_JSON,
    )
    transcripts = [
        Resource(
            uri=transcript_uri(organization, task.id),
            name=clean(task.name) or task.id,
            description=f"Transcript of a Neo task ({task.status})",
            mime_type=_MARKDOWN,
        )
        for task in page.tasks
    ]
    return ListResourcesResult(
        resources=transcripts if cursor else [tasks, *transcripts],
        next_cursor=page.continuation_token or None,
    )


async def read_resource(app: App, uri: str) -> ReadResourceResult:
    """Read one resource.

    Raises:
        InvalidArgumentError: If the address is none of ours.
        NeoError: If the API does not give it.
    """
    address = ResourceAddress.parse(uri)
    text, mime_type = await _read(app, address)
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=mime_type)])


async def _read(app: App, address: ResourceAddress) -> tuple[str, str]:
    organization, client = address.organization, app.client
    if address.view is View.TASKS:
        page = await client.list_tasks(organization=organization)
        return _json([_facts(app, task, organization) for task in page.tasks]), _JSON
    task = await client.get_task(address.task_id, organization=organization)
    match address.view:
        case View.TASK:
            return _json(_facts(app, task, organization)), _JSON
        case View.EVENTS:
            return _json([_wire(event) async for event in _events(app, address)]), _JSON
        case View.TRANSCRIPT:
            events = [event async for event in _events(app, address)]
            return transcript(task, events, url=client.task_url(organization, task.id)), _MARKDOWN


async def _events(app: App, address: ResourceAddress) -> AsyncIterator[Event]:
    """From the live log where the task is followed anyway, else from the API."""
    watcher = app.hub.peek(address.organization, address.task_id)
    if watcher is not None:
        for event in watcher.log.since(""):
            yield event
        return
    async for event in app.client.iter_events(address.task_id, organization=address.organization):
        yield event


def _facts(app: App, task: Task, organization: str) -> dict[str, Any]:
    url = app.client.task_url(organization, task.id)
    return TaskFacts.of(task, organization, url).model_dump(mode="json", exclude_none=True)


def _wire(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "isSynthetic": event.is_synthetic,
        "eventBody": event.body.model_dump(mode="json", by_alias=True),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
