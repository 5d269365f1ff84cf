"""Files that are none: devices, pipes and standard streams, wherever a person names a file."""

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
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

as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
not_as_root = pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
_BOUND = 30


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Have a test fail that waits for what never comes."""

    def give_up(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_BOUND)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
    def test_a_pipe_that_nobody_writes_to_is_given_up(
        self, pipe: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local_files, "PIPE_SECONDS", 0.05)
        with pytest.raises(TimeoutError, match="Nothing came out of it in time"):
            local_files.read(pipe, 100)

    def test_a_pipe_whose_writer_is_slow_is_given_up(
        self, pipe: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local_files, "PIPE_SECONDS", 0.05)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(pipe, os.O_WRONLY)
        os.write(writer, b"half of i")
        with pytest.raises(TimeoutError):
            local_files.read(pipe, 100)
        os.close(writer)
        os.close(reader)

    def test_a_pipe_whose_writer_comes_late_is_read(self, pipe: Path) -> None:
        def write(*_: object) -> None:
            writer = os.open(pipe, os.O_WRONLY)
            os.write(writer, b"secret")
            os.close(writer)

        waits = iter([None, write])

        def sleep(_: float) -> None:
            if step := next(waits, None):
                step()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.sleep", sleep)
            assert local_files.read(pipe, 100) == b"secret"

    def test_a_socket_and_a_folder_are_named_as_such(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
            with pytest.raises(OSError, match="Is a socket"):
                local_files.read(tmp_path / "s", 100)
        with pytest.raises(IsADirectoryError):
            local_files.read(tmp_path, 100)

    def test_a_device_that_must_be_a_file_is_not_even_opened(
        self, pipe: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "open")
        with pytest.raises(OSError, match="Not a regular file"):
            local_files.read(pipe, 100, regular=True)

    @pytest.mark.parametrize("name", ["a\0b", "\ud800", "n" * 300, "loop", "file/below", "missing"])
    @pytest.mark.parametrize("setting", ["token_file", "key_file"])
    def test_what_cannot_be_a_file_is_an_error_in_words(
        self, setting: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("loop").symlink_to("loop")
        Path("file").touch()
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_settings({}, {setting: name}, home=tmp_path)

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
    def test_an_empty_pipe_is_an_error(
        self, name: str, pipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local_files, "PIPE_SECONDS", 0.05)
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

    def test_a_file_that_is_too_large_to_read_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "out.md"
        with path.open("wb") as file:
            file.truncate(files.MAX_BYTES + 1)
        files.write(path, "new")
        assert path.read_text() == "new"

    @pytest.mark.parametrize("name", ["a\0b", "\ud800", "n" * 300, "loop", "file/below", ".", "socket"])
    def test_what_cannot_be_written_is_an_error_in_words(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("loop").symlink_to("loop")
        Path("file").touch()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
            before = names_in(tmp_path)
            with pytest.raises(FileRefusedError, match="cannot be written"):
                files.write(Path(name), "x")
        assert names_in(tmp_path) == before

    def test_a_name_may_be_as_long_as_names_can_be(self, tmp_path: Path) -> None:
        files.write(tmp_path / ("n" * 255), "x")
        assert names_in(tmp_path) == ["n" * 255]

    def test_a_link_to_nothing_becomes_a_link_to_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("folder/file")
        files.write(tmp_path / "link", "x")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "file").read_text() == "x"

    @pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no such file system here")  # noqa: PTH112, S108 - it is
    def test_among_devices_a_file_is_a_file(self) -> None:
        path = Path("/dev/shm") / f"neo-{os.getpid()}"  # noqa: S108 - see above
        try:
            files.write(path, "x")
            files.write(path, "y")
            assert path.read_text() == "y"
        finally:
            path.unlink(missing_ok=True)

    def test_what_is_made_is_nobody_elses_whatever_the_mask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            files.write(tmp_path / "new" / "folder" / "out.md", "x")
        finally:
            os.umask(before)
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "new/folder")]
        assert modes == [0o755, 0o755]
        assert stat.S_IMODE((tmp_path / "new" / "folder" / "out.md").stat().st_mode) == 0o600

    def test_permissions_stay_and_every_name_of_a_file_has_the_new_text(self, tmp_path: Path) -> None:
        path, other = tmp_path / "out.md", tmp_path / "other.md"
        path.write_text("a longer text than the new one")
        path.chmod(0o640)
        other.hardlink_to(path)
        files.write(path, "new")
        files.write(path, "newer and longer")
        assert other.read_text() == "newer and longer"
        assert stat.S_IMODE(other.stat().st_mode) == 0o640

    @as_root
    def test_the_owner_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "out.md"
        path.touch(0o644)
        os.chown(path, 65532, 65533)
        files.write(path, "new")
        assert (path.stat().st_uid, path.stat().st_gid) == (65532, 65533)

    @as_root
    @pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no attributes here")
    def test_attributes_stay(self, tmp_path: Path) -> None:
        path = tmp_path / "out.md"
        path.touch()
        try:
            os.setxattr(path, "user.note", b"mine")
        except OSError:
            pytest.skip("this file system has no attributes")
        files.write(path, "new")
        assert os.getxattr(path, "user.note") == b"mine"

    def test_where_nothing_can_be_created_a_file_is_written_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "out.md"
        path.write_text("old and long")

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(local_files, "create", refuse)
        files.write(path, "new")
        assert path.read_text() == "new"
        with pytest.raises(FileRefusedError, match="Permission denied"):
            files.write(tmp_path / "other.md", "new")

    @not_as_root
    def test_a_folder_that_may_not_be_written_says_so(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(FileRefusedError, match="Permission denied"):
            files.write(tmp_path / "out.md", "x")
        tmp_path.chmod(0o700)

    @pytest.mark.parametrize("names", [1, 2])
    @pytest.mark.parametrize("fails", ["fsync", "fchmod"])
    def test_a_file_is_as_it_was_where_the_disk_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, names: int
    ) -> None:
        path = tmp_path / "out.md"
        path.write_text("old")
        if names > 1:
            (tmp_path / "other.md").hardlink_to(path)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, fails, full)
        if names > 1 and fails == "fchmod":
            monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(FileRefusedError, match="No space left"):
            files.write(path, "new and long")
        if names == 1 or fails == "fchmod":
            assert path.read_text() == "old"
        assert names_in(tmp_path) == sorted(["out.md", "other.md"][:names])

    def test_a_limit_on_sizes_is_an_error_and_leaves_the_file_as_it_was(self, tmp_path: Path) -> None:
        for names in (1, 2):
            path = tmp_path / f"{names}.md"
            path.write_text("old")
            if names > 1:
                (tmp_path / "other.md").hardlink_to(path)
            code = (
                "import sys; from pathlib import Path; from neo_mcp.cli import files;"
                "files.write(Path(sys.argv[1]), 'x' * 9000)"
            )
            done = subprocess.run(  # noqa: S603 - our own code
                [sys.executable, "-c", code, str(path)],
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
                capture_output=True,
                text=True,
                check=False,
            )
            assert "cannot be written: File too large" in done.stderr
            assert path.read_text() == "old"
        assert names_in(tmp_path) == ["1.md", "2.md", "other.md"]

    def test_an_interrupt_leaves_nothing_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.write(tmp_path / "out.md", "x")
        assert names_in(tmp_path) == []


class TestDescriptors:
    """What the shell has opened is written where it stands."""

    @pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
    @pytest.mark.parametrize("flags", [os.O_APPEND, 0])
    def test_what_was_written_before_stays(self, tmp_path: Path, name: str, flags: int) -> None:
        log = tmp_path / "log"
        descriptor = os.open(log, os.O_RDWR | os.O_CREAT | flags)
        os.set_inheritable(descriptor, True)
        os.write(descriptor, b"what was there before\n")
        path = Path(name.format(descriptor))
        if name == "link":
            path = tmp_path / "link"
            path.symlink_to(f"/dev/fd/{descriptor}")
        files.write(path, "new\n")
        os.close(descriptor)
        assert log.read_text() == "what was there before\nnew\n"

    def test_a_file_that_output_goes_to_is_written_where_it_stands(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        code = (
            "import sys; from pathlib import Path; from neo_mcp.cli import files;"
            "print('before'); files.write(Path(sys.argv[1]), 'new\\n'); print('after')"
        )
        for name in ("/dev/stdout", str(log)):
            with log.open("wb") as file:
                subprocess.run([sys.executable, "-c", code, name], stdout=file, check=True)  # noqa: S603 - our own code
            assert log.read_text() == "before\nnew\nafter\n"

    def test_a_socket_that_output_goes_to_is_written_to(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            os.set_inheritable(theirs.fileno(), True)
            files.write(Path(f"/dev/fd/{theirs.fileno()}"), "x")
            assert ours.recv(10) == b"x"

    def test_a_pipe_that_does_not_block_takes_all_of_it(self) -> None:
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        os.set_blocking(writing, False)
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.extend(iter(lambda: os.read(reading, 4096), b"")))
        reader.start()
        files.write(Path(f"/dev/fd/{writing}"), "x" * 500_000)
        os.close(writing)
        reader.join()
        os.close(reading)
        assert sum(map(len, got)) == 500_000

    def test_what_the_process_opened_itself_is_no_output(self, tmp_path: Path) -> None:
        path = tmp_path / "own"
        with path.open("w") as own, pytest.raises(FileRefusedError, match="Bad file descriptor"):
            files.write(Path(f"/dev/fd/{own.fileno()}"), "x")
        assert path.read_text() == ""


class TestFullDisk:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        """A file system of 64 KiB."""
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
        try:
            mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed
        except OSError:
            mounted = False
        if not mounted:
            pytest.skip("this user can mount nothing")
        yield tmp_path
        subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S603, S607 - fixed

    @pytest.mark.parametrize("names", [1, 2])
    def test_the_file_is_as_it_was_and_nothing_is_left_behind(self, small: Path, names: int) -> None:
        path = small / "out.md"
        path.write_text("old")
        if names > 1:
            (small / "other.md").hardlink_to(path)
        with pytest.raises(FileRefusedError, match="No space left"):
            files.write(path, "x" * 100_000)
        assert path.read_text() == "old"
        assert len(names_in(small)) == names

    def test_a_file_that_a_container_mounted_alone_is_written_over(self, small: Path) -> None:
        path, source = small / "mounted.json", small / "source.json"
        for file in (path, source):
            file.write_text("old")
        command = ["mount", "--bind", str(source), str(path)]
        if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 - fixed
            pytest.skip("this user can mount nothing")
        try:
            files.write(path, "new")
        finally:
            subprocess.run(["umount", str(path)], check=True)  # noqa: S603, S607 - fixed
        assert source.read_text() == "new"


def test_only_copies_that_are_files_count_as_copies(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    (tmp_path / "secret").write_text("x")
    (tmp_path / "mcp.json.1.neo-backup").symlink_to("secret")
    os.mkfifo(tmp_path / "mcp.json.2.neo-backup")
    (tmp_path / "mcp.json.3.neo-backup").write_text("{}")
    assert [copy.name for copy in files.backups(path)] == ["mcp.json.3.neo-backup"]


@pytest.mark.parametrize("link", ["folder", "file"])
def test_a_link_out_of_a_folder_is_not_followed_even_if_it_came_late(tmp_path: Path, link: str) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "file").write_text("theirs")
    (inside / "folder").mkdir() if link == "file" else (inside / "folder").symlink_to(outside)
    if link == "file":
        (inside / "folder" / "file").symlink_to(outside / "file")
    with pytest.raises(FileRefusedError, match="leads out of"):
        files.replace(inside / "folder" / "file", "x", expected=b"theirs", within=inside)
    assert (outside / "file").read_text() == "theirs"


def test_within_a_folder_other_names_of_a_file_stay_as_they_are(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "theirs").write_text("theirs")
    (inside / "file").hardlink_to(tmp_path / "theirs")
    files.replace(inside / "file", "x", expected=b"theirs", within=inside)
    assert (tmp_path / "theirs").read_text() == "theirs"
