"""The prepared answers are the server's own."""

from neo_mcp.front.answers import FILE, load
from neo_mcp.front.conversation import MODERN
from tests.generate.answers import generated


def test_they_are_what_the_server_answers_with_the_sdk_installed_here() -> None:
    """Run ``python -m tests.generate.answers`` after a change of the server's tools, texts or version."""
    assert FILE.read_bytes() == generated()


def test_there_are_eight_variants_of_the_tools() -> None:
    answers = load()
    tools = {result for name, result in answers.items() if name.startswith("tools/list ")}
    assert len(tools) == 8
    assert {name.split()[1] for name in answers if name.startswith("server/discover ")} == {MODERN}
