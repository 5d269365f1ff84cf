"""The control endpoints under `/_simulator/`: driving a simulator from outside its process.

They need no token, and faults do not touch them. Not here: what they set in motion (`simulator`).
"""

from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from neo_mcp.simulator.app import Resource, answer
from neo_mcp.simulator.catalogue import scenarios
from neo_mcp.simulator.errors import bad_request
from neo_mcp.simulator.faults import Fault
from neo_mcp.simulator.parsing import APPROVAL_MODES, read_object
from neo_mcp.simulator.task import Body

if TYPE_CHECKING:
    from neo_mcp.simulator.simulator import Simulator

ENDPOINTS: Final = {
    "GET scenarios": "the scenarios and what they show",
    "GET|POST|DELETE faults": 'list, add ({"kind": ...} or {"fault": "status:503,times=2"}), clear',
    "GET requests": "the requests so far",
    "POST events": 'append {"organization", "task", "body", "kind"?, "synthetic"?, "id"?} to a task',
    "POST time-scale": '{"time_scale": 0.5} multiplies every scripted pause',
    "POST approval-mode": '{"organization", "mode"} sets the default of tasks created from now on',
    "POST resolve-after": '{"resolve_after": 0.3} delays the service\'s own responses (seconds)',
    "POST drop-streams": "cut every open event stream",
}


class ControlApi:
    """The control endpoints of one simulator."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def routes(self) -> list[BaseRoute]:
        """Every control route."""
        resources = {
            "scenarios": Resource(GET=self.scenarios),
            "faults": Resource(GET=self.faults, POST=self.add_fault, DELETE=self.clear_faults),
            "requests": Resource(GET=self.requests),
            "events": Resource(POST=self.append_event),
            "time-scale": Resource(POST=self.set_time_scale),
            "approval-mode": Resource(POST=self.set_approval_mode),
            "resolve-after": Resource(POST=self.set_resolve_after),
            "drop-streams": Resource(POST=self.drop_streams),
        }
        return [Route(f"/_simulator/{name}", resource) for name, resource in resources.items()]

    async def scenarios(self, _request: Request) -> Response:
        """List the scenarios."""
        return answer(
            {
                "scenarios": [
                    {"name": item.name, "title": item.title, "keywords": item.keywords}
                    for item in scenarios().values()
                ]
            }
        )

    async def faults(self, _request: Request) -> Response:
        """List the faults that can still occur."""
        return answer({"faults": [fault.as_json() for fault in self._simulator.faults.list()]})

    async def add_fault(self, request: Request) -> Response:
        """Let something go wrong."""
        body = read_object(await request.body())
        try:
            fault = Fault.parse(str(body["fault"])) if "fault" in body else Fault.from_json(body)
        except ValueError as error:
            raise bad_request(str(error)) from None
        self._simulator.faults.add(fault)
        return answer(fault.as_json(), 201)

    async def clear_faults(self, _request: Request) -> Response:
        """Let everything go right again."""
        self._simulator.faults.clear()
        return Response(status_code=204)

    async def requests(self, _request: Request) -> Response:
        """List the requests so far."""
        return answer(
            {
                "requests": [
                    {
                        "method": record.method,
                        "path": record.path,
                        "query": record.query,
                        "headers": record.headers,
                        "body": record.body.decode("utf-8", "replace"),
                        "status": record.status,
                    }
                    for record in self._simulator.requests
                ]
            }
        )

    async def append_event(self, request: Request) -> Response:
        """Push an event into a task."""
        body = read_object(await request.body())
        event, kind = body.get("body"), body.get("kind", "agentResponse")
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise bad_request("body must be an event with a type")
        if kind not in ("agentResponse", "userInput"):
            raise bad_request("kind must be agentResponse or userInput")
        event_id = self._simulator.append_event(
            str(body.get("organization")),
            str(body.get("task")),
            event,
            kind=kind,
            synthetic=body.get("synthetic") is True,
            event_id=body.get("id"),
        )
        return answer({"id": event_id}, 201)

    async def set_time_scale(self, request: Request) -> Response:
        """Make the scripts slower or faster from the next pause on."""
        scale = _number(read_object(await request.body()), "time_scale")
        self._simulator.runner.time_scale = scale
        return answer({"time_scale": scale})

    async def set_approval_mode(self, request: Request) -> Response:
        """Change an organisation's default approval mode."""
        body = read_object(await request.body())
        organization, mode = body.get("organization"), body.get("mode")
        modes = self._simulator.store.approval_modes
        if organization not in modes or mode not in APPROVAL_MODES:
            raise bad_request("organization and mode must be known ones")
        modes[organization] = mode
        return answer({"organization": organization, "mode": mode})

    async def set_resolve_after(self, request: Request) -> Response:
        """Change the gap before the service's own responses, from the next request on."""
        seconds = _number(read_object(await request.body()), "resolve_after")
        self._simulator.runner.resolve_after = seconds
        return answer({"resolve_after": seconds})

    async def drop_streams(self, _request: Request) -> Response:
        """Cut the streams."""
        dropped = self._simulator.open_streams
        await self._simulator.drop_streams()
        return answer({"dropped": dropped})


def _number(body: Body, name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise bad_request(f"{name} must be a number of 0 or more")
    return value
