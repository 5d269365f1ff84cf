"""What a test needs beyond Python and git is looked for before it begins, and missed in plain words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.conftest
from tests.support import optional

HERE = Path(__file__).parents[1]
SKIPS = {"skip", "importorskip", "xfail", "exit"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def skips(source: str) -> Iterator[str]:
    """Places that raise a skip where asynchronous code may be under way."""
    yield from _skips(ast.parse(source), ())


def _skips(node: ast.AST, within: tuple[Function, ...]) -> Iterator[str]:
    if isinstance(node, Function):
        within = (*within, node)
    match node:
        case ast.ImportFrom(module="pytest"):
            yield f"line {node.lineno}: say pytest.skip, so that it is found here"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr=name)) if name in SKIPS:
            if within and not _is_plain_test_or_fixture(within):
                yield f"line {node.lineno}: pytest.{name} in {within[-1].name}"
    for child in ast.iter_child_nodes(node):
        yield from _skips(child, within)


def _is_plain_test_or_fixture(within: tuple[Function, ...]) -> bool:
    """A helper is none: asynchronous code could call it."""
    (function, *nested) = within
    if nested or isinstance(function, ast.AsyncFunctionDef):
        return False
    is_fixture = any("pytest.fixture" in ast.unparse(decorator) for decorator in function.decorator_list)
    return is_fixture or function.name.startswith("test_")


@pytest.mark.parametrize(
    "path", sorted(HERE.rglob("*.py")), ids=lambda path: path.relative_to(HERE).as_posix()
)
def test_nothing_asynchronous_is_under_way_where_a_test_is_skipped(path: Path) -> None:
    found = list(skips(path.read_text("utf-8")))
    # The one place that is called by pytest itself, and by modules while they are imported.
    assert found == [] or path == Path(optional.__file__), 'use the mark needs("…")'


@pytest.mark.parametrize(
    "source",
    [
        "async def test_it():\n    pytest.skip('no')",
        "def helper():\n    pytest.skip('no')",
        "@pytest.fixture\nasync def it():\n    pytest.skip('no')",
        "async def test_it():\n    def look():\n        pytest.skip('no')",
        "def test_it():\n    async def look():\n        pytest.importorskip('it')",
        "class TestIt:\n    async def test_it(self):\n        if True:\n            pytest.xfail('no')",
        "from pytest import skip",
    ],
)
def test_a_skip_that_asynchronous_code_could_raise_is_found(source: str) -> None:
    assert len(list(skips(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def test_it():\n    pytest.skip('no')",
        "@pytest.fixture(scope='module')\ndef it():\n    if True:\n        pytest.skip('no')",
        "pytest.skip('no', allow_module_level=True)",
    ],
)
def test_a_skip_before_anything_begins_is_not(source: str) -> None:
    assert list(skips(source)) == []


TESTS = """
import anyio
import pytest

@pytest.fixture
async def group():
    assert False, "this is too late"
    async with anyio.create_task_group() as group:
        yield group

@pytest.mark.needs("made up")
@pytest.mark.parametrize("number", range(3))
async def test_it_needs_what_is_not_here(group, number):
    pass

@pytest.mark.needs("present", "made up too")
def test_it_needs_two_things():
    pass

@pytest.mark.needs("present")
def test_it_needs_what_is_here():
    pass
"""


@pytest.fixture
def outcome(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.RunResult:
    missing = optional.Need(lambda: None, "apt-get install made-up")
    monkeypatch.setattr(
        optional,
        "NEEDS",
        {
            "made up": missing,
            "made up too": missing._replace(install="build it"),
            "present": missing._replace(find=lambda: "/bin/present"),
        },
    )
    pytester.makeconftest(Path(tests.conftest.__file__).read_text("utf-8"))
    pytester.makepyfile(TESTS)
    pytester.makeini("[pytest]\nmarkers = needs: something")
    return pytester.runpytest("-q", "-p", "no:cacheprovider", "-p", "no:xdist")


def test_what_is_missing_is_noticed_before_a_fixture_is_set_up(outcome: pytest.RunResult) -> None:
    outcome.assert_outcomes(passed=1, skipped=4)


def test_the_end_of_a_run_says_what_was_missing_and_how_to_install_it(outcome: pytest.RunResult) -> None:
    start = outcome.outlines.index(next(line for line in outcome.outlines if "skipped ==" in line))
    assert outcome.outlines[start + 1 : start + 3] == [
        "3 tests  needs made up: apt-get install made-up",
        "1 test   needs made up too: build it",
    ]


def test_a_need_that_nobody_knows_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(Path(tests.conftest.__file__).read_text("utf-8"))
    pytester.makepyfile("import pytest\n@pytest.mark.needs('haproxi')\ndef test_it(): pass")
    pytester.makeini("[pytest]\nmarkers = needs: something")
    pytester.runpytest("-q", "-p", "no:cacheprovider", "-p", "no:xdist").assert_outcomes(errors=1)


def test_administrators_programs_are_found_beside_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("bin", "sbin"):
        (tmp_path / folder).mkdir()
    program = tmp_path / "sbin" / "nginx"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert optional.NEEDS["nginx"].find() == str(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert optional.NEEDS["nginx"].find() is None
