"""Walks JSON: its texts, and where it differs from the types that describe it."""

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_ALSO: dict[object, set[object]] = {float: {int, float}}
"""JSON has one kind of number."""


def texts_in(value: object) -> Iterator[str]:
    """Every text in ``value`` but the names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_in(part)


def misfit(value: object, wanted: Any, where: str = "$") -> str | None:  # noqa: ANN401 - any type
    """Where ``value`` is not what ``wanted`` says, and how; ``None`` if it is."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if is_typeddict(wanted):
        return _misfit_object(value, wanted, where)
    if origin is list and isinstance(value, list):
        found = (misfit(item, arguments[0], f"{where}[{place}]") for place, item in enumerate(value))
        return next(filter(None, found), None)
    if origin in {Union, types.UnionType}:
        problems = [misfit(value, option, where) for option in arguments]
        return None if None in problems else problems[-1]
    fits = value in arguments if origin is Literal else type(value) in _ALSO.get(wanted, {wanted})
    return None if fits else f"{where}: {value!r} is not {wanted}"


def _misfit_object(value: object, wanted: Any, where: str) -> str | None:  # noqa: ANN401 - any TypedDict
    if not isinstance(value, dict):
        return f"{where}: no object"
    hints = get_type_hints(wanted)
    strange = value.keys() - hints.keys()
    missing = wanted.__required_keys__ - value.keys()
    if strange or missing:
        return f"{where}: strange {strange}, missing {missing}"
    found = (misfit(item, hints[key], f"{where}.{key}") for key, item in value.items())
    return next(filter(None, found), None)
