"""Texts in which a key names a secret: its value is not shown, in any spelling and surrounding."""

import html
import json
import re
import urllib.parse
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.masking import masked
from neo_mcp.core.members import mask_members
from neo_mcp.core.redact import redact
from neo_mcp.core.sanitize import clean, redacted_json
from tests.support.examples import long, some

SECRET = "hunter2xq"
QUOTED_KEYS = [
    *('"secret"', "'secret'", "`secret`", '"SECRET"', '"s_e_c-r e.t"', '"fn::secret"', '"proj:secret"'),
    *('"s\\u0065cret"', '"\\x73ecret"', '"\\u0073\\u0065\\u0063\\u0072\\u0065\\u0074"', '"s&#101;cret"'),
    *('\\"secret\\"', '\\\\\\"secret\\\\\\"', "&quot;secret&quot;", "&#34;secret&#34;", "&#x22;secret&#x22;"),
    *("\\u0022secret\\u0022", "%22secret%22", "\u201csecret\u201d", '"sec\u200bret"', '"\uff53ecret"'),
    *(
        '"environment_variables"',
        "'environmentVariables'",
        '"env-vars"',
        '"Environment Variables"',
        '"envVar"',
    ),
]
BARE_KEYS = [
    *("secret", "SECRET", "fn::secret", "environment_variables", "environmentVariables", "env_vars"),
    *("s\\u0065cret", "\\x73ecret", "**secret**", "proj:secret"),
]
SEPARATORS = [
    *(": ", " : ", "=", " = ", " => ", " := ", " ?= ", " ->  ", ":\n\n  ", ":\u00a0"),
    *(":" + " " * 100, " " * 200 + ":\t", ' /* c */ : /* x "y */ ', ": // note\n  ", ": # it's\n  "),
]
JOINED_SEPARATOR = ":"
VALUES = [
    # Quoted.
    *(
        f'"{SECRET}"',
        f"'{SECRET}'",
        f"`{SECRET}`",
        f'b"{SECRET}"',
        f"u'{SECRET}'",
        f'r"{SECRET}"',
        f"$'{SECRET}'",
    ),
    *(f'"a\\"{SECRET}"', f'"a\\\\\\"{SECRET}"', f'"a, {SECRET}"', f'"a}} {SECRET}"', f'""{SECRET}""'),
    *(f"'''a\n{SECRET}'''", f'"""a "x" {SECRET}"""', f'"line1\n{SECRET}"', f'"line1\n\nx {SECRET}\n"'),
    *(f"&quot;{SECRET}&quot;", f"\\u0022{SECRET}\\u0022", f"%22{SECRET}%22", f"\u201ca, {SECRET}\u201d"),
    *(f'\\"{SECRET}\\"', f'"\\u0022{SECRET}"', f'!!binary "{SECRET}"'),
    # Put together.
    *(
        f'"a" + "{SECRET}"',
        f'"a" "{SECRET}"',
        f'"a"\n  "{SECRET}"',
        f'"a" +\n "{SECRET}"',
        f'"a"\n + "{SECRET}"',
    ),
    *(f'"a" \\\n "{SECRET}"', f'"a"{SECRET}', f"'it''{SECRET}'", f'a"b {SECRET}"', f"${{x}}{SECRET}"),
    *(f'process.env.A || "{SECRET}"', f'config.get("x") || "{SECRET}"', f'c ? "x" : "{SECRET}"'),
    *(
        f'"x" if c else "{SECRET}"',
        f'str("{SECRET}")',
        f'pulumi.secret("{SECRET}")',
        f'os.environ.get("A", "b") + "{SECRET}"',
    ),
    # In brackets.
    *(
        f'("{SECRET}",)',
        f"('{SECRET}')",
        f'["{SECRET}"]',
        f"[1, {SECRET}]",
        f"{{A: {SECRET}}}",
        f'{{"A": "{SECRET}"}}',
    ),
    *(f'{{A = "{SECRET}"}}', f'{{"A": {{"B": ["x", {{"C": "{SECRET}"}}]}}}}', f'[\n  "{SECRET}",\n  "b"\n]'),
    *(
        f'{{\n  "A": "x",\n  "B": "{SECRET}"\n}}',
        f'{{"A": c ? "x" : "{SECRET}"}}',
        f'{{"A": "x" +\n "{SECRET}"}}',
    ),
    *(
        f"{{A: 1, # {SECRET}\n B: 2}}",
        f'[{{"name": "A", "value": "{SECRET}"}}]',
        f"[A={SECRET}]",
        f'["A={SECRET}"]',
    ),
    *(f'{{**x, "A": "{SECRET}"}}', f'(\n  "a"\n  "{SECRET}"\n)', f"({SECRET})"),
    # Bare.
    *(
        SECRET,
        f"12{SECRET}",
        f"-{SECRET}",
        f".{SECRET}",
        f"!{SECRET}",
        f"|{SECRET}",
        f"*{SECRET}",
        f"{SECRET},{SECRET}",
    ),
    *(
        f"true {SECRET}",
        f"null{SECRET}",
        f"{SECRET} b",
        f"!!str {SECRET}",
        f"&x {SECRET}",
        f"{SECRET}(1)",
        f"a.{SECRET}",
    ),
]


def indented(margin: str, text: str) -> str:
    return text.replace("\n", f"\n{margin}")


AROUND: dict[str, Callable[[str], str]] = {
    "alone": lambda pair: pair,
    "braces": lambda pair: f"{{{pair}}}",
    "among others": lambda pair: f'{{"a": 1, {pair}, "b": "c"}}',
    "deeper": lambda pair: f'{{"a": [{{{pair}}}]}}',
    "prose": lambda pair: f'I run it with {{{pair}}} now, as "agreed".',
    "code": lambda pair: f"Like so:\n```json\n{{\n  {indented('  ', pair)}\n}}\n```\nDone.",
    "lines": lambda pair: f'x: y\n{pair}\nz: "w"\n',
    "list": lambda pair: f"- a\n- {indented('  ', pair)}\n",
    "order mark": lambda pair: f"\ufeff{pair}",
    "blanks": lambda pair: f"{' ' * 1200}{{{pair}}}",
    "second line": lambda pair: f'{{"a": 1}}\n{{{pair}}}\n{{"b": 2}}',
    "JSON": lambda pair: json.dumps({"content": pair}),
    "JSON in JSON": lambda pair: json.dumps(json.dumps({"content": f"{{{pair}}}"})),
    "prose with JSON": lambda pair: f"args: {json.dumps(f'{{{pair}}}')} now",
    "HTML": lambda pair: html.escape(f"{{{pair}}}"),
    "diff": lambda pair: f"+ {indented('+ ', pair)}",
    "quotation": lambda pair: f"> {indented('> ', pair)}",
    "matches": lambda pair: f"f.yaml:12:  {indented('f.yaml-13-  ', pair)}",
    "numbers": lambda pair: f"    12\t{indented(f'    13{chr(9)}', pair)}",
}
BEGINS_LINE = {"alone", "lines", "list", "order mark", "code", "diff", "quotation", "matches", "numbers"}
"""The surroundings in which a pair begins its line."""

OPENS_VALUE = re.compile(r"[\[{]|\(?[a-z$]?[\"'`\u201c]|&quot;|%22|\\\\u0022")


def is_sure(key: str, separator: str, value: str, around: str) -> bool:
    """True if the value is on the line of its key, or surely goes on below."""
    if value[:3] in {'"""', "'''"} and around in {"HTML", "JSON in JSON"}:
        return False
    if "\n" in separator and around not in BEGINS_LINE:
        return key in QUOTED_KEYS and OPENS_VALUE.match(value) is not None
    if "\n" not in value.partition(SECRET)[0]:
        return True
    return key in QUOTED_KEYS or value[0] in "[{(" or value[:3] in {'"""', "'''"}


PAIRS = [
    *product(QUOTED_KEYS, [": "], VALUES),
    *product(QUOTED_KEYS, SEPARATORS, VALUES[:: len(VALUES) // 4]),
    *product(['"secret"', "'environmentVariables'"], SEPARATORS, VALUES),
    *product(BARE_KEYS, [": "], VALUES),
    *product(["secret", "env_vars"], SEPARATORS, VALUES),
    *product(QUOTED_KEYS, [JOINED_SEPARATOR], VALUES[::7]),
]


@pytest.mark.parametrize("around", some(AROUND, every=5))
def test_a_value_is_not_shown_wherever_its_key_is(around: str) -> None:
    # Every surrounding has pairs of its own, and all of those that are most usual.
    first = list(AROUND).index(around)
    pairs = PAIRS[first :: len(AROUND) // 4]
    texts = [
        AROUND[around]("".join(pair)) for pair in [*pairs, *PAIRS[: len(VALUES)]] if is_sure(*pair, around)
    ]
    assert [text for text in texts if SECRET in clean(text)] == []


@pytest.mark.parametrize(
    "pair", ['"secret": "a b"', "secret: hunter2", '"environment_variables": {"A": "x"}']
)
def test_a_pair_in_an_address_is_masked(pair: str) -> None:
    text = urllib.parse.quote(f"{{{pair}}}")
    assert clean(text) != text
    assert "hunter2" not in clean(text)


TEXTS = {
    "block": f"environmentVariables:\n  A: {SECRET}\n  B:\n    - {SECRET}\n    - x: {SECRET}\nnext: 1",
    "list": f"env:\n  - name: A\n    value: {SECRET}\n  - B={SECRET}\nnext: 1",
    "list at the key": f"env:\n- name: A\n  value: {SECRET}\n- B={SECRET}",
    "compose": f"services:\n  web:\n    environment:\n      DB_PASS: {SECRET}\n      OTHER: x",
    "compose list": f"    environment:\n      - DB_PASS={SECRET}\n      - OTHER=x",
    "compose in one line": f"environment: {{DB_PASS: {SECRET}}}",
    "literal block": f"secret: |\n  a\n\n  b: {SECRET}\nnext: 1",
    "folded block": f"- secret: >-\n    a\n    {SECRET}\n- x: y",
    "block in a block": f"env_vars:\n  A: |\n    b: {SECRET}\n  B: x",
    "quoted lines": f'env_vars:\n  A: "b\n    {SECRET}: c"\n  B: x',
    "plain lines": f"secret: a\n  b {SECRET}\n  c",
    "secret of Pulumi ESC": f"values:\n  a:\n    fn::secret: {SECRET}\n",
    "nested secret of Pulumi ESC": f"values:\n  a:\n    fn::secret:\n      ciphertext: {SECRET}\n",
    "variables of Pulumi ESC": f"values:\n  environmentVariables:\n    A: ${{x}}\n    B: {SECRET}\n",
    "complex key": f"? secret\n: {SECRET}\n",
    "escaped block": json.dumps({"content": f"env_vars:\n  A: {SECRET}\n  B: {SECRET}\n", "x": 1}),
    "TOML": f'environment_variables = {{ A = "{SECRET}" }}\nsecret = "{SECRET}"\nsecret = {SECRET}',
    "TOML table": f'[environment_variables]\nA = "{SECRET}"\nB = "x"\n\n[other]\na = 1',
    "deeper TOML table": f'[deploy.env_vars]\nA = "{SECRET}"',
    "dotted key": f"environment_variables.A = {SECRET}\nspring.secret={SECRET}\nsecret.value: {SECRET}",
    "item": f'environment_variables["A"] = "{SECRET}"\nconfig["secret"] = "{SECRET}"',
    "HCL": f'environment {{\n  variables = {{\n    A = "{SECRET}"\n  }}\n}}',
    "HCL block": f'env_vars {{\n  A = "{SECRET}"\n}}\nenv {{\n  name = "A"\n  value = "b{SECRET}"\n}}',
    "Lambda": json.dumps({"Environment": {"Variables": {"A": SECRET}}}),
    "Lambda in prose": f'I got {{"Environment": {{"Variables": {{"A": "{SECRET}"}}}}}} back.',
    "CloudFormation": f"      Environment:\n        Variables:\n          A: {SECRET}\n      Handler: x",
    "command": f"aws lambda update --environment 'Variables={{A={SECRET},B=x}}'",
    "shell": f"export SECRET={SECRET}\ndocker run -e SECRET={SECRET} x --secret={SECRET}",
    "address": f"https://x.example/?secret={SECRET}",
    "keyword": f'f(a, secret="{SECRET}")',
    "default": f'def f(secret: str = "{SECRET}"): pass',
    "here document": f"secret = <<-EOF\n  {SECRET}\n  EOF\nnext",
    "XML": f"<a><secret>{SECRET}</secret><environmentVariables><A>{SECRET}</A></environmentVariables></a>",
    "property list": f"<key>secret</key>\n<string>{SECRET}</string>",
    "attribute": f'<add key="secret" value="{SECRET}"/>',
    "name and value": f'{{"name": "secret", "value": "{SECRET}"}}',
    "output": f'$ pulumi config\n{{"app:a": {{"value": "{SECRET}", "secret": true}}}}',
    "lines of JSON": f'{{"secret": true, "value": "{SECRET}"}}\n{{"value": "{SECRET}", "secret": true}}',
    "cut-off output": f'{{"app:a": {{"value": "{SECRET}", "secret": true}}, "b": {{"val',
    "output in JSON": json.dumps(
        {"exit_code": 0, "stdout": f'$ x\n{{"a": {{"value": "{SECRET}", "secret": true}}}}'}
    ),
    "output on lines": f'$ x\n{{\n  "a": {{\n    "value": "{SECRET}",\n    "secret": true\n  }}\n}}',
    "object value": f'x {{"value": "{{}}", "objectValue": {{"a": ["{SECRET}"]}}, "secret": true}}',
    "long output": json.dumps({"x": "y" * 2**18, "a": {"value": SECRET, "secret": True}}),
    "value and name": f'x {{"value": "{SECRET}", "name": "secret"}}',
    "name and value on lines": f"name: secret\nvalue: {SECRET}",
    "key and value": f'x {{"Key": "secret", "Value": "{SECRET}"}}',
    "preview": f'    environment : [\n      + [0]: {{\n        + name : "D"\n        + value: "{SECRET}"\n',
    "Go": (
        "Environment: &lambda.FunctionEnvironmentArgs{\n\tVariables: pulumi.StringMap{\n"
        f'\t\t"A": pulumi.String("{SECRET}"),\n\t}},\n}},'
    ),
    "C#": f'Environment = new Args\n{{\n  Variables =\n  {{\n    {{ "A", "{SECRET}" }},\n  }},\n}}',
    "C# in one line": f'EnvironmentVariables = new() {{ {{ "A", "{SECRET}" }} }}',
    "Java": f'.environment(A.builder()\n  .variables(Map.of("A", "{SECRET}"))\n  .build())',
    "output of Pulumi": f'environmentVariables: pulumi.output({{ A: "{SECRET}" }})',
    "applied function": f'environmentVariables: pulumi.all([a]).apply(([a]) => ({{ A: "{SECRET}" }}))',
    "merged dictionary": f'env={{**os.environ, "A": "{SECRET}"}}',
    "compose without a value": f"environment:\n  - DEBUG\n  - A={SECRET}",
    "compose with a small name": f"environment:\n  http_proxy: x\n  A: {SECRET}",
    "compose with a merge": f"environment:\n  <<: *common\n  A: {SECRET}",
    "compose with a comment": f"environment:\n  # comment\n  A: {SECRET}",
    "compose with an anchor": f"environment: &anchor\n  A: {SECRET}",
    "compose with mappings": f"environment:\n  - A: {SECRET}",
    "value before its name": f"environment:\n  - value: {SECRET}\n    name: A",
    "variables on lines": f"Environment variables:\nA_B=x\nDB_PASS={SECRET}\nDone.",
    "full-width colon": f"secret\uff1a {SECRET}",
    "path of a variable": f'{{"environmentVariables.DB": "{SECRET}"}}',
    "Markdown": f"**Secret:** `{SECRET}`",
    "Markdown list": f"- **Environment variables**:\n  - `A`: {SECRET}\n",
    "fence": f"Secret:\n```\n{SECRET}\n```\n",
    "prose and quotes": f'The secret: "{SECRET}" is set.',
    "Java object": f"Config{{environment_variables={{A={SECRET}, B=x}}, secret={SECRET}}}",
    "long": f'{"x " * 200_000}"s\\u0065cret": "{SECRET}"',
    "long JSON": json.dumps({"a": "x" * 2**18, "secret": SECRET}),
    "after an open one": f'{{"secret": "a\n{{"secret": "{SECRET}"}}',
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_value_is_shown_of_a_text(name: str) -> None:
    assert SECRET not in clean(TEXTS[name])


def test_names_of_variables_stay_in_a_text() -> None:
    text = 'env_vars:\n  A: x\n  B:\n    - y\nz: {"environment_variables": {"C": "d", "E": [1, null]}}'
    note = "[redacted: secret]"
    assert clean(text) == (
        f"env_vars:\n  A: {note}\n  B:\n    - {note}\n"
        f'z: {{"environment_variables": {{"C": "{note}", "E": [{note}, null]}}}}'
    )


STAY = [
    "secret: true",
    'secret: null, "secret": "", secret: {}, "secret": []',
    'secret: process.env.A,\nsecret = config.requireSecret("x")\n"secret": os.environ["A"]',
    'const secret = new random.RandomPassword("secret", { length: 16 });',
    'secret = aws.secretsmanager.Secret("secret", name="x")',
    "def f(secret: str, other: int) -> None: ...\nfunction f(secret?: string) {}",
    "interface A {\n  secret: string;\n}",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-a1B2c3",
    "urn:pulumi:dev::p::aws:secretsmanager/secret:Secret::db",
    "aws:secretsmanager:Secret: created",
    "The secret: it is kept. client_secret: x; my-secret: y; secretName: z",
    "secret: The name of the secret that is set in the stack, not its value.",
    '{"secret": true, "name": "x"} {"value": "x"}',
    'a: {"value": "x"}\nb: {"secret": true}',
    "- secret: true\n- value: x",
    'env_var = os.getenv("FORCE_COLOR")',
    *("secret: Secret,", "const secret = dbSecret;", "secret: z.string(),", 'json={"secret": secret}'),
    "f(string secret = null, string name)",
    "async def enter(self, secret: str, **headers: str) -> R: ...",
    "secret == other and secret != x",
    "secrets.map(secret => secret.id)",
    "environment: production\nenv: prod\nenvironment:\n  name: production\n",
    '{"environment": {"region": "x"}, "env": "prod"}',
    "Environment variables: none of them is needed here",
    "## Secret\n\nThe environment variables are set.\nkubectl create secret generic x",
    "if (secret) {\n  run();\n}",
    'case "secretary": "x"',
    "<secret> is a placeholder, as in pulumi config set <secret>",
]


@pytest.mark.parametrize("text", STAY)
def test_what_is_no_value_of_a_secret_stays_in_a_text(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"Environment": {"Variables": {"A": "x"}, "Error": {"Code": "y"}}}, {"Code": "y"}),
        ({"environment": {"variables": [{"name": "A", "value": "x"}], "Error": "y"}}, "y"),
    ],
)
def test_the_variables_of_a_function_are_masked_and_the_rest_stays(
    value: dict[str, dict[str, object]], shown: object
) -> None:
    (environment,) = masked(value).values()
    assert "x" not in str(environment)
    assert environment["Error"] == shown


@pytest.mark.parametrize(
    "value",
    [
        {"environment": [{"name": "A", "value": SECRET}]},
        {"environment": [f"A={SECRET}"]},
        {"environment": {"DB_PASS": SECRET}},
        {"environment": {"DB_PASS": SECRET, "http_proxy": ""}},
        {"environment": [f"DB_PASS={SECRET}", "DEBUG"]},
        {"environment": [{"key": "A", "value": SECRET}]},
        {"db:password": {"value": SECRET, "secret": True}},
        {"name": "secret", "value": SECRET},
        {"environmentVariables.DB": SECRET},
        {"a": f"se\u001b[cret: {SECRET}"},
        {"a": f"\u001b]secret: {SECRET}\u0007"},
        {"Key": "secret", "Value": SECRET},
        {"Value": SECRET, "Secret": True},
        {"proj:secret": SECRET},
        {"fn::secret": {"a": SECRET}},
        {"a": f"secret: {SECRET}"},
        {"a": [f'\ufeff {{"s\\u0065cret": "{SECRET}"}}']},
    ],
)
def test_no_value_is_shown_of_a_structure(value: object) -> None:
    assert SECRET not in json.dumps(redacted_json(value))


LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
NAMES = ["secret", "env", "variables", "plaintext"]


@given(st.text(LETTERS))
def test_a_text_without_such_a_name_is_the_same_object(text: str) -> None:
    letters = "".join(filter(str.isalpha, text)).lower()
    if not any(name in letters for name in NAMES) and not {"\\", "&", "%"} & set(text):
        assert mask_members(text) is text


@given(
    st.sampled_from(QUOTED_KEYS + BARE_KEYS),
    st.sampled_from(SEPARATORS),
    st.sampled_from(VALUES),
    st.sampled_from(sorted(AROUND)),
)
def test_no_combination_shows_a_value(key: str, separator: str, value: str, around: str) -> None:
    is_function = value.startswith("{") and separator == " => "
    if not is_function and is_sure(key, separator, value, around):
        assert SECRET not in clean(AROUND[around](key + separator + value))


@given(st.text(), st.text(), st.sampled_from([json.dumps, repr]))
def test_any_text_around_a_quoted_value_of_any_letters_leaves_it_masked(
    before: str, value: str, write: Callable[[object], str]
) -> None:
    text = write({"a": before, "secret": f"{value}{SECRET}", "b": [before]})
    assert SECRET not in redact(text)
    assert SECRET not in redact(json.dumps(text))


@given(
    st.lists(
        st.sampled_from([*QUOTED_KEYS, *BARE_KEYS, *SEPARATORS, *VALUES, "{", "}", "\n", "  ", '"', "x", ","])
    )
)
def test_masking_a_text_again_changes_nothing(parts: list[str]) -> None:
    once = redact("".join(parts))
    assert redact(once) == once


@pytest.mark.parametrize(
    "unit",
    [
        *(
            '"secret":',
            "secret: ",
            "\\",
            '"',
            "\\u0073",
            " ",
            "%22",
            "&quot;",
            "secret: |\n ",
            "\n- ",
            "secret /*",
        ),
        *('"secret": \\"', "secret: new X(", "s e c r e t ", "[secret", "\\n", "<secret>", "env:\n A: b\n"),
    ],
)
@pytest.mark.parametrize("before", ["", long('"secret": '), long("env:\n  ")])
def test_a_hostile_text_is_read_through(unit: str, before: str) -> None:
    # Longer than what is searched as a whole.
    text = before + unit * (300_000 // len(unit))
    assert mask_members(mask_members(text)) is not None


DIFF = (
    '+console.log("Created secret: " + s.name);\n+await deleteEverything("prod");\n+grantAdmin("eve");\n'
    '+raise KeyError(f"Missing environment variable: {name}")\n+x = "a"\n-fmt.Printf("secret: %s\\n", name)\n'
    '+console.log(`Created secret: ${secret.name}`);\n+secret: {\n+  deleteEverything("prod");\n+}\n'
    '+if ("secret" in x) {\n+  run("x");\n+}\n+case "secret":\n+  run("x");\n'
)


@pytest.mark.parametrize(
    "text",
    [
        DIFF,
        "The key `secret:` holds it. Then run `pulumi up`.\n\nDone.",
        "console.log(`Created secret: ${secret.name}`);\nrun(`x`);",
        'raise KeyError(f"Missing environment variable: {name}")\ny = "b"\n',
        'fmt.Printf("secret: %s\\n", name)\nfoo("x")',
    ],
)
def test_code_and_prose_with_such_a_name_stay(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "Environment variables:\n- `A`: x\n\n## Next\n",
            "Environment variables:\n- `A`: {note}\n\n## Next\n",
        ),
        ("+secret: f(\n+  run('x')\n+)", "+secret: {note}\n+  run('x')\n+)"),
        ("- `secret`: hunter2\n- `name`: the name", "- `secret`: {note}\n- `name`: the name"),
        (f"secret: ghp_{'a' * 36}\n  hunter2", "secret: {note}\n  {note}"),
        ('+secret = """a\n+ hunter2\n+"""\n+run()', '+secret = """{note}\n+ {note}\n+"""\n+run()'),
        (
            '+  environmentVariables: {\n+    A: "hunter2",\n+    B: "hunter2",\n+  },\n+  next: "x"',
            '+  environmentVariables: {{\n+    A: "{note}",\n+    B: "{note}",\n+  }},\n+  next: "x"',
        ),
        ('{{"secret": "a\n run("x");\n x", "b": 1}}', '{{{{"secret": "{note}\n run("x");\n x", "b": 1}}}}'),
        (
            'const secret = pulumi.secret(\n  "hunter2"\n);\nrun();',
            'const secret = pulumi.secret(\n  "{note}"\n);\nrun();',
        ),
    ],
)
def test_a_mask_of_a_value_keeps_the_lines(text: str, shown: str) -> None:
    note = "[redacted: secret]"
    assert clean(text) == shown.format(note=note)


PIECES = [
    *("def f(secret: str) -> None:", '    raise KeyError(f"Missing secret: {name}")', "    return {", "}"),
    *('console.log("Created secret: " + x);', 'run("prod");', "const a = `secret: ${x}`;", "});", "[", "("),
    *(
        "The `secret:` is here, isn't it?",
        "- `secret`: the name",
        "Environment variables:",
        "- `A`: the name",
    ),
    *("## Next", "", "```", '  "a": "b",', '"secret": "x', '"environment_variables": {', '  "A": "x"', "},"),
    *("env:", "  - name: A", "    value: x", "secret: |", "    x", "secret: x", "secret = <<A", "A", "[env]"),
    *("<secret>", "</secret>", "/* secret: ", "*/", 'secret = """', '"""', "secret: (", 'secret = "', "x'"),
]
MARGINS = ["", "+", "-", " ", "+ ", "- ", "> ", "  "]


@given(st.lists(st.tuples(st.sampled_from(MARGINS), st.sampled_from(PIECES)), max_size=12))
def test_every_line_stays_a_line_with_its_margin(lines: list[tuple[str, str]]) -> None:
    before = [margin + piece for margin, piece in lines]
    after = clean("\n".join(before)).split("\n")
    assert len(after) == len(before or [""])
    for (margin, piece), line in zip(lines, after, strict=False):
        assert line.startswith(margin.rstrip()) or not piece


PLAIN_LINES = [
    *('run("prod");', "Then run `x`, isn't it?", '+x = f("a", b);', '-  "a": "b" + c', "@@ -1 +1 @@")
]
IN_LINE = [
    *('console.log("Created secret: " + x);', 'raise KeyError(f"Missing environment variable: {name}")'),
    *(
        "The key `secret:` is here.",
        "secret == x",
        "def f(secret: str):",
        'x = "secret: ',
        "f('secret: ' + x)",
    ),
    *("- `secret`: x", 'f(secret="x", b="y")', '{"secret": "x", "b": "c"}', 'secret = "x" +', "if secret {"),
]


@given(st.lists(st.sampled_from(PLAIN_LINES + IN_LINE), max_size=12))
def test_lines_without_such_a_name_stay_below_one_that_opens_nothing(lines: list[str]) -> None:
    after = clean("\n".join(lines)).split("\n")
    assert len(after) == max(len(lines), 1)
    for line, shown in zip(lines, after, strict=False):
        assert line in IN_LINE or shown == line
