"""The published description of the API, as an oracle for the wire models.

Owns reading it, generating what it allows with hypothesis, and comparing what came out with what went in.
"""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.support.optional import DESCRIPTION as PUBLISHED
from tests.support.optional import require

require("the API's description")

DESCRIPTION: dict[str, Any] = json.loads(PUBLISHED.read_text("utf-8"))
SCHEMAS: dict[str, dict[str, Any]] = DESCRIPTION["components"]["schemas"]
BACKEND_EVENTS: dict[str, str] = SCHEMAS["AgentBackendEvent"]["discriminator"]["mapping"]
USER_EVENTS: dict[str, str] = SCHEMAS["AgentUserEvent"]["discriminator"]["mapping"]
ENTITIES: dict[str, str] = SCHEMAS["AgentEntity"]["discriminator"]["mapping"]

_TIMES = st.sampled_from(["2025-11-03T09:30:00Z", "2025-11-03T09:30:00.123456789Z", "0001-01-01T00:00:00Z"])
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_NUMBERS = st.integers(-(2**31), 2**31 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_FUTURE = st.dictionaries(st.just("from_the_future"), JSON, max_size=1)


def name_of(reference: str) -> str:
    """The schema that a ``$ref`` names."""
    return reference.rsplit("/", 1)[-1]


def properties(name: str) -> tuple[dict[str, Any], set[str]]:
    """All properties of a schema with those it inherits, and which of them are required."""
    schema = SCHEMAS[name]
    found, required = dict(schema.get("properties", {})), set(schema.get("required", []))
    for part in schema.get("allOf", []):
        part_properties, part_required = (
            properties(name_of(part["$ref"]))
            if "$ref" in part
            else (part.get("properties", {}), set(part.get("required", [])))
        )
        found |= part_properties
        required |= part_required
    return found, required


def instances(name: str, *, future: bool = True) -> st.SearchStrategy[Any]:
    """What the description allows for a schema; with ``future``, fields it does not know yet too."""
    mapping = SCHEMAS[name].get("discriminator", {}).get("mapping")
    if mapping:
        return st.one_of([variants(name_of(target), kind, future=future) for kind, target in mapping.items()])
    found, required = properties(name)
    fields = {key: _values(schema, future=future) for key, schema in found.items()}
    known = st.fixed_dictionaries(
        {key: fields[key] for key in fields if key in required},
        optional={key: fields[key] for key in fields if key not in required},
    )
    return st.builds(lambda new, old: new | old, _FUTURE, known) if future else known


def variants(name: str, kind: str, *, future: bool = True) -> st.SearchStrategy[Any]:
    """What the description allows for a schema that goes by the ``type`` of ``kind``."""
    return instances(name, future=future).map(lambda value: value | {"type": kind})


def _values(schema: dict[str, Any], *, future: bool) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one per shape
    match schema:
        case {"$ref": reference}:
            return st.deferred(lambda: instances(name_of(reference), future=future))
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "array", "items": items}:
            return st.lists(_values(items, future=future), max_size=3)
        case {"type": "object", "additionalProperties": {"type": "string"}}:
            return st.dictionaries(_TEXT, _TEXT, max_size=3)
        case {"type": "object", "additionalProperties": {"$ref": _} as inner}:
            return st.dictionaries(_TEXT, _values(inner, future=future), max_size=2)
        case {"type": "object"}:
            # Described as an object, but any JSON in practice, as the prose of the contract says.
            return st.dictionaries(_TEXT, JSON, max_size=3)
        case {"type": "string", "format": "date-time"}:
            return _TIMES
        case {"type": "integer"}:
            return _NUMBERS
        case {"type": "boolean"}:
            return st.booleans()
        case _:
            return _TEXT


def enums() -> Iterator[tuple[str, str, set[str]]]:
    """Every enumeration of the description: where it is, the field's name, its values."""
    for name in SCHEMAS:
        for key, schema in properties(name)[0].items():
            values = schema.get("enum") or schema.get("items", {}).get("enum")
            if values:
                yield name, key, set(values)
    for path, operations in DESCRIPTION["paths"].items():
        for parameter in (p for operation in operations.values() for p in operation.get("parameters", [])):
            if "enum" in parameter["schema"]:
                yield path, parameter["name"], set(parameter["schema"]["enum"])


def problems(name: str, value: object) -> list[str]:
    """Why the description does not allow ``value`` for a schema; fields it does not know count too."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DESCRIPTION["components"]}
    found = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
    known = properties(name)[0]
    unknown = [f"unknown field {key}" for key in value if key not in known] if isinstance(value, dict) else []
    return found + unknown


def contains(got: object, sent: object) -> bool:
    """Whether everything in ``sent`` is in ``got``, which may say more, such as defaults."""
    match sent:
        case dict():
            return isinstance(got, dict) and all(k in got and contains(got[k], v) for k, v in sent.items())
        case list():
            if not isinstance(got, list) or len(got) != len(sent):
                return False
            return all(contains(g, s) for g, s in zip(got, sent, strict=True))
        case _:
            return got == sent
