"""A host's configuration as text: reading it, and putting one entry in or taking one out.

Owns the promise that nothing else changes: what an edit made is read back, and an edit that did more than it
should is refused. How the text is edited is :mod:`neo_mcp.cli.install.jsonc` and
:mod:`neo_mcp.cli.install.toml`. Knows no files.
"""

import tomllib
from collections.abc import MutableMapping, Sequence
from enum import Enum, auto
from typing import Any

from neo_mcp.cli.install import jsonc, toml
from neo_mcp.cli.install.jsonc import BrokenDocumentError

__all__ = ["BrokenDocumentError", "Format", "document_of", "entry_in", "with_entry", "without_entry"]

_MAX_DEPTH = 100
_TOO_DEEP = "it is nested too deeply"
_HARM = "it is written in a way that cannot be edited without changing more"


class Format(Enum):
    """How a configuration is written."""

    JSON = auto()
    """With comments and trailing commas, which stay."""

    TOML = auto()


def entry_in(text: str, form: Format, path: Sequence[str]) -> dict[str, Any] | None:
    """The value at ``path``; ``None`` if there is none.

    Raises:
        BrokenDocumentError: If ``text`` cannot be read, or the value there is no object.
    """
    return _at(document_of(text, form), path)


def with_entry(text: str, form: Format, path: Sequence[str], entry: dict[str, Any]) -> str:
    """``text`` with ``entry`` at ``path``, and everything else as it was.

    Raises:
        BrokenDocumentError: If ``text`` cannot be read, or the entry cannot be put in without harm.
    """
    expected = document_of(text, form)
    is_new = _at(expected, path) is None
    _set(expected, path, entry)
    edit = jsonc.with_member if form is Format.JSON else toml.with_table
    edited = _checked(edit(text, path, entry), form, expected)
    if is_new and not _is_within(text, edited):
        raise BrokenDocumentError(_HARM)
    return edited


def without_entry(text: str, form: Format, path: Sequence[str]) -> str:
    """``text`` without the value at ``path``, and everything else as it was.

    Raises:
        BrokenDocumentError: If ``text`` cannot be read, or the entry cannot be taken out without harm.
    """
    if entry_in(text, form, path) is None:
        return text
    expected, without_parents = document_of(text, form), document_of(text, form)
    _delete(expected, path)
    _delete(without_parents, path, with_parents=True)
    edit = jsonc.without_member if form is Format.JSON else toml.without_table
    # A table of TOML is there only as long as something is in it, unless it has a line of its own.
    edited = _checked(edit(text, path), form, expected, *([without_parents] if form is Format.TOML else []))
    if not _is_within(edited, text):
        raise BrokenDocumentError(_HARM)
    return edited


def document_of(text: str, form: Format) -> Any:  # noqa: ANN401 - any JSON
    """The whole document, as Python's values.

    Raises:
        BrokenDocumentError: If ``text`` cannot be read.
    """
    if form is Format.JSON:
        return jsonc.read(text)
    try:
        document = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise BrokenDocumentError(str(error)) from None
    except RecursionError:
        raise BrokenDocumentError(_TOO_DEEP) from None
    _check_depth(document)
    return document


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise BrokenDocumentError(_TOO_DEEP)


def _at(value: Any, path: Sequence[str]) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    if not isinstance(value, dict):
        raise BrokenDocumentError(f"{'.'.join(path)} is no object")
    return value


def _checked(edited: str, form: Format, *expected: object) -> str:
    try:
        parsed = document_of(edited, form)
    except BrokenDocumentError:
        parsed = None
    if parsed not in expected:
        raise BrokenDocumentError(_HARM)
    return edited


def _is_within(part: str, whole: str) -> bool:
    """True if ``whole`` has every character of ``part``, in its order."""
    left = iter(whole)
    return all(character in left for character in part)


def _set(document: Any, path: Sequence[str], entry: dict[str, Any]) -> None:  # noqa: ANN401 - any JSON
    for name in path[:-1]:
        if not isinstance(document, MutableMapping):
            break
        document = document.setdefault(name, {})
    if not isinstance(document, MutableMapping):
        raise BrokenDocumentError(f"{'.'.join(path[:-1]) or 'the document'} is no object")
    document[path[-1]] = entry


def _delete(document: Any, path: Sequence[str], *, with_parents: bool = False) -> None:  # noqa: ANN401 - any JSON
    """Take out what is at ``path`` and, ``with_parents``, what that leaves empty."""
    name, *rest = path
    if rest:
        _delete(document[name], rest, with_parents=with_parents)
    if not rest or (with_parents and not document[name]):
        del document[name]
