"""The MCP Apps extension: the task view, its page and the tools that only the page calls."""
