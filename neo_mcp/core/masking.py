"""Mask values whose own keys name a secret, in JSON and in the texts that it holds, each on its own.

Neo passes secrets to tools in fields ``secret`` and below ``environment_variables``; there a name does not
tell which values are secret, so none is shown. Secrets with a shape of their own are found by
:mod:`neo_mcp.core.redact`.

Names count in any spelling: case, separators, and invisible characters make no difference.
"""

import json
import operator
import re
from typing import Any

from neo_mcp.core.effort import Effort
from neo_mcp.core.members import mask_members, shown_name
from neo_mcp.core.secret_names import (
    ENVIRONMENT,
    FIELDS,
    MAPPINGS,
    MASK,
    OWN_SECRET,
    TREES,
    VALUES,
    VARIABLES,
    may_name,
    name_of,
)
from neo_mcp.token_guard import distinct

MAX_DEPTH = 100
"""Maximum levels that are searched; nothing below them is shown."""

_REFERENCE, _OF_VOLUME = "valuefrom", "secretname"
_OF_REFERENCE = frozenset(
    [
        *("name", "key", "path", "mode", "items", "optional", "defaultmode", "secretname"),
        *("apiversion", "fieldpath", "resource", "containername", "divisor"),
        *("secretkeyref", "configmapkeyref", "fieldref", "resourcefieldref"),
    ]
)
"""Fields that say where Kubernetes has the value of a variable, or a secret."""

_MAX_REFERENCE = 4
_CIPHERTEXT = "ciphertext"
_MAX_TEXT = 2**18
"""Maximum characters of a text that is read; of a longer one less is shown, which is searched then."""

_NAMES = frozenset({"name", "key"})
_IS_JSON = re.compile(r"\s{0,1000}+[{\[\"]")
_VARIABLE = re.compile(r"[A-Za-z_][\w.-]{0,200}", re.ASCII)
_OF_PROGRAM = re.compile(r"[A-Z][A-Z0-9_]+|[a-z]+_proxy")
_WITH_NAMESPACE = re.compile(r"[\w-]{1,60}[:.]([^:.]{1,60})")


def masked(value: Any, effort: Effort | None = None) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """Return ``value`` with a note in place of values whose keys name a secret; unchanged if there are none.

    Args:
        value: Any JSON; its texts are read as well, JSON or not.
        effort: Bounds the time.
    """
    return _masked(value, 0, effort or Effort())


def _masked(value: Any, depth: int, effort: Effort) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    if isinstance(value, str):
        return _masked_text(value, depth, effort)
    if not isinstance(value, list | dict):
        return value
    if depth > MAX_DEPTH:
        return MASK
    if isinstance(value, list):
        items = [_masked(item, depth + 1, effort) for item in value]
        return items if any(map(operator.is_not, items, value)) else value
    if value.get(OWN_SECRET[0]) == OWN_SECRET[1]:
        shown = {OWN_SECRET[0], _CIPHERTEXT}
        return {key: item if key in shown else _leaves(item, depth + 1) for key, item in value.items()}
    fields = {key: _field(key, item, depth + 1, effort) for key, item in value.items()}
    if _is_pair(value):
        fields |= {key: _leaves(value[key], depth + 1) for key in value if name_of(key) in VALUES}
    return fields if any(map(operator.is_not, fields.values(), value.values())) else value


def _masked_text(text: str, depth: int, effort: Effort) -> str:
    """Return ``text`` masked; JSON as JSON."""
    if len(text) > _MAX_TEXT or not may_name(text):
        return text
    if not _IS_JSON.match(text):
        return mask_members(text, effort)
    try:
        value = json.loads(text)
        shown = _masked(value, depth + 1, effort)
    except (ValueError, RecursionError):
        return mask_members(text, effort)
    return (
        text if shown is value else json.dumps(shown, ensure_ascii=False, indent=2 if "\n" in text else None)
    )


def _field(key: str, value: Any, depth: int, effort: Effort) -> Any:  # noqa: ANN401 - any JSON
    if _is_secret(key) or (isinstance(value, dict | list) and _has_variables(name_of(key), value)):
        return value if _names_secret(key, value) else _leaves(value, depth)
    if name_of(key) == ENVIRONMENT and isinstance(value, dict) and depth <= MAX_DEPTH:
        return _environment(value, depth, effort)
    return _masked(value, depth, effort)


def _environment(value: dict[str, Any], depth: int, effort: Effort) -> dict[str, Any]:
    """The environment of a function: its variables are a field among others, or have names of their own."""
    fields = {
        key: _leaves(item, depth + 1)
        if name_of(key) == VARIABLES or _OF_PROGRAM.fullmatch(key)
        else _masked(item, depth + 1, effort)
        for key, item in value.items()
    }
    return fields if any(map(operator.is_not, fields.values(), value.values())) else value


def _is_secret(key: str) -> bool:
    name = name_of(key)
    if name in FIELDS or name in TREES:
        return True
    if name_of(key.partition(".")[0]) in TREES:
        return True
    match = _WITH_NAMESPACE.fullmatch(key)
    return match is not None and name_of(match[1]) in FIELDS | TREES


def _has_variables(name: str, value: dict[str, Any] | list[Any]) -> bool:
    """True if ``value``, under this name, is variables and nothing else."""
    if name in MAPPINGS:
        return True
    if name != ENVIRONMENT or not value:
        return False
    if isinstance(value, dict):
        return all(map(_OF_PROGRAM.fullmatch, value))
    return any(
        "=" in item if isinstance(item, str) else isinstance(item, dict) and _NAMES & set(map(name_of, item))
        for item in value
    )


def _is_pair(fields: dict[str, Any]) -> bool:
    """True if fields beside a value say that it is secret: a mark, or its name."""
    if not any(name_of(key) in VALUES for key in fields):
        return False
    return any(
        item is True if name in FIELDS else name in _NAMES and isinstance(item, str) and _is_secret(item)
        for name, item in ((name_of(key), item) for key, item in fields.items())
    )


def _names_secret(key: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """True if ``value`` is a volume of Kubernetes, which only names a secret."""
    if name_of(key) not in FIELDS or not isinstance(value, dict):
        return False
    return _OF_VOLUME in map(name_of, value) and _refers(value)


def _refers(value: Any, depth: int = 0) -> bool:  # noqa: ANN401 - any JSON
    """True if ``value`` only says where something is."""
    if isinstance(value, dict):
        names_only = all(name_of(key) in _OF_REFERENCE for key in value)
        return (
            names_only and depth < _MAX_REFERENCE and all(_refers(item, depth + 1) for item in value.values())
        )
    if isinstance(value, list):
        return depth < _MAX_REFERENCE and all(_refers(item, depth + 1) for item in value)
    return True


def _leaves(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    """A note in place of everything except harmless values and names of variables."""
    match value:
        case None | bool():
            return value
        case list() | dict() if not value:
            return value
        case list() if depth <= MAX_DEPTH:
            return [_entry(item, depth + 1) for item in value]
        case dict() if depth <= MAX_DEPTH:
            return distinct(
                (shown_name(key), item if _is_reference(key, item) else _leaves(item, depth + 1))
                for key, item in value.items()
            )
        case _:
            return MASK


def _is_reference(key: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(value, dict) and name_of(key) == _REFERENCE and _refers(value)


def _entry(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    """An item of a list, which may be a variable with its name in a field of its own."""
    shown = _leaves(value, depth)
    if isinstance(value, dict) and any(name_of(key) in {"value", _REFERENCE} for key in value):
        name = value.get("name")
        if isinstance(name, str) and _VARIABLE.fullmatch(name):
            return {**shown, "name": name}
    return shown
