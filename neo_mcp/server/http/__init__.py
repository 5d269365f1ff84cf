"""Serving over streamable HTTP: authentication, limits, probes and the browser page."""
