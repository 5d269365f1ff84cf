"""Arguments as hosts and models write them, made what the published schema says.

Owns what is read as what; the schema stays strict. A value is converted only if its meaning is exact: text
for a number, a boolean or a list, a number for text, ``null`` and blanks for what is absent. All else is left
as it is, for the schema to refuse.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed, is_blank
from neo_mcp.wire.ids import bare_name
from neo_mcp.wire.json_limits import read_json

HOST_ARGUMENTS = frozenset(
    {
        # n8n's agents: its issues 17264, 21500 and 22787.
        *("toolCallId", "sessionId", "chatInput", "tool"),
        # Editors' agents, which have their models explain every call, or fill in a tool without arguments.
        *("explanation", "random_string", "toolAction", "toolSummary", "waitForPreviousTools"),
    }
)
"""Arguments that hosts are known to add to those of any tool; they mean nothing to the tool."""

GRANTS = frozenset({"integrations", "cli_integrations"})
"""Lists whose items permit something: a blank one is refused rather than dropped."""

NAMES = frozenset({"entities", "add_entities", "remove_entities"})
"""Lists whose items may hold commas, as in the name of a policy issue."""

IDS = frozenset(
    {
        *("request_id", "tool_call_id", "cursor", "claim"),
        *("organization", "role", "integrations", "cli_integrations"),
    }
)
"""Arguments that are copied from results or settings: what people and models put around them is taken off."""

_WHOLE = re.compile(r"([+-]?\d{1,15})(?:\.0{1,15})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_QUOTES = "\"'`"


def whole(arguments: object) -> Any:  # noqa: ANN401 - any JSON
    """Return ``arguments``; if they are one text that is a JSON object, that object."""
    return _from_json(arguments, "{") if isinstance(arguments, str) else arguments


def as_declared(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as ``schema`` declares them, without those that are absent or that hosts add.

    Raises:
        InvalidArgumentError: If an item of a list that permits something is blank.
    """
    properties = schema["properties"]
    given = {
        name: _value(properties[name], value, name) if name in properties else value
        for name, value in arguments.items()
        if name in properties or name not in HOST_ARGUMENTS
    }
    # An empty list, where one item at least is needed, says no more than its absence.
    needs_one = {name for name, declared in properties.items() if declared.get("minItems")}
    return {
        name: value
        for name, value in given.items()
        if not _is_blank(value) and not (value == [] and name in needs_one)
    }


def as_texts(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of what takes texts alone, without those that are absent."""
    given = {name: _text({}, value, name) for name, value in arguments.items()}
    return {name: value for name, value in given.items() if not _is_blank(value)}


def unknown(schema: Mapping[str, Any], arguments: Iterable[str]) -> list[str]:
    """The names that ``schema`` does not declare."""
    return [name for name in arguments if name not in schema["properties"]]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is meant: equal but for case and separators, or within two edits.

    More than half of it has to agree, or every short name would resemble every other one.
    """
    plain = _plain(name)
    by_distance = sorted((_distance(plain, _plain(known)), known) for known in names)
    return next(
        (
            known
            for edits, known in by_distance
            if edits <= _MAX_EDITS and 2 * edits < max(len(plain), len(_plain(known)))
        ),
        None,
    )


_MAX_EDITS = 2
_MAX_COMPARED = 60


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_blank(value))


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name[:_MAX_COMPARED]).casefold()


def _distance(one: str, other: str) -> int:
    """The number of characters to insert, delete, replace or swap (optimal string alignment)."""
    last: list[int] = []
    row = list(range(len(other) + 1))
    for n, char in enumerate(one, 1):
        before, last, row = last, row, [n]
        for m, against in enumerate(other, 1):
            edits = min(last[m] + 1, row[m - 1] + 1, last[m - 1] + (char != against))
            if n > 1 and m > 1 and char == other[m - 2] and one[n - 2] == against:
                edits = min(edits, before[m - 2] + 1)
            row.append(edits)
    return row[-1]


def _value(schema: Mapping[str, Any], value: Any, name: str) -> Any:  # noqa: ANN401 - any JSON
    match schema.get("type"):
        case "string":
            return _text(schema, value, name)
        case "integer" | "number" | "boolean" as kind:
            return _scalar(kind, value)
        case "array":
            return _list(schema, value, name)
        case "object":
            return _object(schema, value)
        case _:
            return value


def _text(schema: Mapping[str, Any], value: Any, name: str) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str) and "enum" in schema:
        if value in schema["enum"]:
            return value
        meant = _plain(value.strip().strip(_QUOTES))
        return next((option for option in schema["enum"] if _plain(option) == meant), value)
    if isinstance(value, str) and name in IDS:
        bare = bare_name(value)
        # As in an address that was cut.
        return (bare_name(bare.rstrip("/")) or bare) if name == "organization" else bare
    return value


def _scalar(kind: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    text = value.strip().strip(_QUOTES)
    if kind == "boolean":
        return _BOOLEANS.get(text.casefold(), value)
    if match := _WHOLE.fullmatch(text):
        return int(match[1])
    return float(text) if kind == "number" and _NUMBER.fullmatch(text) else value


def _list(schema: Mapping[str, Any], value: Any, name: str) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str) and not _is_blank(value):
        value = _from_json(value, "[{")
    items = schema["items"]
    is_item = isinstance(value, dict) if items.get("type") == "object" else isinstance(value, str | int)
    if is_item and not isinstance(value, bool) and not _is_blank(value) and not _is_several(value, name):
        value = [value]
    if not isinstance(value, list):
        return value
    given = [_value(items, item, name) for item in value]
    if name in GRANTS and any(map(_is_blank, given)):
        raise InvalidArgumentError(
            f"`{name}` has a blank item.", next_step="Leave the list out for all, or give [] for none."
        )
    return [item for item in given if not _is_blank(item)]


def _is_several(value: object, name: str) -> bool:
    """True for text that lists several items in a way of its own, such as with commas."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    is_bracketed = text.startswith("[") and text.endswith("]")
    return is_bracketed or (name not in NAMES and re.search(r"[,;\n]", text) is not None)


def _object(schema: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401 - any JSON
    value = _from_json(value, "{") if isinstance(value, str) else value
    if not isinstance(value, dict):
        return value
    properties, required = schema["properties"], schema.get("required", ())
    given: dict[str, Any] = {}
    for name, sent_value in value.items():
        read = _value(properties[name], sent_value, name) if name in properties else sent_value
        # A tool's output may be blank.
        if not _is_blank(read) or (name in required and read is not None):
            given[name] = read
    return given


def _from_json(text: str, openings: str) -> Any:  # noqa: ANN401 - any JSON
    """The value of JSON ``text`` if it begins like that; else the text."""
    if text.strip()[:1] not in tuple(openings):
        return text
    try:
        return read_json(text.encode())
    except ValueError:
        return text


def description(schema: Mapping[str, Any], example: object) -> str:
    """The values that an argument takes, in words, with an example where it does not list them."""
    has_example = example is not None and "enum" not in schema
    shown = f", such as {json.dumps(example, ensure_ascii=False)}" if has_example else ""
    return f"{_takes(schema)}{shown}"


def _takes(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    between = f" from {schema.get('minimum', 0)} to {schema['maximum']}" if "maximum" in schema else ""
    length = f" of at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    words = {
        "string": f"text{length}",
        "integer": f"a whole number{between}",
        "number": f"a number{between}",
        "boolean": "true or false",
    }
    match kind := schema.get("type", ""):
        case "array":
            least = f"{schema['minItems']} to" if schema.get("minItems") else "at most"
            size = f" of {least} {schema['maxItems']}" if "maxItems" in schema else ""
            return f"a list{size}, each item {_takes(schema['items'])}"
        case "object":
            return f"an object with {', '.join(schema['properties'])}"
        case _:
            return words.get(kind, "another value")


def sent(value: object) -> str:
    """A value in an error about it, cut."""
    return echoed(value) if isinstance(value, str) else echoed(json.dumps(value, default=str))[1:-1]
