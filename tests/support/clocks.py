"""Clocks that a test sets, in place of the system's."""

from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

from neo_mcp.clock import SystemClock

_MAX_SLEEP = 0.01


class ShiftedClock(SystemClock):
    """The real time, and as much later as a test says; pauses are short, as their length does not matter."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._shifted = anyio.Event()

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, _MAX_SLEEP))

    async def sleep_until(self, moment: float) -> None:
        while (left := moment - self.monotonic()) > 0:
            with anyio.move_on_after(left):
                await self._shifted.wait()

    def shift(self, seconds: float) -> None:
        """Set it ahead, and wake those who wait for a moment."""
        self._ahead += seconds
        self._shifted.set()
        self._shifted = anyio.Event()


class SteppedClock(SystemClock):
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._seconds = 0.0
        self._sleepers: list[tuple[float, anyio.Event]] = []

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self._seconds + seconds)

    async def sleep_until(self, moment: float) -> None:
        if moment <= self._seconds:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        self._sleepers.append((moment, woken))
        await woken.wait()

    def jitter(self) -> float:
        return 0.0

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self._seconds += seconds
        for moment, woken in self._sleepers:
            if moment <= self._seconds:
                woken.set()
