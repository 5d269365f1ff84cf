"""Fixtures for all tests, and the scorecard: the table of promises and of what their checks found.

A test gives rows of its own by the fixture ``scorecard``, with a figure; or all tests of a promise share one,
by the mark ``scorecard("what is promised")``, whose figure is how many of them passed.

Below it stands what was skipped, why, and how to install what was missing.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

import pytest
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator

from tests.support.optional import skip_what_lacks

pytest_plugins = ["pytester"]

# Ignored where the tests run in the background; processes that they start and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Without a clock: a test's result must not depend on how busy the machine is. The same examples for the same
# test, few of them, or all: `pytest -m hypothesis --hypothesis-profile=full`. Others every time, to find what
# these miss: `--hypothesis-profile=explore`.
_STEADY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("quick", parent=_STEADY, derandomize=True, max_examples=20)
settings.register_profile("full", parent=_STEADY, derandomize=True, max_examples=100)
settings.register_profile("explore", parent=_STEADY, max_examples=500)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _schemas_are_checked_once() -> Iterator[None]:
    """A schema is checked once: the SDK's client does it in every connection, for longer than most tests."""
    check = Draft202012Validator.check_schema

    @cache
    def check_text(schema: str) -> None:
        check(json.loads(schema))

    def check_schema(schema: Mapping[str, Any]) -> None:
        check_text(json.dumps(schema))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft202012Validator, "check_schema", check_schema)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor: tests wait for processes and sockets, but every worker collects all of them."""
    return (os.cpu_count() or 1) * 2


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
    if rows := [*_figures(terminalreporter), *_promises(terminalreporter)]:
        terminalreporter.section("scorecard")
        _write(terminalreporter, [Row._fields, *sorted(rows)])
    if skipped := _skipped(terminalreporter):
        terminalreporter.section("skipped")
        _write(terminalreporter, skipped)


def _write(terminalreporter: pytest.TerminalReporter, table: Sequence[tuple[str, ...]]) -> None:
    """Lines with the cells of a column below one another."""
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    for cells in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        terminalreporter.line(line.rstrip())


def _skipped(terminalreporter: pytest.TerminalReporter) -> list[tuple[str, ...]]:
    """How much was not run, most of it first, and why: a reason says how to install what is missing."""
    reasons: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        assert isinstance(report.longrepr, tuple)
        unit = "test" if isinstance(report, pytest.TestReport) else "file"
        reasons[str(report.longrepr[2]).removeprefix("Skipped: "), unit] += 1
    return [
        (f"{count:,} {unit}{'s' if count > 1 else ''}", reason)
        for (reason, unit), count in reasons.most_common()
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    skip_what_lacks(item)


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
        met = "met as far as tried" if skipped else "met"
        verdict = "missed" if wrong else met if passed else "not tried"
        yield Row(promise, figure, "all", verdict)


def _reports(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, pytest.TestReport]]:
    """The reports that count, with their outcomes; set-up and clean-up have none unless they fail."""
    for outcome, reports in terminalreporter.stats.items():
        if outcome:
            yield from ((outcome, each) for each in reports if isinstance(each, pytest.TestReport))
