"""Use cases on tasks, without MCP, HTTP serving or a terminal."""
