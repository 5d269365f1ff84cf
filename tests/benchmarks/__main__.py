"""``python -m tests.benchmarks``: measures every figure, or those that are named, and prints one table.

``python -m tests.benchmarks attacks`` plays attacks instead, and prints a table of its own. With ``--check``,
a figure that is worse than recorded by more than its noise is measured again, and a failure if it still is.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.attacks.report import markdown_table, text_table
from tests.benchmarks.attacks.run import play_all
from tests.benchmarks.attacks.size import FULL as ALL_ATTACKS
from tests.benchmarks.attacks.size import SHORT as SHORT_ATTACKS
from tests.benchmarks.effort import FULL, QUICK, Effort
from tests.benchmarks.following import history, tokens
from tests.benchmarks.latency import get_task, noop, push
from tests.benchmarks.measure import Row, table
from tests.benchmarks.observing import telemetry
from tests.benchmarks.reading import first_look, stream
from tests.benchmarks.recorded import load, record, worse
from tests.benchmarks.scaling import scaling
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
    "first-look": first_look,
    "waits": waits,
    "history": history,
    "view": view,
    "definitions": definitions,
    "tokens": tokens,
    "telemetry": telemetry,
    "scaling": scaling,
}


ATTACKS = "attacks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; a figure that has become worse is a failure with ``--check`` alone."""
    options = _parser().parse_args(arguments)
    about = f"servers on {_about(options.python)}; {platform.machine()}, {os.cpu_count()} cores"
    sys.stdout.write(f"{about}\n\n")
    if sys.platform != "linux":
        sys.stdout.write("resident memory: skipped, it is read from /proc\n\n")
    names = options.figures or FIGURES
    figures = _figures([name for name in names if name != ATTACKS], options)
    rows = [row for found in figures.values() for row in found]
    attacks = _attacks(options) if ATTACKS in names else []
    rows += attacks
    if options.json is not None:
        content = {"about": about, "quick": options.quick, "rows": [row.as_json() for row in rows]}
        options.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    if options.record:
        record(rows)
    is_missed = any(row.verdict == "MISSED" for row in attacks)
    return int(options.check and (is_missed or _has_become_worse(figures, options)))


def _has_become_worse(figures: Mapping[str, Sequence[Row]], options: argparse.Namespace) -> bool:
    if not figures:
        return False
    recorded = load()
    suspects = [name for name, rows in figures.items() if worse(rows, recorded)]
    if suspects:
        sys.stdout.write("\nWorse than recorded, so measured again:\n")
        again = _figures(suspects, options)
        lines = [line for rows in again.values() for line in worse(rows, recorded)]
        sys.stdout.write("".join(f"worse than recorded: {line}\n" for line in lines))
        return bool(lines)
    sys.stdout.write("\nNo figure is worse than recorded by more than its noise.\n")
    return False


def _figures(names: Sequence[str], options: argparse.Namespace) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for name in names:
        sys.stderr.write(f"measuring {name} ...\n")
        found[name] = measure(name, options.python, QUICK if options.quick else FULL)
    if found:
        sys.stdout.write(table([row for rows in found.values() for row in rows]))
    return found


def _attacks(options: argparse.Namespace) -> list[Row]:
    results = play_all(options.python, SHORT_ATTACKS if options.quick else ALL_ATTACKS, options.only)
    sys.stdout.write(text_table(results))
    if options.markdown is not None:
        options.markdown.write_text("".join(f"{line}\n" for line in markdown_table(results)), "utf-8")
    return [replace(row, figure=f"{result.name}: {row.figure}") for result in results for row in result.rows]


def measure(name: str, python: str, effort: Effort) -> list[Row]:
    """One figure's rows, with a simulated API of its own."""
    with Simulated() as api:
        return FIGURES[name](Setup(python, api, effort))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "figures",
        nargs="*",
        metavar="FIGURE",
        type=_figure,
        help=f"one of {', '.join(FIGURES)}, which is all of them, or {ATTACKS}",
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter of the server processes (default: this one)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with status 1 if one is worse than recorded",
    )
    parser.add_argument("--record", action="store_true", help="record these figures for --check")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="attacks that have it in their names"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table of attacks there too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return parser


def _figure(name: str) -> str:
    if name not in {*FIGURES, ATTACKS}:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(FIGURES)}, {ATTACKS}")
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
    # Also when it is asked to end, the processes that it has started end first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
