"""Work with Pulumi Neo from any MCP host, and from Python."""

from neo_mcp._version import __version__

__all__ = ["__version__"]
