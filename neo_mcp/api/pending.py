"""Requests and tool calls that are open in a task, as far as its stream has reported."""

from neo_mcp.wire import (
    AssistantMessage,
    Cancelled,
    ErrorEvent,
    Event,
    ToolResponse,
    ToolResults,
    UserApprovalRequest,
    UserConfirmation,
)


class Pending:
    """Approvals without an answer and tool calls without a result, as far as the stream has reported."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._ids)

    def note(self, event: Event) -> None:
        """Record one event."""
        match event.body:
            case UserApprovalRequest(id=request_id):
                self._ids.add(request_id)
            case UserConfirmation(approval_request_id=request_id):
                self._ids.discard(request_id)
            case AssistantMessage(is_final=True, tool_calls=calls):
                self._ids.update(call.id for call in calls if call.runs_elsewhere)
            case ToolResults(tool_results=results):
                self._ids.difference_update(result.tool_call_id for result in results)
            case ToolResponse(tool_call_id=call_id):
                self._ids.discard(call_id)
            case Cancelled() | ErrorEvent():
                self._ids.clear()
            case _:
                pass
