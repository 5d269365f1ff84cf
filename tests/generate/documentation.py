"""The documentation's generated pages: what they are made of.

``python -m tests.generate.documentation`` writes them; a test compares. The library's page is made by
:mod:`tests.generate.docstrings`.
"""

import argparse
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from neo_mcp import docs, errors
from neo_mcp.cli import main
from neo_mcp.cli.main import build_parser
from neo_mcp.config import SETTINGS, Setting
from neo_mcp.docs import PAGES
from neo_mcp.hints import LIBRARY, to_text
from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.resources.read import TEMPLATES
from neo_mcp.server.tools import TOOLS, ToolSpec
from tests.generate.arguments import arguments_section
from tests.generate.docstrings import api_page, sections
from tests.generate.limits import limits_table
from tests.generate.network import network_section
from tests.generate.readme import table, with_part

FOLDER = Path(docs.__file__).parent
_SETTING_FLAGS = {setting.flag for setting in SETTINGS}

Json = dict[str, Any]


def generated_pages() -> dict[str, str]:
    """The text of every page that is generated, wholly or in part, by its name."""
    return {
        "reference": reference_page(),
        "api": api_page(),
        "security": with_part(docs.page("security"), "limits", limits_table()),
    }


def reference_page() -> str:
    """Everything that hosts, models, operators and scripts can name."""
    parts = [
        "# Reference",
        "",
        "Generated from the program.",
        "[Tools](#tools), [resources](#resources), [prompts](#prompts), [settings](#settings),",
        "[commands](#commands), [errors](#errors).",
        *("", "## Tools", "", *_tools()),
        *("", *arguments_section()),
        *("", "## Resources", "", *_resources()),
        *("", "## Prompts", "", *_prompts()),
        *("", "## Settings", "", *_settings()),
        *("", *network_section()),
        *("", "## Commands", "", *_commands()),
        *("", "## Errors", "", *_errors()),
    ]
    return "\n".join(parts) + "\n"


def _tools() -> Iterator[str]:
    for tool in TOOLS.values():
        yield from (f"### `{tool.name}`", "", tool.description, "", f"*{_nature(tool)}*", "")
        schema: Json = tool.definition.input_schema
        required = schema.get("required", [])
        rows = (
            (f"`{name}`" + (" (required)" if name in required else ""), _type(of), of.get("description", ""))
            for name, of in schema["properties"].items()
        )
        yield from (*table(("argument", "type", "meaning"), rows), "")
        output: Json = tool.definition.output_schema or {}
        fields = ", ".join(f"`{name}`" for name in output.get("properties", {}))
        yield from (f"Result: {fields}.", "")


def _nature(tool: ToolSpec) -> str:
    if tool.read_only:
        return "Changes nothing."
    there = "Also on a read-only server." if tool.safe else "Not on a read-only server."
    return there + (" Hosts are told that it may be destructive." if tool.destructive else "")


def _type(schema: Json) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        return "{" + ", ".join(schema.get("properties", {})) + "}"
    limits = [
        f"{words} {schema[key]:g}"
        for key, words in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"))
        if key in schema
    ]
    return " ".join([str(schema.get("type", "any")), *limits])


def _resources() -> Iterator[str]:
    rows = [(f"`{t.uri_template}`", t.description or "") for t in TEMPLATES.resource_templates]
    rows += [(f"`neo-docs://{name}`", content) for name, content in PAGES.items()]
    yield from table(("address", "what it shows"), rows)


def _prompts() -> Iterator[str]:
    for name, spec in PROMPTS.items():
        yield from (f"### `{name}`", "", spec.description, "")
        rows = (
            (f"`{argument}`" + (" (required)" if argument in spec.required else ""), meaning)
            for argument, meaning in spec.all_arguments.items()
        )
        yield from (*table(("argument", "meaning"), rows), "")


_READ_AS = (
    ("a value in quotes, with blanks or line ends around it, or a byte-order mark", "without them"),
    (
        "`PULUMI_ACCESS_TOKEN` empty, or an unfilled `${NAME}`, `%NAME%`, `{{ name }}`, `env:NAME`",
        "the login is used, with a warning; the first result names its user",
    ),
    (
        "`null`, `<your-token>`, `***`, `PULUMI_ACCESS_TOKEN=pul-…`, anything else that is no token",
        "an error",
    ),
    ("an unfilled placeholder in any other setting, or in a token or key file", "an error"),
    (
        "an empty setting, an empty or missing `credentials.json`",
        "as if it were not there; an empty option is an error",
    ),
    (
        "`credentials.json` that is encrypted, cut off, or not readable",
        "no login; another token is not sent to the managed service: set `PULUMI_API` to its address",
    ),
    (
        "`PULUMI_BACKEND_URL`, or a login, of a state backend (`s3://`, `gs://`, `azblob://`, `file://`)",
        "not used: it has no Neo. The managed service is, unless there is a login to another Pulumi Cloud",
    ),
    ("an address in `PULUMI_API` or `PULUMI_BACKEND_URL` that is none", "an error"),
    (
        "an organization that cannot be one, such as `null`",
        "an error that names the variable, option or file",
    ),
    ("`~` at the beginning of a folder or file", "your home directory"),
    ("a login made with `--insecure`", "its token is used; the certificate is still checked"),
)


def _settings() -> Iterator[str]:
    yield from (
        "From the command line, else the environment, else the files of `pulumi login`, else the default.",
        "`PULUMI_ACCESS_TOKEN` holds the access token.",
        "`PULUMI_HOME`, `PULUMI_CREDENTIALS_PATH`, `PULUMI_API` and `PULUMI_DEFAULT_ORGANIZATION` count as",
        "for the vendor's client, after our own settings.",
        "",
        *_settings_table(s for s in SETTINGS if not s.is_for_http),
        "",
        "For `serve --http` alone:",
        "",
        *_settings_table(s for s in SETTINGS if s.is_for_http),
        "",
        "### Tokens, addresses and organizations",
        "",
        "The default organization is that of `NEO_MCP_ORGANIZATION`, `PULUMI_DEFAULT_ORGANIZATION`,",
        "`pulumi org set-default`, else the default that is set in Pulumi Cloud, else your own.",
        "",
        *table(("what is there", "how it is read"), _READ_AS),
    )


def _settings_table(settings: Iterable[Setting]) -> Iterable[str]:
    return table(
        ("option", "environment", "default", "meaning", "values"),
        (
            (f"`{s.flag}`", f"`{s.env}`", s.default, s.help, ", ".join(f"`{choice}`" for choice in s.choices))
            for s in settings
        ),
    )


def _commands() -> Iterator[str]:
    status = sections(inspect.getdoc(main) or "")["Returns"]
    yield from (
        "`pulumi-neo-mcp COMMAND …`; without a command, it serves. The *settings* are those above.",
        "",
        status,
        "",
    )
    (commands,) = (
        action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    helps = {action.dest: action.help or "" for action in commands._choices_actions}
    for name, parser in commands.choices.items():
        yield from (f"### `pulumi-neo-mcp {name}`", "", f"{helps[name][0].upper()}{helps[name][1:]}.", "")
        if parser.epilog:
            yield from (parser.epilog, "")
        own = [action for action in parser._actions if not _is_general(action)]
        if own:
            yield from (
                *table(("argument", "meaning"), ((_call(action), _help(action)) for action in own)),
                "",
            )
        if any(_SETTING_FLAGS & set(action.option_strings) for action in parser._actions):
            yield from ("It takes the *settings*.", "")


def _is_general(action: argparse.Action) -> bool:
    return bool((_SETTING_FLAGS | {"--help"}) & set(action.option_strings))


def _call(action: argparse.Action) -> str:
    values = "|".join(map(str, action.choices)) if action.choices else action.metavar or action.dest.upper()
    if not action.option_strings:
        name = str(action.metavar or ("" if action.choices else action.dest.upper()) or values)
        return f"`[{name}]`" if action.nargs in {"?", "*"} else f"`{name}`"
    takes = "" if action.nargs == 0 else f" {values}"
    return ", ".join(f"`{option}{takes}`" for option in action.option_strings)


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _errors() -> Iterator[str]:
    yield from (
        "Every one is a `neo_mcp.errors.NeoError`; its text says what happened and what to do next.",
        "",
        *table(
            ("error", "what happened", "next step, where nothing better is known"), _tree(errors.NeoError, 0)
        ),
    )


def _tree(error: type[errors.NeoError], depth: int) -> Iterable[tuple[str, str, str]]:
    meaning = (inspect.getdoc(error) or "").splitlines()[0]
    yield (f"{'· ' * depth}`{error.__name__}`", meaning, to_text(error.default_next_step, LIBRARY))
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child, depth + 1)


if __name__ == "__main__":
    for name, text in generated_pages().items():
        (FOLDER / f"{name}.md").write_text(text, "utf-8")
