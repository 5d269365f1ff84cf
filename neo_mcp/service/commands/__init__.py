"""Commands: create, respond, query, wait and stop."""
