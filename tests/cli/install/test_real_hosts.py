"""The hosts' own programs see the server after it was installed.

These run where the programs are on the path; no account is needed, and nothing but the simulator is asked.
"""

import json
from pathlib import Path

import anyio
import pytest

from neo_mcp.simulator import Simulator
from tests.support.command_line import environment, run

PATIENCE = 120.0
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "GEMINI_TELEMETRY_ENABLED": "false",
    "NO_COLOR": "1",
}


async def set_up(simulator: Simulator, home: Path, host: str) -> dict[str, str]:
    """Install into ``host``, and give back the environment to run its program in."""
    env = environment(home, simulator.url, **QUIET)
    done = await run("install", host, "--yes", env=env)
    assert done.status == 0, done.out + done.err
    return env


async def said_by(*command: str, env: dict[str, str], cwd: Path, only_out: bool = False) -> str:
    with anyio.fail_after(PATIENCE):
        done = await anyio.run_process(command, env=env, cwd=cwd, check=False, input=b"")
    return (done.stdout if only_out else done.stdout + done.stderr).decode()


@pytest.mark.needs("claude")
async def test_claude_code_connects(simulator: Simulator, tmp_path: Path) -> None:
    env = await set_up(simulator, tmp_path, "claude-code")
    said = await said_by("claude", "mcp", "list", env=env, cwd=tmp_path)
    (line,) = [line for line in said.splitlines() if line.startswith("neo:")]
    assert line.endswith("Connected"), said
    detail = await said_by("claude", "mcp", "get", "neo", env=env, cwd=tmp_path)
    assert "User config" in detail


@pytest.mark.needs("gemini")
async def test_gemini_connects(simulator: Simulator, tmp_path: Path) -> None:
    env = await set_up(simulator, tmp_path, "gemini")
    trusted = {str(await anyio.Path(tmp_path).resolve()): "TRUST_FOLDER"}
    (tmp_path / ".gemini" / "trustedFolders.json").write_text(json.dumps(trusted))
    said = await said_by("gemini", "mcp", "list", env=env, cwd=tmp_path)
    (line,) = [line for line in said.splitlines() if "neo:" in line]
    assert line.endswith("- Connected"), said


@pytest.mark.needs("codex")
async def test_codex_lists_it_as_enabled(simulator: Simulator, tmp_path: Path) -> None:
    env = await set_up(simulator, tmp_path, "codex")
    said = await said_by("codex", "mcp", "list", "--json", env=env, cwd=tmp_path, only_out=True)
    (server,) = json.loads(said)
    assert (server["name"], server["enabled"], server["disabled_reason"]) == ("neo", True, None)
    assert server["transport"]["type"] == "stdio"
    assert server["transport"]["env_vars"] == ["PULUMI_ACCESS_TOKEN"]
    table = await said_by("codex", "mcp", "list", env=env, cwd=tmp_path)
    assert "enabled" in next(line for line in table.splitlines() if line.startswith("neo"))
