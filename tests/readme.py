"""The README's generated parts: what they are made of, and how they are put in.

``python -m tests.readme`` writes them; a test compares.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from neo_mcp.config import SETTINGS
from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.resources.read import TEMPLATES
from neo_mcp.server.tools import TOOLS

README = Path(__file__).parent.parent / "README.md"


def with_generated_parts(text: str) -> str:
    """The README's text with every generated part made anew."""
    for name, lines in _parts().items():
        text = with_part(text, name, lines)
    return text


def with_part(text: str, name: str, lines: Iterable[str]) -> str:
    """The text with the generated part of this name made of these lines.

    Raises:
        ValueError: If it does not have exactly one part of this name.
    """
    block = f"<!-- {name} -->\n" + "".join(f"{line}\n" for line in lines) + "<!-- end -->"
    matches = re.findall(rf"<!-- {name} -->\n.*?<!-- end -->", text, re.DOTALL)
    if len(matches) != 1:
        raise ValueError(f"the text has {len(matches)} parts named {name}")
    return text.replace(matches[0], block)


def _parts() -> dict[str, Iterable[str]]:
    return {
        "tools": table(
            ("tool", "what it does"),
            ((f"`{tool.name}`", tool.description) for tool in TOOLS.values()),
        ),
        "resources": table(
            ("address", "what it shows"),
            ((f"`{t.uri_template}`", t.description or "") for t in TEMPLATES.resource_templates),
        ),
        "prompts": table(
            ("prompt", "what it does"),
            ((f"`{name}`", spec.description) for name, spec in PROMPTS.items()),
        ),
        "settings": table(
            ("option", "environment", "default", "meaning"),
            ((f"`{s.flag}`", f"`{s.env}`", s.default, s.help) for s in SETTINGS),
        ),
    }


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    """A table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    README.write_text(with_generated_parts(README.read_text("utf-8")), "utf-8")
