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
from pydantic_core import ErrorDetails

from neo_mcp.constants import PROGRAM
from neo_mcp.errors import InvalidArgumentError, NeoError, NotFoundError
from neo_mcp.hidden_text import echoed
from neo_mcp.server.running import Context, app_of

logger = logging.getLogger(__name__)

_WRONG = "Invalid request parameters"
_MAX_PROBLEMS = 3

RESOURCE_NOT_FOUND = -32002
"""The code for an unknown resource in protocol versions before 2026-07-28, which has invalid parameters."""

UNEXPECTED = (
    f"Something went wrong inside {PROGRAM}; its log has the details. "
    "Check the task with get_task before you try again."
)
"""The result of a tool that failed in an unexpected way."""


async def report_unexpected(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Report parameters that are wrong by their names, and unexpected exceptions as internal errors.

    The SDK says of such parameters nothing but that there are some.
    """
    try:
        return await call_next(ctx)
    except ValidationError as error:
        raise MCPError(INVALID_PARAMS, _wrong_parameters(error)) from None
    except MCPError as error:
        if (error.code, error.data) != (INVALID_PARAMS, ""):
            raise
        # The only other reason for this error of the SDK's.
        raise MCPError(INVALID_PARAMS, f"{_WRONG}: send `initialize` first.") from None
    except Exception as error:
        logger.exception("%r failed", ctx.method)
        why = f"Something went wrong inside {PROGRAM}; its log has the details."
        raise MCPError(INTERNAL_ERROR, why) from error


def _wrong_parameters(error: ValidationError) -> str:
    """The names of what is wrong, and why; nothing of the values."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    problems = [_problem(detail) for detail in details[:_MAX_PROBLEMS]]
    more = len(details) - _MAX_PROBLEMS
    return f"{_WRONG}: {'; '.join(problems)}{f'; and {more:,} more' if more > 0 else ''}."


def _problem(detail: ErrorDetails) -> str:
    path = ".".join(map(str, detail["loc"]))
    if detail["type"] == "missing":
        return f"{echoed(path)} is required"
    # pydantic's own words, such as "Input should be a valid string".
    return f"{echoed(path) if path else 'params'}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def resource_error(ctx: Context, uri: str, error: NeoError) -> MCPError:
    """Translate an error of reading, or subscribing to, the resource at ``uri``."""
    text = error.text(app_of(ctx).tasks.wording)
    if not isinstance(error, InvalidArgumentError | NotFoundError):
        return MCPError(INTERNAL_ERROR, text, {"uri": uri})
    code = INVALID_PARAMS if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else RESOURCE_NOT_FOUND
    return MCPError(code, text, {"uri": uri})
