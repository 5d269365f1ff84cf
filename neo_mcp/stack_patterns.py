"""Patterns of protected stacks: their grammar, and which stacks they match.

Owns how the setting's text is read: either as patterns that protect the stacks it plainly names, or as an
error. Where stacks are named in a call is :mod:`neo_mcp.core.stacks`. Pure, and imports nothing: the settings
and ``core`` both use it.
"""

import re
from typing import NamedTuple

GRAMMAR = (
    "stacks as `stack`, `project/stack` or `organization/project/stack`, each a name of letters, digits, "
    "`-`, `_`, `.` and `*`, several comma-separated"
)

MAX_PARTS = 3
_NAME = r"(?!\.)(?!.*\*\*)[A-Za-z0-9_.*-]+(?<!\.)"
_SETTINGS_FILE = r"(?i:pulumi\..*\.(?:ya?ml|json))"
# Hosts, shells and compose files leave quotes and the brackets of a JSON list in the value.
_AROUND = " \t\r\n'\"`\u2018\u2019\u201c\u201d[]"


class StackPattern(NamedTuple):
    """One pattern, part by part; ``*`` alone where a part was not given.

    Attributes:
        text: The pattern as its parts, without quotes or outer slashes.
    """

    text: str
    organization: str
    project: str
    stack: str

    @classmethod
    def parse(cls, text: str) -> "StackPattern":
        """Read one pattern.

        Raises:
            ValueError: If it is none; with the grammar.
        """
        names = text.strip(_AROUND).removeprefix("/").split("/")
        if len(names) > 2 and not names[-1]:  # noqa: PLR2004 - `shop/` may mean a whole project, `shop/prod/` not
            names.pop()
        is_file = re.fullmatch(_SETTINGS_FILE, names[-1])
        if len(names) > MAX_PARTS or is_file or not all(re.fullmatch(_NAME, name) for name in names):
            raise ValueError(GRAMMAR)
        organization, project, stack = ["*"] * (MAX_PARTS - len(names)) + names
        return cls("/".join(names), organization, project, stack)

    @property
    def meaning(self) -> str:
        """The pattern in words, such as ``project shop, stack prod``."""
        parts = (
            ("organization", self.organization),
            ("project", self.project),
            ("stack", self.stack),
        )
        return ", ".join(f"any {kind}" if name == "*" else f"{kind} {name}" for kind, name in parts)


def parse_patterns(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of patterns, also one in quotes or brackets.

    Raises:
        ValueError: If any of it is no pattern, or empty; with the grammar.
    """
    return tuple(dict.fromkeys(StackPattern.parse(part).text for part in text.split(",")))


def matches(name: str, pattern: str) -> bool:
    """True if ``pattern`` matches one ``name``, ignoring case; linear in both."""
    name, pattern = name.casefold(), pattern.casefold()
    first, *others = pattern.split("*")
    if not others:
        return name == pattern
    *middle, last = others
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    position, end = len(first), len(name) - len(last)
    for part in middle:
        position = name.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True
