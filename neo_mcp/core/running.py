"""Tool calls under way, the most recent ones up to a limit, each with its last progress message."""

from dataclasses import dataclass

from neo_mcp.wire import ExecToolCallProgress

_MAX_TOOLS = 200
_MAX_NAME, _MAX_PROGRESS = 200, 1000
"""Maximum characters that are stored."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An announcement that a local call is about to run; the API does not report which client will run it.

    Attributes:
        event_id: The first event that reported it since the call was requested.
        at: Time of that event; empty if unknown.
        times: Number of such events: more than one means more than one client.
    """

    event_id: str
    at: str
    times: int = 1


@dataclass(slots=True)
class RunningTool:
    """A tool call under way, with its last progress message."""

    name: str
    progress: str = ""


def start_tool(tools: dict[str, RunningTool], call_id: str, name: str) -> RunningTool:
    """Record and return a tool that runs; above the limit, the oldest one is dropped."""
    tools[call_id] = tool = RunningTool(name[:_MAX_NAME])
    if len(tools) > _MAX_TOOLS:
        del tools[next(iter(tools))]
    return tool


def note_progress(tools: dict[str, RunningTool], body: ExecToolCallProgress) -> None:
    """Record a tool's progress; the tool is matched by name if the event has no id."""
    name = (body.name or "")[:_MAX_NAME]
    if body.tool_call_id:
        tool = tools.get(body.tool_call_id) or start_tool(tools, body.tool_call_id, name)
    else:
        named = (tool for tool in reversed(tools.values()) if tool.name == name)
        if (latest := next(named, None)) is None:
            return
        tool = latest
    tool.name = tool.name or name
    tool.progress = body.words[:_MAX_PROGRESS] or tool.progress
