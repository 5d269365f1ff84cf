"""The to-do list that Neo writes by a tool call: the best sign of its progress."""

from dataclasses import dataclass

from neo_mcp.wire import ToolCall

TODO_TOOL = "todo__TodoWrite"

_MAX_LINE = 500
"""Maximum characters of an item."""

_MAX_ITEMS = 500


@dataclass(frozen=True, slots=True)
class Todo:
    """One item of Neo's to-do list; ``status`` is pending, in_progress or completed."""

    content: str
    status: str


def read_todos(call: ToolCall) -> tuple[Todo, ...]:
    """The to-do list that a call of the to-do tool sets."""
    items = call.args.get("todos")
    if not isinstance(items, list):
        return ()
    rows = [item for item in items[:_MAX_ITEMS] if isinstance(item, dict)]
    return tuple(
        Todo(str(row.get("content", ""))[:_MAX_LINE], str(row.get("status", ""))[:_MAX_LINE]) for row in rows
    )
