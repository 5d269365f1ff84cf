"""A token that cannot be a real one is reported, and tears none of our own sentences apart."""

import pytest

from neo_mcp.api import TokenGuard
from neo_mcp.cli.shown import shown_without
from neo_mcp.config import load_settings
from neo_mcp.errors import AuthenticationError, MissingTokenError
from neo_mcp.secret import SecretStr
from neo_mcp.weak_tokens import weakness

WEAK = ["a", "is", "token", "wrong", "pul-", "401", "password", "organization", "my-own-access-token"]
REAL = ["pul-" + "0123456789abcdef" * 2, "pul-sim-alice", "opaque.canary_7Qx3f9a1c-Zk", "QwErTyUiOpAsDfGhJ"]
SENTENCES = [
    str(AuthenticationError("The token is wrong.", status=401)),
    str(MissingTokenError("There is no access token.")),
    "Check the organization name, that your user is a member with access to Neo.",
]


@pytest.mark.parametrize("token", WEAK)
def test_a_weak_token_is_reported_and_our_sentences_stay_whole(token: str) -> None:
    assert weakness(token)
    (warning,) = load_settings({"PULUMI_ACCESS_TOKEN": token, "HOME": "/nowhere"}).warnings
    assert "cannot be a real one" in warning
    guard, shown = TokenGuard(SecretStr(token)), shown_without(SecretStr(token))
    for sentence in SENTENCES:
        assert guard.own.text(sentence) == sentence
        assert shown(sentence) == sentence
        assert guard.own.json({"message": sentence, token: 1}) == {"message": sentence, token: 1}


@pytest.mark.parametrize("token", REAL)
def test_a_real_token_is_taken_out_of_everything(token: str) -> None:
    assert weakness(token) == ""
    guard, shown = TokenGuard(SecretStr(token)), shown_without(SecretStr(token))
    assert token not in guard.text(f"you sent {token}")
    assert token not in guard.own.text(f"you sent {token}")
    assert token not in shown(f"you sent {token}")
    # Also where what shows nothing parted it.
    assert token not in shown("you sent " + "\u200b".join(token))


def test_foreign_texts_are_kept_from_what_is_short_but_no_word() -> None:
    guard = TokenGuard(SecretStr("hunter2-x"))
    assert guard.text("you sent hunter2-x") == "you sent [access token]"
    assert guard.own.text("you sent hunter2-x") == "you sent hunter2-x"
