"""Answers of the API that are read as far as they can be: an invalid field is left out, the rest is read.

Owns what is done about a value of the wrong type, after the strict reading has failed: a number where text
belongs becomes text, an item of a list that cannot be read is left out, and so is any other field that has a
default. Events have a reading of their own (:mod:`neo_mcp.wire.envelope`): of them, nothing may be left out.
"""

from typing import Any, Self

from pydantic import ValidationError

from neo_mcp.wire.base import CamelModel
from neo_mcp.wire.decode import decode_json

_NOT_TEXT = "string_type"
_IDS = {"id", "taskId"}
"""Fields whose numbers stay numbers: ids of this API are text."""


class Answer(CamelModel):
    """A JSON object of the API; its invalid fields are left out."""

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:  # noqa: ANN401 - pydantic's
        """Read one from JSON.

        Raises:
            ValueError: If it is not JSON, has too many values, or lacks a required field.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValueError as error:
            data = json_data.encode("utf-8", "surrogatepass") if isinstance(json_data, str) else json_data
            try:
                return cls.read(decode_json(bytes(data), cls.json_limits))
            except ValueError:
                # The first error describes what was sent.
                raise error from None

    @classmethod
    def read(cls, raw: object) -> Self:
        """Read one from what :func:`~neo_mcp.wire.decode.decode_json` returned.

        Raises:
            ValueError: If it is no object, or lacks a required field.
        """
        for repair in (_with_numbers_as_text, _without_invalid):
            try:
                return cls.model_validate(raw)
            except ValidationError as error:
                raw = repair(cls, raw, error)
        return cls.model_validate(raw)


def _with_numbers_as_text(_: type[Answer], raw: object, error: ValidationError) -> object:
    for fault in error.errors(include_url=False, include_context=False):
        value, (field, index, name) = fault["input"], _location(fault["loc"])
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if fault["type"] == _NOT_TEXT and is_number and name not in _IDS:
            raw = _with_value(raw, field, index, name, str(value))
    return raw


def _location(loc: tuple[int | str, ...]) -> tuple[str, int | None, str]:
    """The field of an object, the index in its list, and the last field; without what pydantic adds."""
    if not loc:
        return "", None, ""
    return str(loc[0]), next((step for step in loc if isinstance(step, int)), None), str(loc[-1])


def _with_value(raw: object, field: str, index: int | None, name: str, value: str) -> object:
    """``raw`` with another value in one of its own fields or of those of an item; else unchanged."""
    if not isinstance(raw, dict) or field not in raw:
        return raw
    items = raw[field]
    if index is None:
        return {**raw, field: value} if field == name else raw
    if not isinstance(items, list):
        return raw
    changed = [
        {**item, name: value} if at == index and isinstance(item, dict) else item
        for at, item in enumerate(items)
    ]
    return {**raw, field: changed}


def _without_invalid(model: type[Answer], raw: object, error: ValidationError) -> object:
    if not isinstance(raw, dict):
        return raw
    # Fields, and which of their items are invalid: none means the whole field.
    invalid: dict[str, set[int]] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        field, index, _ = _location(fault["loc"])
        invalid.setdefault(field, set()).update(() if index is None else (index,))
    # A field may be sent by its own name as well.
    names = {name: info.alias for name, info in model.model_fields.items()}
    invalid |= {name: invalid[alias] for name, alias in names.items() if alias in invalid}
    return {
        key: _without_items(value, invalid[key]) if invalid.get(key) else value
        for key, value in raw.items()
        if key not in invalid or (invalid[key] and isinstance(value, list))
    }


def _without_items(items: list[object], invalid: set[int]) -> list[object]:
    return [item for index, item in enumerate(items) if index not in invalid]
