"""The output of the blocking command: all that a user needs to start. Not here: serving (`serve`)."""

from neo_mcp.simulator.catalogue import scenarios
from neo_mcp.simulator.config import DEFAULT_ORGANIZATION, DEFAULT_TOKEN, PEOPLE
from neo_mcp.simulator.control import ENDPOINTS
from neo_mcp.simulator.simulator import Simulator

_SECOND = '{"message": {"type": "user_message", "content": "%s", "timestamp": "2026-01-01T00:00:00Z"}}'
_FIRST = '{"content": "%s", "timestamp": "2026-01-01T00:00:00Z"}'


def banner(simulator: Simulator) -> str:
    """The text, with the address the simulator really got."""
    first = simulator.config.first_generation
    prefix, body = ("", _FIRST) if first else ("/api", _SECOND)
    people = [
        f"  {person.token:<16} {person.login:<6} in {', '.join(person.organizations)}"
        + ("" if person.may_use_neo else " (may not use agents)")
        for person in PEOPLE.values()
    ]
    stories = [f"  {item.name:<20} {item.title}" for item in scenarios().values()]
    generation = "first" if first else "second"
    lines = [
        f"A simulated agent tasks API ({generation} generation) listens on {simulator.url}",
        "It is a test double: nothing here touches any real infrastructure.",
        "",
        "Tokens:",
        *people,
        "",
        "Scenarios (name one with scenario:NAME in a prompt, or just use its words):",
        *stories,
        "",
        "Try:",
        f"  curl -s -H 'Authorization: token {DEFAULT_TOKEN}' -H 'Content-Type: application/json' \\",
        f"    {simulator.url}{prefix}/preview/agents/{DEFAULT_ORGANIZATION}/tasks \\",
        f"    -d '{body % 'Find the public bucket'}'",
        "",
        f"Control, under {simulator.url}/_simulator/ (no token needed):",
        *(f"  {endpoint:<28} {text}" for endpoint, text in ENDPOINTS.items()),
        "",
        "Stop it with Ctrl-C.",
    ]
    return "\n".join(lines) + "\n"
