"""Secrets show themselves only when asked."""

import shlex
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest

from neo_mcp.api import check_token
from neo_mcp.secret import SecretBytes, SecretStr, command_that_makes

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


@pytest.mark.parametrize("platform", ["linux", "win32"])
@pytest.mark.parametrize("name", ["key", "my key"])
def test_the_command_that_makes_one_does(
    platform: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    command = command_that_makes(tmp_path / name)
    if platform == "win32":
        # What either shell of Windows takes, so does this one.
        command = shlex.join([sys.executable, *shlex.split(command)[1:]])
    monkeypatch.undo()
    subprocess.run(["/bin/sh", "-c", command], check=True)  # noqa: S603 - a command of ours
    assert len((tmp_path / name).read_text("ascii").strip()) == 64
