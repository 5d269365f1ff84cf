"""Tasks, transcripts and events as resources."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from anyio import to_thread
from mcp_types import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from neo_mcp.core.sanitize import exact_json
from neo_mcp.core.sizes import event_bytes
from neo_mcp.core.summary import TaskSummary
from neo_mcp.errors import NeoError
from neo_mcp.server.resources.docs import is_document, list_documents, read_document
from neo_mcp.server.resources.parts import Part, select, write_events, write_transcript
from neo_mcp.service.listed import listed
from neo_mcp.service.results import TaskFacts
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.uris import ResourceAddress, View, transcript_uri
from neo_mcp.wire import Event, Task

_MARKDOWN, _JSON = "text/markdown", "application/json"
_PAGE = 20
_EVENTS_PER_PAGE = 100
"""Of a task's events, of which no more than a page is held at a time."""

_LARGE = 2**18
"""Bytes of events whose text a thread of its own writes."""

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
            description="The conversation as Markdown; its last part if it is long.",
            mime_type=_MARKDOWN,
        ),
        ResourceTemplate(
            uri_template="neo://{organization}/tasks/{task_id}/events",
            name="events",
            title="Events of a Neo task",
            description="Every event, uncut, as the API has it but for secrets; if there are many, the last.",
            mime_type=_JSON,
        ),
        ResourceTemplate(
            uri_template="neo://{organization}/tasks/{task_id}/{view}{?start,before,count,offset}",
            name="range",
            title="A part of a Neo task's transcript or events",
            description="A number of events (count) from an index on (start, from 0), or the last ones: of "
            "all, or of those before an index (before). Of an event that is too large for an answer, its "
            "text from a character on (offset).",
        ),
    ]
)


async def list_resources(tasks: TaskService, cursor: str | None) -> ListResourcesResult:
    """The default organization's task list and recent transcripts, and the documentation.

    Where the API cannot be read, the documentation alone.

    Raises:
        NeoError: If ``cursor`` is not one of ours.
    """
    try:
        organization = await tasks.client.resolve_organization()
        page = await listed(tasks.client, organization, cursor, _PAGE)
    except NeoError:
        # Hosts list resources when they start: the tools report a missing token when they are called.
        if cursor is not None:
            raise
        return ListResourcesResult(resources=list_documents())
    listing = Resource(
        uri=str(ResourceAddress(View.TASKS, organization)),
        name=f"Neo tasks in {organization}",
        mime_type=_JSON,
    )
    transcripts = [
        Resource(
            uri=transcript_uri(organization, row.task_id),
            name=row.name or row.task_id,
            description=f"Transcript of a Neo task ({row.status})",
            mime_type=_MARKDOWN,
        )
        for row in map(TaskSummary.of, page.tasks)
    ]
    return ListResourcesResult(
        resources=transcripts if cursor else [listing, *transcripts, *list_documents()],
        next_cursor=page.cursor_after(len(page.tasks)),
    )


async def read_resource(tasks: TaskService, uri: str) -> ReadResourceResult:
    """Read one resource.

    Raises:
        InvalidArgumentError: If the address is none of ours.
        NeoError: If the API does not give it.
    """
    if is_document(uri):
        return read_document(uri)
    address = ResourceAddress.parse(uri)
    text, mime_type = await _read(tasks, address)
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=mime_type)])


async def _read(tasks: TaskService, address: ResourceAddress) -> tuple[str, str]:
    organization, client = address.organization, tasks.client
    if address.view is View.TASKS:
        page = await client.list_tasks(organization=organization)
        return _json([_facts(tasks, task, organization) for task in page.tasks]), _JSON
    task = await client.get_task(address.task_id, organization=organization)
    match address.view:
        case View.TASK:
            return _json(_facts(tasks, task, organization)), _JSON
        case View.EVENTS:
            part = await _part(tasks, address)
            return await _written(part, partial(write_events, part)), _JSON
        case View.TRANSCRIPT:
            part = await _part(tasks, address)
            url = client.task_url(organization, task.id)
            return await _written(part, partial(write_transcript, task, part, url=url)), _MARKDOWN


async def _written(part: Part, write: Callable[[], str]) -> str:
    """The text of a part; a thread writes that of a large one, as its search for secrets takes a while."""
    if sum(map(event_bytes, part.events)) < _LARGE:
        return write()
    return await to_thread.run_sync(write)


async def _part(tasks: TaskService, address: ResourceAddress) -> Part:
    """The part that is asked for; few are read at a time, as each goes through all that came before it."""
    async with tasks.readings:
        return await select(_events(tasks, address), address)


async def _events(tasks: TaskService, address: ResourceAddress) -> AsyncIterator[Event]:
    """From the live log where the task is followed anyway and it holds them all, else from the API."""
    watcher = tasks.hub.peek(address.organization, address.task_id)
    since = watcher.log.since("") if watcher is not None else None
    if since is not None and not since.missing:
        for event in since.events:
            yield event
        return
    pages = tasks.client.iter_events(
        address.task_id, organization=address.organization, page_size=_EVENTS_PER_PAGE
    )
    async for event in pages:
        yield event


def _facts(tasks: TaskService, task: Task, organization: str) -> dict[str, Any]:
    url = tasks.client.task_url(organization, task.id)
    return TaskFacts.of(task, organization, url).model_dump(mode="json", exclude_none=True)


def _json(value: object) -> str:
    return exact_json(value, indent=1)
