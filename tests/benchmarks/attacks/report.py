"""The table of attacks: calls of others, memory, answers, and the goals that were missed. No I/O."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.benchmarks.attacks.play import CALLS_P99_MS, LOG_KIB, PEAK_MIB, PROBE_MS, Result
from tests.benchmarks.measure import columns

HEAD = (
    "attack",
    "calls: p50, p99, longest (failed)",
    "probes: longest (failed)",
    "memory: peak, above",
    "log",
)
_SHOWN_ANSWERS = 6


def goals() -> str:
    """The goals of every attack."""
    return (
        f"goals of every attack: calls of others p99 <= {CALLS_P99_MS:,.0f} ms and none failed,\n"
        f"probes <= {PROBE_MS:,.0f} ms and none failed, "
        f"memory <= {PEAK_MIB:.0f} MiB, log <= {LOG_KIB:.0f} KiB"
    )


def text_table(results: Sequence[Result]) -> str:
    """For a terminal: a row for each attack, then what was missed, answered and remarked."""
    rows = [(*_cells(result), "MISSED" if result.missed else "ok") for result in results]
    text = columns([(*HEAD, "result"), *rows])
    return f"{goals()}\n\n{text}\n{''.join(map(_details, results))}"


def markdown_table(results: Sequence[Result]) -> Iterable[str]:
    """For the documentation."""
    yield f"| {' | '.join((*HEAD, 'answered', 'result'))} |"
    yield "|---|---|---|---|---|---|---|"
    for result in results:
        missed = ", ".join(row.figure for row in result.missed)
        verdict = f"**missed: {missed}**" if missed else "ok"
        yield f"| {' | '.join((*_cells(result), answered(result.answers), verdict))} |"


def answered(answers: Counter[str]) -> str:
    """The classes of answers, the most frequent first."""
    common = answers.most_common(_SHOWN_ANSWERS)
    more = sum(answers.values()) - sum(number for _, number in common)
    shown = [f"{number:,}x {kind}" for kind, number in common]
    return ", ".join([*shown, *([f"{more:,}x other"] if more else [])]) or "-"


def _cells(result: Result) -> tuple[str, ...]:
    figure = result.figure
    calls = ", ".join(f"{figure(f'calls, {name}'):,.0f}" for name in ("p50", "p99", "longest"))
    return (
        result.name,
        f"{calls} ms ({result.calls.failed} of {len(result.calls.delays)})",
        f"{figure('probes, longest'):,.0f} ms ({result.probes.failed} of {len(result.probes.delays)})",
        f"{figure('memory, peak'):,.0f}, {figure('memory, peak above before'):+,.0f} MiB",
        f"{figure('log'):,.0f} KiB",
    )


def _details(result: Result) -> str:
    lines = [f"{result.name} ({result.seconds:.0f} s): {answered(result.answers)}"]
    lines += [f"  {_figure(row.cells())}" for row in result.rows if row.figure in _CONDITIONS]
    lines += [f"  MISSED {_figure(row.cells())}" for row in result.missed]
    own = [row for row in result.rows if row.target is not None and row.verdict == "ok"]
    lines += [
        f"  ok     {_figure(row.cells())}"
        for row in own
        if row.unit not in {"ms", "KiB", "MiB"} and row.figure not in _COMMON
    ]
    for seen, who in ((result.calls, "calls"), (result.probes, "probes")):
        if seen.failures:
            lines.append(f"  {who} failed: {answered(Counter(seen.failures))}")
    lines += [f"  {remark}" for remark in result.remarks]
    return "\n".join(lines) + "\n"


_CONDITIONS = frozenset({"machine's load", "calls before, p99", "the API itself, longest"})
_COMMON = frozenset({"calls failed", "probes failed", "server ended"})


def _figure(cells: tuple[str, ...]) -> str:
    figure, ours, _, _, target, _ = cells
    return f"{figure}: {ours}" + (f" ({target})" if target != "-" else "")
