"""Tasks, transcripts and events as resources."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcp_types import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from neo_mcp.core.cursor import decode_page, encode_page
from neo_mcp.core.render.transcript import transcript
from neo_mcp.core.sanitize import exact_json, one_line
from neo_mcp.core.times import dated
from neo_mcp.errors import NeoError
from neo_mcp.server.resources.docs import is_document, list_documents, read_document
from neo_mcp.service.results import TaskFacts
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.uris import ResourceAddress, View, transcript_uri
from neo_mcp.wire import Event, Task

_MARKDOWN, _JSON = "text/markdown", "application/json"
_PAGE = 20
_MOST = 500
"""Events that one reading gives at the most."""

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
            description="The conversation, to read; its newest part if it is long.",
            mime_type=_MARKDOWN,
        ),
        ResourceTemplate(
            uri_template="neo://{organization}/tasks/{task_id}/events",
            name="events",
            title="Events of a Neo task",
            description="Every event, uncut, as the API has it but for secrets; the newest if they are many.",
            mime_type=_JSON,
        ),
        ResourceTemplate(
            uri_template="neo://{organization}/tasks/{task_id}/{view}{?start,count}",
            name="range",
            title="A part of a Neo task's transcript or events",
            description="So many events (count) from one on (start, from 0), or the newest so many.",
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
        token = decode_page(cursor, organization) if cursor is not None else None
        page = await tasks.client.list_tasks(
            organization=organization, continuation_token=token, page_size=_PAGE
        )
    except NeoError:
        # Hosts list resources when they start: a missing token is told by the tools, when they are called.
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
            uri=transcript_uri(organization, task.id),
            name=one_line(task.name) or task.id,
            description=f"Transcript of a Neo task ({one_line(task.status)})",
            mime_type=_MARKDOWN,
        )
        for task in page.tasks
    ]
    return ListResourcesResult(
        resources=transcripts if cursor else [listing, *transcripts, *list_documents()],
        next_cursor=encode_page(organization, page.continuation_token) if page.continuation_token else None,
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
            part = await _select(tasks, address)
            places = {
                key: str(value) for key, value in (("earlier", part.earlier), ("later", part.later)) if value
            }
            wire = [event.model_dump(mode="json", by_alias=True) for event in part.events]
            return _json({"first": part.first, "events": wire, **places}), _JSON
        case View.TRANSCRIPT:
            part = await _select(tasks, address)
            text = transcript(task, part.events, url=client.task_url(organization, task.id))
            before = f"*{part.first} earlier events: {part.earlier}*\n\n" if part.earlier else ""
            after = f"\n*Later events: {part.later}*\n" if part.later else ""
            return f"{before}{text}{after}", _MARKDOWN


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of a task's events.

    Attributes:
        first: Number of the first of them, from 0.
        earlier: Where those before it are, if there are any.
        later: Likewise those after.
    """

    events: Sequence[Event]
    first: int
    earlier: ResourceAddress | None
    later: ResourceAddress | None


async def _select(tasks: TaskService, address: ResourceAddress) -> _Part:
    """The part that ``address`` asks for; of any length of task, only that part is held."""
    count = min(address.count or _MOST, _MOST)
    # One more than wanted, to know whether there is more.
    held: deque[Event] = deque(maxlen=count + 1)
    seen = 0
    before = ""
    async for event in _events(tasks, address):
        event = dated(event, before)  # noqa: PLW2901 - the same event
        before = event.body.timestamp or before
        seen += 1
        if address.start is None or seen > address.start:
            held.append(event)
        if address.start is not None and len(held) > count:
            break
    events = list(held)
    if address.start is None:
        first = max(seen - count, 0)
        events = events[-count:]
        more = False
    else:
        # Past the end there is nothing; what is earlier is the end then.
        first, more = min(address.start, seen), len(events) > count
        events = events[:count]
    start = max(first - count, 0)
    return _Part(
        events,
        first,
        replace(address, start=start, count=first - start) if first else None,
        replace(address, start=first + count, count=count) if more else None,
    )


async def _events(tasks: TaskService, address: ResourceAddress) -> AsyncIterator[Event]:
    """From the live log where the task is followed anyway and it holds them all, else from the API."""
    watcher = tasks.hub.peek(address.organization, address.task_id)
    since = watcher.log.since("") if watcher is not None else None
    if since is not None and not since.missing:
        for event in since.events:
            yield event
        return
    async for event in tasks.client.iter_events(address.task_id, organization=address.organization):
        yield event


def _facts(tasks: TaskService, task: Task, organization: str) -> dict[str, Any]:
    url = tasks.client.task_url(organization, task.id)
    return TaskFacts.of(task, organization, url).model_dump(mode="json", exclude_none=True)


def _json(value: object) -> str:
    return exact_json(value, indent=1)
