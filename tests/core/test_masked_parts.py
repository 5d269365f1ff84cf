"""Secrets that their keys name, in texts of several lines that are a part of something else."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from neo_mcp.core.redact import redact, redact_json
from neo_mcp.core.sanitize import clean, exact_json, holds_secret, redacted_json
from tests.core.renderings import renderings

SECRET = "hunter2-hunter2"
TEXTS = {
    "YAML": f"a: b\nenvironment_variables:\n  A: {SECRET}",
    "begins with it": f"environment_variables:\n  A: {SECRET}\n",
    "indented": f"  environment_variables:\n    A: {SECRET}\n",
    "block": f"x: y\nsecret: |\n  {SECRET}\n",
    "TOML": f'a = 1\n[env]\nA="{SECRET}"\n',
    "compose": f"services:\n  a:\n    environment:\n      - A={SECRET}\n",
    "Kubernetes": f"spec:\n  env:\n    - name: A\n      value: {SECRET}\n",
    "with line numbers": f"     1\tenvironment_variables:\n     2\t  A: {SECRET}\n",
    "difference": f"@@ -1,2 +1,2 @@\n environment_variables:\n-  A: x\n+  A: {SECRET}\n",
    "list": f"Environment variables:\nA={SECRET}\nB=c\n",
    "one line": f"secret: {SECRET}",
}
AROUND: dict[str, Callable[[str], Any]] = {
    "text": lambda text: text,
    "field": lambda text: {"content": text},
    "fields": lambda text: {"stdout": text, "code": 0},
    "form of texts": lambda text: {"stdout": "x\ny", "note": text},
    "item": lambda text: ["a", text],
    "content of a tool": lambda text: [{"type": "text", "text": text}],
    "JSON": lambda text: {"r": json.dumps({"stdout": text})},
    "content of a tool with JSON": lambda text: [{"type": "text", "text": json.dumps({"stdout": text})}],
    "JSON in JSON": lambda text: json.dumps({"r": json.dumps({"stdout": text})}),
    "field that may name a secret": lambda text: {"secret_file": text, "tokens": text, "api_key_help": text},
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("text", TEXTS)
def test_no_rendering_of_any_event_shows_a_secret(text: str, around: str) -> None:
    value = AROUND[around](TEXTS[text])
    assert not [words for words in renderings(value) if SECRET in words]
    assert holds_secret(value)


def test_no_field_is_lost_where_names_become_equal() -> None:
    arguments = {"secret: a b": "pulumi destroy prod", "secret: c d": "ls"}
    assert json.loads(exact_json(arguments)) == {
        "secret: [redacted: secret]": "pulumi destroy prod",
        "secret: [redacted: secret] (2)": "ls",
    }
    assert (
        list(redacted_json({"env": {"A=1": "x", "A=2": "y", "A=3": "z"}})["env"].values())
        == ["[redacted: secret]"] * 3
    )
    assert list(redact_json({"AKIA0123456789ABCDEF": 1, "AKIA0123456789ABCDEG": 2}).values()) == [1, 2]


_KEY = [
    "-----BEGIN RSA PRIVATE KEY-----",
    *(f"MIIEowIBAAKCAQEAx1y2z3{number:02}abcdefghijklmnopqrstuvwxyz0123456789+/ABC" for number in range(12)),
    "Qk1Y",
    "-----END RSA PRIVATE KEY-----",
]
MARGINS: dict[str, Callable[[int, str], str]] = {
    "number and tab": lambda number, line: f"{number:6}\t{line}",
    "file and number": lambda number, line: f"keys/a-1.pem:{number}:{line}",
    "context of a match": lambda number, line: f"keys/a.pem-{number}-{line}",
    "number and bar": lambda number, line: f" {number} | {line}",
    "arrow": lambda number, line: f"{number}\u2192{line}",
    "added": lambda _, line: f"+{line}",
    "strings of a program": lambda _, line: f'  "{line}\\n" +',
    "line breaks of HTML": lambda _, line: f"{line}<br />",
    "references of HTML": lambda _, line: f"{line}&#10;",
    "comment": lambda _, line: f" # {line}",
}


@pytest.mark.parametrize("margin", MARGINS)
def test_a_private_key_is_redacted_whole_whatever_is_beside_its_lines(margin: str) -> None:
    text = "\n".join(MARGINS[margin](number, line) for number, line in enumerate(["before", *_KEY, "after"]))
    shown = clean(text)
    assert shown.count("[redacted: private key]") == 1
    assert "MII" not in shown
    assert "Qk1Y" not in shown
    assert "before" in shown
    assert "after" in shown


def test_a_private_key_whose_lines_are_items_is_redacted() -> None:
    shown = redacted_json({"lines": [1, "before", *_KEY, "after"]})["lines"]
    assert shown == [1, "before", *["[redacted: private key]"] * len(_KEY), "after"]
    assert redacted_json(["a PRIVATE KEY", "b"]) == ["a PRIVATE KEY", "b"]


def test_of_two_private_keys_that_share_an_item_neither_shows() -> None:
    begin, text, end = _KEY[0], _KEY[1], _KEY[-1]
    shown = redact_json([begin, f"{text}\n{end}\n{begin}\n{text}", end])
    assert "MII" not in "".join(shown)


def test_very_many_private_keys_in_a_list_take_no_longer_than_others() -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{'a' * 16}\n-----END PRIVATE KEY-----"
    assert redact_json([key, "x"] * 20_000) == ["[redacted: private key]", "x"] * 20_000
    apart = ["-----BEGIN PRIVATE KEY-----", "a" * 16, "-----END PRIVATE KEY-----", "x"]
    assert redact_json(apart * 10_000) == [*["[redacted: private key]"] * 3, "x"] * 10_000


@pytest.mark.parametrize(
    "unit",
    [
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n1:",
        "-----BEGIN PRIVATE KEY-----" + "a" * 20 + "-" * 70 + "1:",
        "1\t" + "a" * 20 + "\n",
    ],
)
def test_a_long_text_of_what_begins_a_key_takes_no_longer_than_others(unit: str) -> None:
    assert redact("-----BEGIN PRIVATE KEY-----\n" + unit * (200_000 // len(unit)))


def test_very_many_names_that_become_equal_take_no_longer_than_others() -> None:
    shown = redacted_json({"env": {f"A={number}": "x" for number in range(20_000)}})["env"]
    assert len(shown) == 20_000


@pytest.mark.parametrize(
    "text", ["\x1b[0msecret: a", "s\x1bPecret:\x1b\\a", f"\x1b[K{SECRET} AKIA0123456789ABC\x1b[DEF"]
)
def test_very_many_texts_with_sequences_take_no_longer_than_others(text: str) -> None:
    shown = redacted_json([text] * 20_000)
    assert len(shown) == 20_000
    assert "secret: a" not in shown


def numbered(text: str) -> str:
    """The lines of a text with their numbers, as tools that read files show them."""
    return "\n".join(f"   {number}\u2192{line}" for number, line in enumerate(text.split("\n"), 1))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"stdout": '  + environment {\n    + variables = {\n      + "DB" = "SECRET"\n    }\n  }'}),
        *(f'{{"stdout": "{mark} secret: SECRET"}}' for mark in ("-", "+", ">", "*", "~", "  ", "   -")),
        '{"stdout": "- environment_variables:\\n    A: SECRET"}',
        '{"stdout": "a.txt:3:environment_variables:\\na.txt:4:  A: SECRET"}',
        '{"stdout": "  1\u2192environment_variables:\\n  2\u2192  A: SECRET"}',
        'const secret =\n  "SECRET";\n',
        'const secret: string =\n  "SECRET";\n',
        'const secret: string | undefined = "SECRET";',
        'const secret: pulumi.Input<string> = "SECRET";',
        'let secret: &str = "SECRET";',
        'const env: Record<string, string> = { A: "SECRET", B: "SECRET" };',
        'env: dict[str, str] = {"A": "SECRET"}',
        'SECRET="a\nSECRET"\n',
        numbered('Environment = new Args\n{\n  Variables =\n  {\n    { "A", "SECRET" },\n  }\n}'),
        "2026-11-29T10:00:00.123Z secret: SECRET",
        "[2026-11-29 10:00:00,123] INFO secret: SECRET",
        "WARNING: secret: SECRET",
        "web | environment_variables:\nweb |   A: SECRET",
    ],
)
def test_what_is_before_a_key_or_between_it_and_its_value_hides_it_from_nothing(text: str) -> None:
    assert SECRET not in clean(text.replace("SECRET", SECRET).replace(f'{SECRET}="a', 'SECRET="a'))
