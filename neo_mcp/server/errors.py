"""The translation of errors at the protocol's boundary.

An error that the model can act on becomes the result of its tool; what the MCP specification calls a protocol
error becomes one. Unexpected exceptions become internal errors, and only the log has their details.
"""

import logging

from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from neo_mcp.constants import PROGRAM
from neo_mcp.errors import InvalidArgumentError, NeoError, NotFoundError
from neo_mcp.server.running import Context, app_of

logger = logging.getLogger(__name__)

RESOURCE_NOT_FOUND = -32002
"""The code for an unknown resource in protocol versions before 2026-07-28, which has invalid parameters."""

UNEXPECTED = (
    f"Something went wrong inside {PROGRAM}; its log has the details. "
    "Check the task with get_task before you try again."
)
"""The result of a tool that failed in an unexpected way."""


async def report_unexpected(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Report unexpected exceptions as internal errors; log the details."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception as error:
        logger.exception("%r failed", ctx.method)
        why = f"Something went wrong inside {PROGRAM}; its log has the details."
        raise MCPError(INTERNAL_ERROR, why) from error


def resource_error(ctx: Context, uri: str, error: NeoError) -> MCPError:
    """Translate an error of reading, or subscribing to, the resource at ``uri``."""
    text = error.text(app_of(ctx).tasks.wording)
    if not isinstance(error, InvalidArgumentError | NotFoundError):
        return MCPError(INTERNAL_ERROR, text, {"uri": uri})
    code = INVALID_PARAMS if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else RESOURCE_NOT_FOUND
    return MCPError(code, text, {"uri": uri})
