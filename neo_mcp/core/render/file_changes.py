"""The files that a diff changes, as names and figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from neo_mcp.core.sanitize import one_line

_NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a diff: its name, and the numbers of added and removed lines."""

    file: str
    added: int
    removed: int

    def __str__(self) -> str:
        return f"{self.file} +{self.added} -{self.removed}"


def file_changes(diff: Mapping[str, str] | None) -> tuple[FileChange, ...]:
    """The files that a diff changes, and by how many lines."""
    return tuple(_file_change(name, patch) for name, patch in (diff or {}).items())


def _file_change(name: str, patch: str) -> FileChange:
    lines = patch.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return FileChange(one_line(name, _NAME_LIMIT), added, removed)
