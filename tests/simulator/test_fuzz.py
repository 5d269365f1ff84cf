"""Generated requests, good and bad, against a running simulator: it must stay within its own description."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings

from neo_mcp.simulator import DEFAULT_TOKEN, Fault, SimulatorConfig, running_simulator
from tests.simulator.description import BY_TABLE, EVERYWHERE, description
from tests.support.optional import is_here

# Without it, the tests are collected all the same, and skipped.
if TYPE_CHECKING or is_here("schemathesis"):
    import requests
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

pytestmark = pytest.mark.needs("schemathesis", "the API's description")

ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "additionalProperties": False,
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}
WITH_INPUT = ("ListTasks", "CreateTasks", "UpdateTask", "RespondToTask", "CancelTask", "GetTaskEvents")


def completed_description() -> dict[str, Any]:
    """The description, completed by the contract: errors and their body, and null for what is optional."""
    loaded = copy.deepcopy(description())
    # The service fills in the time of an event that has none.
    loaded["components"]["schemas"]["AgentUserEvent"]["required"].remove("timestamp")
    for schema in loaded["components"]["schemas"].values():
        for name in schema.get("properties", {}).keys() - set(schema.get("required", [])):
            schema["properties"][name] = _or_null(schema["properties"][name])
    for operations in loaded["paths"].values():
        for operation in operations.values():
            known = {int(status) for status in operation["responses"] if int(status) >= 400}
            for status in known | EVERYWHERE | BY_TABLE.get(operation["operationId"], set()):
                content = {"application/json": {"schema": ERROR}}
                operation["responses"][str(status)] = {"description": "error", "content": content}
    return loaded


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return {"allOf": [schema], "nullable": True} if "$ref" in schema else {**schema, "nullable": True}


@dataclass(frozen=True)
class Target:
    url: str
    tasks: list[str]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A simulator in a thread of its own, because the generated requests are blocking ones."""
    # A stream never ends by itself, and the blocking client would wait for that.
    endless = Fault("clean_end", path="/stream$", at=0, times=0)
    simulator = running_simulator(SimulatorConfig(time_scale=0, faults=(endless,)))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(simulator) as running:
        tasks = [
            portal.call(partial(running.add_task, "acme", status=status)) for status in ("idle", "running")
        ]
        yield Target(running.url, tasks)


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, mode) for mode, names in (("positive", BY_TABLE), ("negative", WITH_INPUT)) for name in names],
)
def test_no_generated_request_leads_outside_the_description(target: Target, name: str, mode: str) -> None:
    schema = schemathesis.openapi.from_dict(completed_description())
    strategy = schema.find_operation_by_id(name).as_strategy(
        generation_mode=schemathesis.GenerationMode(mode)
    )
    judges = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.negative_data_rejection,
    ]
    with requests.Session() as session:
        session.headers["authorization"] = f"token {DEFAULT_TOKEN}"

        @settings(
            max_examples=25,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def run(case: schemathesis.Case[Any]) -> None:
            if "taskID" in case.path_parameters:
                case.path_parameters["taskID"] = target.tasks[len(str(case.body)) % 2]
            if "orgName" in case.path_parameters:
                case.path_parameters["orgName"] = "acme"
            case.call_and_validate(base_url=target.url, session=session, checks=judges)

        run()
