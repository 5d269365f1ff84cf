"""The clock: time, sleep, time limits and chance as one thing that is passed in.

Owns the only calls to the system's clock in this package. Loads no dependency before it is needed: logging
has a clock before standard output is safe from what dependencies print when they are imported.
"""

import random
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time and chance come from; a test passes its own."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        ...

    async def sleep_until(self, moment: float) -> None:
        """Wait until :meth:`monotonic` reaches ``moment``."""
        ...

    def deadline(self, seconds: float) -> float:
        """The deadline of a cancel scope that ends after ``seconds``."""
        ...

    def fail_after(self, seconds: float) -> AbstractContextManager[object]:
        """A context that is cancelled after ``seconds``, and raises ``TimeoutError`` then."""
        ...

    def jitter(self) -> float:
        """A random number in [0, 1)."""
        ...


class SystemClock:
    """The system's clock."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        import anyio  # noqa: PLC0415 - see the module's docstring

        await anyio.sleep(seconds)

    async def sleep_until(self, moment: float) -> None:
        """Wait until :meth:`monotonic` reaches ``moment``."""
        import anyio  # noqa: PLC0415 - see the module's docstring

        await anyio.sleep(max(moment - self.monotonic(), 0.0))

    def deadline(self, seconds: float) -> float:
        """The deadline of a cancel scope that ends after ``seconds``."""
        import anyio  # noqa: PLC0415 - see the module's docstring

        return anyio.current_time() + seconds

    def fail_after(self, seconds: float) -> AbstractContextManager[object]:
        """A context that is cancelled after ``seconds``, and raises ``TimeoutError`` then."""
        import anyio  # noqa: PLC0415 - see the module's docstring

        return anyio.fail_after(seconds)

    def jitter(self) -> float:
        """A random number in [0, 1)."""
        return random.random()  # noqa: S311 - spreads retries over time, guards nothing


SYSTEM_CLOCK: Clock = SystemClock()
