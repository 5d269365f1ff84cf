"""JSON schemas of tools, made from pydantic models, and arguments read by them.

Some model providers reject a whole tool list over one ``anyOf``, ``$ref`` or ``null`` type, so schemas are
plain: references are inlined, and an optional property is one that is not required.
"""

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import MAX_ECHO, echoed

_PATH = re.compile(rf"[\w.-]{{1,{MAX_ECHO}}}", re.ASCII)
_DROPPED = frozenset({"title", "default", "$defs"})
_MAX_PROBLEMS = 8


class Arguments(BaseModel):
    """Base of a tool's arguments: exactly the declared ones, in exactly their types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_A = TypeVar("_A", bound=Arguments)


def plain_schema(model: type[BaseModel], *, strict: bool) -> dict[str, Any]:
    """The model's schema without references, unions with null, titles and defaults.

    Args:
        model: The model.
        strict: Whether to declare that no other properties are allowed.
    """
    schema = model.model_json_schema()
    plain: dict[str, Any] = _plain(schema, schema.get("$defs", {}))
    if not strict:
        plain.pop("additionalProperties", None)
    plain.pop("description", None)
    return plain


def read_arguments(model: type[_A], arguments: Mapping[str, Any] | None) -> _A:
    """Parse the arguments of a call.

    Raises:
        InvalidArgumentError: If one is unknown, missing, or of the wrong type; the message names the fault.
    """
    # What is unknown is refused whatever it is, so it need not be copied to be read.
    known = {name: value if name in model.model_fields else None for name, value in (arguments or {}).items()}
    try:
        return model.model_validate_json(json.dumps(known), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        problems = "; ".join(_problem(model, detail) for detail in details[:_MAX_PROBLEMS])
        if len(details) > _MAX_PROBLEMS:
            problems += f"; and {len(details) - _MAX_PROBLEMS:,} more"
    names = ", ".join(model.model_fields)
    raise InvalidArgumentError(f"Invalid arguments: {problems}.", next_step=f"The arguments are: {names}.")


def _plain(node: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        inlined = _plain({k: v for k, v in target.items() if k != "description"}, definitions)
        return {**inlined, **_plain({k: v for k, v in node.items() if k != "$ref"}, definitions)}
    if "anyOf" in node:
        (only,) = [option for option in node["anyOf"] if option.get("type") != "null"]
        return _plain({**only, **{k: v for k, v in node.items() if k != "anyOf"}}, definitions)
    plain: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            plain[key] = {name: _plain(schema, definitions) for name, schema in value.items()}
        elif key not in _DROPPED:
            plain[key] = _plain(value, definitions)
    return plain


def _problem(model: type[BaseModel], detail: ErrorDetails) -> str:
    path = ".".join(str(part) for part in detail["loc"]) or "arguments"
    where = f"`{path}`" if _PATH.fullmatch(path) else echoed(path)
    match detail["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(path[:MAX_ECHO], model.model_fields, n=1)
            return f"unknown argument {where}" + (f" (did you mean `{close[0]}`?)" if close else "")
        case "missing":
            return f"{where} is required"
        case "json_invalid":
            return "the text holds half of a surrogate pair, which is no character"
        case _:
            return f"{where}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
