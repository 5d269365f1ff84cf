"""The process that is attacked: started as an operator starts it, its memory and its log watched.

One that takes more memory than :data:`DEADLY_MIB` is ended, so that the machine survives what it does not.
"""

import resource
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.benchmarks.process import Process, resident

DEADLY_MIB = 4096.0
DESCRIPTORS = 1024
"""What a process may usually have open."""

_LOOK_SECONDS = 0.02
_START_SECONDS = 30.0


class Served(Process):
    """``pulumi-neo-mcp serve --http`` on a free port.

    Attributes:
        was_ended: Whether it took too much memory.
    """

    def __init__(
        self, python: str, options: Sequence[str], environment: Mapping[str, str], *, folder: Path
    ) -> None:
        command = [python, "-m", "neo_mcp", "serve", "--http", "--port", "0", *options]
        super().__init__(command, environment, folder=folder)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        self.was_ended = False
        self._highest = 0.0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        self.port = self._announced()

    def _announced(self) -> int:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self.is_running:
            for word in self.said().split():
                if word.startswith("http://") and word.endswith("/mcp"):
                    return int(word.removesuffix("/mcp").rpartition(":")[2])
            time.sleep(0.02)
        raise RuntimeError(f"the server announced no address: {self.said()[-2000:]}")

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            now = resident(self.pid) or 0.0
            self._highest = max(self._highest, now)
            if now > DEADLY_MIB:
                self.was_ended = True
                self.kill()
                return

    def forget_peak(self) -> None:
        """Begin to measure the highest memory anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        self._highest = 0.0

    def peak(self) -> float:
        """The highest memory since, in MiB."""
        return resident(self.pid, "VmHWM") or self._highest

    def held(self, ports: Collection[int]) -> int:
        """How many connections it has not closed, of those whose other end has one of these ports."""
        lines = Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        count = 0
        for line in lines:
            _, local, remote, *_, inode = line.split()[:10]
            # What its process has closed has no inode any more, though its data may still be on the way.
            count += _port(local) == self.port and _port(remote) in ports and inode != "0"
        return count

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not asked to end: under attack it may not hear.
        self._over.set()
        self._watch.join()
        self.kill()
        super().__exit__(kind, error, trace)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
