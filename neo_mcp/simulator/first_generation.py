"""The first-generation dialect: flat tasks and numbered events under `/preview/agents`.

Owns: translating between that dialect and the same tasks that the second generation shows. Updating,
streaming and cancelling do not exist there. A person's input settles whatever is pending: words of consent
approve, others deny.
Not here: everything the two share (`app`, `conversation`).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from neo_mcp.simulator import parsing
from neo_mcp.simulator.app import Resource, answer, member, user_route
from neo_mcp.simulator.errors import bad_request, not_found
from neo_mcp.simulator.store import page_of_log
from neo_mcp.simulator.task import Body, Event, Task

if TYPE_CHECKING:
    from neo_mcp.simulator.simulator import Simulator

Item = TypeVar("Item")
TASKS: Final = "/preview/agents/{organization}/tasks"
CONSENT: Final = ("yes", "ok", "approve", "go ahead", "proceed")


class FirstGenerationApi:
    """The task endpoints as they were."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def routes(self) -> list[BaseRoute]:
        """Every route, the profile included."""
        one = f"{TASKS}/{{task_id}}"
        return [
            user_route(),
            Route(TASKS, Resource(GET=self.list, POST=self.create)),
            Route(one, Resource(GET=self.get, POST=self.respond, PATCH=self.absent)),
            Route(f"{one}/events", Resource(GET=self.events)),
        ]

    def _task(self, request: Request) -> Task:
        person, organization = member(request)
        task = self._simulator.store.get(organization, request.path_params["task_id"])
        if task.creator != person.login:
            raise not_found()
        return task

    async def absent(self, _request: Request) -> Response:
        """Tasks could not be changed."""
        raise not_found("not found")

    async def list(self, request: Request) -> Response:
        """List tasks, newest first."""
        person, organization = member(request)
        tasks = self._simulator.store.visible(organization, person.login)[::-1]
        return self._page(request, "tasks", tasks, _task_json)

    async def create(self, request: Request) -> Response:
        """Start a task."""
        person, organization = member(request)
        body = parsing.read_object(await request.body())
        task = self._simulator.conversation.create(organization, person.login, _message(body))
        return answer(_task_json(task), 201)

    async def get(self, request: Request) -> Response:
        """Show one task."""
        return answer(_task_json(self._task(request)))

    async def respond(self, request: Request) -> Response:
        """Take what the person writes: a decision where one is pending, a message otherwise."""
        task = self._task(request)
        event = parsing.read_object(await request.body()).get("event")
        if not isinstance(event, dict):
            raise bad_request("event field is required")
        if event.get("type") != "user_input":
            raise bad_request(f"unsupported event type {event.get('type')!r}")
        message = _message(event)
        if not task.pending:
            self._simulator.conversation.respond(task, message)
        for approval in list(task.pending):
            agreed = message["content"].casefold().startswith(CONSENT)
            decision = {"type": "user_confirmation", "approval_request_id": approval, "ok": agreed}
            self._simulator.conversation.respond(
                task, {**message, **decision, "instructions": message["content"]}
            )
        return Response(status_code=202)

    async def events(self, request: Request) -> Response:
        """Page through what was said, oldest first."""
        return self._page(request, "events", _flatten(self._task(request).events), dict)

    def _page(
        self, request: Request, name: str, items: Sequence[Item], show: Callable[[Item], Body]
    ) -> Response:
        query = request.query_params
        size = parsing.page_size(query, self._simulator.config.page_size)
        page, token = page_of_log(items, size, query.get("continuationToken"))
        return answer({name: [show(item) for item in page], "continuationToken": token})


def _message(body: Body) -> Body:
    """The flat body as a message of today."""
    if not isinstance(body.get("content"), str) or not body["content"].strip():
        raise bad_request("content is required")
    diff = body.get("entity_diff") or {}
    entities = [entity for side in ("add", "remove") for entity in _side(diff, side)]
    if not all(isinstance(entity, dict) and entity.get("type") and entity.get("id") for entity in entities):
        raise bad_request("invalid entities: each needs a type and an id")
    message = {"type": "user_message", "content": body["content"], "timestamp": parsing.timestamp(body)}
    return {**message, "entity_diff": diff} if diff else message


def _side(diff: object, side: str) -> list[object]:
    entities = diff.get(side) or [] if isinstance(diff, dict) else None
    if not isinstance(entities, list):
        raise bad_request("entity_diff must hold lists of entities")
    return entities


def _task_json(task: Task) -> Body:
    return {
        "id": task.id,
        "name": task.name,
        "status": _status(task),
        "createdAt": task.created_at,
        "entities": task.entities,
    }


def _status(task: Task) -> str:
    if task.turn_is_running or task.pending:
        return "pending" if task.phase in (None, "booting") else "running"
    return "failed" if task.failed else "completed"


def _flatten(events: Sequence[Event]) -> list[Body]:
    """The log as flat, numbered lines; what has no words is left out."""
    lines: list[Body] = []
    for event in events:
        if text := _words(event.body):
            kind = "user_input" if event.kind == "userInput" else "console_output"
            moment = event.body["timestamp"]
            lines.append({"type": kind, "timestamp": moment, "content": text, "sequence": len(lines) + 1})
    return lines


def _words(body: Body) -> str:
    match body.get("type"):
        case "assistant_message":
            return str(body["content"])
        case "exec_tool_call":
            return f"Running {body['name']}"
        case "user_confirmation":
            return str(body.get("instructions") or ("yes" if body["ok"] else "no"))
        case "error" | "warning":
            return f"{str(body['type']).capitalize()}: {body['message']}"
        case _:
            return str(body.get("message") or body.get("content") or "")
