"""The command line: ``pulumi-neo-mcp``."""

from neo_mcp.standard_streams import output_aside

with output_aside():
    # Whatever a dependency prints while it is imported must not reach a host before the first message does.
    from neo_mcp.cli.main import main

__all__ = ["main"]
