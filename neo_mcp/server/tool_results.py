"""Results and errors of tools, as the protocol has them."""

from mcp_types import CallToolResult, TextContent

from neo_mcp.hints import Wording
from neo_mcp.service.rendered import Result
from neo_mcp.service.results import error_words


def tool_result(result: Result, wording: Wording) -> CallToolResult:
    """A result as the protocol has it."""
    rendered = result.rendered(wording)
    return CallToolResult(content=[TextContent(text=rendered.text)], structured_content=rendered.structured)


def tool_error(text: str) -> CallToolResult:
    """An error that the model can act on, as the protocol has it; cleaned, as it may quote the API."""
    return CallToolResult(content=[TextContent(text=error_words(text))], is_error=True)
