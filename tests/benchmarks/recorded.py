"""What each figure was when it was recorded last, and which ones are worse by more than their noise.

Recorded are the figures with a target: ratios with their spread, sizes without. A target may be missed and
the figure still be no worse than before.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Row

FILE = Path(__file__).with_name("recorded.json")
_TOLERANCE = 0.1
"""Of what one run measures once, such as sizes."""

_MIN_NOISE = 0.02
"""Of what it measures in a few blocks, however much they agree."""

Recorded = Mapping[str, Mapping[str, float]]


def load(file: Path = FILE) -> Recorded:
    """The recorded figures by name."""
    found: Recorded = json.loads(file.read_text("utf-8"))
    return found


def record(rows: Iterable[Row], file: Path = FILE) -> None:
    """Write these rows over those of the same figures."""
    before: dict[str, Any] = dict(load(file)) if file.exists() else {}
    now = {row.figure: _numbers(row) for row in rows if row.target is not None}
    file.write_text(json.dumps(dict(sorted((before | now).items())), indent=2) + "\n", "utf-8")


def worse(rows: Iterable[Row], recorded: Recorded) -> list[str]:
    """A line for each row that is worse than recorded by more than its own noise."""
    return [
        f"{row.figure}: {_shown(now)}, recorded {_shown(before)}"
        for row in rows
        if (before := recorded.get(row.figure)) is not None
        and (now := _numbers(row))
        and _is_worse(now, before, at_least=row.target is not None and row.target.at_least)
    ]


def _numbers(row: Row) -> dict[str, float]:
    if row.ratio is not None and row.ratio.low < row.ratio.high:
        median = row.ratio.median
        low, high = median * (1 - _MIN_NOISE), median * (1 + _MIN_NOISE)
        return {"median": median, "low": min(row.ratio.low, low), "high": max(row.ratio.high, high)}
    value = row.ours if row.ratio is None else row.ratio.median
    return {"median": value, "low": value * (1 - _TOLERANCE), "high": value * (1 + _TOLERANCE)}


def _is_worse(now: Mapping[str, float], before: Mapping[str, float], *, at_least: bool) -> bool:
    """True if the two spreads lie apart, and this one on the wrong side."""
    return now["high"] < before["low"] if at_least else now["low"] > before["high"]


def _shown(numbers: Mapping[str, float]) -> str:
    return f"{numbers['median']:.4g} ({numbers['low']:.4g} - {numbers['high']:.4g})"
