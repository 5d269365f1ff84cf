"""Answers of the API that are read as far as they can be: one odd field costs no more than itself.

Owns what is done about a value of the wrong type, after the strict reading has failed: a number where text
belongs becomes text, an item of a list that cannot be read is left out, and so is any other field that has a
default. Events have a reading of their own (:mod:`neo_mcp.wire.envelope`): of them, nothing may be left out.
"""

from typing import Any, Self

from pydantic import ValidationError

from neo_mcp.wire.base import CamelModel
from neo_mcp.wire.decode import decode_json

_NO_TEXT = "string_type"


class Answer(CamelModel):
    """A JSON object of the API; what is odd about it costs the field that it is in."""

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:  # noqa: ANN401 - pydantic's
        """Read one from JSON.

        Raises:
            ValueError: If it is not JSON, has too many values, or lacks what it cannot be without.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValueError as error:
            data = json_data.encode("utf-8", "surrogatepass") if isinstance(json_data, str) else json_data
            try:
                return cls.read(decode_json(bytes(data), cls.json_limits))
            except ValueError:
                # It names the first fault, in the terms of what was sent.
                raise error from None

    @classmethod
    def read(cls, raw: object) -> Self:
        """Read one from what :func:`~neo_mcp.wire.decode.decode_json` returned.

        Raises:
            ValueError: If it is no object, or lacks what it cannot be without.
        """
        for repaired in (_with_numbers_as_text, _without_odd):
            try:
                return cls.model_validate(raw)
            except ValidationError as error:
                raw = repaired(cls, raw, error)
        return cls.model_validate(raw)


def _with_numbers_as_text(_: type[Answer], raw: object, error: ValidationError) -> object:
    for fault in error.errors(include_url=False, include_context=False):
        value = fault["input"]
        if fault["type"] == _NO_TEXT and isinstance(value, int | float) and not isinstance(value, bool):
            raw = _replaced(raw, fault["loc"], str(value))
    return raw


def _replaced(raw: object, path: tuple[int | str, ...], value: str) -> object:
    """``raw`` with another value at ``path``; unchanged where there is no such place."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(raw, dict) and key in raw:
        return {**raw, key: _replaced(raw[key], rest, value)}
    if isinstance(raw, list) and isinstance(key, int) and key < len(raw):
        return [*raw[:key], _replaced(raw[key], rest, value), *raw[key + 1 :]]
    return raw


def _without_odd(model: type[Answer], raw: object, error: ValidationError) -> object:
    if not isinstance(raw, dict):
        return raw
    items: dict[str, set[int]] = {}
    fields: set[str] = set()
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        match fault["loc"]:
            case (str(field), int(index), *_) if isinstance(raw.get(field), list):
                items.setdefault(field, set()).add(index)
            case (str(field), *_):
                fields.add(field)
    # A field may be sent by its own name as well.
    fields |= {name for name, info in model.model_fields.items() if info.alias in fields}
    return {
        key: [item for index, item in enumerate(value) if index not in items[key]] if key in items else value
        for key, value in raw.items()
        if key not in fields
    }
