"""What is published beside the package: the registry's entry, and the bundle that installs with one click.

``python -m tests.generate.release`` writes ``server.json``, the project's URLs in ``pyproject.toml`` and,
into ``dist/``, the bundle. All are made from the package's own tables; tests compare them with each other.
Sources: the MCP registry's ``server.json`` schema of 2025-12-11, and the MCPB manifest's version 0.4, which
has Python servers that ``uv`` runs.
"""

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from neo_mcp import __version__
from neo_mcp.options import SETTINGS, Setting
from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.tools import TOOLS

ROOT = Path(__file__).parents[2]
NAME = "pulumi-neo-mcp"

ADDRESS = ""
"""The project's repository on the web, such as ``https://github.com/OWNER/NAME``; empty until there is one.

What names it appears once it is set: run this module and :mod:`tests.generate.readme`.
"""

TITLE = "Pulumi Neo (independent bridge)"
DESCRIPTION = "Delegate infrastructure work to Pulumi Neo, follow it live, and decide on its approvals."
TOKEN = "Pulumi Cloud access token; not needed after `pulumi login`."

Json = dict[str, Any]

_BUNDLED = ("pyproject.toml", "README.md", "LICENSE")
_IN_BUNDLE_FORM = ("organization", "api_url", "approvals", "protected_stacks", "read_only")
_UV = {"UV_NATIVE_TLS": "true", "UV_SYSTEM_CERTS": "true"}
"""Trust what the machine trusts, as behind a company's proxy; older versions of uv know the first only."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def with_urls(pyproject: str, address: str = ADDRESS) -> str:
    """The text of ``pyproject.toml`` with the project's URLs, or without any."""
    bare = re.sub(r"\[project\.urls\]\n(?:.+\n)+\n", "", pyproject)
    if not address:
        return bare
    urls = {
        "Repository": address,
        "Issues": f"{address}/issues",
        "Documentation": f"{address}/tree/HEAD/neo_mcp/docs",
        "Changelog": f"{address}/blob/HEAD/neo_mcp/docs/changelog.md",
    }
    lines = "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    before, section, after = bare.partition("[project.scripts]\n")
    return f"{before}[project.urls]\n{lines}\n{section}{after}"


def registry_entry(address: str = ADDRESS) -> Json:
    """The content of ``server.json``."""
    variables = [{"name": "PULUMI_ACCESS_TOKEN", "description": TOKEN, "isSecret": True}]
    package = {
        "registryType": "pypi",
        "identifier": NAME,
        "version": __version__,
        "runtimeHint": "uvx",
    }
    everywhere = [*variables, *(_variable(setting) for setting in SETTINGS if not setting.is_for_http)]
    for_http = [_variable(setting) for setting in SETTINGS if setting.is_for_http]
    serve: list[Json] = [{"type": "positional", "value": "serve"}]
    http: list[Json] = [
        *serve,
        {"type": "named", "name": "--http", "description": "Serve HTTP."},
        {
            "type": "named",
            "name": "--port",
            "description": "TCP port.",
            "format": "number",
            "default": "8365",
        },
    ]
    endpoint = "http://127.0.0.1:{--port}/mcp"
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": f"io.github.{NAME}/{NAME}",
        "title": TITLE,
        "description": DESCRIPTION,
        **({"repository": {"url": address, "source": "github"}} if address else {}),
        "version": __version__,
        "packages": [
            {
                **package,
                "environmentVariables": everywhere,
                "packageArguments": serve,
                "transport": {"type": "stdio"},
            },
            {
                **package,
                "environmentVariables": [*everywhere, *for_http],
                "packageArguments": http,
                "transport": {"type": "streamable-http", "url": endpoint},
            },
        ],
    }


def _variable(setting: Setting) -> Json:
    variable: Json = {"name": setting.env, "description": setting.help}
    if setting.choices:
        variable |= {"choices": list(setting.choices), "default": setting.default}
    elif setting.is_switch:
        variable |= {"format": "boolean", "default": setting.default}
    elif setting.is_file:
        variable["format"] = "filepath"
    elif setting.default.isdecimal():
        variable |= {"format": "number", "default": setting.default}
    return variable


def manifest(address: str = ADDRESS) -> Json:
    """The bundle's manifest: what a host shows, asks for, and runs."""
    settings = {setting.name: setting for setting in SETTINGS}
    asked = {name: settings[name] for name in _IN_BUNDLE_FORM}
    places = {setting.env: f"${{user_config.{name}}}" for name, setting in asked.items()}
    token: Json = {"type": "string", "title": "Access token", "description": TOKEN, "sensitive": True}
    return {
        "manifest_version": "0.4",
        "name": NAME,
        "display_name": TITLE,
        "version": __version__,
        "description": DESCRIPTION,
        "author": {"name": f"The {NAME} developers"},
        **({"repository": {"type": "git", "url": address}, "homepage": address} if address else {}),
        "server": {
            "type": "uv",
            "entry_point": "neo_mcp/__main__.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "--no-dev", NAME, "serve"],
                "env": {**_UV, "PULUMI_ACCESS_TOKEN": "${user_config.access_token}", **places},
            },
        },
        "user_config": {
            "access_token": {**token, "required": False, "default": ""},
            **{name: _question(setting) for name, setting in asked.items()},
        },
        "tools": [{"name": tool.name, "description": tool.description} for tool in TOOLS.values()],
        "prompts": [
            {
                "name": name,
                "description": prompt.description,
                "arguments": list(prompt.arguments),
                "text": prompt.text,
            }
            for name, prompt in PROMPTS.items()
        ],
        "keywords": ["pulumi", "neo", "infrastructure"],
        "license": "Apache-2.0",
        "compatibility": {"platforms": ["darwin", "linux", "win32"], "runtimes": {"python": ">=3.11"}},
    }


def _question(setting: Setting) -> Json:
    title = setting.name.replace("_", " ").capitalize().replace("Api", "API")
    common: Json = {"title": title, "description": setting.help.replace("`", ""), "required": False}
    if setting.is_switch:
        return {"type": "boolean", **common, "default": False}
    return {"type": "string", **common, "default": setting.default if setting.choices else ""}


def build_bundle(folder: Path) -> Path:
    """Write the bundle into ``folder``; the same sources make the same bytes.

    Returns:
        The bundle's file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bundle = folder / f"{NAME}-{__version__}.mcpb"
    sources = [ROOT / name for name in _BUNDLED]
    sources += [
        file
        for file in sorted((ROOT / "neo_mcp").rglob("*"))
        if file.is_file() and not {"__pycache__", "images"} & set(file.parts)
    ]
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "manifest.json", as_json(manifest()).encode())
        for file in sources:
            _add(archive, file.relative_to(ROOT).as_posix(), file.read_bytes())
    return bundle


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def as_json(value: Json) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of it."""
    pyproject = ROOT / "pyproject.toml"
    pyproject.write_text(with_urls(pyproject.read_text("utf-8")), "utf-8")
    (ROOT / "server.json").write_text(as_json(registry_entry()), "utf-8")
    sys.stdout.write(f"server.json\n{build_bundle(ROOT / 'dist').relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
