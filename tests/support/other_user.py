"""Running this program as containers do: as a user that owns nothing, with secrets in root's files."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
from anyio.abc import Process

from tests.support.host import PATIENCE
from tests.support.nobody import UID, as_nobody


@contextmanager
def mounted(files: Mapping[str, str]) -> Iterator[Path]:
    """A folder with these files as a kubelet mounts secrets: root's, and for the group of the pod to read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, content in files.items():
            (folder / file).write_text(content)
            (folder / file).chmod(0o440)
            with contextlib.suppress(PermissionError):
                os.chown(folder / file, 0, UID)
        yield folder


@asynccontextmanager
async def serving_as_nobody(command: Sequence[str], **env: str) -> AsyncIterator[tuple[Process, bytearray]]:
    """A process of theirs, and what it has written to standard error; killed at the end if it still runs."""
    given = as_nobody(**env)
    process = await anyio.open_process(list(command), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, **given)
    said = bytearray()

    async def drain() -> None:
        assert process.stderr is not None
        async for chunk in process.stderr:
            said.extend(chunk)

    async with process, anyio.create_task_group() as group:
        group.start_soon(drain)
        try:
            yield process, said
        finally:
            if process.returncode is None:
                process.kill()
            with anyio.move_on_after(PATIENCE):
                await process.wait()
            group.cancel_scope.cancel()
