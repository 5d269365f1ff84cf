"""The structure of the package in figures, for two commits side by side.

``python -m tests.generate.structure [BEFORE [AFTER]]`` prints a Markdown table; a commit may be anything that
git understands, and without AFTER the working tree is measured.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "neo_mcp"

DIALECT = re.compile(
    r"(?:^|_)(found|said|told|tell|kept|keep|room|place|wanted|want|newest|look|settled?|verdict|outcome|standing"
    r"|whoever|somebody|nobody|world|door|gate|mend|most|least|longest|needs)(?:_|$)",
    re.IGNORECASE,
)
"""Words that a binding is better made without, see the glossary of the project's language."""

_SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no)")
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)


def sources(commit: str | None, folder: str) -> dict[str, str]:
    """Every Python file below ``folder``, by its path; of the working tree without a commit."""
    if commit is None:
        return {
            path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
            for path in sorted((ROOT / folder).rglob("*.py"))
        }
    names = _git("ls-tree", "-r", "--name-only", commit, folder).splitlines()
    return {name: _git("show", f"{commit}:{name}") for name in names if name.endswith(".py")}


def _git(*arguments: str) -> str:
    # Fixed commands; git is found on the PATH like any developer's.
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603, S607 - see above


def bindings(tree: ast.AST) -> Iterator[str]:
    """Names of functions, classes, parameters and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name


def docstrings(tree: ast.AST) -> Iterator[str]:
    """Docstrings of modules, classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


def functions(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Every function with its lines and its cyclomatic complexity."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            branches = sum(isinstance(inner, _BRANCHES) for inner in ast.walk(node))
            branches += sum(
                len(inner.values) - 1 for inner in ast.walk(node) if isinstance(inner, ast.BoolOp)
            )
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1, branches + 1


def imports_within(files: Mapping[str, str], folder: str) -> int:
    """Imports from one module of ``folder`` to another."""
    dotted = folder.replace("/", ".")
    return sum(
        1
        for path, source in files.items()
        if path.startswith(f"{folder}/")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(dotted)
    )


def figures(commit: str | None) -> dict[str, str]:
    """The figures of a commit, in the order in which they are printed."""
    files, tests = sources(commit, PACKAGE), sources(commit, "tests")
    trees = {path: ast.parse(source) for path, source in files.items()}
    made: dict[str, str] = {}
    for folder in sorted({"/".join(path.split("/")[:2]) for path in files if path.count("/") > 1}):
        own = [path for path in files if path.startswith(f"{folder}/")]
        made[f"`{folder}`: modules, imports within"] = f"{len(own)}, {imports_within(files, folder)}"
    top = [path for path in files if path.startswith(f"{PACKAGE}/server/") and path.count("/") == 2]
    made["modules at the top of `server`"] = str(len(top))
    names = [name for tree in trees.values() for name in bindings(tree)]
    rate = 1000 * sum(bool(DIALECT.search(name)) for name in names) / len(names)
    made["bindings in dialect, of 1,000"] = f"{rate:.1f}"
    texts = [text for tree in trees.values() for text in docstrings(tree)]
    odd = sum(text.startswith(("What", "Whether")) for text in texts)
    made["docstrings that begin with What or Whether"] = f"{odd} of {len(texts)}"
    made["suppressions"] = str(sum(len(_SUPPRESSION.findall(source)) for source in files.values()))
    made["lines: package, tests"] = f"{_lines(files):,}, {_lines(tests):,}"
    every = [(path, *each) for path, tree in trees.items() for each in functions(tree)]
    longest = max(every, key=lambda each: each[2])
    complex_ = max(every, key=lambda each: each[3])
    made["longest function"] = f"{longest[2]} lines (`{longest[1]}` in {longest[0]})"
    made["most complex function"] = f"{complex_[3]} (`{complex_[1]}` in {complex_[0]})"
    return made


def _lines(files: Mapping[str, str]) -> int:
    return sum(len(source.splitlines()) for source in files.values())


def main(arguments: list[str]) -> None:
    """Print the table."""
    before = figures(arguments[0]) if arguments else {}
    after = figures(arguments[1] if len(arguments) > 1 else None)
    lines = ["| figure | before | after |", "|---|---|---|"]
    lines += [
        f"| {name} | {before.get(name, '')} | {after.get(name, '')} |"
        for name in dict.fromkeys([*before, *after])
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
