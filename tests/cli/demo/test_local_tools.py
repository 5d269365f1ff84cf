"""The demo's tools read one folder, and nothing beyond."""

import json
from pathlib import Path

import pytest

from neo_mcp.cli.demo.local_tools import ReadingHands, Result, make_examples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("acl: the secret")
    inside = tmp_path / "demo"
    inside.mkdir()
    make_examples(inside)
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "up").symlink_to(tmp_path)
    return inside


def run(folder: Path, name: str, **arguments: object) -> Result:
    return ReadingHands(folder).run(name, json.dumps(arguments))


def test_files_are_read_listed_and_searched(folder: Path) -> None:
    assert run(folder, "filesystem__read", file_path="Pulumi.yaml").output.startswith("name: storefront")
    assert run(folder, "filesystem__read", path="./index.ts").output.startswith("import")
    listed = run(folder, "filesystem__list").output.splitlines()
    assert listed == ["Pulumi.dev.yaml", "Pulumi.yaml", "index.ts"]
    assert (
        run(folder, "filesystem__grep", pattern="acl:", path=".").output
        == 'index.ts:7:    acl: "public-read",'
    )
    assert run(folder, "filesystem__grep", pattern="runtime", path="Pulumi.yaml").output == (
        "Pulumi.yaml:2:runtime: nodejs"
    )
    assert not run(folder, "filesystem__grep", pattern="(a+)+$").output


def test_a_preview_is_what_the_program_declares_and_says_so(folder: Path) -> None:
    result = run(folder, "pulumi__pulumi_preview", cwd=".", stack="dev")
    assert "no preview ran" in result.output
    assert "aws.s3.BucketV2 assets\n" in result.output


@pytest.mark.parametrize("tool", ["filesystem__read", "filesystem__list", "filesystem__grep"])
@pytest.mark.parametrize("path", ["..", "../secret.txt", "/etc/passwd", "up/secret.txt", "link.txt", "x\0y"])
def test_nothing_outside_is_seen(folder: Path, tool: str, path: str) -> None:
    result = run(folder, tool, path=path, pattern="acl")
    assert result.is_error
    assert "secret" not in result.output.replace("secret.txt", "")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("shell__execute", '{"command": "ls"}'),
        ("filesystem__write", '{"path": "x", "content": "y"}'),
        ("filesystem__read", '{"path": "absent"}'),
        ("filesystem__read", "{}"),
        ("filesystem__read", "[]"),
        ("filesystem__read", '{"path": "index.ts\n[cut: 9 more characters]'),
    ],
)
def test_what_it_does_not_run_comes_back_as_an_error_with_its_reason(
    folder: Path, name: str, arguments: str
) -> None:
    before = sorted(folder.iterdir())
    result = ReadingHands(folder).run(name, arguments)
    assert result.is_error
    assert result.output
    assert sorted(folder.iterdir()) == before


def test_binary_files_are_no_reason_to_fail(folder: Path) -> None:
    (folder / "blob").write_bytes(b"\xff\xfe\x00")
    assert run(folder, "filesystem__read", path="blob").is_error
