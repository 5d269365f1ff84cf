"""What an organization has set for agents."""

import json

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from neo_mcp.simulator import DEFAULT_ORGANIZATION, Simulator, SimulatorConfig, running_simulator
from tests.support.optional import DESCRIPTION

NEWER = DESCRIPTION.with_name("neo-openapi-2026-10-26.json")
"""The description that has this endpoint."""


async def metadata(simulator: Simulator, person: str, organization: str) -> httpx.Response:
    headers = {"authorization": f"token {person}"}
    async with httpx.AsyncClient(base_url=simulator.url, headers=headers) as http:
        return await http.get(f"/api/orgs/{organization}/metadata")


async def test_members_see_the_default_approval_mode(simulator: Simulator) -> None:
    found = (await metadata(simulator, "pul-sim-alice", DEFAULT_ORGANIZATION)).json()
    assert found["neoApprovalMode"] == "manual"
    assert (await metadata(simulator, "pul-sim-alice", "acme-labs")).json()["neoApprovalMode"] == "balanced"
    if NEWER.exists():
        schema = json.loads(NEWER.read_text())["components"]["schemas"]["OrganizationMetadata"]
        assert Draft202012Validator({**schema, "additionalProperties": False}).is_valid(found)


@pytest.mark.parametrize(
    ("person", "organization", "status"),
    [
        ("pul-sim-carol", "acme", 403),
        ("pul-sim-alice", "nowhere", 403),
        ("pul-sim-nobody", "acme", 200),
        ("wrong", "acme", 401),
    ],
)
async def test_others_do_not(simulator: Simulator, person: str, organization: str, status: int) -> None:
    assert (await metadata(simulator, person, organization)).status_code == status


async def test_it_is_what_new_tasks_get() -> None:
    config = SimulatorConfig(time_scale=0, approval_modes={"acme": "auto"})
    async with running_simulator(config) as simulator:
        assert (await metadata(simulator, "pul-sim-alice", "acme")).json()["neoApprovalMode"] == "auto"
        assert simulator.store.get("acme", simulator.add_task("acme")).approval_mode == "auto"


async def test_the_first_generation_has_none() -> None:
    async with running_simulator(SimulatorConfig(time_scale=0, first_generation=True)) as simulator:
        assert (await metadata(simulator, "pul-sim-alice", "acme")).status_code == 404
