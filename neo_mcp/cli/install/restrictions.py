"""Settings by which hosts leave servers out, so that an entry of ours is there and never started.

Each host's are data in :mod:`neo_mcp.cli.install.hosts`. Owns how they are read: a list allows or denies
servers by name, command or address, a value switches them off.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple

from neo_mcp.cli import files
from neo_mcp.cli.install.document import BrokenDocumentError, Format, document_of
from neo_mcp.errors import NeoError

MARK = "\ufeff"
"""A byte-order mark, with which some hosts read none of their servers."""


class Kind(Enum):
    """The effect of a setting."""

    ALLOWS = auto()
    """Lists the servers that are used; all others are not."""

    DENIES = auto()
    """Lists servers that are not used."""

    SWITCHES = auto()
    """Switches servers off by certain values."""


class Restriction(NamedTuple):
    """A setting by which a host may leave a server out.

    Attributes:
        path: Where it is in its file; ``{name}`` stands for the entry's name, ``{folder}`` for the project's.
        kind: What it does.
        file: Its file, as a template of ``Machine.path``; ``None`` for the file with the entry.
        off: Values that switch servers off.
        use: The value that switches them on.
        is_for_projects: Whether it is about entries in projects alone.
    """

    path: tuple[str, ...]
    kind: Kind
    file: str | None = None
    off: tuple[object, ...] = ()
    use: str = "true"
    is_for_projects: bool = False


class Entry(NamedTuple):
    """An entry of ours in a host's file.

    Attributes:
        folder: The project whose file it is; empty for the person's own.
    """

    name: str
    file: Path
    form: Format
    content: Mapping[str, Any]
    folder: str = ""


def left_out(
    entry: Entry, restrictions: Sequence[Restriction], path_of: Callable[[str], Path]
) -> Iterator[str]:
    """Why the host does not use ``entry``, and what to change, one sentence each."""
    seen: set[tuple[Path, tuple[str, ...]]] = set()
    for each in restrictions:
        file = path_of(each.file) if each.file else entry.file
        if (each.is_for_projects and not entry.folder) or (file, each.path) in seen:
            continue
        seen.add((file, each.path))
        names = [part.format(name=entry.name, folder=entry.folder) for part in each.path]
        value = _value(file, entry.form if file == entry.file else Format.JSON, names)
        setting = f"`{'.'.join(names)}` in {file}"
        match each.kind:
            case Kind.ALLOWS if isinstance(value, list | dict) and not _allows(value, entry):
                yield f"{setting} allows other servers only: add {entry.name!r} to it."
            case Kind.DENIES if isinstance(value, list) and any(_names(item, entry) for item in value):
                yield f"{setting} leaves it out: take it off that list."
            case Kind.SWITCHES if any(value is off or value == off for off in each.off):
                yield f"{setting} switches it off: set it to {each.use}."
            case _:
                pass


def _value(file: Path, form: Format, path: Sequence[str]) -> object:
    """The value at ``path``; ``None`` if there is none, or the file cannot be read."""
    try:
        content = files.read(file)
        value: object = document_of(files.as_text(file, content), form) if content else None
    except (NeoError, BrokenDocumentError):
        return None
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _allows(listed: list[Any] | dict[str, Any], entry: Entry) -> bool:
    if isinstance(listed, dict):
        return entry.name in listed
    # Where commands or addresses are listed, a name alone allows no server that has one.
    key = "serverCommand" if "command" in entry.content else "serverUrl"
    exact = [item for item in listed if isinstance(item, dict) and key in item]
    return any(_names(item, entry) for item in exact or listed)


def _names(item: object, entry: Entry) -> bool:
    """True if an item of a list is about ``entry``."""
    if not isinstance(item, dict):
        return item == entry.name
    if "serverCommand" in item:
        return bool(item["serverCommand"] == [entry.content.get("command"), *entry.content.get("args", [])])
    if "serverUrl" in item:
        pattern = re.escape(str(item["serverUrl"])).replace(r"\*", ".*")
        return re.fullmatch(pattern, str(entry.content.get("url", ""))) is not None
    return bool(item.get("serverName") == entry.name)
