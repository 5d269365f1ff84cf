"""What a task's events mean: pure functions from events to state, attention and text; no I/O."""
