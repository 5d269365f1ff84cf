"""Work with Pulumi Neo from any MCP host, and from Python.

``NeoClient`` is the async API client; requests and events are in :mod:`neo_mcp.wire`, errors in
:mod:`neo_mcp.errors`. Names are imported when they are first used, so that a part can be used without the
rest.
"""

from neo_mcp._version import __version__

# Not typing's, which takes half of the time in which an interrupt shows a traceback: see `__main__`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from neo_mcp.api import NeoClient
    from neo_mcp.errors import NeoError

__all__ = ["NeoClient", "NeoError", "__version__"]

_HOMES = {"NeoClient": "neo_mcp.api", "NeoError": "neo_mcp.errors"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415 - likewise

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
