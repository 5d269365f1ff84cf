"""Commands on tasks: list, create, watch, respond and export."""
