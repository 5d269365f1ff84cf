"""A stand-in for the agent tasks API: a real HTTP server with scripted agents and faults on demand.

It is written from the description of the API alone and imports nothing else of this project, so that it can
serve as an independent check on it. State lives in memory. Importing this package is cheap; the HTTP
libraries are loaded when a simulator starts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from neo_mcp.simulator.config import DEFAULT_ORGANIZATION, DEFAULT_TOKEN, SimulatorConfig
from neo_mcp.simulator.faults import Fault, FaultBook
from neo_mcp.simulator.simulator import Simulator

__all__ = [
    "DEFAULT_ORGANIZATION",
    "DEFAULT_TOKEN",
    "Fault",
    "FaultBook",
    "Simulator",
    "SimulatorConfig",
    "main",
    "running_simulator",
]


@asynccontextmanager
async def running_simulator(config: SimulatorConfig | None = None) -> AsyncIterator[Simulator]:
    """Run a simulator in this event loop for as long as the block lasts.

    Raises:
        OSError: If the address is taken.
    """
    from neo_mcp.simulator.serve import serving  # noqa: PLC0415 - loads uvicorn and starlette, which is slow

    async with serving(config or SimulatorConfig()) as simulator:
        yield simulator


def main(config: SimulatorConfig) -> int:
    """Run a simulator until SIGINT or SIGTERM; print how to use it first.

    Raises:
        OSError: If the address is taken.
    """
    from neo_mcp.simulator.serve import run  # noqa: PLC0415 - loads uvicorn and starlette, which is slow

    return run(config)
