"""The ``simulate`` command: the simulated Neo API on a socket."""

import argparse

from neo_mcp.cli.standard_output import is_lost
from neo_mcp.errors import ConfigurationError
from neo_mcp.simulator import Fault, SimulatorConfig, main


def simulate(options: argparse.Namespace) -> int:
    """Run the simulator until interrupted.

    Raises:
        ConfigurationError: If a fault is invalid, or the port is not available.
    """
    try:
        faults = tuple(Fault.parse(text) for text in options.fault)
    except ValueError as error:
        raise ConfigurationError(f"--fault: {error}") from None
    config = SimulatorConfig(
        host=options.host,
        port=options.port,
        time_scale=options.time_scale,
        resolve_after=options.resolve_after,
        first_generation=options.first_generation,
        faults=faults,
    )
    try:
        return main(config)
    except OSError as error:
        if is_lost(error):
            raise
        raise ConfigurationError(
            f"Port {options.port} on {options.host} is not available: {error.strerror}."
        ) from None
