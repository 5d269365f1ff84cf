"""Running this program as containers do: as a user that owns nothing, with secrets in root's files."""

import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import pytest
from anyio.abc import Process

from tests.server.support import PATIENCE

UID = 65532
_ROOT = Path(__file__).parents[1]


def python_for_everybody() -> str:
    """A Python of this version that every user may run; without one, or without root, the test is skipped."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can start a process as another user")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        command = [python, "-c", "import mcp, neo_mcp"]
        with contextlib.suppress(OSError):
            if subprocess.run(command, **as_nobody(), check=False).returncode == 0:  # noqa: S603 - Pythons of this machine
                return python
    pytest.skip(f"no Python {version} is here that every user may run, together with these packages")


def as_nobody(**env: str) -> dict[str, Any]:
    """What starts a process as a user without a name, a group, and a home."""
    return {
        "user": UID,
        "group": UID,
        "extra_groups": [],
        "cwd": "/",
        "env": {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{_ROOT}:{sysconfig.get_path('purelib')}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PULUMI_HOME": "/nonexistent",
            **env,
        },
    }


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
