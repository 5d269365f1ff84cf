"""Every function that calls itself is in a list, with what bounds its depth: a new one is noticed here.

Data from outside is bounded in depth where it is read (:mod:`neo_mcp.wire.json_limits`); `tests/core` and
`tests/server` send it through everything.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

READ = "JSON that was bounded when it was read"
OWN_LIMIT = "a limit of its own"
PARSER = "the nesting that the Markdown parser follows"
OURS = "what this package writes itself"
ONE_LEVEL = "one level: it calls itself with something that has no other in it"
ANEW = "no depth: it starts itself anew, or returns first"

BOUNDS = {
    "neo_mcp.token_guard.TokenGuard._redacted": READ,
    "neo_mcp.core.redact._redact_field": READ,
    "neo_mcp.core.redact.redact_json": READ,
    "neo_mcp.wire.decode.drop_tokens": READ,
    "neo_mcp.wire.decode.scrub_surrogates": READ,
    "neo_mcp.cli.install.jsonc._Reader._items": OWN_LIMIT,
    "neo_mcp.cli.install.jsonc._Reader._member": OWN_LIMIT,
    "neo_mcp.cli.install.jsonc._Reader._object": OWN_LIMIT,
    "neo_mcp.cli.install.jsonc._Reader.value": OWN_LIMIT,
    "neo_mcp.core.masking._entry": OWN_LIMIT,
    "neo_mcp.core.masking._environment": OWN_LIMIT,
    "neo_mcp.core.masking._field": OWN_LIMIT,
    "neo_mcp.core.masking._leaves": OWN_LIMIT,
    "neo_mcp.core.masking._masked": OWN_LIMIT,
    "neo_mcp.core.masking._masked_text": OWN_LIMIT,
    "neo_mcp.core.masking._refers": OWN_LIMIT,
    "neo_mcp.core.links._all": PARSER,
    "neo_mcp.core.links.words_of": PARSER,
    "neo_mcp.core.view.markdown._Builder._add": PARSER,
    "neo_mcp.core.view.markdown._Builder.add": PARSER,
    "neo_mcp.core.view.markdown._words": PARSER,
    "neo_mcp.cli.install.document._delete": OURS,
    "neo_mcp.cli.install.toml._table": OURS,
    "neo_mcp.cli.install.toml._value": OURS,
    "neo_mcp.server.apps.bundle.bundle.add": OURS,
    "neo_mcp.hints.to_text": OURS,
    "neo_mcp.service.schema._plain": OURS,
    **dict.fromkeys(
        (f"neo_mcp.service.reading.{name}" for name in ("_value", "_list", "_object", "_takes")), OURS
    ),
    "neo_mcp.front.messages._fits": OURS,
    "neo_mcp.server.middleware.redact._bounded": OURS,
    "neo_mcp.service.bounds._short": OURS,
    "neo_mcp.service.bounds._shortened": OURS,
    "neo_mcp.wire.entities.identity": ONE_LEVEL,
    "neo_mcp.watch.hub.Hub._close_later": ANEW,
}


def recursive_functions(source: str, module: str) -> Iterator[str]:
    """The functions of a module that can come back to themselves by calls within it."""
    calls = dict(_calls(ast.parse(source), module, (module,)))
    for name, called_first in calls.items():
        seen: set[str] = set()
        left = list(called_first)
        while left:
            called = left.pop()
            if called in calls and called not in seen:
                seen.add(called)
                left += calls[called]
        if name in seen:
            yield name


def _calls(
    node: ast.AST, scope: str, seen_from: tuple[str, ...], owner: str = ""
) -> Iterator[tuple[str, set[str]]]:
    """Each function below ``node``, and what it names: functions that it sees, methods of its class."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            inner = f"{scope}.{child.name}"
            yield from _calls(child, inner, seen_from, inner)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{scope}.{child.name}"
            yield inner, set(_names(child, (*seen_from, inner), owner))
            yield from _calls(child, inner, (*seen_from, inner), owner)
        else:
            yield from _calls(child, scope, seen_from, owner)


def _names(function: ast.AST, seen_from: tuple[str, ...], owner: str) -> Iterator[str]:
    bound = {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
    names = [each for each in ast.walk(function) if isinstance(each, ast.Name)]
    bound |= {each.id for each in names if isinstance(each.ctx, ast.Store)}
    for each in ast.walk(function):
        if isinstance(each, ast.Name) and each.id not in bound:
            yield from (f"{scope}.{each.id}" for scope in seen_from)
        elif isinstance(each, ast.Attribute) and ast.unparse(each.value) in {"self", "cls"}:
            yield f"{owner}.{each.attr}"


def found() -> set[str]:
    names: set[str] = set()
    for path in sorted((ROOT / "neo_mcp").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if not module.startswith("neo_mcp.simulator"):
            names |= set(recursive_functions(path.read_text(), module))
    return names


def test_every_recursive_function_is_in_the_list() -> None:
    assert found() == set(BOUNDS)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return f(x)",
        "def f(x): return [g(y) for y in x]\ndef g(x): return f(x)",
        "def f(x): return list(map(f, x))",
        "class A:\n    def f(self): return self.g()\n    async def g(self): await self.f()",
        "def f(x):\n    def g(y): return [g(z) for z in y]\n    return g(x)",
    ],
)
def test_a_new_one_would_show(source: str) -> None:
    assert list(recursive_functions(source, "m"))


def test_functions_of_the_same_name_elsewhere_are_none() -> None:
    source = "class A:\n    def f(self): return self.b.f()\nclass B:\n    def f(self): return 1\n"
    source += "def g(g): return g()"
    assert not list(recursive_functions(source, "m"))
