"""The least version of every dependency leaves out releases with known faults."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.generate.release import ROOT

SAFE = {
    "anyio": ("4.14.2", ["CVE-2026-63349", "CVE-2026-63374", "CVE-2026-64847"]),
    "cryptography": ("50", ["CVE-2026-26007", "CVE-2026-69247", "CVE-2026-69248", "CVE-2026-69249"]),
    "h11": ("0.16", ["CVE-2025-43859"]),
    "markdown-it-py": ("2.2", ["CVE-2023-26302", "CVE-2023-26303"]),
    "mcp": ("2.2", ["CVE-2025-66416", "CVE-2026-52869", "CVE-2026-59951", "CVE-2026-116686"]),
    "opentelemetry-exporter-otlp-proto-http": ("1.45", ["CVE-2026-112006"]),
    "opentelemetry-sdk": ("1.45", ["CVE-2026-112006"]),
    "pydantic": ("2.4", ["CVE-2024-3772"]),
    # 2.12 checks `crit`; 2.13 and 2.15 are about keys taken for others, redirects, and headers of any depth.
    "pyjwt": ("2.15", ["CVE-2026-32597", "CVE-2026-48526", "CVE-2026-101918", "CVE-2026-102268"]),
    # The last is about Host headers that change the path; 1.3.1 also bounds forms.
    "starlette": ("1.3.1", ["CVE-2025-62727", "CVE-2026-54283", "CVE-2026-54282", "CVE-2026-48710"]),
    "uvicorn": ("0.11.7", ["CVE-2020-7694", "CVE-2020-7695"]),
}
"""The first release without the faults that are known of a package, as of November 2026."""

NONE_KNOWN = {"httpx", "httpx-sse", "opentelemetry-exporter-prometheus", "sniffio"}
_REQUIREMENT = re.compile(r"([a-z0-9-]+)(?:\[[a-z,]+\])?>=([0-9.]+)(?:b\d+)?(?:,<[0-9.]+)?")


def floors() -> dict[str, tuple[int, ...]]:
    """The least version of every package that this program and its extra for telemetry name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return dict(read(project["dependencies"] + project["optional-dependencies"]["telemetry"]))


def read(requirements: list[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for requirement in requirements:
        match = _REQUIREMENT.fullmatch(requirement)
        assert match, f"{requirement} names no least version"
        yield match[1], version(match[2])


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def test_for_every_dependency_it_is_known_what_is_wrong_with_old_releases() -> None:
    assert floors().keys() == SAFE.keys() | NONE_KNOWN
    assert not SAFE.keys() & NONE_KNOWN


@pytest.mark.parametrize("package", SAFE)
def test_no_release_with_a_known_fault_is_good_enough(package: str) -> None:
    least, advisories = SAFE[package]
    assert advisories
    assert floors()[package] >= version(least), f"{package}: {', '.join(advisories)}"


@pytest.mark.parametrize("requirement", ["starlette", "starlette<2", "starlette==1.0"])
def test_a_dependency_without_a_least_version_is_caught(requirement: str) -> None:
    with pytest.raises(AssertionError, match="names no least version"):
        dict(read([requirement]))
