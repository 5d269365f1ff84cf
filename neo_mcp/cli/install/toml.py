"""TOML as people write it: putting one table in, and taking one out.

Owns the places where lines are put in or taken out; every other line stays as it is. tomlkit will not do:
with a table it takes out the comment that belongs to the next one, and its lines end in a way of their own.
Whether the result is what it should be is for :mod:`neo_mcp.cli.install.document` to check.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"[ \t]*\[+[ \t]*(?P<name>[^\]]*?)[ \t]*\]+[ \t]*(?:#.*)?\r?\n?$")
_KEY = re.compile(r"""[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*(?:\.|$)""")
_NOTHING = re.compile(r"[ \t]*(?:#.*)?\r?\n?$")


def with_table(text: str, path: Sequence[str], table: Mapping[str, Any]) -> str:
    """``text`` with ``table`` at ``path``: in place of the one that is there, else at the end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    new = [line + newline for line in _table(path, table)]
    lines = text.splitlines(keepends=True)
    numbers = _lines_of(lines, path)
    if numbers:
        rest = [line for number, line in enumerate(lines) if number not in numbers]
        start = min(numbers)
        return "".join([*rest[:start], *new, *rest[start:]])
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += newline
    gap = [newline] if lines and lines[-1].strip() else []
    return "".join([*lines, *gap, *new])


def without_table(text: str, path: Sequence[str]) -> str:
    """``text`` without the table at ``path`` and those below it."""
    lines = text.splitlines(keepends=True)
    numbers = _lines_of(lines, path)
    if not numbers:
        return text
    before = min(numbers) - 1
    if before >= 0 and not lines[before].strip() and before + len(numbers) + 1 >= len(lines):
        # It came with an empty line before it, and nothing comes after it.
        numbers.add(before)
    return "".join(line for number, line in enumerate(lines) if number not in numbers)


def _table(path: Sequence[str], table: Mapping[str, Any]) -> list[str]:
    lines = [f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(name)} = {_value(value)}" for name, value in table.items() if not _is_table(value)]
    for name, value in table.items():
        if _is_table(value):
            lines += ["", *_table([*path, name], value)]
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # Texts, numbers and truth values are written as in JSON, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _lines_of(lines: Sequence[str], path: Sequence[str]) -> set[int]:
    """The lines of the table at ``path`` and of those below it, up to the last with content."""
    numbers: set[int] = set()
    block: list[int] = []
    for number, line in enumerate([*lines, "[end]"]):
        header = _HEADER.match(line)
        if header is None:
            if block:
                block.append(number)
            continue
        while block and _NOTHING.match(lines[block[-1]]):
            # Comments before the next table belong to that one.
            block.pop()
        numbers.update(block)
        block = [number] if _parts(header["name"])[: len(path)] == list(path) else []
    # What is between two of its tables is its own.
    return set(range(min(numbers), max(numbers) + 1)) if _are_neighbours(lines, numbers) else numbers


def _are_neighbours(lines: Sequence[str], numbers: set[int]) -> bool:
    if not numbers:
        return False
    between = set(range(min(numbers), max(numbers) + 1)) - numbers
    return all(not lines[number].strip() for number in between)


def _parts(name: str) -> list[str]:
    """The parts of a dotted name."""
    parts: list[str] = []
    position = 0
    while match := _KEY.match(name, position):
        part = match[1]
        parts.append(json.loads(part) if part.startswith('"') else part.strip("'"))
        position = match.end()
        if position == len(name) and not match[0].rstrip().endswith("."):
            break
    return parts
