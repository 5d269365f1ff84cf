"""The scorecard says honestly what is not as promised."""

from pathlib import Path

import pytest

import tests.conftest

TESTS = """
import pytest

@pytest.mark.scorecard("it is kept")
@pytest.mark.parametrize("number", range(3))
def test_it_is(number):
    pass

@pytest.mark.scorecard("it is broken")
@pytest.mark.parametrize("number", range(2))
def test_it_is_not(number):
    assert number

@pytest.mark.scorecard("it cannot be tried here")
def test_it_is_skipped():
    pytest.skip("not here")

@pytest.mark.scorecard("it is tried in part")
@pytest.mark.parametrize("number", range(2))
def test_it_may_be_skipped(number):
    if number:
        pytest.skip("not here")

@pytest.mark.scorecard("it cannot begin")
def test_it_fails_before(no_such_fixture):
    pass

@pytest.mark.scorecard
def test_it_has_a_figure_of_its_own(scorecard):
    scorecard("it is measured", "7 s", "5 s", ok=False)
    assert False

def test_nobody_promised_it():
    pass
"""


@pytest.fixture
def table(pytester: pytest.Pytester) -> dict[str, str]:
    pytester.makeconftest(Path(tests.conftest.__file__).read_text())
    pytester.makepyfile(TESTS)
    pytester.makeini("[pytest]\nmarkers = scorecard: a row")
    result = pytester.runpytest("-q", "-p", "no:cacheprovider")
    start = result.outlines.index(next(line for line in result.outlines if "scorecard ==" in line))
    rows = (line.split("  ") for line in result.outlines[start + 1 :])
    return {cells[0]: " ".join(filter(None, map(str.strip, cells[1:]))) for cells in rows}


def test_each_promise_has_one_row_with_its_verdict(table: dict[str, str]) -> None:
    assert table["it is kept"] == "3 of 3 tests all met"
    assert table["it is broken"] == "1 of 2 tests all missed"
    assert table["it cannot begin"] == "0 of 1 tests all missed"
    assert table["it is measured"] == "7 s 5 s missed"


def test_what_was_not_tried_is_not_met(table: dict[str, str]) -> None:
    assert table["it cannot be tried here"] == "0 of 0 tests, 1 skipped all not tried"
    assert table["it is tried in part"] == "1 of 1 tests, 1 skipped all met as far as tried"
