"""The command line: ``pulumi-neo-mcp``."""

from neo_mcp.cli.main import main

__all__ = ["main"]
