"""The ``doctor`` command: checks, and findings with advice."""
