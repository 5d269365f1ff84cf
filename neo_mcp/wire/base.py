"""What all wire models share. Liberal in, strict out."""

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WrapValidator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUseDefault


class WireModel(BaseModel):
    """A JSON object of the API; fields that this version does not know are kept in ``model_extra``."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)


class CamelModel(WireModel):
    """A JSON object whose keys are in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)


class Request(BaseModel):
    """A JSON object sent to the API: only known fields, only valid values."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, alias_generator=to_camel)


_T = TypeVar("_T")


def _null_to_empty(value: object) -> object:
    return () if value is None else value


def _null_to_false(value: object) -> object:
    return False if value is None else value


def _null_to_object(value: object) -> object:
    return {} if value is None else value


def _to_text(value: object) -> object:
    if value is None or isinstance(value, str):
        return value or ""
    # Words in another shape, such as a list of blocks, are still words: as JSON they cost nobody the event.
    return json.dumps(value, ensure_ascii=False, default=str)


def _to_object(value: object) -> object:
    return {"value": value} if value is not None and not isinstance(value, dict) else value or {}


def _default_if_odd(value: object, validate: Callable[[object], object]) -> object:
    try:
        return validate(value)
    except ValidationError:
        raise PydanticUseDefault from None


# A server written in Go sends null for what is empty.
Many = Annotated[tuple[_T, ...], BeforeValidator(_null_to_empty)]
Text = Annotated[str, BeforeValidator(_to_text)]
Flag = Annotated[bool, BeforeValidator(_null_to_false)]
Mapping = Annotated[dict[str, _T], BeforeValidator(_null_to_object)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_to_object)]
JsonContent = Annotated[Any, BeforeValidator(_null_to_object)]

Lenient = Annotated[_T, WrapValidator(_default_if_odd)]
"""A field that decides nothing: in a shape unknown here it keeps its default and costs nobody the event."""
