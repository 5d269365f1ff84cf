"""The reference host of the MCP Apps SDK, as a page: installed by npm into a folder of the cache, once.

Nothing of it is part of the product; where it cannot be had, its tests are skipped with the reason.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from tests.support.optional import path_of

PACKAGES = (
    "@modelcontextprotocol/ext-apps@2.0.4",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/core@2.4.0",
    "@modelcontextprotocol/server@2.4.0",
    "zod@4",
    "esbuild@0.28.2",
)
ENTRY = 'export { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";\n'
SECONDS = 240
HOST_PAGE = (Path(__file__).parent / "reference.html").read_text("utf-8")


class NotBroughtError(Exception):
    """The package index does not give out the reference host."""


def reference_page() -> str:
    """The host's page, with the SDK in it.

    Raises:
        NotBroughtError: It is not on this machine, and cannot be had.
    """
    script = _bundle().read_text("utf-8").replace("</script", "<\\/script")
    return HOST_PAGE.replace("<script>/* the SDK */</script>", f"<script>{script}</script>")


def _bundle() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "pulumi-neo-mcp-tests" / "ext-apps-2.0.4"
    bundle = folder / "bridge.js"
    if not bundle.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            _make(path_of("npm"), Path(made))
            folder.mkdir(exist_ok=True)
            # Whole or not at all: other processes may do the same.
            (Path(made) / "bridge.js").replace(bundle)
    return bundle


def _make(npm: str, folder: Path) -> None:
    (folder / "entry.js").write_text(ENTRY, "utf-8")
    (folder / "package.json").write_text("{}", "utf-8")
    _run(folder, npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *PACKAGES)
    esbuild = str(folder / "node_modules" / ".bin" / "esbuild")
    options = ("--bundle", "--format=iife", "--global-name=apps", "--platform=browser", "--log-level=error")
    _run(folder, esbuild, "entry.js", "--outfile=bridge.js", *options)


def _run(folder: Path, *command: str) -> None:
    try:
        # The commands are fixed; only where npm is comes from the machine.
        done = subprocess.run(  # noqa: S603 - see above
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotBroughtError(f"{Path(command[0]).name} took more than {SECONDS} s") from None
    if done.returncode:
        raise NotBroughtError(f"{Path(command[0]).name} failed: {done.stderr.strip()[:300]}")
