"""JSON schemas of tools, made from pydantic models, and arguments read by them.

Some model providers reject a whole tool list over one ``anyOf``, ``$ref`` or ``null`` type, so schemas are
plain: references are inlined, and an optional property is one that is not required.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import MAX_ECHO, echoed
from neo_mcp.service import reading

_PATH = re.compile(rf"[\w.-]{{1,{MAX_ECHO}}}", re.ASCII)
_DROPPED = frozenset({"title", "default", "examples", "$defs"})
_MAX_PROBLEMS = 4
_MAX_OPTIONS = 12
_TASK = "0b5a1c9e-0000-4000-8000-000000000001"
_ENTITIES = ["stack shop/prod"]
_EXAMPLES: Mapping[str, Any] = {
    "task_id": _TASK,
    "task_ids": [_TASK],
    "organization": "acme",
    "entities": _ENTITIES,
    "add_entities": _ENTITIES,
    "remove_entities": _ENTITIES,
    "integrations": ["datadog"],
    "cli_integrations": ["aws/prod"],
    "commands": ["review"],
    "context": "The bucket is in eu-central-1.",
    "text": "Use eu-central-1.",
    "name": "Tag the buckets",
    "tool_results": [{"tool_call_id": "call-1", "content": "done"}],
    "idempotency_key": "tag-buckets-1",
}
"""Arguments of several tools, as an error shows them."""


class Arguments(BaseModel):
    """Base of a tool's arguments: exactly the declared ones, in exactly their types.

    How they may be written besides is in :mod:`neo_mcp.service.reading`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


_A = TypeVar("_A", bound=Arguments)


def plain_schema(model: type[BaseModel], *, strict: bool) -> dict[str, Any]:
    """The model's schema without references, unions with null, titles, defaults and long lists of options.

    Args:
        model: The model.
        strict: Whether to declare that no other properties are allowed.
    """
    plain: dict[str, Any] = json.loads(json.dumps(declared_schema(model)), object_hook=_without_long_lists)
    if not strict:
        plain.pop("additionalProperties", None)
    plain.pop("description", None)
    return plain


@cache
def declared_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema by which a model's arguments are read: plain, with all options."""
    schema = model.model_json_schema()
    plain: dict[str, Any] = _plain(schema, schema.get("$defs", {}))
    return plain


def _without_long_lists(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "enum" or len(value) <= _MAX_OPTIONS}


def read_arguments(
    model: type[_A], arguments: Mapping[str, Any] | None, *, ignores_unknown: bool = False
) -> _A:
    """Parse the arguments of a call.

    Args:
        model: What they are for.
        arguments: As they were sent.
        ignores_unknown: Whether unknown ones matter only if another is missing.

    Raises:
        InvalidArgumentError: If one is unknown, missing, or of the wrong type; the message names the fault.
    """
    schema = declared_schema(model)
    given = reading.as_declared(schema, arguments or {})
    # What is unknown is refused whatever it is, so it need not be copied to be read.
    known = {name: value if name in model.model_fields else None for name, value in given.items()}
    unknown = reading.unknown(schema, known)
    if ignores_unknown and known.keys() >= set(schema.get("required", ())):
        known = {name: value for name, value in known.items() if name not in unknown}
        unknown = []
    try:
        return model.model_validate_json(json.dumps(known), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    problems = "; ".join(_problem(model, detail, given) for detail in details[:_MAX_PROBLEMS])
    if len(details) > _MAX_PROBLEMS:
        problems += f"; and {len(details) - _MAX_PROBLEMS:,} more"
    names = f"The arguments are: {', '.join(model.model_fields)}." if unknown else None
    raise InvalidArgumentError(f"Invalid arguments: {problems}.", next_step=names)


def unknown_arguments(model: type[Arguments], arguments: Mapping[str, Any] | None) -> list[str]:
    """The names of arguments that mean nothing to a tool, nor to its host."""
    schema = declared_schema(model)
    given = arguments or {}
    unknown = {name: given[name] for name in reading.unknown(schema, given)}
    return list(reading.as_declared(schema, unknown))


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


def _problem(model: type[BaseModel], detail: ErrorDetails, given: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in detail["loc"]) if detail["loc"] else "arguments"
    where = f"`{path}`" if _PATH.fullmatch(path) else echoed(path)
    match detail["type"]:
        case "extra_forbidden":
            *parents, name = detail["loc"]
            close = reading.nearest(str(name), _declared(model, tuple(parents))[0].get("properties", ()))
            return f"unknown argument {where}" + _proposal(close)
        case "json_invalid":
            return "the text holds half of a surrogate pair, which is no character"
        case kind:
            schema, example = _declared(model, detail["loc"])
            takes = reading.description(schema, example)
            if kind == "missing":
                return f"{where} is required: {takes}"
            value = _at(given, detail["loc"])
            meant = reading.nearest(value, schema.get("enum", ())) if isinstance(value, str) else None
            return f"{where} takes {takes}, but not {reading.sent(value)}" + _proposal(meant)


def _proposal(name: str | None) -> str:
    return f" (did you mean `{name}`?)" if name else ""


def _declared(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[Mapping[str, Any], Any]:
    """The schema of what is at ``path``, and an example of it."""
    schema: Mapping[str, Any] = declared_schema(model)
    field = model.model_fields.get(str(path[0])) if path else None
    given = field.examples if field is not None and field.examples else None
    example = given[0] if given else _EXAMPLES.get(str(path[0])) if path else None
    for part in path:
        if isinstance(part, int):
            schema = schema.get("items", {})
            example = example[0] if isinstance(example, list) else None
        else:
            schema = schema.get("properties", {}).get(part, {})
            example = example.get(part) if isinstance(example, dict) else example
    return schema, example


def _at(given: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any JSON
    for part in path:
        try:
            given = given[part]
        except (IndexError, KeyError, TypeError):
            break
    return given
