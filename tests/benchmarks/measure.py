"""Pure arithmetic and the table: percentiles, ratios of interleaved blocks, rows and verdicts. No I/O."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

MIB = 2**20
_HEAD = ("figure", "ours", "reference", "ratio (min - max)", "target", "verdict")


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which ``percent`` of ``values`` lie, interpolated between neighbours.

    Raises:
        ValueError: If there are no values.
    """
    if not values:
        raise ValueError("no values")
    ranked = sorted(values)
    place = (len(ranked) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)


@dataclass(frozen=True, slots=True)
class Spread:
    """A ratio as several blocks measured it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Sequence[float], reference: Sequence[float]) -> "Spread":
        """The ratios of blocks that ran next to each other: noise that lasts longer than a block cancels out.

        Raises:
            ValueError: If the two differ in length, or are empty.
        """
        ratios = [mine / other for mine, other in zip(ours, reference, strict=True)]
        if not ratios:
            raise ValueError("no blocks")
        return cls(median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.median:.2f}"
        return f"{self.median:.2f} ({self.low:.2f} - {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound, of the ratio where the row has one, else of our own number."""

    bound: float
    at_least: bool = False
    stretch: float | None = None

    def is_met_by(self, value: float) -> bool:
        """Whether ``value`` is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def text(self, unit: str) -> str:
        """The bound for people."""
        stretch = f" (stretch {self.stretch:g})" if self.stretch is not None else ""
        return f"{'>=' if self.at_least else '<='} {self.bound:,g} {unit}".rstrip() + stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. Without a target it is there to explain another one.

    Attributes:
        figure: What was measured.
        unit: Unit of ``ours`` and ``reference``.
        ours: This project's number.
        reference: The number that it is held against, from the same run.
        ratio: The comparison, block by block.
        target: What was promised.
    """

    figure: str
    unit: str
    ours: float
    reference: float | None = None
    ratio: Spread | None = None
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """``ok``, ``MISSED``, or a dash where nothing was promised."""
        if self.target is None:
            return "-"
        value = self.ours if self.ratio is None else self.ratio.median
        return "ok" if self.target.is_met_by(value) else "MISSED"

    def cells(self) -> tuple[str, ...]:
        """The line's cells."""
        return (
            self.figure,
            _number(self.ours, self.unit),
            "-" if self.reference is None else _number(self.reference, self.unit),
            "-" if self.ratio is None else str(self.ratio),
            "-" if self.target is None else self.target.text("" if self.ratio else self.unit),
            self.verdict,
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers for a file."""
        return {**asdict(self), "verdict": self.verdict}


def table(rows: Iterable[Row]) -> str:
    """The rows under their heads, in columns."""
    return columns([_HEAD, *(row.cells() for row in rows)])


def columns(lines: Sequence[tuple[str, ...]]) -> str:
    """Lines of cells, the first of which is the head, in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in ruled) + "\n"


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 1000 or value == int(value) else 2 if abs(value) < 10 else 1
    return f"{value:,.{digits}f} {unit}".rstrip()
