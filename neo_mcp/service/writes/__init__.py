"""Writes that are neither lost nor duplicated: creations, messages, decisions and local results."""
