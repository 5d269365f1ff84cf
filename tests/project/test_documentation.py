"""The documentation is executed, generated or checked: nothing in it is only claimed."""

import ast
import inspect
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import neo_mcp
from neo_mcp import errors
from neo_mcp.cli.main import build_parser
from neo_mcp.docs import PAGES, page
from neo_mcp.service.inputs import CreateTaskInput, WaitInput
from neo_mcp.service.schema import read_arguments
from neo_mcp.simulator import DEFAULT_TOKEN, Simulator
from tests.generate.docstrings import type_name
from tests.generate.documentation import FOLDER, generated_pages
from tests.support.command_line import environment, run
from tests.support.examples import long

_SNIPPET = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)]+)\)")
_PROGRAM = "pulumi-neo-mcp"
_OTHERS = {"python3", ".", "export", "unset", "pulumi"}
"""What else a reader is told to run."""

_STAYS_OR_WRITES = {"serve", "simulate", "install", "demo"}
"""Commands that last, have tests of their own, or write into the configuration of the reader's machine."""

_NOT_FOR_THE_SIMULATOR = "--api-url"


def snippets(name: str, language: str) -> list[str]:
    return [code for found, code in _SNIPPET.findall(page(name)) if found == language]


def command_lines(name: str) -> list[str]:
    return [line for code in snippets(name, "sh") for line in code.splitlines()]


def all_snippets(language: str) -> list[Any]:
    return [
        pytest.param(code, id=f"{name}-{number}")
        for name in PAGES
        for number, code in enumerate(snippets(name, language))
    ]


def test_the_pages_are_those_that_are_listed_and_the_package_carries_them() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(PAGES)
    assert FOLDER.is_relative_to(Path(neo_mcp.__file__).parent)
    for name in PAGES:
        assert page(name).startswith("# ")
    with pytest.raises(KeyError):
        page("../README")


@pytest.mark.parametrize("name", ["reference", "api", "security"])
def test_a_generated_page_is_that_of_the_code(name: str) -> None:
    assert generated_pages()[name] == page(name), "run `python -m tests.generate.documentation`"


@pytest.mark.parametrize("name", [name for name in PAGES if name not in {"reference", "api"}])
def test_a_page_is_short_enough_to_finish(name: str) -> None:
    # In tables, people look something up.
    prose = [line for line in _SNIPPET.sub("", page(name)).splitlines() if not line.startswith("|")]
    assert len(" ".join(prose).split()) < 900


@pytest.mark.parametrize("name", PAGES)
def test_its_links_lead_somewhere(name: str) -> None:
    for link in _LINK.findall(_SNIPPET.sub("", page(name))):
        path, _, anchor = link.partition("#")
        target = FOLDER / path if path else FOLDER / f"{name}.md"
        assert target.is_file(), link
        assert target.is_relative_to(FOLDER)
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", _SNIPPET.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("line", [line for name in PAGES for line in command_lines(name)])
def test_a_command_line_is_one_the_program_takes(line: str) -> None:
    if line.startswith("(umask"):
        return
    words = shlex.split(line)
    if words[0] != _PROGRAM:
        assert words[0] in _OTHERS
    elif words[1:] != ["--version"]:
        build_parser().parse_args(words[1:])


@pytest.mark.parametrize(
    "line", [li for n in PAGES for li in re.findall(r"`pulumi-neo-mcp ([^`…]+)`", page(n))]
)
def test_a_command_in_the_text_exists(line: str) -> None:
    words = shlex.split(line)
    (commands,) = (a for a in build_parser()._actions if isinstance(a.choices, Mapping))
    assert words[0] in (commands.choices or {})


@pytest.mark.parametrize("code", all_snippets("json"))
def test_arguments_of_a_tool_are_ones_it_takes(code: str) -> None:
    given = json.loads(code)
    read_arguments(CreateTaskInput if "prompt" in given else WaitInput, given)


@pytest.mark.parametrize("code", all_snippets("python"))
async def test_a_python_example_runs(code: str, simulator: Simulator) -> None:
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)  # noqa: S102 - this is what the test is for
    await names["main"](simulator.url, DEFAULT_TOKEN)
    assert simulator.requests


@pytest.mark.parametrize("name", ["tutorial", long("how-to")])
async def test_the_commands_of_a_page_run_one_after_the_other(
    name: str, simulator: Simulator, tmp_path: Path
) -> None:
    """As a reader types them, who approves: nobody sits here, so that is said with every command."""
    env = environment(tmp_path, simulator.url, NEO_MCP_APPROVALS="host")
    ran = 0
    for line in command_lines(name):
        words = shlex.split(line)
        if words[0] != _PROGRAM or words[1] in _STAYS_OR_WRITES or _NOT_FOR_THE_SIMULATOR in words:
            continue
        if "TASK" in words:
            words[words.index("TASK")] = task_for(words, simulator)
        if {"respond", "create"} & set(words) and "--yes" not in words:
            words.append("--yes")
        done = await run(*words[1:], env=env, cwd=tmp_path)
        assert done.status in {0, 3}, f"{line}: {done.out}{done.err}"
        ran += 1
    assert ran > 5


def task_for(words: list[str], simulator: Simulator) -> str:
    """The newest task; for an answer or a message, one that is ready for it."""
    ready = {"answer": _QUESTION, "message": _ENDED, "cancel": _RUNS}
    if words[3] in ready:
        return simulator.add_task(
            "acme", events=ready[words[3]], status="running" if words[3] == "cancel" else "idle"
        )
    return simulator.store.visible("acme", "alice")[-1].id


_Events = list[tuple[str, dict[str, Any]]]
_RUNS: _Events = [("userInput", {"type": "user_message", "content": "Go", "timestamp": ""})]
_ENDED: _Events = [
    *_RUNS,
    ("agentResponse", {"type": "assistant_message", "content": "Done", "is_final": True, "tool_calls": []}),
]
_QUESTION: _Events = [
    *_RUNS,
    (
        "agentResponse",
        {
            "type": "user_approval_request",
            "id": "question-1",
            "message": "Which region?",
            "approval_type": "general",
            "sensitivity": "regular",
            "context": {"tool_name": "ask_user"},
        },
    ),
]


EXAMPLES = sorted((FOLDER / "examples").glob("[a-z]*.py"))


@pytest.mark.parametrize(
    "code", [*[path.read_text("utf-8") for path in EXAMPLES], *snippets("library", "python")]
)
def test_an_example_uses_only_what_the_librarys_page_names(code: str) -> None:
    listed = set(re.findall(r"^#+ `([^`]+)`$", page("api"), re.MULTILINE))
    listed |= {name for name, value in vars(errors).items() if inspect.isclass(value)}
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").partition(".")[0] == "neo_mcp"]
    assert ours
    stable = {"neo_mcp", "neo_mcp.api", "neo_mcp.errors", "neo_mcp.watch", "neo_mcp.wire"}
    rows = re.findall(r"^\| `(neo_mcp\.[\w.]+)` \| (.+) \|$", page("library"), re.MULTILINE)
    of_the_service = {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows}
    for node in ours:
        names = {alias.name for alias in node.names}
        assert names <= (listed if node.module in stable else of_the_service[str(node.module)])


async def test_the_docs_command_lists_the_pages_and_prints_one(tmp_path: Path) -> None:
    env = environment(tmp_path)
    listed = await run("docs", env=env)
    assert [line.split()[0] for line in listed.out.splitlines()[: len(PAGES)]] == list(PAGES)
    printed = await run("docs", "How-To.md", env=env)
    assert (printed.status, printed.out) == (0, page("how-to"))
    wrong = await run("docs", "no-such", env=env)
    assert wrong.status == 2
    assert "The pages are: tutorial, " in wrong.err


def test_headings_stand_out_on_a_terminal_and_comments_in_code_do_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from neo_mcp.cli.docs import docs  # noqa: PLC0415 - as the command line does

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    docs(build_parser().parse_args(["docs", "library"]))
    lines = capsys.readouterr().out.splitlines()
    assert "\033[1m# The library\033[0m" in lines
    assert "                    # To the API, an answer is words with the request declined." in lines


def test_everything_that_is_stable_says_what_it_is_for() -> None:
    for module in (neo_mcp.watch, neo_mcp.wire):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), name


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int | None, "int | None"),
        (list[dict[str, int]], "list[dict[str, int]]"),
        (tuple[int, ...], "tuple[int, ...]"),
    ],
)
def test_annotations_are_written_as_people_do(annotation: object, text: str) -> None:
    assert type_name(annotation) == text
