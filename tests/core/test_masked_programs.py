"""Programs, previews and differences in which a key names a secret: no line among its values shows one."""

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.members import mask_members
from neo_mcp.core.sanitize import clean
from tests.support.examples import long

SECRET = "hunter2xq"
NEXT = 'next: "keep"'

BLOCKS = {
    "TypeScript": ("environmentVariables: {", f'A: "{SECRET}",', "},"),
    "constant": ("const environmentVariables = {", f'A: "{SECRET}",', "};"),
    "argument": ('new F("f", { environmentVariables: {', f'A: "{SECRET}",', "} });"),
    "JSON": ('"environmentVariables": {', f'"A": "{SECRET}",', "},"),
    "Python": ("environment_variables={", f'"A": "{SECRET}",', "},"),
    "call of dict": ("environment_variables=dict(", f'A="{SECRET}",', "),"),
    "type hint": ("environment_variables: dict[str, str] = {", f'"A": "{SECRET}",', "}"),
    "lambda": ("env_vars = Output.all(a).apply(lambda a: {", f'"A": "{SECRET}",', "})"),
    "Go": ("EnvironmentVariables: pulumi.StringMap{", f'"A": pulumi.String("{SECRET}"),', "},"),
    "map of Go": ("envVars := map[string]string{", f'"A": "{SECRET}",', "}"),
    "C#": ("EnvironmentVariables = new InputMap<string> {", f'{{ "A", "{SECRET}" }},', "},"),
    "brace of C#": ("EnvironmentVariables =\n{", f'{{ "A", "{SECRET}" }},', "},"),
    "index of C#": ("EnvVars = new Dictionary<string, object>()\n{", f'["A"] = "{SECRET}",', "};"),
    "Java": (".environmentVariables(Map.ofEntries(", f'Map.entry("A", "{SECRET}"),', "))"),
    "Terraform": ("environment_variables = {", f'A = "{SECRET}"', "}"),
    "merged": ("environment_variables = merge(var.x, {", f'A = "{SECRET}"', "})"),
    "secret": ("secret: {", f'a: "{SECRET}",', "},"),
    "call of secret": ("const secret = pulumi.secret({", f'a: "{SECRET}",', "});"),
    "env": ("env = {", f'"A": "{SECRET}",', "}"),
    "choice": ("environmentVariables: isProd ? {", f'A: "{SECRET}",', "} : {},"),
    "call": ("environmentVariables: f({", f'A: "{SECRET}",', "}, base),"),
    "spread": ("environmentVariables: { ...(x ? { B: 1 } : {}), ...{", f'A: "{SECRET}",', "} },"),
    "YAML": ("environmentVariables:", f"A: {SECRET}", ""),
    "list of YAML": ("environmentVariables:", f"- A={SECRET}", ""),
    "compose": ("environment:", f"A: {SECRET}", ""),
}
UNLIKE = [
    *(
        '"U": f(a, b),',
        "U: f<string>(a, b),",
        '"U": pulumi.Output.concat("a", host),',
        'U = format("%s", v.h)',
    ),
    *('...(p ? { L: "w" } : {}),', "...Object.assign({}, base),", "**f(a, b),", "**{k: v for k, v in f(a)},"),
    *(
        "U: db.apply(e => {\n  return e;\n}),",
        "get(x) { return x; },",
        "if (x) { y(); }",
        "throw new Error();",
    ),
    *(
        "(known after apply)",
        '"B" = (sensitive value)',
        "...",
        "\u2026",
        "[truncated]",
        "=======",
        "{% if x %}",
    ),
    *("U: x),", ":)", "}", "]", "// }", "# it's", "/* it's */", "// it's", "; it's", "U: {", "U: [1, 2"),
    *('"U": "x', "U: 'it''s',", 'U: "}",', 'U: /[{"]/,', "U: `a ${b} c`,", "U: <<EOT\nfoo\nEOT", "U -> x"),
    *(
        "",
        "const x = 1;",
        "await x;",
        "return x",
        '{ "U", x.Apply(v => v) },',
        "#if X",
        "@foo",
        "{{ if .X }}",
    ),
]
MARGINS = {
    "none": ("",),
    "added": ("+",),
    "deleted": ("-",),
    "unchanged": (" ",),
    "difference": ("+", " ", "-"),
    "preview": ("+ ", "- ", "~ ", "  ", "+-", "-+", "++", "--"),
    "updated": ("~ ",),
    "old": ("< ",),
    "quotation": ("> ",),
    "numbers": ("  12\t",),
    "numbers and bars": (" 12 | ",),
    "box": ("\u2502 ",),
    "log": ("app-1  | ",),
}


def program(block: str, unlike: list[str], margin: str = "none", indent: str = "  ") -> str:
    """A program with a value before and behind lines unlike it."""
    begin, value, end = BLOCKS[block]
    lines = ["first: 1", *(indent + line for line in begin.split("\n")), f"{indent}  {value}"]
    for other in unlike:
        lines += [f"{indent}  {line}" for line in [*other.split("\n"), value]]
    lines += [f"{indent}{end}"] * bool(end) + [f"{indent}{NEXT}"]
    margins = MARGINS[margin]
    return "\n".join(f"{margins[n % len(margins)]}{line}" for n, line in enumerate(lines))


@pytest.mark.parametrize("block", BLOCKS)
def test_no_line_among_values_shows_the_others(block: str) -> None:
    texts = [program(block, [line]) for line in UNLIKE]
    assert [text for text in texts if SECRET in mask_members(text)] == []


@pytest.mark.parametrize("margin", MARGINS)
def test_no_margin_shows_a_value(margin: str) -> None:
    texts = [program(block, unlike, margin) for block, unlike in product(BLOCKS, ([], ['"U": f(a, b),']))]
    shown = list(map(mask_members, texts))
    assert [text for text in shown if SECRET in text] == []
    assert [text for text in shown if NEXT not in text] == []


@pytest.mark.parametrize("block", BLOCKS)
def test_a_program_in_a_text_of_json_shows_no_value(block: str) -> None:
    text = json.dumps({"content": program(block, ["# it's"])})
    assert SECRET not in mask_members(text)
    assert SECRET not in mask_members(f"x: {json.dumps(text)}")


@given(
    st.sampled_from(sorted(BLOCKS)),
    st.lists(st.sampled_from(UNLIKE), max_size=3),
    st.sampled_from(sorted(MARGINS)),
    st.sampled_from(["", "  ", "      "]),
)
def test_no_line_is_lost_with_its_margin(block: str, unlike: list[str], margin: str, indent: str) -> None:
    text = program(block, unlike, margin, indent)
    before, after = text.split("\n"), mask_members(text).split("\n")
    assert len(after) == len(before)
    margins = MARGINS[margin]
    for number, line in enumerate(after):
        assert line.startswith(margins[number % len(margins)].rstrip())


TEXTS = {
    "preview": f'  ~ environment: {{\n    ~ variables: {{\n      ~ A: "{SECRET}" => "{SECRET}"\n    }}\n  }}',
    "list of a preview": f'  ~ environmentVariables: [\n    ~ [0]: "{SECRET}" => "b{SECRET}"\n  ]',
    "preview of a secret": f'  ~ secret: {{\n    ~ a: "{SECRET}"\n  }}',
    "replacement": f'  +~ environmentVariables: {{\n      +~ A: "{SECRET}"\n    }}',
    "JSON of a preview": f'  + environmentVariables: (json) {{\n      + A: "{SECRET}"\n    }}',
    "JSON of a secret": f'  + secret: (json) [\n      + [0]: "{SECRET}"\n    ]',
    "YAML of a preview": f'  + secret: (yaml) {{\n      + a: "{SECRET}"\n    }}',
    "Terraform": f'  ~ env_vars = {{\n      ~ "A" = "{SECRET}" -> "{SECRET}"\n        # (2 more)\n    }}',
    "header of a hunk": f"@@ -1,3 +1,3 @@ environmentVariables:\n   B: x\n-  A: {SECRET}\n+  A: {SECRET}",
    "text in a hunk": f"@@ -1 +1 @@ secret: |\n   {SECRET}\n-  {SECRET}\n+  {SECRET}",
    "bracket in a hunk": f'@@ -1 +1 @@ envVars = {{\n   B: f(a, b),\n-  A: "{SECRET}",\n+  A: "{SECRET}",',
    "compose in a hunk": f"@@ -1 +1 @@ environment:\n   B: x\n-  A: {SECRET}\n+  A: {SECRET}",
    "two hunks": f" env_vars:\n   B: x\n@@ -9 +9 @@\n-  A: {SECRET}\n+  A: {SECRET}",
    "bracket over hunks": f' env_vars={{\n+  "B": "x",\n@@ -9 +9 @@\n+  "A": "{SECRET}",\n }},',
    "same header": (
        f"@@ -1 +1 @@ resources:\n   env_vars:\n     B: x\n@@ -9 +9 @@ resources:\n-    A: {SECRET}"
    ),
    "conflict": f"env_vars={{\n<<<<<<< HEAD\n  A: '{SECRET}',\n=======\n  A: 'b{SECRET}',\n>>>>>>> b\n}}",
    "old and new": f"< env_vars:\n<   A: {SECRET}\n---\n>   A: {SECRET}",
    "combined difference": f"--env_vars:\n--  A: {SECRET}\n++  A: {SECRET}",
    "without indentation": f'env_vars={{\n"A": "{SECRET}",\n"U": f(a, b),\n}}',
    "without indentation, open": f'envVars: {{\nU: "x,\nA: "{SECRET}"\n}}',
    "cut off": f'env_vars={{\n  "A": "{SECRET}",\n  "U": f(a, b),\n  "B": "{SECRET}',
    "choice below": f'  envVars: c\n    ? {{ A: "{SECRET}" }}\n    : {{}},',
    "other case": f'  envVars: c ? {{\n    A: f(a, b)\n  }} : {{\n    B: "{SECRET}",\n  }},',
    "union": f'env_vars={{\n  "A": "b", "U": f(a, b)\n}} | {{\n  "B": "{SECRET}",\n}}',
    "assigned": f'  envVars: Object.assign({{}}, b, {{\n    A: "{SECRET}",\n  }}),',
    "items at the key": f"env_vars:\n- A={SECRET}\n- b={SECRET}\n- name: C\n  value: {SECRET}",
    "complex key": f"? env_vars\n: A: {SECRET}\n  B: {SECRET}",
    "quotes over lines": f'secret: "a\n  {SECRET}"\nx: 1',
    "single quotes over lines": f"a:\n  secret: 'a\n\n    {SECRET}'\nx: 1",
    "envs": f"envs:\n  A: {SECRET}\n",
    "items of envs": f"envs:\n  - key: A\n    value: {SECRET}\n",
    "comment behind a table": f'[environment_variables] # c\nA = "{SECRET}"\n',
    "table below": f'[a.environment_variables.sub]\nA = "{SECRET}"\n',
    "dotted key": f'environment_variables."A" = "{SECRET}"',
    "namespace of XML": f'<secret xmlns="http://a/b">{SECRET}</secret>',
    "Kubernetes, Python": f'env=[\n    EnvVarArgs(name="A", value="{SECRET}"),\n],',
    "Kubernetes, Python, one line": f'env=[k8s.core.v1.EnvVarArgs(name="A", value="{SECRET}")]',
    "Kubernetes, Go": (
        f'Env: corev1.EnvVarArray{{\n\tcorev1.EnvVarArgs{{\n\t\tValue: pulumi.String("{SECRET}"),\n\t}},\n}},'
    ),
    "Kubernetes, C#": f'Env = new[]\n{{\n    new EnvVarArgs\n    {{\n      Value = "{SECRET}",\n    }},\n}},',
    "Kubernetes, Java": f'.env(EnvVarArgs.builder()\n    .value("{SECRET}")\n    .build())',
    "containers": f'"environment": [  # note\n  {{"name": "A", "value": "{SECRET}"}},\n]',
    "applied list": f'  environment: a.apply(([b]) => [\n    {{ name: "A", value: "{SECRET}" }},\n  ]),',
    "joined lines": f'secret = "a" +\n    "b" +\n    "{SECRET}"\nnext = 1',
    "update": f'environment_variables.update({{"A": "{SECRET}"}})',
    "az": f"az container create --environment-variables A={SECRET} B={SECRET} --name x",
    "gcloud": f"gcloud run deploy --set-env-vars=A={SECRET},B={SECRET}",
    "aws": f'aws lambda update --environment \'{{"Variables":{{"A":"{SECRET}"}}}}\'',
    "docker": f"docker run --env A={SECRET} x",
}


def test_an_element_that_is_cut_off_shows_nothing() -> None:
    assert SECRET not in clean(f"<a><secret>{SECRET}")


@pytest.mark.parametrize("name", TEXTS)
def test_no_value_is_shown_of_a_program_or_its_output(name: str) -> None:
    for text in (TEXTS[name], f"x: 1\n{TEXTS[name]}\n{NEXT}", f"```\n{TEXTS[name]}\n```"):
        shown = clean(text)
        assert SECRET not in shown
        assert shown.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        '+secret: {\n+  deleteEverything("prod", "x");\n+  run(name="x");\n+}',
        'const secret = new aws.Secret("a", {\n  name: "x",\n  tags: { a: "b" },\n});\nrun("x");',
        "interface A {\n  env: {\n    B: string;\n    c?: number;\n  };\n}",
        'def f(\n    self,\n    env_var: str | None = None,\n) -> None:\n    name = "x"\n    run(name)',
        '@@ -1 +1 @@ func main() {\n env := run("x")\n@@ -9 +9 @@ func other() {\n+\tname = "x"',
        ' environment:\n   name: production\n@@ -9 +9 @@\n+  url: "x"',
        "- a: 1\n- secret: true\n- value: x",
        "tool --environment prod --secret-name x --env-file .env\nmake --env x",
        'env = pulumi.getStack();\nname = "x"\nenvs: [dev, prod]',
        "if env := load():\n    name = 'x'",
        '"a" +\n  "b" - c\n- d\n~ e\n| f |',
        "environment: environment,\ncommand: [ 'x' ],",
    ],
)
def test_what_holds_no_value_of_a_secret_stays_in_a_program(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            '  ~ environmentVariables: {\n      ~ A: "x" => "y"\n    }\n  ~ handler: "x" => "y"',
            '  ~ environmentVariables: {\n      ~ A: "{}" => "{}"\n    }\n  ~ handler: "x" => "y"',
        ),
        (
            '@@ -1 +1 @@ environmentVariables:\n-  A: x\n+  A: y\n next: "z"',
            '@@ -1 +1 @@ environmentVariables:\n-  A: {}\n+  A: {}\n next: "z"',
        ),
        (
            'env_vars={\n  "A": "x",\n  "U": "y"),\n  "B": "z",\n}\nrun("x")',
            'env_vars={\n  "A": "{}",\n  "U": "{}"),\n  "B": "{}",\n}\nrun("x")',
        ),
    ],
)
def test_names_and_marks_stay_in_a_preview(text: str, shown: str) -> None:
    assert clean(text) == shown.replace("{}", "[redacted: secret]")


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "env: {\n",
            'env = {\n A: "x"\n',
            "environment:\n x\n",
            "environment: {\n  a\n",
            "+",
            "\n~ ",
            "\n-",
        ),
        *(
            "@@ -1 +1 @@ secret:\n",
            "\u2502 ",
            "--env A=",
            ".env(EnvVar",
            "env_vars.update(",
            "\\\\\\\\n",
            '"  ',
        ),
        *(
            'secret: "a\n  ',
            'secret: "a" +\n "b" +\n',
            'envVars: {\n  A: "x',
            "}, {\n",
            "? secret\n: ",
            "12 | ",
        ),
        *(
            "<a><secret>",
            "[env.a] # ",
            "new A<b, c, ",
            "secret = a\n ? {",
            "- name: ",
            "=======\n",
            "env_vars = a{\n",
        ),
    ],
)
@pytest.mark.parametrize("before", [long(""), "environmentVariables: {\n", long("environment:\n  ")])
def test_a_hostile_program_is_read_through(unit: str, before: str) -> None:
    # Longer than what is searched as a whole.
    assert mask_members(before + unit * (300_000 // len(unit))) is not None
