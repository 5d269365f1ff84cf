"""The manifests are valid, name what exists, and start a server that does what they rely on."""

import contextlib
import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml

from neo_mcp._version import __version__
from neo_mcp.cli.main import build_parser
from neo_mcp.config import load_settings
from neo_mcp.docs import page
from neo_mcp.errors import ConfigurationError
from neo_mcp.options import SETTINGS
from neo_mcp.server.http.credentials import SecretFile
from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.support.host import until
from tests.support.nobody import UID
from tests.support.optional import path_of
from tests.support.other_user import mounted, serving_as_nobody
from tests.support.tasks_client import Http, TasksClient

pytestmark = pytest.mark.scorecard("containers and manifests do as the documentation says")

Json = dict[str, Any]
OLDEST = "1.32"
"""Without a lifecycle action named ``sleep``, earlier versions would need a program in its place."""

(_YAML,) = re.findall(r"```yaml\n(.*?)```", page("kubernetes"), re.DOTALL)
MANIFESTS: list[Json] = list(yaml.safe_load_all(_YAML))
BY_KIND = {manifest["kind"]: manifest for manifest in MANIFESTS}
POD: Json = BY_KIND["Deployment"]["spec"]["template"]["spec"]
CONTAINER: Json = POD["containers"][0]


@pytest.mark.needs("kubernetes_validate")
class TestSchemas:
    """Published with Kubernetes itself, for each of its versions."""

    @pytest.fixture
    def judge(self) -> Any:  # noqa: ANN401 - the module, which has no types
        return importlib.import_module("kubernetes_validate")

    @pytest.mark.parametrize("is_newest", [False, True], ids=["oldest", "newest"])
    @pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: str(manifest["kind"]))
    def test_a_manifest_is_what_the_schema_of_its_kind_allows(
        self,
        judge: Any,  # noqa: ANN401 - likewise
        manifest: Json,
        is_newest: bool,
    ) -> None:
        judge.validate(manifest, judge.latest_version() if is_newest else OLDEST, strict=True)

    def test_a_manifest_with_a_mistake_is_not(self, judge: Any) -> None:  # noqa: ANN401 - likewise
        broken = {**BY_KIND["Service"], "spec": {**BY_KIND["Service"]["spec"], "port": 80}}
        with pytest.raises(judge.ValidationError):
            judge.validate(broken, OLDEST, strict=True)


def test_names_and_labels_lead_to_one_another() -> None:
    labels = BY_KIND["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert BY_KIND["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert BY_KIND["Service"]["spec"]["selector"] == labels
    assert BY_KIND["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert BY_KIND["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    ports = {port["name"] for port in CONTAINER["ports"]}
    assert {CONTAINER[probe]["httpGet"]["port"] for probe in _PROBES} <= ports
    assert {port["targetPort"] for port in BY_KIND["Service"]["spec"]["ports"]} <= ports
    (path,) = BY_KIND["Ingress"]["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["name"] == BY_KIND["Service"]["metadata"]["name"]
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == set(volumes)
    assert volumes["secrets"]["secret"]["secretName"] == BY_KIND["Secret"]["metadata"]["name"]
    claim = volumes["used"]["persistentVolumeClaim"]["claimName"]
    assert claim == BY_KIND["PersistentVolumeClaim"]["metadata"]["name"]
    assert CONTAINER["image"].endswith(f":{__version__}")


def test_the_container_may_do_as_little_as_possible() -> None:
    pod, own = POD["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] == UID
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert POD["automountServiceAccountToken"] is False
    grace = POD["terminationGracePeriodSeconds"] - CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert grace >= 5


def test_its_arguments_and_variables_are_ones_that_the_program_takes() -> None:
    options = build_parser().parse_args(CONTAINER["args"])
    given = {setting.name for setting in SETTINGS if hasattr(options, setting.name)}
    assert {"auth", "key_file", "metrics_address", "log_format", "public_url"} <= given
    assert {variable["name"] for variable in CONTAINER["env"]} <= {setting.env for setting in SETTINGS}
    assert {port["name"]: port["containerPort"] for port in CONTAINER["ports"]} == {
        "http": options.port,
        "metrics": int(options.metrics_address.rpartition(":")[2]),
    }


_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_SECRETS = {"key": "k" * 64, "neo-secrets": "s" * 40, "pulumi-token": "pul-sim-alice"}


def arguments(folder: Path, **replaced: str) -> list[str]:
    """The container's, for files in ``folder`` and with other values for some."""
    found = [re.sub("/etc/neo|/var/lib/neo", str(folder), argument) for argument in CONTAINER["args"]]
    for name, value in replaced.items():
        flag = "--" + name.replace("_", "-")
        found = [f"{flag}={value}" if argument.startswith(f"{flag}=") else argument for argument in found]
    return found


def test_the_secrets_as_they_stand_are_refused() -> None:
    with mounted(BY_KIND["Secret"]["stringData"]) as folder:
        options = build_parser().parse_args(arguments(folder))
        flags = {setting.name: getattr(options, setting.name, None) for setting in SETTINGS}
        with pytest.raises(ConfigurationError, match="needs 32 or more"):
            load_settings({}, flags, home=folder)
        with pytest.raises(ConfigurationError, match="holds no secret"):
            SecretFile(Path(str(options.auth_secret_file)))


@pytest.fixture
def volumes() -> Iterator[Path]:
    """What is mounted, with the folder that replicas share."""
    with mounted(_SECRETS) as folder:
        used = folder / "key.used"
        used.mkdir()
        used.chmod(0o770)
        with contextlib.suppress(PermissionError):
            os.chown(used, 0, UID)
        yield folder


@pytest.mark.needs("another user")
async def test_the_server_starts_like_this_answers_probes_and_stops_in_time(volumes: Path) -> None:
    command = [path_of("another user"), "-m", "neo_mcp"]
    command += arguments(volumes, port="0", metrics_address="127.0.0.1:0")
    env = {variable["name"]: variable["value"] for variable in CONTAINER["env"]}
    async with running_simulator(SimulatorConfig(time_scale=0)) as simulator, httpx.AsyncClient() as http:
        env["PULUMI_BACKEND_URL"] = simulator.url
        async with serving_as_nobody(command, **env) as (process, said):
            await until(lambda: b"serves http" in said)
            lines = [json.loads(line) for line in bytes(said).splitlines()]
            assert not [line for line in lines if line["level"] in {"warning", "error"}]
            found = re.search(r"serves http://[\d.]+:(\d+)", said.decode())
            assert found is not None
            here = f"http://127.0.0.1:{found[1]}"
            for probe in _PROBES:
                path, host = CONTAINER[probe]["httpGet"]["path"], {"host": "10.0.0.7:8365"}
                assert (await http.get(here + path, headers=host)).status_code == httpx.codes.OK
            http.headers["host"] = "neo.example.com"
            assert (await http.post(f"{here}/mcp")).status_code == httpx.codes.UNAUTHORIZED
            http.headers["authorization"] = f"Bearer {_SECRETS['neo-secrets']}"
            result = await TasksClient(Http(f"{here}/mcp", http)).call("list_tasks")
            assert not result.get("isError"), result
            process.terminate()
            with anyio.fail_after(POD["terminationGracePeriodSeconds"]):
                assert await process.wait() == 0
    assert _SECRETS["pulumi-token"] not in said.decode()
