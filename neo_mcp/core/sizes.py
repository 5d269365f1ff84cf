"""Estimate the memory that events and JSON take. Pure, and without recursion."""

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
    values: list[Any] = [*body.__dict__.values(), event.__pydantic_extra__, body.__pydantic_extra__]
    return _EVENT + _bytes_of(values)


def memory_of(value: object) -> int:
    """Approximate bytes of memory of any JSON, or of models of it."""
    return _bytes_of([value])


def _bytes_of(values: list[Any]) -> int:
    """The same for all of ``values``, a list that grows by the values within them."""
    size = 0
    of_text = str.__sizeof__
    for value in values:
        kind = type(value)
        if kind is str:
            size += of_text(value)
        elif value is None or kind is bool:
            continue
        elif kind is dict:
            if value:
                size += value.__sizeof__() + _ENTRY * len(value)
                values += value
                values += value.values()
        elif kind is list or kind is tuple:
            size += value.__sizeof__()
            values += value
        elif isinstance(value, BaseModel):
            size += _MODEL
            values += value.__dict__.values()
            values.append(value.__pydantic_extra__)
        else:
            size += value.__sizeof__()
    return size
