"""Fixtures for all tests, and the scorecard: the table of promises and of what their checks found.

A test gives rows of its own by the fixture ``scorecard``, with a figure; or all tests of a promise share one,
by the mark ``scorecard("what is promised")``, whose figure is how many of them passed.
"""

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import pytest

pytest_plugins = ["pytester"]

# Ignored where the tests run in the background; processes that they start and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class Scorecard(Protocol):
    """Notes one figure; it judges nothing, so that a test asserts as well."""

    def __call__(self, check: str, figure: str, target: str, *, ok: bool) -> None: ...


@pytest.fixture
def scorecard(record_property: Callable[[str, object], None]) -> Scorecard:
    """Adds a row to the table at the end of the run, and to the report of the test."""

    def note(check: str, figure: str, target: str, *, ok: bool) -> None:
        verdict = "met" if ok else "missed"
        row = {"check": check, "figure": figure, "target": target, "verdict": verdict}
        record_property("scorecard", json.dumps(row))

    return note


class Row(NamedTuple):
    """One line of the scorecard."""

    check: str
    figure: str
    target: str
    verdict: str


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [*_figures(terminalreporter), *_promises(terminalreporter)]
    if not rows:
        return
    table = [Row._fields, *sorted(rows)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    terminalreporter.section("scorecard")
    for cells in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        terminalreporter.line(line.rstrip())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark = item.get_closest_marker("scorecard")
        if mark and mark.args:
            item.user_properties.append(("promise", mark.args[0]))


def _figures(terminalreporter: pytest.TerminalReporter) -> Iterator[Row]:
    """What tests noted themselves."""
    for _, report in _reports(terminalreporter):
        # A test's properties are repeated in the reports of its phases.
        if report.when == "call":
            noted = (text for name, text in report.user_properties if name == "scorecard")
            yield from (Row(**json.loads(str(text))) for text in noted)


def _promises(terminalreporter: pytest.TerminalReporter) -> Iterator[Row]:
    """How the tests ended that share a promise."""
    ends: dict[str, Counter[str]] = {}
    for outcome, report in _reports(terminalreporter):
        for name, promise in report.user_properties:
            if name == "promise":
                ends.setdefault(str(promise), Counter())[outcome] += 1
    for promise, counts in ends.items():
        passed, skipped = counts["passed"], counts["skipped"]
        wrong = counts.total() - passed - skipped
        figure = f"{passed:,} of {passed + wrong:,} tests" + (f", {skipped:,} skipped" if skipped else "")
        verdict = "missed" if wrong else "met" if passed else "not tried"
        yield Row(promise, figure, "all", verdict)


def _reports(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, pytest.TestReport]]:
    """The reports that count, with their outcomes; set-up and clean-up have none unless they fail."""
    for outcome, reports in terminalreporter.stats.items():
        if outcome:
            yield from ((outcome, each) for each in reports if isinstance(each, pytest.TestReport))
