"""Diffs as lines with their kinds, within bounds.

Reads patches by file, as the API gives them: unified diffs, with or without their headers. Any other line is
shown as context.
"""

from collections.abc import Mapping
from itertools import accumulate, islice
from typing import Literal

from neo_mcp.core.render.file_changes import FileChange, file_changes
from neo_mcp.core.sanitize import Tally, cut
from neo_mcp.core.view.model import DiffLine, File

MAX_FILES = 50
CHARACTERS = 96_000
"""Maximum characters of all lines together."""

_LINE_CHARACTERS = 16
"""Characters added to each line's text, to count its cost."""

_WIDTH = 500
_HEADERS = (
    "diff --git ",
    "index ",
    "--- ",
    "+++ ",
    "new file mode ",
    "deleted file mode ",
    "similarity index ",
)


def files(diff: Mapping[str, str] | None, tally: Tally, *, budget: int = CHARACTERS) -> list[File]:
    """The files that a diff changes, at most :data:`MAX_FILES`; the last ones may have no lines.

    Args:
        diff: Patches by file name.
        tally: Counts what is removed from them.
        budget: Characters of all lines together.
    """
    first = dict(islice((diff or {}).items(), MAX_FILES))
    shown: list[File] = []
    for change, patch in zip(file_changes(first), first.values(), strict=True):
        file = _file(change, patch, budget, tally)
        budget -= sum(map(_size, file["lines"]))
        shown.append(file)
    return shown


def _file(change: FileChange, patch: str, budget: int, tally: Tally) -> File:
    head = patch[:budget]
    if len(head) < len(patch):
        # The missing end of the last line may be the part that identifies a secret.
        head = head.rpartition("\n")[0]
    rows = tally.clean(head).rstrip("\n").split("\n")
    body = _without_header(rows)
    lines = [_line(row) for row in body]
    ends = accumulate(map(_size, lines))
    fitting = sum(end <= budget for end in ends)
    missing = patch.rstrip("\n").count("\n") - head.rstrip("\n").count("\n")
    return {
        "path": change.file,
        "kind": _kind(rows),
        "added": change.added,
        "removed": change.removed,
        "lines": lines[:fitting],
        "cut": missing + len(lines) - fitting,
    }


def _size(line: DiffLine) -> int:
    return len(line["s"]) + _LINE_CHARACTERS


def _without_header(rows: list[str]) -> list[str]:
    """The lines after those that only name the file."""
    for index, row in enumerate(rows):
        if not row.startswith(_HEADERS):
            return rows[index:]
    return []


def _kind(rows: list[str]) -> Literal["changed", "added", "removed"]:
    head = rows[: len(rows) - len(_without_header(rows))]
    if any(row.startswith(("new file mode ", "--- /dev/null")) for row in head):
        return "added"
    if any(row.startswith(("deleted file mode ", "+++ /dev/null")) for row in head):
        return "removed"
    return "changed"


def _line(row: str) -> DiffLine:
    match row[:1]:
        case "@":
            return {"k": "@", "s": _cut(row)}
        case "+":
            return {"k": "+", "s": _cut(row[1:])}
        case "-":
            return {"k": "-", "s": _cut(row[1:])}
        case " ":
            return {"k": " ", "s": _cut(row[1:])}
        case _:
            return {"k": " ", "s": _cut(row)}


def _cut(text: str) -> str:
    return cut(text, _WIDTH)
