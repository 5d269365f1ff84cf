"""Fixtures for all tests, and the table of promises that were checked in full."""

import json
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    columns = ("check", "figure", "target", "verdict")
    rows = [tuple(row[column] for column in columns) for row in _rows(terminalreporter)]
    if not rows:
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    terminalreporter.section("scorecard")
    for cells in (columns, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        terminalreporter.line(line.rstrip())


def _rows(terminalreporter: pytest.TerminalReporter) -> Iterator[dict[str, str]]:
    for reports in terminalreporter.stats.values():
        for report in reports:
            # A test's properties are repeated in the reports of its phases.
            if isinstance(report, pytest.TestReport) and report.when == "call":
                yield from (
                    json.loads(str(row)) for name, row in report.user_properties if name == "scorecard"
                )
