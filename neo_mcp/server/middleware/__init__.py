"""Middleware around every MCP request: tracing, redaction, lenient reading of answers to forms."""
