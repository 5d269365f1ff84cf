"""The reference: the SDK's own server on stdio with one tool that does nothing, and nothing else."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("reference")


@server.tool()
async def noop() -> str:
    """Do nothing."""
    return "ok"


if __name__ == "__main__":
    server.run("stdio")
