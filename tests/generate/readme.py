"""The README's generated parts: what they are made of, and how they are put in.

``python -m tests.generate.readme`` writes them; a test compares. Links and pictures lead to files beside the
README; once the project has an address, they lead there, so that they also work on a package page.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from neo_mcp.cli.install.document import Format, with_entry
from neo_mcp.cli.install.hosts import BY_NAME, HOSTS, Machine, Server
from neo_mcp.constants import PROGRAM
from tests.generate.release import ADDRESS

README = Path(__file__).parents[2] / "README.md"

_SERVER = Server(PROGRAM, ("serve",))
_SHOWN = ("claude-desktop", "claude-code", "cursor", "vscode", "codex")
_LINK = re.compile(
    r"(!?)(\[[^\]]*\])\((?:https://(?:raw\.)?github[\w.]*\.com/[\w.-]+/[\w.-]+/(?:blob/)?HEAD/)?(\.?\w[^):]*)\)"
)


def with_generated_parts(text: str, address: str = ADDRESS) -> str:
    """The README's text with every generated part made anew.

    Args:
        text: The README's text.
        address: The project's address; empty if there is none.
    """
    for name, lines in _parts(address).items():
        text = with_part(text, name, lines)
    return _LINK.sub(
        lambda link: f"{link[1]}{link[2]}({_target(link[3], address, is_picture=bool(link[1]))})", text
    )


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


def _parts(address: str) -> dict[str, Iterable[str]]:
    return {"checkout": _checkout(address), "links": _links(), "hosts": _hosts()}


def _checkout(address: str) -> Iterator[str]:
    if not address:
        yield "In a clone of this repository:"
        return
    # The address, and not the package's name: as long as that is not claimed, anyone could claim it.
    yield from ("```sh", f"uvx --from git+{address} {PROGRAM} demo", f"pipx install git+{address}", "```")
    yield from (
        "",
        "Or in a clone of this repository:",
        "",
        "```sh",
        f"git clone {address} && cd {address.rpartition('/')[2]}",
        "```",
    )


def _links() -> Iterator[str]:
    links = [
        f"[{host.title}]({_on_the_web(host.link('neo', host.entry(_SERVER)))})" for host in HOSTS if host.link
    ]
    yield f"Or click, where `{PROGRAM}` is on the path: {', '.join(links)}."
    yield "`install --links` makes such links."


def _on_the_web(link: str) -> str:
    """A link that pages may have: most remove links to programs, so the vendors' own pages pass them on."""
    if link.startswith("cursor:"):
        return link.replace(
            "cursor://anysphere.cursor-deeplink/mcp/install", "https://cursor.com/install-mcp", 1
        )
    return f"https://insiders.vscode.dev/redirect?url={quote(link, safe='')}"


def _hosts() -> Iterator[str]:
    mac, windows = Machine("Darwin", Path("~"), {}), Machine("Windows", Path("~"), {"APPDATA": "%APPDATA%"})
    for host in (BY_NAME[name] for name in _SHOWN):
        entry = with_entry("", host.form, [*host.container, "neo"], host.entry(_SERVER)).rstrip("\n")
        if host.form is Format.JSON:
            entry = json.dumps(json.loads(entry))
        where = f"`{mac.path(host.file or '')}`"
        if "{applications}" in str(host.file):
            there = str(windows.path(host.file or "")).replace("/", "\\")
            where += f" (macOS) or `{there}` (Windows)"
        where += f", or a project's `{host.project}`" if host.project else ""
        yield from (f"<details><summary>{host.title}</summary>", "", f"In {where}:", "")
        yield from (f"```{host.form.name.lower()}", entry, "```", "", host.then, "", "</details>")


def _target(path: str, address: str, *, is_picture: bool) -> str:
    if not address:
        return path
    if is_picture:
        return f"{address.replace('//github.com/', '//raw.githubusercontent.com/', 1)}/HEAD/{path}"
    return f"{address}/blob/HEAD/{path}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    """A table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    README.write_text(with_generated_parts(README.read_text("utf-8")), "utf-8")
