"""Variables of the network are understood in the forms in which people write them."""

from pathlib import Path

import pytest

from neo_mcp import network_settings as network
from neo_mcp.network_settings import SYSTEM, certificates, folder_trouble, is_bypassed, proxy_for

PROXY = "http://proxy.corp:8080"
NAMES = ("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


BYPASSED = [
    ("::1/128", "::1"),
    ("fd07::/64", "fd07::5"),
    ("[fd07::]/64", "fd07::5"),
    ("fd07::1/64", "fd07::5"),
    ("[::1]", "::1"),
    ("::1", "0:0:0:0:0:0:0:1"),
    ("[fd07::5]:443", "fd07::5"),
    ("10.0.0.0/8", "10.1.2.3"),
    ("10.9.9.9/8", "10.1.2.3"),
    ("10.0.0.0/255.0.0.0", "10.1.2.3"),
    ("10.1.2.3", "10.1.2.3"),
    ("10.1.2.3", "::ffff:10.1.2.3"),
    ("10.1.2.3:443", "10.1.2.3"),
    ("10.*", "10.1.2.3"),
    ("api.example.com", "api.example.com"),
    ("API.Example.COM", "api.example.com"),
    ("api.example.com.", "api.example.com"),
    ("api.example.com", "api.example.com."),
    ("example.com", "api.example.com"),
    (".example.com", "api.example.com"),
    (" .example.com", "api.example.com"),
    ("*.example.com", "api.example.com"),
    ("*example.com", "api.example.com"),
    ("api.*.com", "api.example.com"),
    ("example.com:443", "api.example.com"),
    ("*.example.com:443", "api.example.com"),
    ("https://api.example.com", "api.example.com"),
    ("https://api.example.com:443/", "api.example.com"),
    ("all://*.example.com", "api.example.com"),
    ("'example.com'", "api.example.com"),
    ("bücher.example", "api.xn--bcher-kva.example"),
    ("*", "api.example.com"),
    ("*", "10.1.2.3"),
]
ELSEWHERE = [
    ("", "api.example.com"),
    (" , ,", "api.example.com"),
    (".", "api.example.com"),
    ("*.", "api.example.com"),
    ("::1/129", "::1"),
    ("10.0.0.0/33", "10.1.2.3"),
    ("10.0.0.0/", "10.1.2.3"),
    ("fd07::/64", "fd08::5"),
    ("10.0.0.0/8", "11.1.2.3"),
    ("10.0.0.0/8", "api.example.com"),
    ("2.3", "10.1.2.3"),
    ("xample.com", "api.example.com"),
    ("ple.com", "example.com"),
    ("api.example.com", "example.com"),
    ("api.example.com:8443", "api.example.com"),
    ("http://api.example.com", "api.example.com"),
    ("[::1", "api.example.com"),
    ("://", "api.example.com"),
    ("\ud800", "api.example.com"),
    ("a" * 5000, "api.example.com"),
]


@pytest.mark.parametrize(("entry", "host"), BYPASSED)
@pytest.mark.parametrize("separator", [",", " ", ", ", ";", ",,"])
def test_hosts_without_a_proxy_are_written_in_many_forms(entry: str, host: str, separator: str) -> None:
    for entries in ([entry], ["other.test", entry], [entry, "::1/128", "nonsense/99"]):
        assert is_bypassed(separator.join(entries), "https", host, None)


@pytest.mark.parametrize(("entry", "host"), ELSEWHERE)
def test_an_entry_for_other_hosts_or_for_none_changes_nothing(entry: str, host: str) -> None:
    assert not is_bypassed(entry, "https", host, None)


def test_an_entry_with_a_port_is_for_that_port() -> None:
    assert is_bypassed("api.example.com:8443", "https", "api.example.com", 8443)
    assert not is_bypassed("api.example.com:443", "https", "api.example.com", 8443)
    assert is_bypassed("[fd07::5]:8443", "https", "fd07::5", 8443)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("written", [PROXY, f" {PROXY} ", f'"{PROXY}"'])
def test_a_proxy_comes_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str
) -> None:
    monkeypatch.setenv(name, written)
    assert proxy_for("https", "api.example.com", None) == (name, PROXY)
    monkeypatch.setenv("NO_PROXY", "fd07::/64, example.com")
    assert proxy_for("https", "api.example.com", None) is None
    assert proxy_for("https", "api.other.test", None) == (name, PROXY)


def test_the_proxy_of_the_scheme_comes_before_the_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080")
    monkeypatch.setenv("HTTP_PROXY", "http://other.corp")
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert proxy_for("https", "api.example.com", None) == ("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("HTTPS_PROXY", " ")
    assert proxy_for("https", "api.example.com", None) == ("ALL_PROXY", "socks://127.0.0.1:1080")


def test_without_variables_the_system_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "getproxies", lambda: {"https": PROXY})
    monkeypatch.setattr(network, "proxy_bypass", lambda host: host == "api.inside.corp")
    assert proxy_for("https", "api.example.com", None) == (SYSTEM, PROXY)
    assert proxy_for("https", "api.inside.corp", None) is None


class TestCertificates:
    def test_a_file_comes_before_a_folder_and_blanks_are_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert certificates() is None
        monkeypatch.setenv("SSL_CERT_FILE", "  ")
        assert certificates() is None
        monkeypatch.setenv("SSL_CERT_DIR", "/certs")
        assert certificates() == ("SSL_CERT_DIR", "/certs")
        monkeypatch.setenv("HOME", "/home/ada")
        monkeypatch.setenv("SSL_CERT_FILE", '"~/ca.pem"')
        assert certificates() == ("SSL_CERT_FILE", "/home/ada/ca.pem")

    def test_a_folder_has_certificates_under_their_hashes(self, tmp_path: Path) -> None:
        missing = str(tmp_path / "missing")
        assert folder_trouble(missing) == "does not exist"
        (tmp_path / "ca.pem").write_text("x")
        assert "under a name" in str(folder_trouble(str(tmp_path)))
        assert "cannot be read" in str(folder_trouble(str(tmp_path / "ca.pem")))
        (tmp_path / "0a1b2c3d.0").write_text("x")
        assert folder_trouble(f"{missing}:{tmp_path}") is None
