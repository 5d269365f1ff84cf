"""The MCP Tasks extension: encrypted handles that identify turns, their status, and the methods on them."""
