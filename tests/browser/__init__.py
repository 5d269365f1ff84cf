"""Tests of the task view in a real browser; see ``support.py``."""
