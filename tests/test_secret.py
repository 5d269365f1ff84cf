"""Secrets show themselves only when asked."""

import pydantic
import pytest

from neo_mcp.api import check_token
from neo_mcp.secret import SecretBytes, SecretStr

SECRETS = [SecretStr("pul-secret"), SecretBytes(b"pul-secret")]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_text_shows_them(secret: SecretStr | SecretBytes) -> None:
    for text in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{[secret]}",
        f"{({'a': secret},)}",
    ):
        assert "pul" not in text
        assert "*****" in text
    assert not hasattr(secret, "__dict__")


def test_they_are_compared_by_their_value_and_kind() -> None:
    assert SecretStr("a") == SecretStr("a")
    assert SecretStr("a") != SecretStr("b")
    assert SecretStr("a") != "a"
    assert SecretStr("a") != SecretBytes(b"a")
    assert len({SecretStr("a"), SecretStr("a"), SecretStr("b")}) == 2


def test_an_empty_one_is_false() -> None:
    assert not SecretStr("")
    assert SecretBytes(b"x")
    assert str(SecretStr("")) == ""


def test_a_library_may_pass_pydantics() -> None:
    given: object = pydantic.SecretStr(" pul-secret ")
    token = check_token(given)  # type: ignore[arg-type]  # a value of the same methods
    assert token == SecretStr("pul-secret")
