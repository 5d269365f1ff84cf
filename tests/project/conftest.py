"""Fixtures of these tests."""

from tests.support.fixtures import simulator

__all__ = ["simulator"]
