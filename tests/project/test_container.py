"""The container file does what it says, as far as a machine without a container engine can tell."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from neo_mcp.cli.main import build_parser
from neo_mcp.options import SETTINGS
from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.support.host import until
from tests.support.nobody import UID, as_nobody
from tests.support.optional import path_of
from tests.support.other_user import mounted, serving_as_nobody
from tests.support.tasks_client import Http, TasksClient

pytestmark = pytest.mark.scorecard("containers and manifests do as the documentation says")

ROOT = Path(__file__).parents[2]
FILE = ROOT / ".container" / "Containerfile"
_SECRETS = {"neo-secrets": "s" * 40, "pulumi-token": "pul-sim-alice"}


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments."""
    lines = FILE.read_text("utf-8").replace("\\\n", " ").splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    return [(name, arguments) for name, arguments in found]


def last(name: str) -> str:
    return [arguments for found, arguments in instructions() if found == name][-1]


def words(name: str) -> list[str]:
    """The last instruction of this name, in the form that needs no shell."""
    found: list[str] = json.loads(last(name).removeprefix("CMD ").strip())
    return found


def command(folder: Path) -> list[str]:
    """What the container runs, with secrets from ``folder`` and a free port."""
    assert words("ENTRYPOINT") == ["pulumi-neo-mcp"]
    return [word.replace("/run/secrets", str(folder)) for word in words("CMD")] + ["--port", "0"]


def test_it_is_built_on_one_image_that_cannot_change_and_runs_as_nobody() -> None:
    images = [arguments.split()[0] for name, arguments in instructions() if name == "FROM"]
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", images[0])
    assert last("USER") == f"{UID}:{UID}"
    assert not re.search(r"https?://(?!127\.0\.0\.1)", FILE.read_text("utf-8"))
    assert {name for name, _ in instructions()} <= {
        *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")
    }


def test_its_command_is_one_that_the_program_takes() -> None:
    options = build_parser().parse_args(words("CMD"))
    assert options.http
    assert str(options.port) == last("EXPOSE")
    names = {setting.name for setting in SETTINGS if hasattr(options, setting.name)}
    assert {"auth", "auth_secret_file", "token_file"} <= names


@pytest.mark.needs("another user")
async def test_it_serves_as_a_user_that_can_write_nowhere_and_its_health_check_tells() -> None:
    python = path_of("another user")
    with mounted(_SECRETS) as folder:
        await _serves([python, "-m", "neo_mcp", *command(folder)], python)


@pytest.mark.needs("another user")
async def test_without_its_secrets_it_says_so_and_ends(tmp_path: Path) -> None:
    python = path_of("another user")
    async with serving_as_nobody([python, "-m", "neo_mcp", *command(tmp_path / "none")]) as (process, said):
        assert await process.wait() == 2
    assert b"token file" in said


@pytest.mark.long
@pytest.mark.needs("another user")
async def test_its_steps_build_an_environment_that_works(built: Path) -> None:
    with mounted(_SECRETS) as folder:
        program = [str(built / "bin" / words("ENTRYPOINT")[0]), *command(folder)]
        # With the packages that it has itself.
        await _serves(program, str(built / "bin" / "python"), PYTHONPATH="")
    installed = _packages(built)
    assert {"mcp", "opentelemetry_sdk"} <= installed
    assert not {"pytest", "hypothesis"} & installed


@pytest.fixture
def built() -> Iterator[Path]:
    """What the first stage makes, in a folder of its own in place of ``/opt/neo``."""
    python = path_of("another user")
    with mounted({}) as folder:
        source, target = folder / "src", folder / "neo"
        for name, arguments in instructions():
            if name == "COPY" and not arguments.startswith("--from"):
                *given, to = arguments.split()
                for path in given:
                    _copy(ROOT / path, source / to / (Path(path).name if to == "./" else ""))
            elif name == "RUN":
                step = [word.replace("/opt/neo", str(target)) for word in shlex.split(arguments)]
                step[0] = python if step[0] == "python" else step[0]
                done = subprocess.run(step, cwd=source, capture_output=True, text=True, check=False)  # noqa: S603 - ours
                if done.returncode and "No matching distribution" in done.stderr:
                    pytest.skip("there is no package index here to install from")
                assert done.returncode == 0, done.stderr
        yield target


def _packages(environment: Path) -> set[str]:
    return {path.name.partition("-")[0] for path in environment.rglob("site-packages/*.dist-info")}


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        shutil.copy(path, to)


async def _serves(program: list[str], python: str, **env: str) -> None:
    """Start ``program``, use it as a host and as a container engine, and end it."""
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator, httpx.AsyncClient() as http:
        env = {"PULUMI_BACKEND_URL": simulator.url, "NEO_MCP_LOG_LEVEL": "info", **env}
        async with serving_as_nobody(program, **env) as (process, said):
            await until(lambda: b"serves http" in said or process.returncode is not None)
            found = re.search(r"serves http://[\d.]+:(\d+)", said.decode())
            assert found is not None, said
            check = [word.replace("8365", found[1]) for word in words_of_health_check()]
            assert check[0] == "python"
            healthy = [python, *check[1:]]
            assert subprocess.run(healthy, **as_nobody(), check=False).returncode == 0  # noqa: ASYNC221, S603 - ours, and short
            http.headers["authorization"] = f"Bearer {_SECRETS['neo-secrets']}"
            url = f"http://127.0.0.1:{found[1]}/mcp"
            result = await TasksClient(Http(url, http)).call("list_tasks", organization="acme")
            assert not result.get("isError"), result
            process.terminate()
            assert await process.wait() == 0
        assert subprocess.run(healthy, **as_nobody(), check=False, capture_output=True).returncode != 0  # noqa: ASYNC221, S603 - likewise


def words_of_health_check() -> list[str]:
    found: list[str] = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    return found
