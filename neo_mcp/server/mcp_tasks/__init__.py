"""The MCP Tasks extension: sealed handles of turns, their status, and the methods on them."""
