"""The ``demo`` command: a host, a person and local tools, played against the simulator."""
