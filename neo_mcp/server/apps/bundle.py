"""The page of the task view, put together from its sources in ``ui/``.

The sources are an HTML template, a style sheet and ES modules; there is no build step. The page is one
document that loads nothing: every module becomes a function in one script, and the script and the style sheet
are named by their hashes in the page's own policy, which allows nothing else.

Of modules it takes what is needed here: ``import { a, b } from "./x.js";`` at the top, no cycles, and exports
where something is declared.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_MAIN = "main.js"
_IMPORT = re.compile(r'^import\s*(\{[^}]*\})\s*from\s*"\./([\w-]+\.js)";[ \t]*\n', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+((?:async\s+)?function\*?|class|const|let)\s+(\w+)", re.MULTILINE)
_NOTHING = re.compile(r"^export\s*\{\s*\};[ \t]*\n", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


class PageError(ValueError):
    """A source of the page is not as it has to be."""


@dataclass(frozen=True, slots=True)
class Page:
    """The whole document, and the policy in it."""

    html: str
    policy: str


@cache
def page(*, served: bool = False) -> Page:
    """The whole document.

    Args:
        served: Whether this server gives it to a browser, where the page asks the server itself; else it is
            in a frame of a host, which passes its questions on, and it may connect to nothing.
    """
    source = files(__package__) / "ui"
    style = source.joinpath("style.css").read_text("utf-8")
    script = bundle(
        {each.name: each.read_text("utf-8") for each in source.iterdir() if each.name.endswith(".js")}
    )
    html = source.joinpath("index.html").read_text("utf-8")
    return assemble(html, style, script, connect=served)


def assemble(html: str, style: str, script: str, *, connect: bool) -> Page:
    """The template with what it names in its place, and the policy before all of it.

    Raises:
        PageError: If the template lacks one of the places.
    """
    rules = [
        "default-src 'none'",
        f"script-src '{_hash(script)}'",
        f"style-src '{_hash(style)}'",
        *(["connect-src 'self'"] if connect else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    policy = "; ".join(rules)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    for tag, content in (
        ('<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}'),
        ('<link rel="stylesheet" href="style.css">', f"<style>{_enclosed(style, 'style')}</style>"),
        (
            '<script type="module" src="main.js"></script>',
            f'<script type="module">{_enclosed(script, "script")}</script>',
        ),
    ):
        if html.count(tag) != 1:
            raise PageError(f"the template has to have one {tag}")
        html = html.replace(tag, content)
    return Page(html, policy)


def bundle(modules: dict[str, str]) -> str:
    """ES modules, by name, as one script; every module runs once, after those that it imports.

    Raises:
        PageError: If one is not as this takes it, is missing, or imports itself by way of others.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, importing: tuple[str, ...]) -> None:
        if name in importing:
            raise PageError(f"{name} imports itself: {' → '.join((*importing, name))}")
        if name not in modules:
            raise PageError(f"there is no module {name}")
        if name in done:
            return
        for match in _IMPORT.finditer(modules[name]):
            add(match[2], (*importing, name))
        done.add(name)
        parts.append(_as_function(name, modules[name]))

    add(_MAIN, ())
    return "const modules = {};\n" + "".join(parts)


def _as_function(name: str, source: str) -> str:
    exported = [match[2] for match in _EXPORT.finditer(source)]
    source = _NOTHING.sub("", source)
    source = _IMPORT.sub(lambda match: f'const {_spaced(match[1])} = modules["{match[2]}"];\n', source)
    source = _EXPORT.sub(r"\1 \2", source)
    if left_over := _LEFT_OVER.search(source):
        raise PageError(f"{name}: this form is not known: {left_over[0][:80]}")
    return f'modules["{name}"] = (() => {{\n{source}\nreturn {{ {", ".join(exported)} }};\n}})();\n'


def _spaced(names: str) -> str:
    words = [word.strip() for word in names.strip("{} \n").split(",") if word.strip()]
    if not all(word.isidentifier() for word in words):
        raise PageError(f"names are imported as they are: {names}")
    return f"{{ {', '.join(words)} }}"


def _enclosed(text: str, tag: str) -> str:
    """``text`` if nothing in it ends or changes the element that holds it."""
    if re.search(rf"</{tag}|<!--", text, re.IGNORECASE):
        raise PageError(f"the {tag} holds what would end it")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
