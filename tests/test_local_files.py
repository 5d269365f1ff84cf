"""Files that are none: devices, pipes and standard streams, wherever a person names a file."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from neo_mcp import local_files
from neo_mcp.cli import files
from neo_mcp.cli.files import FileRefusedError
from neo_mcp.config import load_settings
from neo_mcp.errors import ConfigurationError
from neo_mcp.server.http.credentials import TokenFolder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="devices and named pipes are POSIX's")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@contextmanager
def read_by_somebody(pipe: Path) -> Iterator[list[bytes]]:
    got: list[bytes] = []
    opened = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(opened, True)
    # Without a writer, a pipe is at its end before anything was written.
    writer = os.open(pipe, os.O_WRONLY)

    def drain() -> None:
        while chunk := os.read(opened, 65536):
            got.append(chunk)

    reader = threading.Thread(target=drain)
    reader.start()
    yield got
    os.close(writer)
    reader.join()
    os.close(opened)


class TestReading:
    def test_a_pipe_that_nobody_writes_to_is_empty_and_holds_up_no_one(self, pipe: Path) -> None:
        assert local_files.read(pipe, 100) == b""

    def test_what_a_shell_substitutes_is_read(self) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"pul-from-a-password-manager\n")
        os.close(writing)
        settings = load_settings({}, {"token_file": f"/dev/fd/{reading}"}, home=Path("/nonexistent"))
        os.close(reading)
        assert settings.token is not None
        assert settings.token.get_secret_value() == "pul-from-a-password-manager"

    @pytest.mark.parametrize("endless", ["/dev/zero", "/dev/urandom"])
    @pytest.mark.parametrize("name", ["token_file", "key_file"])
    def test_what_never_ends_is_refused(self, name: str, endless: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_settings({}, {name: endless}, home=tmp_path)

    @pytest.mark.parametrize("name", ["token_file", "key_file"])
    def test_an_empty_pipe_is_an_error(self, name: str, pipe: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError):
            load_settings({}, {name: str(pipe)}, home=tmp_path)

    @pytest.mark.parametrize("name", ["credentials.json", "config.json"])
    def test_a_login_that_is_a_pipe_is_not_waited_for(self, name: str, tmp_path: Path) -> None:
        (tmp_path / ".pulumi").mkdir()
        os.mkfifo(tmp_path / ".pulumi" / name)
        settings = load_settings({}, home=tmp_path)
        assert settings.token is None
        assert any(name in warning for warning in settings.warnings)

    async def test_a_pipe_in_a_token_store_is_nobodys_token(self, pipe: Path) -> None:
        assert await TokenFolder(pipe.parent).token_of("https://issuer", "pipe") is None

    @pytest.mark.parametrize("special", ["/dev/null", "/dev/zero"])
    def test_a_configuration_is_a_regular_file(self, special: str, pipe: Path) -> None:
        for path in (Path(special), pipe):
            with pytest.raises(FileRefusedError, match="Not a regular file"):
                files.read(path)

    def test_a_link_to_a_regular_file_is_one(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_text("x")
        (tmp_path / "link").symlink_to("real")
        assert files.read(tmp_path / "link") == b"x"


class TestWriting:
    @pytest.mark.parametrize("path", ["/dev/null", "/dev/./null", "/dev//null"])
    def test_a_device_is_written_through(self, path: str) -> None:
        before = os.stat("/dev/null")  # noqa: PTH116 - as it is named
        files.write(Path(path), "x")
        assert os.path.samestat(before, os.stat("/dev/null"))  # noqa: PTH116 - likewise

    def test_a_full_device_is_an_error(self) -> None:
        with pytest.raises(FileRefusedError, match="No space left"):
            files.write(Path("/dev/full"), "x")

    def test_a_link_to_a_device_is_written_through(self, tmp_path: Path) -> None:
        link = tmp_path / "out.md"
        link.symlink_to("/dev/null")
        files.write(link, "x")
        assert link.is_symlink()

    def test_a_pipe_takes_all_of_it(self, pipe: Path) -> None:
        text = "long " * 100_000
        with read_by_somebody(pipe) as got:
            files.write(pipe, text)
        assert b"".join(got).decode() == text

    def test_a_pipe_that_nobody_reads_is_an_error_at_once(self, pipe: Path) -> None:
        with pytest.raises(FileRefusedError, match="no one reads this pipe"):
            files.write(pipe, "x")

    def test_a_regular_file_is_replaced_at_once(self, tmp_path: Path) -> None:
        path = tmp_path / "out.md"
        path.write_text("old")
        held = path.open()
        files.write(path, "new")
        assert held.read() == "old"
        assert path.read_text() == "new"
        held.close()
