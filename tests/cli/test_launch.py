"""Which settings leave the server for later: those that it would certainly start with."""

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.cli.launch import is_plain
from neo_mcp.config import Auth, Settings
from neo_mcp.constants import DEFAULT_API_URL
from neo_mcp.secret import SecretStr
from neo_mcp.service.client import make_client

OPTIONS = argparse.Namespace(http=False, open=False, sandbox=False)
PARTS = st.sampled_from(
    [
        *"aZ09.:/@?#[]-_ \\%é\n",
        "https://",
        "http://",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "api.pulumi.com",
        ":443",
    ]
)
TEXTS = st.lists(PARTS, max_size=6).map("".join)


@pytest.fixture(autouse=True)
def without_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)


@given(api_url=TEXTS, token=TEXTS, organization=TEXTS)
def test_the_server_refuses_none_of_them(api_url: str, token: str, organization: str) -> None:
    for changes in ({"api_url": api_url}, {"token": SecretStr(token)}, {"organization": organization}):
        settings = Settings()._replace(**changes)
        if is_plain(settings, OPTIONS):
            make_client(settings)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(api_url="https://pulumi.example:8443/prefix"),
        Settings(api_url="http://127.0.0.1:54321"),
        Settings(api_url="http://[::1]:8080", token=SecretStr("pul-0123456789abcdef")),
        Settings(organization="acme-corp", read_only=True, key_file=Path("/some/key")),
    ],
)
def test_ordinary_ones_are_plain(settings: Settings) -> None:
    assert is_plain(settings, OPTIONS)
    assert is_plain(settings, argparse.Namespace(http=False, open=False, sandbox=True))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(api_url="http://pulumi.example"),
        Settings(api_url=f"{DEFAULT_API_URL}?x"),
        Settings(token=SecretStr("two words")),
        Settings(organization="no/name"),
        Settings(auth=Auth.BEARER),
        Settings(pulumi_token_header=True),
        Settings(metrics_address=("127.0.0.1", 9464)),
    ],
)
def test_others_are_not(settings: Settings) -> None:
    assert not is_plain(settings, OPTIONS)


@pytest.mark.parametrize("option", ["http", "open"])
def test_neither_are_options_for_http(option: str) -> None:
    assert not is_plain(Settings(), argparse.Namespace(**{**vars(OPTIONS), option: True}))


def test_neither_is_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is installed: hosts pass on such variables, which are meant for others."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    for spec, answer in ((None, True), (object(), False)):
        monkeypatch.setattr("importlib.util.find_spec", lambda _, spec=spec: spec)
        assert is_plain(Settings(), OPTIONS) is answer
