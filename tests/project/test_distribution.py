"""What is published: it holds what it should, and works where it is installed alone."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from neo_mcp import __version__
from tests.generate.release import ROOT


class Built(NamedTuple):
    """The two archives."""

    wheel: Path
    sdist: Path


def run(*command: str | Path, cwd: Path) -> str:
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NEO_", "PULUMI_"))
    }
    done = subprocess.run(  # noqa: S603 - commands of these tests
        [*map(str, command)], cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def build(source: Path, into: Path) -> Built:
    run(sys.executable, "-m", "hatchling", "build", "-d", into, cwd=source)
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    names = set(contents(built.wheel))
    inside = {str(path.relative_to(ROOT)) for path in (ROOT / "neo_mcp").rglob("*") if path.is_file()}
    beside = {name for name in names if name.startswith(f"pulumi_neo_mcp-{__version__}.dist-info/")}
    # The README's pictures are for those who read it where it is.
    left_out = ("__pycache__", "neo_mcp/docs/images/")
    assert names - beside == {name for name in inside if not any(part in name for part in left_out)}
    assert {"neo_mcp/py.typed", "neo_mcp/docs/tutorial.md"} <= names


def test_the_source_distribution_makes_the_same_wheel_and_has_the_tests(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert (source / "tests" / "project" / "test_distribution.py").exists()
    assert contents(build(source, tmp_path / "again").wheel) == contents(built.wheel)


@pytest.mark.long
def test_installed_alone_it_plays_a_whole_delegation(built: Built, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "install", "-q", built.wheel, cwd=tmp_path)
    assert run(programs / "pulumi-neo-mcp", "--version", cwd=tmp_path).strip().endswith(__version__)
    assert "acme" in run(programs / "pulumi-neo-mcp", "demo", cwd=tmp_path)
    # Nothing of the tests' extras is needed to be read, either.
    run(programs / "python", "-W", "error", "-c", "import neo_mcp, neo_mcp.cli, neo_mcp.server", cwd=tmp_path)
