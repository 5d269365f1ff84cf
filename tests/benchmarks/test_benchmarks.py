"""Every benchmark runs, and its arithmetic is right; no time is asserted."""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.__main__ import FIGURES, main, measure
from tests.benchmarks.effort import TINY
from tests.benchmarks.events import conversation, envelopes, results
from tests.benchmarks.measure import Row, Spread, Target, percentile, table
from tests.benchmarks.recorded import load, record, worse
from tests.benchmarks.scaling import exponent


@pytest.mark.long
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_yields_finite_numbers(name: str) -> None:
    rows = measure(name, sys.executable, TINY)
    assert rows
    for row in rows:
        ratio = (row.ratio.median, row.ratio.low, row.ratio.high) if row.ratio else ()
        assert all(map(math.isfinite, (row.ours, row.reference or 0, *ratio))), row
        assert row.verdict in {"ok", "MISSED", "-"}


def test_an_unknown_figure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such-figure"])
    assert "cold-start" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3.0], 99, 3.0), ([1.0, 2.0, 3.0], 50, 2.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.5), ([0.0, 10.0], 99, 9.9)],
)
def test_percentiles_interpolate(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == pytest.approx(expected)


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_ratios_are_taken_block_by_block() -> None:
    assert Spread.of([2.0, 30.0, 4.0], [1.0, 10.0, 8.0]) == Spread(2.0, 0.5, 3.0)


@pytest.mark.parametrize(("ours", "reference"), [([1.0], [1.0, 2.0]), ([], [])])
def test_blocks_must_come_in_pairs(ours: list[float], reference: list[float]) -> None:
    with pytest.raises(ValueError, match=r"zip|no blocks"):
        Spread.of(ours, reference)


def test_a_target_bounds_the_ratio_where_there_is_one() -> None:
    double = Spread(2.0, 2.0, 2.0)
    assert Row(figure="f", unit="ms", ours=1, target=Target(1.5)).verdict == "ok"
    assert Row(figure="f", unit="ms", ours=1, ratio=double, target=Target(1.5)).verdict == "MISSED"
    assert Row(figure="f", unit="ms", ours=1, ratio=double, target=Target(1.5, at_least=True)).verdict == "ok"
    assert Row(figure="f", unit="ms", ours=1).verdict == "-"


@pytest.mark.parametrize(("power", "expected"), [(0.0, 1.0), (1.0, 2.0), (-0.5, 0.5)])
def test_the_exponent_is_that_of_the_total(power: float, expected: float) -> None:
    costs = {number: 3.0 * number**power for number in (1, 10, 100, 500)}
    assert exponent(costs) == pytest.approx(expected)


def row_of(low: float, high: float, *, at_least: bool = False) -> Row:
    ratio = Spread((low + high) / 2, low, high)
    return Row(figure="f", unit="ms", ours=1, ratio=ratio, target=Target(1, at_least=at_least))


def test_a_figure_is_worse_if_its_spread_lies_beyond_the_recorded_one(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    record([row_of(1.0, 1.2), Row(figure="no target", unit="ms", ours=1)], file)
    assert list(load(file)) == ["f"]
    for low, high, is_worse in ((1.1, 1.5, False), (1.21, 1.5, True), (0.5, 0.9, False)):
        assert bool(worse([row_of(low, high)], load(file))) is is_worse
        assert bool(worse([row_of(low, high, at_least=True)], load(file))) is (high < 1.0)
    assert worse([row_of(1.3, 1.5)], load(file)) == ["f: 1.4 (1.3 - 1.5), recorded 1.1 (1 - 1.2)"]
    record([Row(figure="size", unit="MiB", ours=100, target=Target(1))], file)
    assert list(load(file)) == ["f", "size"]
    for ours, is_worse in ((120.0, False), (130.0, True)):
        assert bool(worse([Row(figure="size", unit="MiB", ours=ours)], load(file))) is is_worse


def test_what_is_recorded_is_measured() -> None:
    assert load()


def test_the_table_lines_up() -> None:
    rows = [
        Row(
            figure="one", unit="ms", ours=1.25, reference=2.5, ratio=Spread(0.5, 0.4, 0.6), target=Target(1.1)
        ),
        Row(figure="the other", unit="bytes", ours=9000, target=Target(8600)),
    ]
    assert table(rows) == (
        "figure     ours         reference  ratio (min - max)   target          verdict\n"
        "---------  -----------  ---------  ------------------  --------------  -------\n"
        "one        1.25 ms      2.50 ms    0.50 (0.40 - 0.60)  <= 1.1          ok\n"
        "the other  9,000 bytes  -          -                   <= 8,600 bytes  MISSED\n"
    )


@pytest.mark.parametrize("bodies", [conversation, results])
def test_events_are_the_same_in_every_run(bodies: Callable[[int], Iterator[dict[str, Any]]]) -> None:
    assert list(envelopes(bodies(8))) == list(envelopes(bodies(8)))
