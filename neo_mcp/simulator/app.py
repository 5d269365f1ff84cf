"""The second-generation API as HTTP resources, and what both generations share: authentication, error bodies.

Owns: who may see and do what; translating requests into calls and results into responses.
Not here: shapes (`parsing`), rules of conversation (`conversation`), faults (`gate`), the socket (`serve`).
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from neo_mcp.simulator import parsing
from neo_mcp.simulator.config import BY_TOKEN, Person
from neo_mcp.simulator.errors import ApiError, not_found
from neo_mcp.simulator.store import page_of_log, page_of_tasks
from neo_mcp.simulator.streams import EventStream
from neo_mcp.simulator.task import Task, encode

if TYPE_CHECKING:
    from neo_mcp.simulator.simulator import Simulator

Handler = Callable[[Request], Awaitable[ASGIApp]]
_LAST_PAGE: Final = {"absent": b"", "empty": b'""', "null": b"null"}
TASKS: Final = "/api/preview/agents/{organization}/tasks"
METADATA: Final = "/api/orgs/{organization}/metadata"


class Resource:
    """One path: a handler for each method, and an error for the others."""

    def __init__(self, **handlers: Handler) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        handler = self._handlers.get(scope["method"])
        if handler is None:
            raise ApiError(405, "method not allowed", headers={"Allow": ", ".join(self._handlers)})
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)


def answer(value: object, status: int = 200) -> Response:
    """A JSON response."""
    return Response(encode(value), status, media_type="application/json")


def build(routes: list[BaseRoute]) -> ASGIApp:
    """The application around the routes: every error leaves it as JSON."""
    app = Starlette(
        routes=routes,
        exception_handlers={ApiError: _error, HTTPException: _error, Exception: _error},
    )
    app.router.redirect_slashes = False
    return app


async def _error(_request: Request, error: Exception) -> Response:
    status, message, headers = 500, str(error), {}
    if isinstance(error, ApiError):
        status, message, headers = error.status, error.message, error.headers
    elif isinstance(error, HTTPException):
        status, message = error.status_code, error.detail
    response = answer({"code": status, "message": message}, status)
    response.headers.update(headers)
    return response


def authenticate(request: Request) -> Person:
    """The person whose token the request carries.

    Raises:
        ApiError: 401 without a valid `Authorization: token ...`.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    person = BY_TOKEN.get(token) if scheme == "token" else None
    if person is None:
        raise ApiError(401, "Unauthorized: a valid access token is required")
    return person


def member(request: Request) -> tuple[Person, str]:
    """The person, and the organisation of the path, which must let them use agents.

    Raises:
        ApiError: 401 or 403.
    """
    person = authenticate(request)
    organization = _organization(person, request)
    if not person.may_use_neo:
        raise ApiError(403, "agents are not enabled for this user")
    return person, organization


def user_route(path: str = "/api/user") -> Route:
    """The person's own profile."""

    async def user(request: Request) -> Response:
        return answer(authenticate(request).profile())

    return Route(path, Resource(GET=user))


def _organization(person: Person, request: Request) -> str:
    """The organization that the path names, in letters of any case."""
    given = request.path_params["organization"]
    for name in person.organizations:
        if name.casefold() == given.casefold():
            return name
    raise ApiError(403, f"not a member of organization {given!r}")


def default_organization_route(chosen: str | None) -> Route:
    """The organization that a client works in unless its user names one; older services know of none."""

    async def default_organization(request: Request) -> Response:
        person = authenticate(request)
        if chosen is None:
            raise not_found("not found")
        return answer({"GitHubLogin": person.default_organization(chosen), "Messages": []})

    return Route("/api/user/organizations/default", Resource(GET=default_organization))


class TasksApi:
    """The task endpoints."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def routes(self) -> list[BaseRoute]:
        """Every route, the profile included."""
        one = f"{TASKS}/{{task_id}}"
        return [
            user_route(),
            Route(METADATA, Resource(GET=self.metadata)),
            default_organization_route(self._simulator.config.default_organization),
            Route(TASKS, Resource(GET=self.list, POST=self.create)),
            Route(one, Resource(GET=self.get, POST=self.respond, PATCH=self.update)),
            Route(f"{one}/cancel", Resource(POST=self.cancel)),
            Route(f"{one}/events", Resource(GET=self.events)),
            Route(f"{one}/events/stream", Resource(GET=self.stream)),
        ]

    def _visible(self, request: Request) -> tuple[Person, Task]:
        person, organization = member(request)
        task = self._simulator.store.get(organization, request.path_params["task_id"])
        if task.creator != person.login and not task.is_shared:
            raise not_found()
        return person, task

    def _own(self, request: Request, otherwise: ApiError) -> Task:
        person, task = self._visible(request)
        if task.creator != person.login:
            raise otherwise
        return task

    async def metadata(self, request: Request) -> Response:
        """Show members what the organisation has set for agents."""
        organization = _organization(authenticate(request), request)
        return answer(
            {
                "id": f"org-{organization}",
                "neoEnabled": True,
                "neoAgentDisabled": False,
                "neoApprovalMode": self._simulator.store.approval_modes[organization],
                "neoTaskSharingMode": "org",
            }
        )

    async def list(self, request: Request) -> Response:
        """List the tasks the person may see."""
        person, organization = member(request)
        query = request.query_params
        size = parsing.page_size(query, self._simulator.config.page_size)
        sort_by, direction = parsing.list_parameters(query)
        matches = parsing.list_filter(query, query.getlist("excludeSources"))
        tasks = filter(matches, self._simulator.store.visible(organization, person.login))
        page, token = page_of_tasks(tasks, sort_by, direction, size, query.get("continuationToken"))
        tasks_json = encode([task.as_json() for task in page])
        return self._page(b"tasks", tasks_json, token)

    async def create(self, request: Request) -> Response:
        """Start a task."""
        person, organization = member(request)
        message, options = parsing.create_task(parsing.read_object(await request.body()))
        task = self._simulator.conversation.create(organization, person.login, message, **options)
        return answer({"taskId": task.id}, 201)

    async def get(self, request: Request) -> Response:
        """Show one task."""
        return answer(self._visible(request)[1].as_json())

    async def respond(self, request: Request) -> Response:
        """Take what the task's creator sends; others who see the task may only look."""
        task = self._own(request, ApiError(403, "only the user who created the task can respond to it"))
        event = parsing.user_event(parsing.read_object(await request.body()).get("event"))
        self._simulator.conversation.respond(task, event)
        return Response(status_code=202)

    async def update(self, request: Request) -> Response:
        """Change the settings of one's own task."""
        task = self._own(request, not_found("task not found or not owned by user"))
        changes = parsing.update_task(parsing.read_object(await request.body()))
        self._simulator.conversation.update(task, changes)
        return answer(task.as_json())

    async def cancel(self, request: Request) -> Response:
        """Kill the agent of one's own task."""
        task = self._own(request, not_found("task not found or not owned by user"))
        if parsing.read_object(await request.body()).get("force") is not True:
            raise ApiError(400, "force must be true")
        self._simulator.conversation.force_cancel(task)
        return Response(status_code=204)

    async def events(self, request: Request) -> Response:
        """Page through the log, oldest event first."""
        _, task = self._visible(request)
        query = request.query_params
        size = parsing.page_size(query, self._simulator.config.page_size)
        page, token = page_of_log(task.events, size, query.get("continuationToken"))
        return self._page(b"events", b"[" + b",".join(event.raw for event in page) + b"]", token)

    async def stream(self, request: Request) -> ASGIApp:
        """Follow the log live."""
        _, task = self._visible(request)
        last = request.headers.get("last-event-id")
        return EventStream(task, last, self._simulator.config.keep_alive_seconds, self._simulator.streams)

    def _page(self, name: bytes, items: bytes, token: str | None) -> Response:
        """A page of `items`, which is JSON already: raw events go out byte by byte as they are."""
        following = encode(token) if token else _LAST_PAGE[self._simulator.config.last_page_token]
        rest = b',"continuationToken":' + following if following else b""
        return Response(b'{"' + name + b'":' + items + rest + b"}", media_type="application/json")
