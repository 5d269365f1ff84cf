"""Estimate the memory that events and JSON take. Pure, and without recursion."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from neo_mcp.wire import Event

_EVENT = 1600
"""Bytes of an event besides those of its fields."""

_MODEL = 700
"""The same for any other model."""

_ENTRY = 60
"""Bytes of an object's field without its key."""


def event_bytes(event: Event) -> int:
    """Approximate bytes of memory of an event, unknown fields included."""
    body = event.body
    size = _EVENT + len(event.id)
    nested: list[Any] = [extra for extra in (event.__pydantic_extra__, body.__pydantic_extra__) if extra]
    for value in body.__dict__.values():
        # Every event passes here, and most of their fields are plain.
        if type(value) is str:
            size += len(value) if value.isascii() else value.__sizeof__()
        elif value and value is not True:
            nested.append(value)
    return size + _bytes_of(nested) if nested else size


def memory_of(value: object) -> int:
    """Approximate bytes of memory of any JSON, or of models of it."""
    return _bytes_of((value,))


def _bytes_of(values: Iterable[Any]) -> int:
    size = 0
    left = [*values]
    while left:
        value = left.pop()
        kind = type(value)
        if kind is str:
            size += value.__sizeof__()
        elif kind is dict:
            size += value.__sizeof__() + _ENTRY * len(value)
            left += value
            left += value.values()
        elif kind is list or kind is tuple:
            size += value.__sizeof__()
            left += value
        elif isinstance(value, BaseModel):
            size += _MODEL
            left += value.__dict__.values()
            if value.__pydantic_extra__:
                left.append(value.__pydantic_extra__)
        elif value is not None and kind is not bool:
            size += value.__sizeof__()
    return size
