"""A user that owns nothing, as containers run this program: who that is, and which Python they may run."""

import contextlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

UID = 65532
_ROOT = Path(__file__).parents[2]


def find_python() -> str | None:
    """A Python of this version that every user may run, with these packages; only root can use it so."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        command = [python, "-c", "import mcp, neo_mcp"]
        with contextlib.suppress(OSError):
            if subprocess.run(command, **as_nobody(), check=False).returncode == 0:  # noqa: S603 - Pythons of this machine
                return python
    return None


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
