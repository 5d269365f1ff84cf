"""``python -m tests.benchmarks``: measures every figure, or those that are named, and prints one table."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.effort import FULL, QUICK, Effort
from tests.benchmarks.following import history, tokens
from tests.benchmarks.latency import get_task, noop, push
from tests.benchmarks.measure import Row, table
from tests.benchmarks.observing import telemetry
from tests.benchmarks.reading import stream
from tests.benchmarks.setup import Setup
from tests.benchmarks.simulated import Simulated
from tests.benchmarks.startup import cold_start, definitions, memory
from tests.benchmarks.viewing import view
from tests.benchmarks.waiting import waits

FIGURES: Mapping[str, Callable[[Setup], list[Row]]] = {
    "push": push,
    "get-task": get_task,
    "noop": noop,
    "cold-start": cold_start,
    "memory": memory,
    "stream": stream,
    "waits": waits,
    "history": history,
    "view": view,
    "definitions": definitions,
    "tokens": tokens,
    "telemetry": telemetry,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; a missed target is no failure."""
    options = _parser().parse_args(arguments)
    effort = QUICK if options.quick else FULL
    rows: list[Row] = []
    for name in options.figures or FIGURES:
        sys.stderr.write(f"measuring {name} ...\n")
        rows += measure(name, options.python, effort)
    about = f"servers on {_about(options.python)}; {platform.machine()}, {os.cpu_count()} cores"
    sys.stdout.write(f"{about}\n\n{table(rows)}")
    if sys.platform != "linux":
        sys.stdout.write("\nresident memory: skipped, it is read from /proc\n")
    if options.json is not None:
        content = {"about": about, "quick": options.quick, "rows": [row.as_json() for row in rows]}
        options.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return 0


def measure(name: str, python: str, effort: Effort) -> list[Row]:
    """One figure's rows, with a simulated API of its own."""
    with Simulated() as api:
        return FIGURES[name](Setup(python, api, effort))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "figures", nargs="*", metavar="FIGURE", type=_figure, help=f"one of {', '.join(FIGURES)}"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter of the server processes (default: this one)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return parser


def _figure(name: str) -> str:
    if name not in FIGURES:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(FIGURES)}")
    return name


def _about(python: str) -> str:
    """The interpreter, and where it has the two packages from."""
    code = "import mcp, neo_mcp, sys; print(sys.version.split()[0], mcp.__path__[0], neo_mcp.__path__[0])"
    asked = subprocess.run(  # noqa: S603 - the interpreter that was named on the command line
        [python, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    version, sdk, ours = asked.stdout.split()
    return f"{python} ({version}), SDK in {sdk}, neo_mcp in {ours}"


if __name__ == "__main__":
    sys.exit(main())
