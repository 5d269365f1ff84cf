"""Logs go to standard error, whatever its reader does."""

import subprocess
import sys

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
