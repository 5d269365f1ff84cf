"""The page's sources: small modules of plain JavaScript that never take text for markup."""

import re
from pathlib import Path

import pytest

from neo_mcp.server.apps import extension as apps
from neo_mcp.server.apps.bundle import page

FOLDER = Path(apps.__file__).parent / "ui"
MODULES = sorted(FOLDER.glob("*.js"))
MAX_LINES, MAX_BYTES = 250, 128 * 2**10
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacent|document\.write|createContextualFragment|DOMParser|setHTML|srcdoc|"
    r"\beval\b|new Function|\bFunction\(|setTimeout\(\s*[\"'`]|importScripts|WebSocket|EventSource|"
    r"XMLHttpRequest|sendBeacon|localStorage|document\.cookie|window\.open|location\.(?:href|assign|replace)\b|\.style\s*=|"
    r"cssText"
)


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.name)
def test_a_module_is_small_says_what_it_owns_and_never_takes_text_for_markup(module: Path) -> None:
    source = module.read_text("utf-8")
    assert source.startswith("/**"), "opens with what it owns"
    assert len(source.splitlines()) <= MAX_LINES
    assert [found[0] for found in FORBIDDEN.finditer(source)] == []
    assert max(map(len, source.splitlines())) <= 110
    imports = re.findall(r'^import .*? from "\./([\w-]+)\.js";$', source, re.MULTILINE)
    assert imports == sorted(imports)


def test_requests_are_made_in_one_place_and_messages_in_another() -> None:
    def using(pattern: str) -> set[str]:
        return {module.name for module in MODULES if re.search(pattern, module.read_text("utf-8"))}

    assert using(r"\bfetch\(") == {"direct.js"}
    assert using(r"\bpostMessage\(") == {"host.js"}
    assert using(r"createElement(?:NS)?\(") == {"dom.js"}


def test_every_module_is_part_of_the_page_and_the_page_is_small() -> None:
    html = page().html
    assert len(html.encode()) <= MAX_BYTES
    used = set(re.findall(r'modules\["([\w-]+\.js)"\] =', html))
    assert {module.name for module in MODULES} - used == {"types.js"}


def test_the_template_and_the_style_sheet_load_nothing() -> None:
    for name in ("index.html", "style.css"):
        text = (FOLDER / name).read_text("utf-8")
        assert not re.search(r"https?:|@import|url\(|<img|<iframe|\bon\w+=", text)
