"""What a figure needs: the interpreter of the servers, a simulated API, and how much to measure."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.effort import Effort
from tests.benchmarks.process import Process, Server
from tests.benchmarks.simulated import Simulated


@dataclass(frozen=True, slots=True)
class Setup:
    """Passed to every figure.

    Attributes:
        python: The interpreter that both servers run on.
        api: The simulated API.
        effort: How much to measure.
    """

    python: str
    api: Simulated
    effort: Effort

    def ours(self, **env: str) -> Server:
        """This project's server on pipes, from where the interpreter has it installed, not from here."""
        command = [self.python, "-m", "neo_mcp", "serve"]
        return Server(command, {**self.api.environment, **env}, folder=_elsewhere())

    def ours_http(self) -> Process:
        """The same over HTTP, on any free port."""
        command = [self.python, "-m", "neo_mcp", "serve", "--http", "--port", "0"]
        return Process(command, self.api.environment, folder=_elsewhere())

    def reference(self) -> Server:
        """The reference, in the same environment."""
        return Server([self.python, "-m", "tests.benchmarks.reference"], self.api.environment)

    def holding(self) -> Process:
        """The reference for waits, over HTTP, on any free port."""
        return Process([self.python, "-m", "tests.benchmarks.holding"], self.api.environment)

    def forwarding(self, url: str, token: str) -> Server:
        """The second reference: one whose tool makes one request."""
        command = [self.python, "-m", "tests.benchmarks.forwarding", url, token]
        return Server(command, self.api.environment)


def _elsewhere() -> Path:
    return Path(tempfile.gettempdir())
