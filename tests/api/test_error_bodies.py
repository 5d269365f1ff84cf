"""Errors keep their words, however an API or a gateway writes them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.api.error_bodies import MAX_LINK, is_safe_address, words_in
from neo_mcp.api.responses import MAX_MESSAGE
from neo_mcp.errors import ApiError, PermissionDeniedError
from tests.api.support import TASK, TOKEN, answer, answering, client_for

FORMS: list[tuple[Any, str]] = [
    ({"message": "words"}, "words"),
    ({"Message": "words"}, "words"),
    ({"message": 42}, "42"),
    ({"message": ["one", "two"]}, "one; two"),
    ({"message": {"text": 1}, "error": "words"}, "words"),
    ({"message": "", "error": "words"}, "words"),
    ({"error": "words"}, "words"),
    ({"error": {"message": "words"}}, "words"),
    ({"error": {"error": {"message": "words"}}}, "words"),
    ({"error": {"code": "X", "message": "words", "details": [{"message": "more"}]}}, "words: more"),
    ({"error": {"code": 403, "message": "words", "errors": [{"message": "words"}]}}, "words"),
    ({"error": "invalid_grant", "error_description": "The token has expired."}, "The token has expired."),
    ({"detail": "words"}, "words"),
    ({"title": "words", "status": 403}, "words"),
    ({"title": "Out of credit.", "detail": "Yours is 30."}, "Out of credit: Yours is 30."),
    ({"detail": [{"loc": ["body", "name"], "msg": "field required"}]}, "body.name: field required"),
    ({"errors": ["one", "two"]}, "one; two"),
    ({"errors": [{"message": "one"}, {"detail": "two"}, {"title": "three"}, 4]}, "one; two; three; 4"),
    ({"errors": [{"field": "name", "message": "is missing"}]}, "name: is missing"),
    (
        {"title": "Invalid.", "errors": {"Name": ["is missing", "is odd"]}},
        "Invalid: Name: is missing, is odd",
    ),
    ({"message": "Validation failed.", "errors": ["no name"]}, "Validation failed: no name"),
    ({"fault": {"faultstring": "words", "detail": {"errorcode": "x"}}}, "words"),
    (["one", {"message": "two"}], "one; two"),
    ({"message": "words", "detail": {"x": 1}, "errors": None}, "words"),
]
WITHOUT = [{}, {"code": 403}, {"message": {"a": 1}}, {"message": None}, {"errors": []}, [[[]]], True, None]
PAGES = [
    (b"<html><head><title>502 Bad Gateway</title></head><body>secrets</body></html>", "502 Bad Gateway"),
    (b"<!DOCTYPE html>\n<TITLE lang=en>\n Access &amp; more\n</TITLE>", "Access & more"),
    (b"\xef\xbb\xbf<html><title>One</title></html>", "One"),
    (b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", "Access Denied"),
    (b'<title>A "quoted" one</title>', "A 'quoted' one"),
]
SAFE = [
    "https://www.pulumi.com/docs/",
    "http://127.0.0.1:8080/x?a=b&c=(d)#e",
    "https://example.com/a'b",
]
UNSAFE: list[Any] = [
    *(None, 7, "", "about:blank", "/docs", "urn:problem:x", "javascript:alert(1)", "ftp://example.com/"),
    *("https://", "https:///docs", "https://ada:s3cret@example.com/", "https://exa mple.com/"),
    *('https://example.com/"x', "https://example.com/<x>", "https://example.com/\u202e", "https://[::1/"),
    *(
        "https://example.com/`x`",
        "https://example.com/\n",
        "https://example.com:0/",
        "https://e.com/" + "x" * 200,
    ),
]


async def error_of(body: object, status: int = 403) -> ApiError:
    async with answering(answer(status, body)) as server, client_for(server) as client:
        with pytest.raises(ApiError) as caught:
            await client.get_task(TASK)
    return caught.value


@pytest.mark.parametrize(("body", "words"), FORMS)
async def test_the_words_are_there_in_every_form(body: object, words: str) -> None:
    error = await error_of(body)
    assert error.message == words
    assert str(error).startswith(f'The API says "{words}" (HTTP 403)')


@pytest.mark.parametrize("body", WITHOUT)
async def test_a_body_without_words_is_said_to_have_none(body: object) -> None:
    assert (
        await error_of(json.dumps(body).encode())
    ).message == "The API answered 403 Forbidden without a message."


@pytest.mark.parametrize(("body", "title"), PAGES)
async def test_of_a_gateways_page_the_title_is_shown(body: bytes, title: str) -> None:
    error = await error_of(body)
    assert str(error).startswith(
        f'The API answered 403 Forbidden with a web page titled "{title}" (HTTP 403).'
    )


@pytest.mark.parametrize("name", ["documentationUrl", "documentation_url", "DocumentationURL", "type"])
@pytest.mark.parametrize("link", [*SAFE, *UNSAFE])
async def test_an_address_is_shown_where_it_is_safe(name: str, link: object) -> None:
    for body in ({"message": "words", name: link}, {"error": {"message": "words", name: link}}):
        shown = f"words (see {link})" if link in SAFE else "words"
        assert (await error_of(body)).message == shown
    assert is_safe_address(link) == (link in SAFE)


async def test_an_address_is_whole_beside_a_long_message() -> None:
    link = f"https://example.com/{'x' * (MAX_LINK - 20)}"
    message = (await error_of({"message": "long " * 1000, "documentationUrl": link})).message
    assert message.endswith(f"… (see {link})")
    assert len(message) <= MAX_MESSAGE


async def test_no_form_shows_the_token() -> None:
    for body in (
        {"errors": [{"message": f"not {TOKEN}"}]},
        {"detail": "x", "type": f"https://e.com/{TOKEN}"},
    ):
        assert TOKEN not in str(await error_of(body))
    assert TOKEN not in str(await error_of(f"<title>{TOKEN}</title>".encode()))


async def test_words_in_a_body_that_is_cut_off_are_found() -> None:
    body = json.dumps({"code": 400, "message": 'the "words"', "trace": "x" * 2**17}).encode()
    assert (await error_of(body)).message == 'the "words"'
    assert words_in(b'{"message": "half of').text == ""


async def test_a_proxy_that_wants_a_login_is_named() -> None:
    assert "put them into HTTPS_PROXY" in str(await error_of(b"", 407))
    assert isinstance(await error_of(b"", 403), PermissionDeniedError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "error", "errors", "detail", "details", "title", "type", "loc"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_comes_is_read(value: object) -> None:
    words = words_in(json.dumps(value).encode())
    assert isinstance(words.text, str)
    assert not words.link or is_safe_address(words.link)


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_read(body: bytes) -> None:
    assert isinstance(words_in(body).text, str)
