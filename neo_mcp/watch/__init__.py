"""Following tasks live: one upstream stream per task, however many wait for it."""

from neo_mcp.watch.hub import Hub
from neo_mcp.watch.log import EventLog
from neo_mcp.watch.wait import Until, Waited, wait
from neo_mcp.watch.watcher import Watcher

__all__ = ["EventLog", "Hub", "Until", "Waited", "Watcher", "wait"]
