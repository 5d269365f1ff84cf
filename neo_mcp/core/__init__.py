"""The meaning of a task's events: pure functions from events to state, attention and text; no I/O."""
