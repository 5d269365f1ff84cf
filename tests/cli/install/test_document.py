"""Editing other programs' configuration: one entry changes, and not one other character."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neo_mcp.cli.install import jsonc
from neo_mcp.cli.install.document import BrokenDocumentError, Format, entry_in, with_entry, without_entry
from tests.support.examples import examples

JSON_PATH = ("mcpServers", "neo")
TOML_PATH = ("mcp_servers", "neo")
ENTRY = {"command": "/opt/neo", "args": ["serve"], "env": {"A": 'ü "q" \\ \x7f'}}
OTHER = {"command": "/opt/other", "args": []}

names = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6).filter(lambda name: name != "neo")
scalars = st.none() | st.booleans() | st.integers() | st.text(st.characters(blacklist_categories=["Cs"]))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
blanks = st.sampled_from(
    ["", "", " ", "\t", "\n", "\n  ", "\n\t", '// c { " \n', "/* } , */", " /* a\n b */ "]
)


@st.composite
def written(draw: Any, value: Any) -> str:  # noqa: ANN401 - any JSON, and a strategy of any type
    """One of the many ways to write ``value`` as JSON with comments."""
    if isinstance(value, dict | list):
        brackets = "{}" if isinstance(value, dict) else "[]"
        items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
        parts = []
        for name, item in items:
            head = f"{json.dumps(name)}{draw(blanks)}:{draw(blanks)}" if name is not None else ""
            parts.append(f"{draw(blanks)}{head}{draw(written(item))}{draw(blanks)}")
        comma = "," if parts and draw(st.booleans()) else ""
        return f"{brackets[0]}{','.join(parts)}{comma}{draw(blanks)}{brackets[1]}"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A document and its value; with servers of others in it, or without any."""
    value = draw(st.dictionaries(names, values, max_size=3))
    value.pop("mcpServers", None)
    if draw(st.booleans()):
        value["mcpServers"] = draw(st.dictionaries(names, st.just(OTHER), max_size=2))
    text = f"{draw(blanks)}{draw(written(value))}{draw(blanks)}"
    text = text.replace("\n", "\r\n") if draw(st.booleans()) else text
    return ("\ufeff" if draw(st.booleans()) else "") + text, value


def is_within(part: str, whole: str) -> bool:
    left = iter(whole)
    return all(character in left for character in part)


class TestJson:
    @settings(max_examples=examples(60))
    @given(documents())
    def test_what_people_write_is_read(self, document: tuple[str, dict[str, Any]]) -> None:
        text, value = document
        assert jsonc.read(text) == value

    @settings(max_examples=examples(60))
    @given(documents())
    def test_an_entry_comes_in_and_every_other_character_stays(
        self, document: tuple[str, dict[str, Any]]
    ) -> None:
        text, value = document
        edited = with_entry(text, Format.JSON, JSON_PATH, ENTRY)
        servers = {**value.get("mcpServers", {}), "neo": ENTRY}
        assert jsonc.read(edited) == {**value, "mcpServers": servers}
        assert is_within(text, edited)
        assert ("\r\n" in edited) == ("\r\n" in text) or "\n" not in text
        if "\r\n" in text:
            assert "\n" not in edited.replace("\r\n", "")

    @settings(max_examples=examples(60))
    @given(documents())
    def test_an_entry_goes_out_and_every_other_character_stays(
        self, document: tuple[str, dict[str, Any]]
    ) -> None:
        text, value = document
        edited = with_entry(text, Format.JSON, JSON_PATH, ENTRY)
        back = without_entry(edited, Format.JSON, JSON_PATH)
        assert is_within(back, edited)
        assert jsonc.read(back) == {**value, "mcpServers": value.get("mcpServers", {})}
        if value.get("mcpServers"):
            assert back == text

    @settings(max_examples=examples(60))
    @given(documents())
    def test_an_entry_is_replaced_in_its_place(self, document: tuple[str, dict[str, Any]]) -> None:
        text, _ = document
        first = with_entry(text, Format.JSON, JSON_PATH, ENTRY)
        second = with_entry(first, Format.JSON, JSON_PATH, OTHER)
        assert entry_in(second, Format.JSON, JSON_PATH) == OTHER
        assert with_entry(second, Format.JSON, JSON_PATH, ENTRY) == first

    @pytest.mark.parametrize("text", ["", "\n", "\ufeff", "  \r\n", "// only a comment", "/* c */\n"])
    def test_a_document_without_a_value_gets_one(self, text: str) -> None:
        edited = with_entry(text, Format.JSON, JSON_PATH, ENTRY)
        assert edited.startswith(text)
        assert jsonc.read(edited) == {"mcpServers": {"neo": ENTRY}}

    def test_a_comment_stays_with_its_line(self) -> None:
        text = '{\n  "mcpServers": {\n    "a": {} // about a\n  }\n}\n'
        edited = with_entry(text, Format.JSON, JSON_PATH, {"command": "x"})
        assert edited == (
            '{\n  "mcpServers": {\n    "a": {}, // about a\n'
            '    "neo": {\n      "command": "x"\n    }\n  }\n}\n'
        )

    def test_a_trailing_comma_stays_the_custom(self) -> None:
        text = '{\n\t"mcpServers": {\n\t\t"a": {},\n\t},\n}'
        edited = with_entry(text, Format.JSON, JSON_PATH, {"command": "x"})
        assert edited == (
            '{\n\t"mcpServers": {\n\t\t"a": {},\n\t\t"neo": {\n\t\t\t"command": "x"\n\t\t},\n\t},\n}'
        )

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "[]",
            '"text"',
            '{"a" 1}',
            '{"a": 1 "b": 2}',
            '{"a": [1 2]}',
            "{a: 1}",
            "{'a': 1}",
            '{"a": 01}',
            '{"a": nope}',
            '{"a": "\n"}',
            '{"a": 1} more',
            "{,}",
            '{"a": 1,,}',
            "/* open",
            '{"a": 1, "a": 2}',
            '{"mcpServers": []}',
            '{"mcpServers": "none"}',
            '{"mcpServers": {"neo": 1}}',
            '{"mcpServers": {}, "mcpServers": {}}',
            '{"a": ' + "[" * 200 + "]" * 200 + "}",
        ],
    )
    def test_what_is_broken_or_otherwise_meant_is_refused(self, text: str) -> None:
        with pytest.raises(BrokenDocumentError):
            with_entry(text, Format.JSON, JSON_PATH, ENTRY)

    def test_a_refusal_says_where(self) -> None:
        with pytest.raises(BrokenDocumentError, match="line 2, column 8: a value is missing"):
            with_entry('{\n  "a": ,\n}', Format.JSON, JSON_PATH, ENTRY)


TABLES = [
    'model = "o"\n',
    "# about nothing\n",
    "\n",
    '[mcp_servers.other]\ncommand = "x" # why\nargs = [\n  "[mcp_servers.neo]",\n]\n',
    '[mcp_servers.other.env]\nA = """\n[not.a.table]\n"""\n',
    '[[profiles]]\nname = "a"\n',
    '[tools] # here\n"odd key" = 1\n',
    "# at the end",
]
tables = st.lists(st.integers(0, len(TABLES) - 1), unique=True).map(
    lambda at: [TABLES[i] for i in sorted(at)]
)


class TestToml:
    @settings(max_examples=examples(60))
    @given(tables, st.booleans())
    def test_an_entry_comes_and_goes_and_every_other_character_stays(
        self, parts: list[str], crlf: bool
    ) -> None:
        text = "".join(parts).replace("\n", "\r\n" if crlf else "\n")
        edited = with_entry(text, Format.TOML, TOML_PATH, ENTRY)
        assert tomllib.loads(edited)["mcp_servers"]["neo"] == ENTRY
        assert edited.startswith(text)
        if "\r\n" in text:
            assert "\n" not in edited.replace("\r\n", "")
        back = without_entry(edited, Format.TOML, TOML_PATH)
        assert back.rstrip("\r\n") == text.rstrip("\r\n")
        changed = with_entry(edited, Format.TOML, TOML_PATH, OTHER)
        assert entry_in(changed, Format.TOML, TOML_PATH) == OTHER
        assert with_entry(changed, Format.TOML, TOML_PATH, ENTRY) == edited

    def test_the_comment_of_the_next_table_stays(self) -> None:
        text = (
            '[mcp_servers."neo"]\ncommand = "x"\n\n[mcp_servers.neo.env]\nA = "b"\n\n'
            "# about the tools\n[tools]\na = 1\n"
        )
        back = without_entry(text, Format.TOML, TOML_PATH)
        assert back == "\n# about the tools\n[tools]\na = 1\n"
        changed = with_entry(text, Format.TOML, TOML_PATH, {"command": "y"})
        assert changed == '[mcp_servers.neo]\ncommand = "y"\n\n# about the tools\n[tools]\na = 1\n'

    @pytest.mark.parametrize(
        "text",
        [
            "= 1",
            "[a",
            'mcp_servers = "none"\n',
            'mcp_servers = { other = { command = "x" } }\n',
            'mcp_servers = { neo = { command = "x" } }\n',
        ],
    )
    def test_what_is_broken_or_written_otherwise_is_refused(self, text: str) -> None:
        with pytest.raises(BrokenDocumentError):
            with_entry(text, Format.TOML, TOML_PATH, ENTRY)
