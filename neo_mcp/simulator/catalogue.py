"""The scenarios: read from the JSON files next to this module, and picked by what a prompt says.

Not here: playing them (`script`, `runner`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from neo_mcp.simulator.script import Step, verb_of

_NAMED: Final = re.compile(r"scenario:([a-z0-9-]+)")
_BRANCHES: Final = ("approved", "denied", "failed")
FALLBACK: Final = "hello"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A conversation in data: the steps of each turn, and the plan of the first one in plan mode."""

    name: str
    title: str
    keywords: tuple[str, ...]
    turns: tuple[tuple[Step, ...], ...]
    plan: Mapping[str, Any]


GENERIC_PLAN: Final[Mapping[str, Any]] = {
    "research": [{"say": "I look at what there is before I propose anything."}],
    "description": [
        "# Plan",
        "",
        "1. Look at the current state.",
        "2. Do what was asked: {{prompt}}",
        "3. Report.",
    ],
    "revised": [
        "# Plan, second version",
        "",
        "1. Take this into account: {{instructions}}",
        "2. Then do the rest.",
    ],
}
GENERIC_TURN: Final[tuple[Step, ...]] = (
    {"say": "I look into it."},
    {"final": ["You wrote:", "", "> {{prompt}}", "", "Nothing needed to change."]},
)


@cache
def scenarios() -> Mapping[str, Scenario]:
    """Every scenario by name, in the order of their names."""
    folder = files("neo_mcp.simulator") / "scenarios"
    entries = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda entry: entry.name
    )
    return {scenario.name: scenario for scenario in (_read(entry.read_text("utf-8")) for entry in entries)}


def _read(text: str) -> Scenario:
    data = json.loads(text)
    turns = tuple(tuple(steps) for steps in data["turns"])
    plan = data.get("plan", GENERIC_PLAN)
    for steps in (*turns, plan["research"]):
        _check(steps)
    return Scenario(data["name"], data["title"], tuple(data["keywords"]), turns, plan)


def _check(steps: tuple[Step, ...]) -> None:
    for step in steps:
        verb_of(step)
        for branch in _BRANCHES:
            if isinstance(step.get(branch), list):
                _check(step[branch])


def pick(prompt: str) -> Scenario:
    """The scenario that a first message asks for: by `scenario:NAME`, by most keywords, or a short answer."""
    if chosen := named(prompt):
        return chosen
    words = prompt.casefold()
    best = max(scenarios().values(), key=lambda scenario: sum(word in words for word in scenario.keywords))
    return best if any(word in words for word in best.keywords) else scenarios()[FALLBACK]


def named(prompt: str) -> Scenario | None:
    """The scenario that a message names with `scenario:NAME`, if there is one of that name."""
    match = _NAMED.search(prompt)
    return scenarios().get(match[1]) if match else None
