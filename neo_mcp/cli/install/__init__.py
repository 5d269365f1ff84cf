"""The ``install`` command, and the configuration files of the hosts that it edits."""
