"""The capabilities that hosts are told of."""

import json

import pytest

from neo_mcp.server.app import NeoServer
from tests.generate.answers import answers_of, envelope, initialize, line
from tests.support.host import World


@pytest.mark.parametrize(
    "question", [initialize("2025-11-25", {}), line("server/discover", envelope({}))], ids=["2025", "2026"]
)
async def test_no_list_is_said_to_change_as_none_does(world: World, question: bytes) -> None:
    answer = json.loads(await answers_of(NeoServer(world.settings()), question))
    capabilities = answer["result"]["capabilities"]
    assert capabilities["resources"]["subscribe"]
    assert not [name for name in ("tools", "prompts", "resources") if capabilities[name].get("listChanged")]
