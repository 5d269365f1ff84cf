"""Logs go to standard error, whatever its reader does."""

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest

from neo_mcp.telemetry import MAX_DEBUG_LINES, MAX_LINES, MAX_TRACEBACKS, WINDOW_SECONDS, FloodGate
from tests.support.clocks import SteppedClock

CODE = """
import logging, sys, warnings
from neo_mcp.telemetry import Sink, configure_logging
sink = Sink()
configure_logging(sys.argv[1], sink)
log = logging.getLogger("some.module")
log.debug("a detail")
log.warning("look at %s", "this")
logging.getLogger("httpx").info("a request")
warnings.warn("an old way")
try:
    raise ValueError("gone wrong \\ud800")
except ValueError:
    log.exception("it failed")
print("out")
sink.flush(30)
"""


def run(level: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", CODE, level], capture_output=True, check=True, timeout=60)  # noqa: S603 - our own code
    return done.stdout.decode(), done.stderr.decode()


def test_records_warnings_and_tracebacks_go_to_standard_error_alone() -> None:
    out, err = run("warning")
    assert out == "out\n"
    assert "WARNING some.module: look at this" in err
    assert "an old way" in err
    assert err.count("ValueError: gone wrong") == 1
    assert "a detail" not in err


def test_a_lower_level_tells_more_but_not_of_every_request() -> None:
    _, err = run("debug")
    assert "DEBUG some.module: a detail" in err
    assert "a request" not in err


def test_a_full_standard_error_holds_up_neither_the_program_nor_its_end() -> None:
    code = (
        "import logging; from neo_mcp.telemetry import configure_logging\n"
        "configure_logging('debug')\n"
        # Each in a place of its own, of which all are written.
        + "logging.getLogger('x').error('x' * 1000)\n" * 2000
        + "print('done', flush=True)\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(60) == 0


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class TestFlood:
    @pytest.fixture
    def handler(self) -> _Lines:
        handler = _Lines()
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.clock = SteppedClock()
        gate = FloodGate(handler, clock=self.clock, later=lambda *call: self.later.append(call))
        handler.addFilter(gate)
        return handler

    def log(self, handler: _Lines, line: int, level: int = logging.WARNING, *, fails: bool = False) -> None:
        error = ValueError()
        info = (ValueError, error, None) if fails else None
        handler.handle(logging.LogRecord("x", level, "some/file.py", line, "from %d", (line,), info))

    def test_of_a_flood_some_are_written_and_how_many_were_not_is_said_later(self, handler: _Lines) -> None:
        for _ in range(1000):
            self.log(handler, 7)
        assert handler.lines == ["from 7"] * MAX_LINES
        ((seconds, report),) = self.later
        assert seconds == WINDOW_SECONDS
        report()
        assert (
            handler.lines[-1]
            == f"{1000 - MAX_LINES} more records like the last ones from file.py:7 were left out"
        )

    def test_a_flood_that_goes_on_is_reported_again_and_again(self, handler: _Lines) -> None:
        for _ in range(5):
            for _ in range(100):
                self.log(handler, 7)
            self.clock.advance(WINDOW_SECONDS)
            self.later.pop()[1]()
        assert len(handler.lines) == 5 * (MAX_LINES + 1)

    def test_places_do_not_silence_one_another(self, handler: _Lines) -> None:
        for line in range(50):
            for _ in range(MAX_LINES):
                self.log(handler, line)
        assert len(handler.lines) == 50 * MAX_LINES
        assert not self.later

    def test_what_comes_now_and_then_is_always_written(self, handler: _Lines) -> None:
        for _ in range(10):
            for _ in range(MAX_LINES):
                self.log(handler, 1)
            self.clock.advance(WINDOW_SECONDS)
        assert len(handler.lines) == 10 * MAX_LINES

    @pytest.mark.parametrize(
        ("level", "fails", "most"),
        [
            (logging.ERROR, False, MAX_LINES),
            (logging.ERROR, True, MAX_TRACEBACKS),
            (logging.DEBUG, False, MAX_DEBUG_LINES),
        ],
    )
    def test_how_many_depends_on_what_it_is(
        self, handler: _Lines, level: int, most: int, *, fails: bool
    ) -> None:
        for _ in range(1000):
            self.log(handler, 7, level, fails=fails)
        assert len(handler.lines) == most


@pytest.mark.parametrize("as_json", [False, True])
def test_a_record_is_one_short_line_whatever_it_quotes(*, as_json: bool) -> None:
    code = (
        "import logging\n"
        "from neo_mcp.telemetry import Sink, configure_logging\n"
        "sink = Sink()\n"
        f"configure_logging('warning', sink, lambda text: text.replace('secret', '***'), as_json={as_json})\n"
        "logging.getLogger('uvicorn.error').warning('Invalid: %s', 'x' * 100_000)\n"
        "logging.getLogger('neo_mcp.server').warning('refused: %s', 'a\\nb' * 100_000)\n"
        "logging.getLogger('uvicorn.error').warning('%s', 'x' * 198 + 'secret')\n"
        "sink.flush(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)  # noqa: S603 - our own code
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 3
    assert all(len(line) < 1000 for line in lines)
    assert len(lines[0]) < 400
    assert "characters)" in lines[0]
    # Half of a secret would not be known for one.
    assert "xs" not in lines[2]
    assert "x*" in lines[2]
