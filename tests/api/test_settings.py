"""What a client checks before it makes any request."""

import pytest

from neo_mcp.api import NeoClient
from neo_mcp.errors import ConfigurationError, InvalidArgumentError, MissingTokenError
from neo_mcp.secret import SecretStr
from tests.api.support import TASK, TOKEN


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.pulumi.com", "https://api.pulumi.com"),
        ("https://api.pulumi.com/", "https://api.pulumi.com"),
        ("HTTPS://API.example.com:8443/pulumi/", "https://api.example.com:8443/pulumi"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
        ("http://localhost:1/x", "http://localhost:1/x"),
    ],
)
def test_an_address_is_https_or_on_this_machine(given: str, kept: str) -> None:
    assert NeoClient(token=None, api_url=given).api_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://api.pulumi.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "ftp://api.pulumi.com",
        "https://app.pulumi.com",
        "https://APP.pulumi.com/acme",
        "api.pulumi.com",
        "https://",
        "https://alice:s3cret@api.pulumi.com",
        "https://s3cret@api.pulumi.com",
        "https://api.pulumi.com?s3cret=1",
        "https://api.pulumi.com?",
        "https://api.pulumi.com/#s3cret",
        "https://api.pulumi.com:port",
        "https://api.pulumi.com:99999",
        "https://api.pulumi.com\\@s3cret.example.com",
        "https://api.pulumi.com/\r\nX-Header: s3cret",
        " https://api.pulumi.com",
        "https://[::1",
        "",
    ],
)
def test_any_other_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NeoClient(token=None, api_url=url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("token", ["pul-a b", "pul-a\nb", "pul-ä", "pul-\x00"])
def test_a_token_that_cannot_travel_in_a_header_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NeoClient(token=token)
    assert "pul-" not in str(caught.value)


@pytest.mark.parametrize("token", [None, "", "  ", SecretStr("")])
async def test_a_missing_token_is_an_error_at_the_first_call(token: SecretStr | str | None) -> None:
    async with NeoClient(token=token) as client:
        with pytest.raises(MissingTokenError):
            await client.get_user()
        with pytest.raises(MissingTokenError):
            await anext(client.stream_events(TASK, organization="acme"))


@pytest.mark.parametrize(
    ("api_url", "console"),
    [
        ("https://api.pulumi.com", "https://app.pulumi.com"),
        ("https://api.pulumi.example.com:8443/x", "https://app.pulumi.example.com:8443"),
        ("https://pulumi.example.com", "https://pulumi.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_task_has_a_page_in_the_console(api_url: str, console: str) -> None:
    assert NeoClient(token=None, api_url=api_url).task_url("acme", TASK) == f"{console}/acme/neo/tasks/{TASK}"


def test_a_task_page_takes_only_names_that_are_names() -> None:
    client = NeoClient(token=None)
    with pytest.raises(InvalidArgumentError):
        client.task_url("..", TASK)
    with pytest.raises(InvalidArgumentError):
        client.task_url("acme", "a/b")


def test_a_client_shows_its_address_and_organization_only() -> None:
    client = NeoClient(token=SecretStr(TOKEN), organization="acme")
    assert repr(client) == "NeoClient(api_url='https://api.pulumi.com', organization='acme')"


def test_an_impossible_organization_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        NeoClient(token=None, organization="../acme")


async def test_a_closed_client_makes_no_more_connections() -> None:
    client = NeoClient(token=TOKEN)
    await client.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await client.get_user()
