"""Following tasks live: one upstream stream per task, however many wait for it."""

from neo_mcp.watch.hub import Hub
from neo_mcp.watch.log import EventLog, Since
from neo_mcp.watch.turns import Turns
from neo_mcp.watch.wait import News, Reader, Until, is_wanted, status, until_true, wait
from neo_mcp.watch.watcher import Watcher

__all__ = [
    "EventLog",
    "Hub",
    "News",
    "Reader",
    "Since",
    "Turns",
    "Until",
    "Watcher",
    "is_wanted",
    "status",
    "until_true",
    "wait",
]
