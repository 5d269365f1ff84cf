"""Fixtures of these tests."""

from tests.support.fixtures import simulator, world

__all__ = ["simulator", "world"]
