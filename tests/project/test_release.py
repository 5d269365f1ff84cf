"""The registry's entry and the one-click bundle say what the package does."""

import json
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from neo_mcp import __version__
from neo_mcp.options import SETTINGS
from neo_mcp.server.tools import TOOLS
from tests.generate.release import ROOT, as_json, build_bundle, manifest, registry_entry, with_urls
from tests.support.optional import REGISTRY_SCHEMA, path_of

ADDRESS_EXAMPLE = "https://github.com/example/pulumi-neo-mcp"


def test_the_registrys_entry_is_up_to_date() -> None:
    assert (ROOT / "server.json").read_text("utf-8") == as_json(registry_entry()), (
        "run python -m tests.generate.release"
    )


def test_the_readme_names_the_owner_of_the_registrys_entry() -> None:
    entry = registry_entry()
    assert f"mcp-name: {entry['name']}" in (ROOT / "README.md").read_text("utf-8")
    assert len(entry["description"]) <= 100


def test_the_projects_urls_appear_with_its_address_and_go_with_it() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    assert with_urls(pyproject) == pyproject, "run python -m tests.generate.release"
    there = with_urls(pyproject, ADDRESS_EXAMPLE)
    assert tomllib.loads(there)["project"]["urls"]["Repository"] == ADDRESS_EXAMPLE
    assert with_urls(there, "") == with_urls(pyproject, "")
    assert "urls" not in tomllib.loads(with_urls(there, ""))["project"]
    assert manifest(ADDRESS_EXAMPLE)["repository"]["url"] == ADDRESS_EXAMPLE
    assert "repository" not in {*manifest(""), *registry_entry("")}


@pytest.mark.needs("the registry's schema")
@pytest.mark.parametrize("address", ["", ADDRESS_EXAMPLE])
def test_the_registrys_entry_is_valid(address: str) -> None:
    schema = json.loads(REGISTRY_SCHEMA.read_text("utf-8"))
    assert not list(Draft7Validator(schema).iter_errors(registry_entry(address)))


def test_every_setting_is_described_to_the_registry_and_the_token_is_a_secret() -> None:
    for package in registry_entry()["packages"]:
        variables = {variable["name"]: variable for variable in package["environmentVariables"]}
        is_http = package["transport"]["type"] != "stdio"
        settings = {setting.env for setting in SETTINGS if is_http or not setting.is_for_http}
        assert set(variables) == {"PULUMI_ACCESS_TOKEN", *settings}
        assert variables["PULUMI_ACCESS_TOKEN"]["isSecret"] is True
        assert variables["NEO_MCP_APPROVALS"]["choices"] == ["ask", "host", "deny"]
        assert variables["NEO_MCP_READ_ONLY"]["format"] == "boolean"


def test_the_bundle_asks_for_the_token_as_a_secret_and_hands_it_over_in_the_environment() -> None:
    bundle = manifest()
    assert bundle["user_config"]["access_token"]["sensitive"] is True
    assert bundle["server"]["mcp_config"]["env"]["PULUMI_ACCESS_TOKEN"] == "${user_config.access_token}"
    assert not any("user_config" in argument for argument in bundle["server"]["mcp_config"]["args"])
    assert [tool["name"] for tool in bundle["tools"]] == list(TOOLS)


def test_the_same_sources_make_the_same_bundle(tmp_path: Path) -> None:
    first, second = build_bundle(tmp_path / "a"), build_bundle(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = set(archive.namelist())
        assert json.loads(archive.read("manifest.json"))["version"] == __version__
    assert {"pyproject.toml", "neo_mcp/__main__.py", "neo_mcp/py.typed"} <= names
    assert not any(name.startswith("tests/") or "__pycache__" in name for name in names)
    assert not any(name.endswith(".png") for name in names), "the README's pictures are of no use in a bundle"


@pytest.mark.needs("mcpb")
def test_the_vendors_tool_finds_the_manifest_valid(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_bundle(tmp_path)) as archive:
        archive.extractall(tmp_path / "unpacked")
    command = [path_of("mcpb"), "validate", str(tmp_path / "unpacked" / "manifest.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found on the path
    assert done.returncode == 0, done.stdout + done.stderr
