"""Results and errors of tools, as the protocol has them."""

from typing import Any

from mcp_types import CallToolResult, InputRequiredResult, TextContent

from neo_mcp.hints import Wording
from neo_mcp.service.rendered import Result
from neo_mcp.service.results import error_words


class OtherResult(Exception):  # noqa: N818 - control flow of the protocol, not an error
    """A call's result is not its tool's.

    Attributes:
        result: What it is.
    """

    def __init__(self, message: str, result: InputRequiredResult | dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result


def tool_result(result: Result, wording: Wording) -> CallToolResult:
    """A result as the protocol has it."""
    rendered = result.rendered(wording)
    return CallToolResult(content=[TextContent(text=rendered.text)], structured_content=rendered.structured)


def tool_error(text: str) -> CallToolResult:
    """An error that the model can act on, as the protocol has it; cleaned, as it may quote the API."""
    return CallToolResult(content=[TextContent(text=error_words(text))], is_error=True)
