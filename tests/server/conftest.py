"""Fixtures of these tests."""

from tests.support.fixtures import any_client, client, era, hubs, key_file, simulator, world

__all__ = ["any_client", "client", "era", "hubs", "key_file", "simulator", "world"]
