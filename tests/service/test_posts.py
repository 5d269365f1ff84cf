"""Everything that sends something to the API is in one list, and goes through the approval policy."""

import ast
import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import neo_mcp
from neo_mcp.api import transport
from neo_mcp.service.approvals.policy import POSTS, Action, Subject
from tests.service.test_policy import Reader, attempt
from tests.support.host import World

CARRIERS = {
    "neo_mcp.service.writes.creation.Creations._make",
    "neo_mcp.service.approvals.resolve.send_answer",
    "neo_mcp.service.writes.delivery.Deliveries._post.send",
    "neo_mcp.service.writes.delivery.Deliveries.confirm",
    "neo_mcp.service.writes.delivery.Deliveries.kill",
}
"""Functions that send on behalf of those in the list."""

CLIENT_WRITES = {"create_task", "update_task", "respond", "cancel_task"}
OWNED_WRITES = {
    ("deliveries", "send"),
    ("deliveries", "confirm"),
    ("deliveries", "kill"),
    ("creations", "create"),
}
LIBRARY = ("neo_mcp/api/", "neo_mcp/docs/examples/", "neo_mcp/simulator/")


@dataclass(frozen=True)
class Function:
    """A function of the package, with the names that it uses.

    ``imported`` has the names that its module takes from the modules that send.
    """

    name: str
    names: frozenset[str]
    imported: frozenset[str]

    @property
    def sends(self) -> bool:
        """Whether it calls, or hands on, something that writes to the API."""
        for name in self.names:
            receiver, _, method = name.rpartition(".")
            owner = receiver.rpartition(".")[2].lstrip("_")
            if method in CLIENT_WRITES and owner in {"client", "neo"}:
                return True
            if (owner, method) in OWNED_WRITES or name in self.imported:
                return True
        return False


def package() -> Iterator[Function]:
    """Every function and method above the library."""
    root = Path(neo_mcp.__file__).parent.parent
    for path in sorted((root / "neo_mcp").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(LIBRARY):
            yield from functions(path.read_text(), name.removesuffix(".py").replace("/", "."))


def functions(source: str, module: str) -> Iterator[Function]:
    tree = ast.parse(source)
    senders = {name.rpartition(".")[2] for name in CARRIERS}
    imported = frozenset(
        (each.asname or each.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neo_mcp.service.")
        for each in node.names
        if each.name in senders
    )

    def within(node: ast.AST, name: str) -> Iterator[Function]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = f"{name}.{child.name}"
                yield Function(inner, frozenset(map(ast.unparse, _references(child))), imported)
                yield from within(child, inner)
            elif isinstance(child, ast.ClassDef):
                yield from within(child, f"{name}.{child.name}")
            else:
                yield from within(child, name)

    yield from within(tree, module)


def _references(function: ast.AST) -> Iterator[ast.AST]:
    """The names that a function uses, but not those of functions within it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.Attribute | ast.Name):
            yield child
        yield from _references(child)


def test_every_function_that_sends_something_is_in_the_list() -> None:
    senders = {function.name for function in package() if function.sends}
    local = {"neo_mcp.service.writes.delivery.Deliveries.confirm"}  # uses the other method of its own class
    assert (senders | local) - CARRIERS == set(POSTS)
    assert senders | local >= CARRIERS


def test_every_action_has_a_function_that_carries_it_out() -> None:
    assert frozenset().union(*POSTS.values()) == set(Action)


@pytest.mark.parametrize(
    "source",
    [
        "async def f(call): await call.app.client.respond('t', event)",
        "async def f(self): await self._client.cancel_task('t')",
        "async def f(app, watcher): await app.deliveries.send(watcher, event)",
        "def f(app): return partial(app.creations.create, 'acme')",
        "async def f(tasks): await tasks.deliveries.confirm(watcher, ok=True)",
        "from neo_mcp.service.approvals.resolve import send_answer as s\nasync def f(app): await s(app)",
    ],
)
def test_a_sender_that_is_new_would_show(source: str) -> None:
    (function,) = functions(source, "neo_mcp.server.new")
    assert function.sends


@pytest.mark.parametrize("action", [Action.MESSAGE, Action.DENY, Action.APPROVE, Action.CANCEL, Action.KILL])
async def test_a_post_comes_from_the_function_that_is_listed_for_its_action(
    world: World, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    callers: set[str] = set()
    original: Callable[..., Awaitable[Any]] = transport.Transport.call

    async def noting(self: Any, call: Any) -> Any:  # noqa: ANN401 - as the original
        frame = inspect.currentframe()
        while call.method != "GET" and frame is not None:
            callers.add(f"{frame.f_globals['__name__']}.{frame.f_code.co_name}")
            frame = frame.f_back
        return await original(self, call)

    monkeypatch.setattr(transport.Transport, "call", noting)
    subject = Subject.NOTHING if action is Action.MESSAGE else Subject.APPROVAL
    async with world.host(Reader()) as host:
        result = await attempt(world, host, action, subject)
    assert not result.is_error
    assert callers & {name for name, actions in POSTS.items() if action in actions}
