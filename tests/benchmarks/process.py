"""Server processes, and a raw client that speaks JSON-RPC to them over pipes.

Ours and the reference are driven by the same few lines: write a line, read a line. There is no SDK on this
side, so that its cost cannot hide a difference. Environment variables that change how Python starts are
stripped for both.
"""

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": HANDSHAKE["clientInfo"],
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
_MAX_LIFE = 900.0
_STRIPPED = ("PYTHON", "PULUMI_", "NEO_MCP_")


class Process:
    """A process with pipes; ended with its block, or after 15 minutes, so that nothing hangs for ever."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, *, folder: Path = ROOT
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_STRIPPED)}
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - the commands are in this package
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=folder,
            env={**kept, **(environment or {})},
        )
        self._end = threading.Timer(_MAX_LIFE, self._process.kill)
        self._end.daemon = True
        self._end.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def write(self, line: bytes) -> None:
        """Write one line at once."""
        if self._process.stdin is None:
            raise RuntimeError("no pipe")
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def read(self) -> bytes:
        """Read one line.

        Raises:
            RuntimeError: If the process is gone.
        """
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise RuntimeError(f"the process has ended: {self.said()[-2000:]}")
        return line

    def said(self) -> str:
        """What it has written to standard error."""
        return os.pread(self._stderr.fileno(), 2**20, 0).decode("utf-8", "replace")

    def said_bytes(self) -> int:
        """How much that is."""
        return os.fstat(self._stderr.fileno()).st_size

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()
        self._end.cancel()
        self._stderr.close()


class Server(Process):
    """An MCP server on pipes."""

    _last_id = 0

    def handshake(self, **capabilities: Any) -> None:  # noqa: ANN401 - any JSON
        """Open the connection as the handshake eras do."""
        self.request("initialize", {**HANDSHAKE, "capabilities": capabilities})
        self.write(_line({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Ask, and give back the result."""
        self.write(self._request(method, params or {}))
        return self.result(self.read())

    def start_call(self, tool: str, arguments: Mapping[str, Any]) -> None:
        """Write a call whose answer is read later."""
        self.write(self._request("tools/call", {"name": tool, "arguments": arguments}))

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool that gives structured content.

        Raises:
            RuntimeError: If it gave an error.
        """
        self.start_call(tool, arguments)
        return self.content(self.read())

    def time_call(self, tool: str, arguments: Mapping[str, Any], *, fails: bool = False) -> float:
        """Milliseconds from before the call is written to after its answer is read."""
        line = self._request("tools/call", {"name": tool, "arguments": arguments})
        started = time.perf_counter_ns()
        self.write(line)
        answer = self.read()
        ended = time.perf_counter_ns()
        if self.result(answer).get("isError", False) is not fails:
            raise RuntimeError(f"{tool}: {answer[:500]!r}")
        return (ended - started) / 1e6

    def result(self, line: bytes) -> Any:  # noqa: ANN401 - any JSON
        """The result in an answer to the last request.

        Raises:
            RuntimeError: If it is something else.
        """
        answer = json.loads(line)
        if answer.get("id") != self._last_id or "result" not in answer:
            raise RuntimeError(f"not the answer that was due: {line[:500]!r}")
        return answer["result"]

    def content(self, line: bytes) -> dict[str, Any]:
        """The structured content in an answer to the last call."""
        result: dict[str, Any] = self.result(line)
        if result.get("isError"):
            raise RuntimeError(f"the call failed: {line[:500]!r}")
        content: dict[str, Any] = result["structuredContent"]
        return content

    def _request(self, method: str, params: Mapping[str, Any]) -> bytes:
        self._last_id += 1
        return _line({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def resident(pid: int, field: str = "VmRSS") -> float | None:
    """Resident memory of a process in MiB (``VmHWM``: at its highest); ``None`` where /proc does not tell."""
    return _proc_field(Path(f"/proc/{pid}/status"), field)


def proportional(pid: int) -> float | None:
    """Likewise, with shared pages shared out."""
    return _proc_field(Path(f"/proc/{pid}/smaps_rollup"), "Pss")


def processor_seconds(pid: int) -> float | None:
    """Processor time that a process has used; ``None`` where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _proc_field(file: Path, field: str) -> float | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":")), None)
