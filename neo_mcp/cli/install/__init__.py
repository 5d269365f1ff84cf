"""The ``install`` command, and the hosts' configuration files that it edits."""
