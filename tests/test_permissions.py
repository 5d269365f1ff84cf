"""Who else can read, change or replace a file that holds a secret."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from neo_mcp import permissions
from neo_mcp.config import load_settings
from neo_mcp.permissions import exposures

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")

as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
_OTHER = 65532


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "folder" / "secret"
    path.parent.mkdir(0o700)
    path.write_text("s" * 40)
    path.chmod(0o600)
    yield path
    path.parent.chmod(0o700)


def about(path: Path) -> str:
    return "\n".join(exposures(path))


def test_a_file_of_ones_own_is_nothing_to_report(secret: Path) -> None:
    assert exposures(secret) == []
    assert exposures(secret.parent) == []


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (0o644, "can be read by other users; run `chmod 600"),
        (0o640, "can be read by other users"),
        (0o602, "can be changed by other users; run `chmod go-w"),
        (0o622, "can be changed by other users"),
    ],
)
def test_what_others_may_do_with_the_file_is_reported(secret: Path, mode: int, words: str) -> None:
    secret.chmod(mode)
    assert f"{secret} {words}" in about(secret)


@as_root
def test_the_members_of_another_group_are_others(secret: Path) -> None:
    os.chown(secret, 0, _OTHER)
    secret.chmod(0o620)
    assert "can be changed by other users" in about(secret)


def test_the_group_of_this_user_alone_is_no_other(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "_is_own_group", lambda _: True)
    secret.parent.chmod(0o770)
    assert exposures(secret) == []


@as_root
def test_a_file_of_another_user_is_reported(secret: Path) -> None:
    os.chown(secret, _OTHER, _OTHER)
    assert f"belongs to another user ({_OTHER}), who can change it" in about(secret)


@pytest.mark.parametrize("name", ["secret", "link"])
def test_a_folder_in_which_it_can_be_replaced_is_reported(secret: Path, name: str) -> None:
    (secret.parent / "link").symlink_to("secret")
    secret.parent.chmod(0o777)
    path = secret.parent / name
    assert (
        f"Other users can replace {path}, because they can write to the folder {secret.parent}; "
        f"run `chmod go-w {secret.parent}`."
    ) in exposures(path)


def test_each_folder_on_the_way_counts_and_is_reported_once(secret: Path) -> None:
    deep = secret.parent / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "secret").touch(0o600)
    secret.parent.chmod(0o777)
    assert [f"folder {secret.parent};" in line for line in exposures(deep / "secret")] == [True]


def test_a_link_counts_by_where_it_lies_and_by_where_it_leads(secret: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    (elsewhere / "link").symlink_to("../folder/secret")
    assert exposures(elsewhere / "link") == []
    secret.parent.chmod(0o777)
    assert f"write to the folder {secret.parent}" in about(elsewhere / "link")
    secret.parent.chmod(0o700)
    elsewhere.chmod(0o777)
    assert f"write to the folder {elsewhere}" in about(elsewhere / "link")


def test_in_a_folder_with_the_sticky_bit_nobody_replaces_what_is_ones_own(secret: Path) -> None:
    secret.parent.chmod(0o1777)
    assert exposures(secret) == []


@as_root
def test_the_sticky_bit_does_not_stop_the_owner_of_a_link(secret: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(secret)
    os.chown(shared / "link", _OTHER, _OTHER, follow_symlinks=False)
    assert f"write to the folder {shared}" in about(shared / "link")


@as_root
def test_a_folder_of_another_user_is_reported(secret: Path) -> None:
    os.chown(secret.parent, _OTHER, _OTHER)
    assert f"the folder {secret.parent} is theirs" in about(secret)


def test_the_files_of_a_store_are_reported_together(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir(0o700)
    for number in range(8):
        (store / f"user{number}").touch()
        (store / f"user{number}").chmod(0o644)
    (store / "safe").touch(0o600)
    (store / "\x1b[31mred").touch()
    (store / "\x1b[31mred").chmod(0o602)
    (store / "gone").symlink_to("nowhere")
    os.mkfifo(store / "pipe")
    names = "user0, user1, user2, user3, user4 and 3 more"
    assert exposures(store) == [
        f"Files in {store} can be read by other users (`chmod 600`): {names}.",
        f"Files in {store} can be changed by other users (`chmod go-w`): \\x1b[31mred.",
    ]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/tty", "/nowhere", "a\0b", "/dev/fd/0"])
def test_of_what_is_no_file_nothing_is_said(path: str) -> None:
    assert exposures(Path(path)) == []


def test_links_that_go_round_are_left(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert exposures(tmp_path / "loop") == []


def test_where_there_are_no_users_there_is_nothing_to_report(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret.chmod(0o666)
    monkeypatch.delattr(os, "getuid")
    assert exposures(secret) == []


@pytest.mark.parametrize("name", ["token_file", "key_file", "auth_secret_file", "token_store"])
def test_every_setting_of_a_secret_is_looked_at(secret: Path, tmp_path: Path, name: str) -> None:
    secret.parent.chmod(0o777)
    path = secret.parent if name == "token_store" else secret
    warnings = load_settings({}, {name: str(path)}, home=tmp_path).warnings
    assert any(str(secret.parent) in warning for warning in warnings)


def test_so_is_what_pulumi_login_wrote(tmp_path: Path) -> None:
    login = tmp_path / ".pulumi"
    login.mkdir()
    (login / "credentials.json").write_text("{}")
    (login / "credentials.json").chmod(0o600)
    login.chmod(0o777)
    assert any(f"write to the folder {login}" in line for line in load_settings({}, home=tmp_path).warnings)
