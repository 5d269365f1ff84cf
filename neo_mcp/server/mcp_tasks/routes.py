"""The methods of the MCP Tasks extension: their names, their parameters, and who may call them.

Most connections call none, so :mod:`neo_mcp.server.mcp_tasks.methods`, which does what they are for, is
loaded with the first one.

Source: the text of `io.modelcontextprotocol/tasks`, sections "Capability Negotiation", "Streamable HTTP:
Routing Headers" and "Protocol Errors".
"""

from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import HEADER_MISMATCH, INTERNAL_ERROR, METHOD_NOT_FOUND, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from neo_mcp.errors import NeoError
from neo_mcp.server.call import App
from neo_mcp.server.mcp_tasks.handle import Handle, open_handle, require_tasks

Context = ServerRequestContext[Any, Any]
_Json = dict[str, Any]
_Method = Callable[[App, Context, Any, Handle], Awaitable[_Json]]


class TaskParams(RequestParams):
    """Which task."""

    task_id: str


class UpdateParams(TaskParams):
    """People's answers, by the keys of the requests."""

    input_responses: dict[str, Any]


def serve_tasks(protocol: Server[Any], app_of: Callable[[Context], App]) -> None:
    """Have ``protocol`` serve the extension's methods, for the application of ``app_of``."""

    def serve(name: str, params_type: type[TaskParams], method: Callable[[], _Method]) -> None:
        async def handle(ctx: Context, params: TaskParams) -> _Json:
            if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
                raise MCPError(METHOD_NOT_FOUND, "Method not found", name)
            require_tasks(ctx)
            _check_route(ctx, params.task_id)
            app = app_of(ctx)
            try:
                return await method()(app, ctx, params, open_handle(app, params.task_id))
            except NeoError as error:
                raise MCPError(INTERNAL_ERROR, error.text(app.tasks.wording)) from error

        protocol.add_request_handler(name, params_type, handle)

    serve("tasks/get", TaskParams, _get)
    serve("tasks/update", UpdateParams, _update)
    serve("tasks/cancel", TaskParams, _cancel)


def _get() -> _Method:
    from neo_mcp.server.mcp_tasks.methods import get  # noqa: PLC0415 - see the module's docstring

    return get


def _update() -> _Method:
    from neo_mcp.server.mcp_tasks.methods import update  # noqa: PLC0415 - see the module's docstring

    return update


def _cancel() -> _Method:
    from neo_mcp.server.mcp_tasks.methods import cancel  # noqa: PLC0415 - see the module's docstring

    return cancel


def _check_route(ctx: Context, task_id: str) -> None:
    """Refuse a header that names another task: a proxy may route by it."""
    name = ctx.request.headers.get(MCP_NAME_HEADER) if ctx.request is not None else None
    if name is not None and decode_header_value(name) != task_id:
        raise MCPError(HEADER_MISMATCH, "The Mcp-Name header is not the request's taskId")
