"""Base classes and field types of the wire models: liberal in, strict out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticUseDefault, core_schema

from neo_mcp.wire.json_limits import ANSWER, JsonLimits, without_depth

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # Its name is not public.


class _PlainChecks(ModelMetaclass):
    """Checks instances without what abstract base classes add: that would be most of the time of a match."""

    __instancecheck__ = type.__instancecheck__
    __subclasscheck__ = type.__subclasscheck__


class WireModel(BaseModel, metaclass=_PlainChecks):
    """A JSON object of the API; unknown fields are stored in ``model_extra``.

    Attributes:
        json_limits: Limits of what is read; values nested more deeply become a note.
    """

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)
    json_limits: ClassVar[JsonLimits] = ANSWER

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:  # noqa: ANN401 - pydantic's
        """Read one from JSON.

        Raises:
            ValueError: If it is not JSON, or has too many values.
        """
        data = json_data.encode("utf-8", "surrogatepass") if isinstance(json_data, str) else bytes(json_data)
        return super().model_validate_json(without_depth(data, cls.json_limits), **options)


class CamelModel(WireModel):
    """A JSON object whose keys are in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)


class Request(BaseModel):
    """A JSON object sent to the API: only known fields, only valid values."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, alias_generator=to_camel)


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Or:
    """Convert values that the annotated type refuses; raise ``ValueError`` for those that have no conversion.

    The common case stays in the validator's compiled code.
    """

    convert: Callable[[object], object]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        other = core_schema.no_info_plain_validator_function(self.convert)
        return core_schema.union_schema([handler(source), other], mode="left_to_right")


def _null_to(empty: object) -> _Or:
    def convert(value: object) -> object:
        if value is None:
            return empty
        raise ValueError("neither of its type nor null")

    return _Or(convert)


def _to_text(value: object) -> str:
    # Text in another shape, such as a list of blocks, is still text: as JSON, the event is not lost.
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _to_object(value: object) -> dict[str, object]:
    return {} if value is None else {"value": value}


def _to_default(_: object) -> object:
    raise PydanticUseDefault


# A server written in Go sends null for what is empty.
Many = Annotated[tuple[_T, ...], _null_to(())]
Text = Annotated[str, _Or(_to_text)]
Flag = Annotated[bool, _null_to(False)]  # noqa: FBT003 - the value that null stands for
Mapping = Annotated[dict[str, _T], _null_to({})]
JsonObject = Annotated[dict[str, Any], _Or(_to_object)]
JsonContent = Annotated[Any, BeforeValidator(lambda value: {} if value is None else value)]

Lenient = Annotated[_T, _Or(_to_default)]
"""A field that decides nothing: a value of unknown shape becomes the default, and the event is not lost."""
