"""The terminal: colours, prompts, forms and the names of tasks."""
