"""The SDK's server with the capabilities that this one has."""

from typing import Any

from mcp.server.lowlevel.server import Server
from mcp_types import ServerCapabilities

from neo_mcp.server.running import Running


class ProtocolServer(Server[Running]):
    """Announces no changes of its lists, as they never change while it runs.

    The SDK announces them wherever single resources can be subscribed to. A host then waits for a
    subscription before it asks for the tools, and the server is loaded for nothing else.
    """

    def get_capabilities(self, *args: Any, **kwargs: Any) -> ServerCapabilities:  # noqa: ANN401 - passed on
        """The capabilities of the connection."""
        capabilities = super().get_capabilities(*args, **kwargs)
        for lists in (capabilities.tools, capabilities.prompts, capabilities.resources):
            if lists is not None:
                lists.list_changed = False
        return capabilities
