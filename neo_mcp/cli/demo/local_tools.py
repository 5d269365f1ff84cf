"""The tools of the demo's host: they read the files of one folder, and do nothing else.

A real host brings tools of its own, and asks its person before it uses them. These show what Neo may expect
of such a host: what is asked for is done if it is harmless, and refused with a reason if not.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from neo_mcp.wire.json_limits import read_json

_EXAMPLES: Mapping[str, str] = {
    "Pulumi.yaml": "name: storefront\nruntime: nodejs\ndescription: The shop's files\n",
    "Pulumi.dev.yaml": "config:\n  aws:region: eu-west-1\n",
    "index.ts": """\
import * as aws from "@pulumi/aws";

const assets = new aws.s3.BucketV2("assets");

new aws.s3.BucketAclV2("assets-acl", {
    bucket: assets.id,
    acl: "public-read",
});

export const bucket = assets.id;
""",
}
_MAX_CHARACTERS = 64_000
_RESOURCE = re.compile(r'new ([\w.]+)\(\s*"([^"]+)"')


class RefusedCallError(Exception):
    """A call that this host does not run; the reason goes to Neo."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a call."""

    output: str
    is_error: bool = False


def make_examples(folder: Path) -> None:
    """Write a small program into ``folder``, for the tools to read."""
    for name, text in _EXAMPLES.items():
        (folder / name).write_text(text, "utf-8")


class ReadingHands:
    """Runs tool calls within ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._tools: Mapping[str, Callable[[Mapping[str, object]], str]] = {
            "filesystem__read": self._read,
            "filesystem__list": self._list,
            "filesystem__grep": self._grep,
            "pulumi__pulumi_preview": self._declared,
        }

    def run(self, name: str, arguments: str) -> Result:
        """Run one call; ``arguments`` is JSON text."""
        try:
            given = read_json(arguments.encode("utf-8", "replace"))
        except ValueError:
            return Result("The arguments are cut, or no JSON: ask for smaller pieces.", is_error=True)
        try:
            return Result(self._run(name, given)[:_MAX_CHARACTERS])
        except (RefusedCallError, OSError, ValueError) as error:
            return Result(str(error), is_error=True)

    def _run(self, name: str, arguments: object) -> str:
        tool = self._tools.get(name)
        if tool is None:
            raise RefusedCallError(f"This host only reads files; it does not run {name}.")
        if not isinstance(arguments, dict):
            raise RefusedCallError("The arguments are no object.")
        return tool(arguments)

    def _resolve(self, given: object) -> Path:
        """A path within the folder, links followed."""
        path = (self._folder / str(given or ".")).resolve()
        if not path.is_relative_to(self._folder):
            raise RefusedCallError(f"{given!r} is outside the folder of this demo.")
        return path

    def _files(self, given: object) -> Iterator[Path]:
        path = self._resolve(given)
        paths = [path] if path.is_file() else sorted(path.rglob("*"))
        return (file for file in paths if file.is_file() and file.resolve().is_relative_to(self._folder))

    def _name(self, file: Path) -> str:
        return file.relative_to(self._folder).as_posix()

    def _read(self, given: Mapping[str, object]) -> str:
        path = self._resolve(given.get("file_path") or given.get("path"))
        if not path.is_file():
            raise RefusedCallError(f"There is no file {self._name(path)}.")
        return path.read_text("utf-8")

    def _list(self, given: Mapping[str, object]) -> str:
        return "\n".join(self._name(file) for file in self._files(given.get("path")))

    def _grep(self, given: Mapping[str, object]) -> str:
        """Lines that contain the pattern, taken as it is: an expression from elsewhere may take for ever."""
        pattern = str(given.get("pattern", ""))
        return "\n".join(
            f"{self._name(file)}:{number}:{line}"
            for file in self._files(given.get("path"))
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
            if pattern in line
        )

    def _declared(self, given: Mapping[str, object]) -> str:  # noqa: ARG002 - as the others
        # The directory that Neo names is one of a working copy; here, the folder stands for it.
        files = self._files(".")
        lines = [
            f"  {kind} {name}" for file in files for kind, name in _RESOURCE.findall(file.read_text("utf-8"))
        ]
        return "\n".join(["This host only reads, so no preview ran. The program declares:", *lines])
