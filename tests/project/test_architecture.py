"""The rules of the house that a machine can check: who may import whom, sizes, suppressions, the top level.

Each rule is a function from source text to violations; every one is also shown a violation, to prove that it
can fail.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from neo_mcp.constants import DEFAULT_API_URL, PROGRAM
from tests.core.events import BODIES

ROOT = Path(__file__).parents[2]
PACKAGE = "neo_mcp"
MAX_LINES = 400
MANY_BODIES = 3
"""A match that names as many types of event is over all of a group; fewer are picked for a purpose."""

# Imports point right only: cli -> server -> service -> watch -> (api | core) -> wire -> errors.
_LEAVES = {
    *("errors", "hints", "_version", "constants", "stack_patterns"),
    *("characters", "hidden_text", "token_text", "weak_tokens", "secret", "token_guard"),
}
_WIRE = {"wire"} | _LEAVES
_API = {"api", "instruments", "clock", "network_settings"} | _WIRE
_WATCH = {"watch", "core"} | _API
_SETTINGS = {"config", "options", "local_files", "permissions", "login", "unknown_variables"}
_SERVICE = {"service"} | _SETTINGS | _WATCH
_SERVER = {"server", "advice", "telemetry", "standard_streams", "signals", "docs", "front"} | _SERVICE
MAY_IMPORT: dict[str, set[str]] = {
    # What the package shows of its parts, when asked for it.
    "__init__": {"api"} | _LEAVES,
    "__main__": {"cli", "signals"},
    "_version": set(),
    "hints": {"constants"},
    "constants": set(),
    "clock": set(),
    "errors": {"hints"},
    "stack_patterns": set(),
    "characters": set(),
    "hidden_text": {"characters"},
    "token_text": set(),
    "weak_tokens": set(),
    "secret": set(),
    "token_guard": {"secret", "weak_tokens"},
    "network_settings": set(),
    "front": {"front"},
    "options": {"options"} | _LEAVES,
    "local_files": _LEAVES,
    "permissions": _LEAVES,
    "login": {"local_files"} | _LEAVES,
    "unknown_variables": {"options"} | _LEAVES,
    "config": _SETTINGS | _LEAVES,
    "advice": _SETTINGS | _LEAVES,
    "instruments": {"instruments", "clock"} | _LEAVES,
    "exporters": {"exporters"} | _LEAVES,
    "telemetry": {"telemetry", "instruments", "clock", "standard_streams"} | _LEAVES,
    "standard_streams": _LEAVES,
    "signals": set(),
    "wire": _WIRE,
    "core": {"core"} | _WIRE,
    "api": _API,
    "watch": _WATCH,
    "service": _SERVICE,
    "server": _SERVER,
    "cli": {"cli", "simulator", "exporters"} | _SERVER,
    "simulator": {"simulator", "_version"},
    # The examples use the library: what is stable, and the service with its settings.
    "docs": {"NeoClient", "config", "service", "watch", "wire", "errors"},
}
ONLY_IN: dict[str, set[str]] = {
    "mcp": {"server", "cli"},
    "mcp_types": {"server", "cli"},
    "starlette": {"server", "cli", "simulator"},
    "uvicorn": {"server", "cli", "simulator"},
    "httpx": {"api"},
    "httpx_sse": {"api"},
}
# The same within a layer: a part may import those that stand in a row below its own.
SUB_LAYERS: dict[str, tuple[set[str], ...]] = {
    "server": (
        {"http", "stdio"},
        {"app"},
        {"handlers"},
        {"errors"},
        {"protocol"},
        {"running"},
        {"apps", "listen"},
        {"tenants"},
        {"tools", "completions"},
        {"mcp_tasks"},
        {"call", "middleware", "resources"},
        {"elicitation", "prompts", "seal", "wording"},
        {"tool_results"},
    ),
    "service": (
        {"commands"},
        {"approvals", "budget"},
        {"tasks", "budget_calls", "bounds"},
        {"writes", "results", "inputs", "task_names"},
        {
            "uris",
            "listed",
            "quotas",
            "whole_needs",
            "recent",
            "last_result",
            "schema",
            "signing",
            "next_steps",
            "rendered",
            "client",
            "acting",
        },
        {"reading"},
    ),
    "core": (
        {"view"},
        {"render"},
        {
            "attention",
            "context",
            "cursor",
            "disguise",
            "effort",
            "held",
            "links",
            "masking",
            "members",
            "operation",
            "reconcile",
            "redact",
            "reported",
            "sanitize",
            "secret_keys",
            "secret_lines",
            "secret_literals",
            "secret_markup",
            "secret_members",
            "secret_reach",
            "secret_names",
            "secret_pairs",
            "secret_tokens",
            "secret_values",
            "secret_variables",
        }
        | {"stacks", "state", "summary", "times", "running", "sizes", "todos", "turn"},
    ),
}
# Loaded at every start, before it is known what else is needed.
STANDARD_LIBRARY_ONLY = {"front", "standard_streams", "telemetry"} | _SETTINGS | _LEAVES
FREE_WITHIN = {"core"}
"""Layers whose lowest row is one part: its modules may import one another."""
PURE = {"core", "wire"}
IO_MODULES = {
    *(
        "os",
        "io",
        "sys",
        "socket",
        "ssl",
        "http",
        "urllib",
        "subprocess",
        "shutil",
        "tempfile",
        "pathlib",
        "glob",
    ),
    *(
        "asyncio",
        "anyio",
        "trio",
        "threading",
        "multiprocessing",
        "concurrent",
        "selectors",
        "signal",
        "queue",
    ),
    *(
        "logging",
        "time",
        "random",
        "secrets",
        "httpx",
        "httpx_sse",
        "mcp",
        "starlette",
        "uvicorn",
        "opentelemetry",
    ),
}
# Neo's local tool calls are run by the host: through the server, nothing reaches a program or a file.
RUNS_NOTHING = {"server", "service", "watch", "api", "core", "wire", "errors"}
RUNNERS = {"subprocess", "multiprocessing", "pty", "runpy", "code", "ctypes", "webbrowser", "concurrent"}
FILES = {"pathlib", "io", "shutil", "tempfile", "glob", "fileinput", "mmap", "zipfile", "tarfile", "sqlite3"}
RUNNING_CALLS = {
    *("eval", "exec", "compile", "open", "__import__"),
    *("create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell"),
    *("open_process", "run_process", "open_file"),
}
# Of the operating system: the pipes that the process was born with, its end, chance, and the time on a mark.
HARMLESS_OS = {
    *("dup", "dup2", "close", "fdopen", "fstat", "isatty", "set_blocking", "read", "write", "_exit"),
    *("urandom", "utime"),
}
MAY_TOUCH_FILES = {
    # Empty files that mark used answers, in a folder that the operator chose.
    f"{PACKAGE}.service.approvals.used_answers",
    # What the operator keeps of bearer secrets and users' tokens; only read.
    f"{PACKAGE}.server.http.credentials",
}
# As HTTP libraries do: their variables are no settings of this program.
MAY_READ_ENVIRONMENT = {"cli", "config", "options", "docs", "network_settings"}
# A time has one parser and one formatter; text made of it elsewhere is nothing that is read as a time again.
TIME_METHODS = {"fromisoformat", "isoformat", "strptime", "strftime"}
OWNERS_OF_TIMES = {
    f"{PACKAGE}.wire.time",
    # Part of a file's name.
    f"{PACKAGE}.cli.files",
    # The time of a record of the log, which knows nothing of the API.
    f"{PACKAGE}.telemetry",
}
# Time is read by the clock, which is passed in. To sleep takes no clock.
CLOCK = f"{PACKAGE}.clock"
CLOCK_READINGS = {
    "time": {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns", "localtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "anyio": {"current_time", "sleep_until"},
    "loop": {"time", "call_at"},
    "get_running_loop": {"time", "call_at"},
    # It is a default: used directly, it would stand in place of one that is passed in.
    "SYSTEM_CLOCK": {"now", "monotonic", "sleep", "sleep_until", "deadline", "fail_after", "jitter"},
}
_PART = 2
"""Where a module's name has its part of the layer: after the package and the layer."""
TOP_LEVEL = {"pyproject.toml", "README.md", PACKAGE, "tests", "server.json", "LICENSE"}

NAMES_NO_SURFACE = {"hints", "errors", "wire", "core", "api", "watch", "service"}
_ODD_LIMIT = re.compile(r"_?(?:MOST|LEAST|LONGEST|SHORTEST|LARGEST|SMALLEST|FEWEST)(?:_|$)")
_SURFACE_NAMES = re.compile(
    r"\b(?:create_task|get_task|list_tasks|update_task|wait_for_events)\b"
    # Elsewhere, it is a word of the language.
    r"|\brespond(?= [\"']| with action)"
    r"|pulumi-neo-mcp [a-z]+"
)

_SUPPRESSION = re.compile(
    r"noqa\b(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?"
    r"|type:\s*ignore\b(?:\[[\w\s,-]*\])?"
    r"|pragma:\s*no\s+(?:cover|branch)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Module:
    """One source file.

    Attributes:
        name: Dotted, such as ``neo_mcp.core.state``.
        layer: The first part after the package: a sub-package, or a module of its own.
    """

    name: str
    source: str

    @property
    def layer(self) -> str:
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else "__init__"

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All of the tree."""
        return list(ast.walk(self.tree))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Every module named in an import, with its line; a relative one begins with a dot.

        Those that only a type checker sees, or that run late, count like any other.
        """
        for node in self.nodes:
            match node:
                case ast.Import(names=names):
                    yield from ((node.lineno, alias.name) for alias in names)
                case ast.ImportFrom(module=module, names=names, level=0):
                    # What is imported may be a module itself.
                    yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
                case ast.ImportFrom(module=module, level=level):
                    yield node.lineno, "." * level + (module or "")
                case ast.Call(
                    func=ast.Name("__import__") | ast.Attribute(attr="import_module"), args=[first, *_]
                ):
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        yield node.lineno, first.value


def layering(module: Module) -> Iterator[str]:
    """Imports point one way."""
    allowed = MAY_IMPORT.get(module.layer)
    if allowed is None:
        yield f"{module.name}: no layer of the design"
        return
    for line, name in module.imports():
        parts = name.split(".")
        if name.startswith("."):
            yield f"{module.name}:{line}: relative import"
        elif parts[0] == PACKAGE:
            target = parts[1] if len(parts) > 1 else "__init__"
            # ``from neo_mcp import __version__`` reads what the package itself shows.
            target = "_version" if target == "__version__" else target
            if target not in allowed:
                yield f"{module.name}:{line}: {module.layer} may not import {name}"


def sub_layering(module: Module) -> Iterator[str]:
    """Imports point one way within a layer, too."""
    rows = SUB_LAYERS.get(module.layer)
    parts = module.name.split(".")
    if rows is None or len(parts) <= _PART:
        return
    heights = {part: height for height, row in enumerate(rows) for part in row}
    own = parts[_PART]
    if own not in heights:
        yield f"{module.name}: no part of the layer {module.layer}"
        return
    for line, name in module.imports():
        target = name.split(".")
        if target[:_PART] != [PACKAGE, module.layer] or len(target) <= _PART or target[_PART] == own:
            continue
        is_free = module.layer in FREE_WITHIN and heights[own] == len(rows) - 1
        if heights.get(target[_PART], -1) <= heights[own] - is_free:
            yield f"{module.name}:{line}: {own} may not import {name}"


def foreign_imports(module: Module) -> Iterator[str]:
    """Who may speak HTTP or MCP, and who does no I/O at all."""
    for line, name in module.imports():
        top = name.split(".")[0]
        if module.layer not in ONLY_IN.get(top, {module.layer}):
            yield f"{module.name}:{line}: only {' and '.join(sorted(ONLY_IN[top]))} may import {top}"
        if module.layer in PURE and top in IO_MODULES and not name.startswith("urllib.parse"):
            yield f"{module.name}:{line}: {module.layer} does no I/O, so it may not import {top}"


def independence(module: Module) -> Iterator[str]:
    """Whatever is loaded at every start needs nothing but the standard library."""
    if module.layer not in STANDARD_LIBRARY_ONLY:
        return
    for line, name in module.imports():
        if name.split(".")[0] not in {*sys.stdlib_module_names, PACKAGE}:
            yield f"{module.name}:{line}: {module.layer} may not import {name}"


def eagerness(module: Module) -> Iterator[str]:
    """The package itself loads nothing but its version, or every layer would come with the lowest one."""
    if module.layer != "__init__":
        return
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for line, name in Module(PACKAGE, ast.unparse(node)).imports():
                if name.startswith((f"{PACKAGE}.", ".")) and not name.startswith(f"{PACKAGE}._version"):
                    yield f"{module.name}:{line}: loads {name} before anybody asked"


def environment(module: Module) -> Iterator[str]:
    """Only the composition root reads the environment."""
    if module.layer in MAY_READ_ENVIRONMENT:
        return
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "expandvars", "expanduser", "home"}
    for node in module.nodes:
        match node:
            case ast.Attribute(value=ast.Name("os" | "path" | "Path"), attr=name) if name in names:
                yield f"{module.name}:{node.lineno}: reads the environment"
            case ast.Attribute(value=ast.Attribute(attr="path"), attr=name) if name in names:
                yield f"{module.name}:{node.lineno}: reads the environment"
            case ast.ImportFrom(module="os", names=aliases) if names & {alias.name for alias in aliases}:
                yield f"{module.name}:{node.lineno}: reads the environment"


def running(module: Module) -> Iterator[str]:
    """Below the command line, nothing starts a program, evaluates code or touches a file."""
    if module.layer not in RUNS_NOTHING:
        return
    forbidden = RUNNERS if module.name in MAY_TOUCH_FILES else RUNNERS | FILES
    for line, name in module.imports():
        top, _, rest = name.partition(".")
        if top in forbidden or (top == "os" and rest and rest not in HARMLESS_OS):
            yield f"{module.name}:{line}: may not import {name}"
    for node in module.nodes:
        match node:
            case ast.Call(func=ast.Name(name)) if name in RUNNING_CALLS:
                yield f"{module.name}:{node.lineno}: may not call {name}"
            case ast.Attribute(value=ast.Name("os"), attr=name) if name not in HARMLESS_OS:
                yield f"{module.name}:{node.lineno}: may not use os.{name}"
            case ast.Attribute(value=ast.Name(), attr=name) if name in RUNNING_CALLS - {"open", "compile"}:
                yield f"{module.name}:{node.lineno}: may not use {name}"


def size(module: Module) -> Iterator[str]:
    """Modules are small."""
    lines = len(module.source.splitlines())
    if lines > MAX_LINES:
        yield f"{module.name}: {lines} lines, over {MAX_LINES}"


def exhaustiveness(module: Module) -> Iterator[str]:
    """A match over types of events ends in ``assert_never``, so that a new type cannot vanish in it.

    It is over types of events if its cases name three of them, not counting what stands in a tuple's pattern:
    a pair of events is compared, not told apart.
    """
    bodies = {body.__name__ for body in BODIES}
    for node in module.nodes:
        if not isinstance(node, ast.Match) or module.layer != "core":
            continue
        named = {name for case in node.cases for name in _classes(case.pattern)}
        if len(named & bodies) >= MANY_BODIES and not _asserts_never(node.cases[-1]):
            yield f"{module.name}:{node.lineno}: a match over types of events must end in assert_never"


def _classes(pattern: ast.pattern | None) -> Iterator[str]:
    """The classes that a case is about as a whole."""
    match pattern:
        case ast.MatchClass(cls=ast.Name(name) | ast.Attribute(attr=name)):
            yield name
        case ast.MatchOr(patterns=patterns):
            for each in patterns:
                yield from _classes(each)
        case ast.MatchAs(pattern=inner):
            yield from _classes(inner)


def _asserts_never(case: ast.match_case) -> bool:
    """Whether a case takes whatever is left, and does nothing but to refuse it."""
    match case:
        case ast.match_case(
            pattern=ast.MatchAs(pattern=None),
            guard=None,
            body=[ast.Expr(ast.Call(func=ast.Name("assert_never")))],
        ):
            return True
        case _:
            return False


def surface_names(module: Module) -> Iterator[str]:
    """Texts below the surfaces name no tool and no command: hints stand for them."""
    if module.layer not in NAMES_NO_SURFACE:
        return
    unshown = {id(node.value) for node in module.nodes if isinstance(node, ast.Expr)}
    for node in module.nodes:
        match node:
            # What has no space is a name or a key, and no text.
            case ast.Constant(value=str(text)) if " " in text and id(node) not in unshown:
                for name in _SURFACE_NAMES.findall(text):
                    yield f"{module.name}:{node.lineno}: names {name}; use a hint"


def shared_names(module: Module) -> Iterator[str]:
    """The program's name and the API's address are written once; documentation may repeat them."""
    if module.layer in {"constants", "docs"}:
        return
    texts = {id(text) for text in _docstrings(module)}
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            for name in (PROGRAM, DEFAULT_API_URL):
                if name in node.value:
                    yield f"{module.name}:{node.lineno}: writes {name} out, which is in {PACKAGE}.constants"


def times(module: Module) -> Iterator[str]:
    """Times are read and written in one module; the simulator, which stands alone, has its own."""
    if module.name in OWNERS_OF_TIMES or module.layer == "simulator":
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr in TIME_METHODS:
            yield f"{module.name}:{node.lineno}: {node.attr} is for {PACKAGE}.wire.time"


def clocks(module: Module) -> Iterator[str]:
    """Time is read in one module; the simulator, which stands alone, has its own."""
    if module.name == CLOCK or module.layer == "simulator":
        return
    for line, name in module.imports():
        owner, _, reading = name.rpartition(".")
        if reading in CLOCK_READINGS.get(owner, ()):
            yield f"{module.name}:{line}: {name} is for {CLOCK}"
    for node in module.nodes:
        match node:
            case ast.Attribute(
                value=ast.Name(owner)
                | ast.Attribute(attr=owner)
                | ast.Call(func=ast.Name(owner) | ast.Attribute(attr=owner)),
                attr=reading,
            ) if reading in CLOCK_READINGS.get(owner.lstrip("_"), ()):
                yield f"{module.name}:{node.lineno}: {owner}.{reading} is for {CLOCK}"


def _docstrings(module: Module) -> Iterator[ast.expr]:
    """The texts that stand alone as a statement."""
    for node in module.nodes:
        if isinstance(node, ast.Expr):
            yield node.value


def suppressions(module: Module) -> Iterator[str]:
    """Every suppression carries its reason."""
    if not _SUPPRESSION.search(module.source):
        return
    for token in tokenize.generate_tokens(io.StringIO(module.source).readline):
        if token.type == tokenize.COMMENT and _SUPPRESSION.search(token.string):
            reason = _SUPPRESSION.sub("", token.string.replace("ruff:", ""))
            if not re.search(r"\w", reason):
                yield f"{module.name}:{token.start[0]}: a suppression without a reason: {token.string}"


def limits(module: Module) -> Iterator[str]:
    """Limits are called MAX and MIN."""
    for node in module.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and _ODD_LIMIT.match(node.id):
            yield f"{module.name}:{node.lineno}: {node.id}; limits begin with MAX_ or MIN_"


def docstrings(module: Module) -> Iterator[str]:
    """A docstring begins with a verb or a noun, also that of an attribute: not with What or Whether."""
    for node in module.nodes:
        match node:
            case ast.Expr(ast.Constant(str(text))) if re.match(r"\s*(?:What|Whether)\b", text):
                yield f"{module.name}:{node.lineno}: a docstring may not begin with {text.split()[0]}"


def strangers(names: set[str]) -> set[str]:
    """What does not belong at the top level of the repository."""
    return {name for name in names if name not in TOP_LEVEL and not name.startswith(".")}


def load(folder: Path) -> list[Module]:
    """All modules in a folder of the repository, by their dotted names."""
    modules = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules.append(Module(name, path.read_text("utf-8")))
    return modules


MODULES = load(ROOT / PACKAGE)
RULES_OF_THE_PACKAGE = [
    layering,
    sub_layering,
    foreign_imports,
    independence,
    eagerness,
    environment,
    running,
    size,
    exhaustiveness,
    surface_names,
    shared_names,
    times,
    clocks,
    suppressions,
    docstrings,
    limits,
]


@pytest.mark.parametrize("rule", RULES_OF_THE_PACKAGE, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: object) -> None:
    assert callable(rule)
    assert MODULES
    assert [violation for module in MODULES for violation in rule(module)] == []


def test_every_suppression_in_the_tests_carries_its_reason() -> None:
    assert [violation for module in load(ROOT / "tests") for violation in suppressions(module)] == []


def test_the_top_level_holds_only_what_belongs_there() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked is not known")
    # A fixed command; git is found on the PATH like any developer's.
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607 - see above
    assert strangers({line.split("/")[0] for line in listed.stdout.splitlines()}) == set()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("wire.tasks", "from neo_mcp.core.state import TaskState"),
        ("wire.tasks", "import neo_mcp.api.client"),
        ("wire.tasks", "from neo_mcp import core"),
        ("wire.tasks", "from . import events"),
        ("wire.tasks", "from ..errors import NeoError"),
        ("errors", "from neo_mcp.wire import Task"),
        ("core.state", "from neo_mcp.api import client"),
        ("core.state", "if TYPE_CHECKING:\n    from neo_mcp.watch import log"),
        ("core.state", "def late():\n    from neo_mcp.server import app"),
        ("core.state", "import importlib\nimportlib.import_module('neo_mcp.watch.log')"),
        ("api.client", "from neo_mcp.core import render"),
        ("api.client", "from neo_mcp.config import Settings"),
        ("watch.log", "from neo_mcp.server import app"),
        ("server.app", "from neo_mcp.cli import main"),
        ("service.tasks", "from neo_mcp.server.app import NeoServer"),
        ("watch.log", "from neo_mcp.service.tasks import TaskService"),
        ("server.app", "from neo_mcp.simulator import Simulator"),
        ("config", "from neo_mcp.wire import Task"),
        ("front.host", "from neo_mcp.config import Settings"),
        ("front.host", "from neo_mcp.standard_streams import Wire"),
        ("standard_streams", "from neo_mcp.telemetry import configure_logging"),
        ("telemetry", "from neo_mcp.api import client"),
        ("simulator.app", "from neo_mcp.wire import Event"),
        ("simulator.app", "from neo_mcp.errors import NeoError"),
        ("utils", "x = 1"),
    ],
)
def test_an_import_against_the_grain_is_caught(name: str, source: str) -> None:
    assert list(layering(Module(f"{PACKAGE}.{name}", source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cli.main", "from neo_mcp.server import app\nfrom neo_mcp.simulator import Simulator"),
        ("server.app", "from neo_mcp.watch.hub import Hub\nfrom neo_mcp.config import Settings"),
        (
            "watch.hub",
            "from neo_mcp.api import client\nfrom neo_mcp.core import state\nfrom neo_mcp.wire import Task",
        ),
        ("core.state", "from neo_mcp.wire import Task\nfrom neo_mcp.errors import NeoError"),
        ("simulator.app", "from neo_mcp._version import __version__\nfrom neo_mcp import __version__"),
    ],
)
def test_an_import_with_the_grain_passes(name: str, source: str) -> None:
    assert not list(layering(Module(f"{PACKAGE}.{name}", source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("watch.hub", "import httpx"),
        ("watch.hub", "from httpx_sse import EventSource"),
        ("watch.hub", "from mcp.server import Server"),
        ("service.tasks", "from mcp.server import Server"),
        ("service.tasks", "import mcp_types"),
        ("service.tasks", "from starlette.requests import Request"),
        ("service.tasks", "import uvicorn"),
        ("api.client", "import mcp_types"),
        ("simulator.app", "import httpx"),
        ("simulator.app", "from mcp import Client"),
        ("config", "import mcp"),
        *[(f"{layer}.x", f"import {module}") for layer in sorted(PURE) for module in sorted(IO_MODULES)],
        ("core.x", "from os import path"),
        ("core.x", "import os.path as p"),
        ("wire.x", "if TYPE_CHECKING:\n    import logging"),
    ],
)
def test_a_foreign_import_out_of_place_is_caught(name: str, source: str) -> None:
    assert list(foreign_imports(Module(f"{PACKAGE}.{name}", source)))


@pytest.mark.parametrize("layer", sorted(STANDARD_LIBRARY_ONLY))
def test_a_dependency_of_what_every_start_loads_is_caught(layer: str) -> None:
    for source in ("import pydantic", "from anyio import run", "def late():\n    import httpx"):
        assert list(independence(Module(f"{PACKAGE}.{layer}", source)))
    assert not list(independence(Module(f"{PACKAGE}.{layer}", "import json\nfrom os import path")))
    assert not list(independence(Module(f"{PACKAGE}.server.app", "import pydantic")))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("server.app", "from neo_mcp.server.http.server import running_http"),
        ("server.http.auth", "from neo_mcp.server.stdio.transport import serve"),
        ("server.resources.read", "from neo_mcp.server.tools import TOOLS"),
        ("server.mcp_tasks.handle", "import neo_mcp.server.app"),
        ("server.seal", "from neo_mcp.server.call import App"),
        ("server.new", "x = 1"),
        ("service.approvals.forms", "from neo_mcp.service.commands.respond import respond"),
        ("service.tasks", "from neo_mcp.service.approvals.asker import Approvals"),
        ("service.writes.delivery", "from neo_mcp.service.tasks import TaskService"),
        ("service.quotas", "from neo_mcp.service import results"),
        ("core.state", "from neo_mcp.core.render.lines import cut"),
        ("core.render.html", "from neo_mcp.core.view import model"),
    ],
)
def test_an_import_against_the_grain_within_a_layer_is_caught(name: str, source: str) -> None:
    assert list(sub_layering(Module(f"{PACKAGE}.{name}", source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (
            "server.http.auth",
            "from neo_mcp.server.http import limits\nfrom neo_mcp.server.app import NeoServer",
        ),
        ("service.commands.respond", "from neo_mcp.service.approvals.resolve import send_answer"),
        ("core.state", "from neo_mcp.core.held import Sizes"),
        ("core.view.fold", "from neo_mcp.core.render.lines import cut"),
    ],
)
def test_an_import_with_the_grain_within_a_layer_passes(name: str, source: str) -> None:
    assert not list(sub_layering(Module(f"{PACKAGE}.{name}", source)))


def test_loading_a_layer_with_the_package_itself_is_caught() -> None:
    lazy = (
        "from neo_mcp._version import __version__\nif TYPE_CHECKING:\n    from neo_mcp.api import NeoClient"
    )
    assert not list(eagerness(Module(PACKAGE, lazy)))
    assert list(eagerness(Module(PACKAGE, "from neo_mcp.api import NeoClient")))


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['HOME']",
        "import os\nos.getenv('HOME')",
        "from os import environ",
        "from os import getenv as g",
        "import os\nos.path.expanduser('~')",
        "from pathlib import Path\nPath.home()",
    ],
)
def test_reading_the_environment_out_of_place_is_caught(source: str) -> None:
    assert list(environment(Module(f"{PACKAGE}.server.app", source)))
    assert not list(environment(Module(f"{PACKAGE}.cli.main", source)))
    assert not list(environment(Module(f"{PACKAGE}.config", source)))


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess",
        "def late():\n    from subprocess import run",
        "import shutil",
        "import multiprocessing.pool",
        "import importlib\nimportlib.import_module('subprocess')",
        "from pathlib import Path",
        "import os\nos.system('ls')",
        "import os\nos.execvp('ls', [])",
        "import os\nos.open('x', 0)",
        "from os import popen",
        "from os import path",
        "import asyncio\nasyncio.create_subprocess_shell('ls')",
        "import anyio\nanyio.run_process(['ls'])",
        "from anyio import open_process\nopen_process(['ls'])",
        "import anyio\nanyio.open_file('x')",
        "open('x')",
        "eval('1')",
    ],
)
@pytest.mark.parametrize("layer", sorted(RUNS_NOTHING))
def test_whatever_would_run_something_or_touch_a_file_is_caught(layer: str, source: str) -> None:
    assert list(running(Module(f"{PACKAGE}.{layer}.x", source)))
    assert not list(running(Module(f"{PACKAGE}.cli.x", source)))


def test_pipes_and_patterns_are_no_files() -> None:
    source = "import os\nimport re\nos.dup2(2, 1)\nre.compile('x')\nself.results.open('x')"
    assert not list(running(Module(f"{PACKAGE}.server.x", source)))


def test_a_module_over_the_limit_is_caught() -> None:
    assert not list(size(Module(f"{PACKAGE}.core.x", "x = 1\n" * MAX_LINES)))
    assert list(size(Module(f"{PACKAGE}.core.x", "x = 1\n" * (MAX_LINES + 1))))


_CASES = (
    "match body:\n"
    "    case ErrorEvent() | WarningEvent():\n        x = 1\n"
    "    case Cancelled() as body:\n        x = 2\n"
)


@pytest.mark.parametrize(
    "end",
    [
        "",
        "    case _:\n        x = 3\n",
        "    case _:\n        pass\n",
        "    case _ if x:\n        assert_never(body)\n",
        "    case _:\n        if x:\n            assert_never(body)\n",
        "    case _:\n        assert_never\n",
        "    case UserMessage():\n        assert_never(body)\n",
        "    case wire.UserMessage():\n        x = 3\n",
    ],
)
def test_a_match_that_a_new_type_of_event_would_vanish_in_is_caught(end: str) -> None:
    assert list(exhaustiveness(Module(f"{PACKAGE}.core.x", _CASES + end)))


@pytest.mark.parametrize(
    "source",
    [
        f"{_CASES}    case _:\n        assert_never(body)\n",
        f"{_CASES}    case left:\n        assert_never(left)\n",
        # Two types are picked for a purpose; and a pair is compared.
        "match body:\n    case ErrorEvent() | Cancelled():\n        x = 1\n    case _:\n        x = 2\n",
        "match one, other:\n"
        + "".join(
            f"    case {name}(), {name}():\n        x = 1\n"
            for name in ("ErrorEvent", "Cancelled", "UserCancel")
        ),
        # Anything else than events.
        "match entity:\n    case Stack() | Repository() | PullRequest():\n        x = 1\n",
    ],
)
def test_another_match_passes(source: str) -> None:
    assert not list(exhaustiveness(Module(f"{PACKAGE}.core.x", source)))


@pytest.mark.parametrize(
    "source",
    [
        'x = "Call get_task first."',
        'x = f"See {y}, then call wait_for_events."',
        """x = 'Then respond "message".'""",
        'x = "Use `pulumi-neo-mcp watch TASK`."',
    ],
)
def test_a_name_of_a_surface_below_it_is_refused(source: str) -> None:
    assert list(surface_names(Module(f"{PACKAGE}.service.x", source)))
    assert not list(surface_names(Module(f"{PACKAGE}.server.x", source)))


@pytest.mark.parametrize(
    "source",
    ['def f():\n    """Call get_task first."""', 'x = {"get_task": 1}', 'x = "Neo responds; respond to it."'],
)
def test_a_docstring_a_key_or_a_word_is_no_name_of_a_surface(source: str) -> None:
    assert not list(surface_names(Module(f"{PACKAGE}.service.x", source)))


@pytest.mark.parametrize(
    "source",
    [
        f'NAME = "{PROGRAM}"',
        f'print(f"{PROGRAM}: {{error}}")',
        f'URL = "{DEFAULT_API_URL}"',
        f'def serve(url: str = "{DEFAULT_API_URL}/"): ...',
    ],
)
def test_a_shared_name_that_is_written_out_is_caught(source: str) -> None:
    assert list(shared_names(Module(f"{PACKAGE}.server.app", source)))
    assert not list(shared_names(Module(f"{PACKAGE}.constants", source)))
    assert not list(shared_names(Module(f"{PACKAGE}.docs.examples.ci_bot", source)))


def test_a_shared_name_in_a_docstring_passes() -> None:
    source = f'"""``{PROGRAM}``."""\nprint(f"{{PROGRAM}} serves")'
    assert not list(shared_names(Module(f"{PACKAGE}.server.app", source)))


@pytest.mark.parametrize("method", sorted(TIME_METHODS))
def test_a_second_parser_or_formatter_of_times_is_caught(method: str) -> None:
    source = f"from datetime import datetime\nx = datetime.{method}(text)"
    assert list(times(Module(f"{PACKAGE}.core.turn", source)))
    assert list(times(Module(f"{PACKAGE}.wire.tasks", f"x = moment.{method}()")))
    assert not list(times(Module(f"{PACKAGE}.wire.time", source)))


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "import time\ndef f(now=time.monotonic): ...",
        "from time import perf_counter",
        "from datetime import datetime\nx = datetime.now(UTC)",
        "import datetime\nx = datetime.datetime.utcnow()",
        "from datetime import date\nx = date.today()",
        "import anyio\nx = field(default_factory=anyio.current_time)",
        "from anyio import current_time",
        "import anyio\nawait anyio.sleep_until(moment)",
        "x = self._loop.time()",
        "import asyncio\nx = asyncio.get_running_loop().time()",
        "from neo_mcp.clock import SYSTEM_CLOCK\nx = SYSTEM_CLOCK.now()",
    ],
)
def test_a_second_reader_of_the_clock_is_caught(source: str) -> None:
    for layer in ("cli", "server", "service", "watch", "api", "instruments"):
        assert list(clocks(Module(f"{PACKAGE}.{layer}.x", source)))
    assert not list(clocks(Module(CLOCK, source)))
    assert not list(clocks(Module(f"{PACKAGE}.simulator.x", source)))


@pytest.mark.parametrize(
    "source",
    [
        "now = self._clock.now()",
        "left = self.client.clock.monotonic() - began",
        "def f(clock: Clock = SYSTEM_CLOCK): ...",
        "import time\ntime.sleep(1)",
        "import anyio\nawait anyio.sleep(1)",
        "from datetime import datetime\nx = datetime.fromtimestamp(created, UTC)",
        "from neo_mcp.wire.time import parse_time\nx = event.time",
    ],
)
def test_a_clock_that_is_passed_in_passes(source: str) -> None:
    assert not list(clocks(Module(f"{PACKAGE}.server.x", source)))


@pytest.mark.parametrize(
    "suppression",
    [
        "noqa",
        "noqa: E501",
        "noqa: E501, S101",
        "NOQA:E501",
        "type: ignore",
        "type: ignore[arg-type]",
        "type: ignore[arg-type]  # noqa: E501",
        "pragma: no cover",
        "ruff: noqa: E501",
        "noqa: E501 -",
    ],
)
def test_a_suppression_without_a_reason_is_caught(suppression: str) -> None:
    assert list(suppressions(Module(f"{PACKAGE}.core.x", f"x = 1  # {suppression}\n")))


@pytest.mark.parametrize(
    "comment",
    [
        "noqa: E501 - a table reads better whole",
        "noqa: E501, S101 - a table reads better whole",
        "type: ignore[arg-type]  # the stub is wrong about this",
        "pragma: no cover - only on Windows",
        "an ordinary comment",
    ],
)
def test_a_suppression_with_a_reason_passes(comment: str) -> None:
    assert not list(suppressions(Module(f"{PACKAGE}.core.x", f"x = 1  # {comment}\n")))


def test_a_suppression_in_a_string_is_no_suppression() -> None:
    assert not list(suppressions(Module(f"{PACKAGE}.core.x", 'x = "# noqa"\n')))


@pytest.mark.parametrize(
    "source",
    [
        '"""What this module is."""',
        'class X:\n    """\n    What this class is.\n    """',
        'def x():\n    """Whether it holds."""',
        'async def x():\n    r"""What comes."""',
        'class X:\n    y = 1\n    """What this attribute is."""',
    ],
)
def test_a_docstring_that_begins_with_what_or_whether_is_caught(source: str) -> None:
    assert list(docstrings(Module(f"{PACKAGE}.core.x", source)))


@pytest.mark.parametrize(
    "source",
    [
        '"""Report whether it holds, and what follows."""',
        '"""Whatever."""',
        'x = "What should Neo do?"',
        'ask("Whether to go on")',
    ],
)
def test_another_docstring_passes(source: str) -> None:
    assert not list(docstrings(Module(f"{PACKAGE}.core.x", source)))


@pytest.mark.parametrize("name", ["MOST_FILES", "_LEAST", "LONGEST_NAME", "_SHORTEST", "LARGEST_PAGE"])
def test_a_limit_by_another_name_is_caught(name: str) -> None:
    assert list(limits(Module(f"{PACKAGE}.api.x", f"{name} = 7")))
    assert list(limits(Module(f"{PACKAGE}.api.x", f"{name}: int = 7")))


@pytest.mark.parametrize("name", ["MAX_FILES", "_MIN_LENGTH", "most", "MOSTLY_MET"])
def test_other_names_pass(name: str) -> None:
    assert not list(limits(Module(f"{PACKAGE}.api.x", f"{name} = 7")))


def test_a_stranger_at_the_top_level_is_caught() -> None:
    assert strangers(TOP_LEVEL | {".gitignore", ".github"}) == set()
    assert strangers({"README.md", "scripts", "docs", "Makefile"}) == {"scripts", "docs", "Makefile"}
