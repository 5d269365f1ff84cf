"""A second reference for calls that ask the API: the SDK's own server, whose one tool makes one request.

``python -m tests.benchmarks.forwarding URL TOKEN``
"""

import ssl
import sys

import httpx
from mcp.server.mcpserver import MCPServer

server = MCPServer("forwarding")


def _add_tool(url: str, token: str) -> None:
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    headers = {"Authorization": f"token {token}", "Accept": "application/vnd.pulumi+8"}
    client = httpx.AsyncClient(headers=headers, verify=no_tls, trust_env=False)

    @server.tool()
    async def fetch() -> str:
        """Make the request."""
        return (await client.get(url)).raise_for_status().text


if __name__ == "__main__":
    _add_tool(*sys.argv[1:])
    server.run("stdio")
