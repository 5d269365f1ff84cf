"""Tasks in a browser: ``serve --http --open``, as a process of its own."""

import re
from pathlib import Path

import anyio
import httpx
import pytest

from tests.support.host import PATIENCE, World
from tests.support.processes import Running, environment, running

_LINK = re.compile(rb"http://127\.0\.0\.1:\d+/#([\w-]{43})\n")


def links(server: Running) -> list[bytes]:
    """The addresses that it has printed."""
    return [found[0].strip() for found in _LINK.finditer(bytes(server.stderr))]


async def printed(server: Running, count: int) -> None:
    with anyio.fail_after(PATIENCE):
        while len(links(server)) < count:  # noqa: ASYNC110 - the other end is a process
            await anyio.sleep(0.005)


def pages(folder: Path) -> list[Path]:
    """The files that lead a browser to an address."""
    return list(folder.glob("pulumi-neo-mcp-*.html"))


def is_private(page: Path, text: str) -> bool:
    """Whether it holds ``text``, for its owner alone."""
    return text in page.read_text("utf-8") and page.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def browser(tmp_path: Path) -> tuple[str, Path]:
    """What ``BROWSER`` takes: a command that writes down what it is to open, and where."""
    opened = tmp_path / "opened"
    script = tmp_path / "browser"
    script.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$1" > "{opened}.new" && mv "{opened}.new" "{opened}"\n', "utf-8"
    )
    script.chmod(0o755)
    return f"{script} %s", opened


async def test_the_browser_opens_at_an_address_that_lets_it_in_once(
    world: World, tmp_path: Path, browser: tuple[str, Path]
) -> None:
    command, opened = browser
    env = environment(world.simulator.url, str(tmp_path), BROWSER=command, HOME=str(tmp_path))
    async with running("serve", "--http", "--port", "0", "--open", env=env) as server:
        await server.says("serves http://")
        with anyio.fail_after(PATIENCE):
            while not opened.exists():  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.005)
        (page,) = pages(tmp_path)
        assert opened.read_text().strip() == page.as_uri()
        (link,) = links(server)
        # What starts a program is shown to every user of the machine, and so is its argument.
        assert link.partition(b"#")[2] not in opened.read_bytes()
        assert is_private(page, f'url={link.decode()}"')
        address, _, secret = link.decode().partition("#")
        async with httpx.AsyncClient(base_url=address, verify=False) as http:  # noqa: S501 - plain http; loading certificates is slow
            assert (await http.post("/view/session", json={"secret": secret})).status_code == 200
            assert (await http.post("/view/session", json={"secret": secret})).status_code == 403
        await printed(server, 2)
        assert pages(tmp_path) == []
    assert len(set(links(server))) == 2


async def test_a_file_that_no_browser_came_from_goes_with_the_server(
    world: World, tmp_path: Path, browser: tuple[str, Path]
) -> None:
    command, opened = browser
    env = environment(world.simulator.url, str(tmp_path), BROWSER=command, HOME=str(tmp_path))
    async with running("serve", "--http", "--port", "0", "--open", env=env) as server:
        with anyio.fail_after(PATIENCE):
            while not opened.exists():  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.005)
        assert len(pages(tmp_path)) == 1
        server.process.terminate()
        assert await server.exit_status() == 0
    assert pages(tmp_path) == []


@pytest.mark.parametrize("home", ["none", "file"])
async def test_without_a_home_the_file_is_among_temporary_ones(
    world: World, tmp_path: Path, browser: tuple[str, Path], home: str
) -> None:
    command, opened = browser
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    env = environment(
        world.simulator.url,
        str(tmp_path),
        BROWSER=command,
        HOME=str(tmp_path / home),
        TMPDIR=str(tmp_path / "tmp"),
    )
    async with running("serve", "--http", "--port", "0", "--open", env=env):
        with anyio.fail_after(PATIENCE):
            while not opened.exists():  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.005)
        assert opened.read_text().startswith((tmp_path / "tmp").as_uri())


async def test_where_no_browser_opens_no_file_is_left(world: World, tmp_path: Path) -> None:
    env = environment(world.simulator.url, str(tmp_path), BROWSER="/bin/false %s", HOME=str(tmp_path))
    async with running("serve", "--http", "--port", "0", "--open", env=env) as server:
        await server.says("no browser could be opened here")
        assert pages(tmp_path) == []
        await printed(server, 1)


async def test_without_open_the_address_is_printed_and_nothing_opened(
    world: World, tmp_path: Path, browser: tuple[str, Path]
) -> None:
    command, opened = browser
    env = environment(world.simulator.url, str(tmp_path), BROWSER=command, NEO_MCP_LOG_LEVEL="debug")
    async with running("serve", "--http", "--port", "0", env=env) as server:
        await server.says("serves http://")
        await printed(server, 1)
        (link,) = links(server)
    assert bytes(server.stderr).count(link.partition(b"#")[2]) == 1
    assert not opened.exists()


async def test_a_log_for_machines_holds_no_address_to_get_in_by(world: World, tmp_path: Path) -> None:
    env = environment(
        world.simulator.url, str(tmp_path), NEO_MCP_LOG_FORMAT="json", NEO_MCP_LOG_LEVEL="debug"
    )
    async with running("serve", "--http", "--port", "0", env=env) as server:
        await server.says("serves http://")
    assert b"#" not in bytes(server.stderr)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--open"], "--http"),
        (["serve", "--http", "--open", "--pulumi-token-header"], "--auth none"),
    ],
)
async def test_where_there_is_nothing_to_open_it_says_so(
    world: World, tmp_path: Path, arguments: list[str], words: str
) -> None:
    env = environment(world.simulator.url, str(tmp_path))
    async with running(*arguments, env=env) as server:
        assert await server.exit_status() != 0
        await server.says(words)
