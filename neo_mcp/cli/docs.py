"""The ``docs`` command: the documentation in a terminal."""

import argparse
import os
import sys

from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.cli.usage import did_you_mean
from neo_mcp.constants import PROGRAM
from neo_mcp.docs import PAGES, page
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed


def docs(options: argparse.Namespace) -> int:
    """List the pages, or print one; its headings are highlighted on a terminal.

    Returns:
        The process's exit status.

    Raises:
        InvalidArgumentError: If there is no such page.
    """
    paint = Painter.for_terminal(sys.stdout, os.environ)
    if options.page is None:
        width = max(map(len, PAGES))
        for name, summary in PAGES.items():
            paint.plain(f"{name:<{width}}  {summary}")
        paint.plain(f"\nRead one with: {PROGRAM} docs PAGE")
        return 0
    name = options.page.lower().removesuffix(".md")
    if name not in PAGES:
        raise InvalidArgumentError(
            f"There is no page {echoed(options.page)}.",
            next_step=f"{did_you_mean(name, PAGES)} The pages are: {', '.join(PAGES)}.".strip(),
        )
    _print(paint, page(name))
    return 0


def _print(paint: Painter, text: str) -> None:
    in_code = False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        paint.row(line, status="head" if line.startswith("#") and not in_code else "")
