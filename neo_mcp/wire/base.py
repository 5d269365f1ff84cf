"""What all wire models share. Liberal in, strict out."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel


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


def _null_to_blank(value: object) -> object:
    return "" if value is None else value


def _null_to_object(value: object) -> object:
    return {} if value is None else value


# A server written in Go sends null for what is empty.
Many = Annotated[tuple[_T, ...], BeforeValidator(_null_to_empty)]
Text = Annotated[str, BeforeValidator(_null_to_blank)]
Mapping = Annotated[dict[str, _T], BeforeValidator(_null_to_object)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_null_to_object)]
