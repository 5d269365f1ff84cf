"""Follow tasks live: one upstream stream per task, however many readers wait for it."""

from neo_mcp.core.attention import Attention, AttentionKind
from neo_mcp.core.state import TaskState
from neo_mcp.watch.hub import Hub
from neo_mcp.watch.ids import EventIds
from neo_mcp.watch.log import EventLog, Since, Window, bounded_event
from neo_mcp.watch.turns import Turns
from neo_mcp.watch.views import Views
from neo_mcp.watch.wait import News, Reader, Until, is_wanted, status, until_true, wait
from neo_mcp.watch.watcher import Watcher

__all__ = [
    "Attention",
    "AttentionKind",
    "EventIds",
    "EventLog",
    "Hub",
    "News",
    "Reader",
    "Since",
    "TaskState",
    "Turns",
    "Until",
    "Views",
    "Watcher",
    "Window",
    "bounded_event",
    "is_wanted",
    "status",
    "until_true",
    "wait",
]
