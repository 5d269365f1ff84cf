"""Middleware around MCP requests: size limits, tracing, redaction, lenient reading of arguments and forms."""
