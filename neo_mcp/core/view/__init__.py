"""The task view as data: its model, the fold of events into items, Markdown and diffs."""
