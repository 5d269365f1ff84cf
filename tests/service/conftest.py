"""Fixtures of these tests."""

from tests.support.fixtures import client, era, key_file, simulator, world

__all__ = ["client", "era", "key_file", "simulator", "world"]
