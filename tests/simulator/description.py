"""The published description as a judge of what the simulator answers, stricter than it is written.

Discriminators are resolved, and a field that the description does not know is an error unless a client is
known to read it. Where the description is not next to the checkout, behaviour is still tested, and only what
is about the description itself is skipped.
"""

import copy
import json
import re
from functools import cache
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

from tests.support.optional import DESCRIPTION

PATH = DESCRIPTION.with_name("neo-openapi-2026-10-26.json")
AVAILABLE = PATH.exists()

# Statuses that the contract's table adds to the description.
EVERYWHERE = {401, 405}
BY_TABLE: dict[str, set[int]] = {
    "ListTasks": {400, 403},
    "CreateTasks": {400, 403},
    "GetTask": {403, 404},
    "UpdateTask": {400, 403, 404},
    "RespondToTask": {400, 403, 404, 409},
    # The table leaves 403 out here, as it does 401; somebody outside the organisation gets it all the same.
    "CancelTask": {400, 403, 404, 409},
    "GetTaskEvents": {400, 403, 404},
    "StreamTaskEvents": {403, 404},
    "GetCurrentUser": set(),
    "GetDefaultOrganization": {404},
}
# An endpoint that the vendor's client uses and the description leaves out.
_DEFAULT_ORGANIZATION = {
    "operationId": "GetDefaultOrganization",
    "responses": {
        "200": {
            "description": "The organization to start in.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/DefaultOrganization"}}},
        },
        "404": {"description": "Older services."},
    },
}
_DEFAULT_ORGANIZATION_SCHEMA = {
    "type": "object",
    "required": ["GitHubLogin"],
    "properties": {"GitHubLogin": {"type": "string"}, "Messages": {"type": "array"}},
}


@cache
def description() -> dict[str, Any]:
    """As it was published, for a test that says by its mark that it needs it."""
    loaded: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
    loaded["paths"]["/api/user/organizations/default"] = {"get": _DEFAULT_ORGANIZATION}
    loaded["components"]["schemas"]["DefaultOrganization"] = _DEFAULT_ORGANIZATION_SCHEMA
    return loaded


@cache
def strict_schemas() -> dict[str, Any]:
    """The schemas with discriminators resolved and closed against unknown fields."""
    schemas: dict[str, Any] = copy.deepcopy(description()["components"]["schemas"])
    _apply_known_deviations(schemas)
    parents = {
        part["$ref"] for schema in schemas.values() for part in schema.get("allOf", []) if "$ref" in part
    }
    for name, schema in list(schemas.items()):
        if "allOf" in schema:
            schema["allOf"] = [_to_base(part, schemas) for part in schema["allOf"]]
            schema["unevaluatedProperties"] = False
        elif "properties" in schema and f"#/components/schemas/{name}" not in parents:
            schema.setdefault("additionalProperties", False)
    for name, schema in list(schemas.items()):
        if "discriminator" in schema:
            mapping = schema.pop("discriminator")["mapping"]
            schemas[f"{name}Base"] = schema
            schemas[name] = {
                "required": ["type"],
                "properties": {"type": {"enum": list(mapping)}},
                "allOf": [
                    {"if": {"properties": {"type": {"const": kind}}}, "then": {"$ref": target}}
                    for kind, target in mapping.items()
                ],
            }
    return schemas


def _to_base(part: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").rpartition("/")[2]
    return {"$ref": f"#/components/schemas/{name}Base"} if "discriminator" in schemas.get(name, {}) else part


def _apply_known_deviations(schemas: dict[str, Any]) -> None:
    """What clients are known to meet and the description does not say."""
    # Arguments are any JSON: `todos` of the to-do tool is an array, paths are strings.
    schemas["AgentBackendEventToolCall"]["properties"]["args"]["additionalProperties"] = True
    # So are the results of local tools.
    schemas["AgentUserEventToolResultItem"]["properties"]["content"] = {}
    # The vendor's client reads a name and a content from progress.
    progress = schemas["AgentBackendEventExecToolCallProgress"]["allOf"][1]["properties"]
    progress |= {"name": {"type": "string"}, "content": {"type": "string"}}


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": strict_schemas()}}
    )


def validate(name: str, value: object) -> None:
    """Fail where the value is not what the description calls by that name."""
    errors = [f"{error.instance_path}: {error.message}" for error in _validator(name).iter_errors(value)]
    assert not errors, "\n".join(errors)


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in description()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            operation: dict[str, Any] | None = operations.get(method.lower())
            return operation
    return None


async def check_response(response: httpx.Response) -> None:
    """An httpx response hook: status, headers and body must be within description and contract."""
    assert response.headers["x-pulumi-request-id"]
    operation = operation_of(response.request.method, response.request.url.path)
    if operation is None:
        assert response.status_code in {404, 405}
    if response.status_code >= 400:
        await response.aread()
        body = response.json()
        assert body["code"] == response.status_code
        assert body["message"]
        if operation:
            assert response.status_code in EVERYWHERE | BY_TABLE[operation["operationId"]]
        return
    assert operation is not None
    documented = operation["responses"][str(response.status_code)]
    content = documented.get("content")
    if content is None:
        await response.aread()
        assert response.content == b""
    elif "application/json" in content:
        await response.aread()
        validate(content["application/json"]["schema"]["$ref"].rpartition("/")[2], response.json())
    else:
        assert response.headers["content-type"].startswith("text/event-stream")
