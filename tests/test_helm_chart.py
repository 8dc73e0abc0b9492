"""The Helm chart: linted and rendered by Helm itself. No cluster has run it where this is developed."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from starlette.routing import Route

from taketwo.cli.main import taketwo
from taketwo.config import Settings
from taketwo.server.app import create_app
from taketwo.store import open_store
from taketwo.store.clickhouse import clickhouse_address
from taketwo.store.keys import keep_given_key
from taketwo.voice.costs import parse_prices

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "taketwo"
BESIDE = Path(sys.executable).parent / "helm"
NOW = datetime(2026, 11, 17, tzinfo=UTC)
HELM = str(BESIDE) if BESIDE.exists() else shutil.which("helm")

pytestmark = pytest.mark.skipif(HELM is None, reason="there is no helm here: .ci/get_helm.py brings it")

EVERYTHING = (
    *("store.existingSecret=database", "replicas=3", "executor=temporal://temporal:7233", "workers.enabled=true"),
    *("ingress.enabled=true", "ingress.tlsSecret=tls", "ingress.className=nginx", "serviceMonitor.enabled=true"),
    *("tracesTo=http://collector:4318", "envFromSecret=more", "env.TAKETWO_LLM_MODEL=openai:gpt-5-mini"),
    *("agentHosts=orders.shop.svc:8080", "callPrices=minute=0.05\\,character=0.00003"),
    *("mirror.to=clickhouse://taketwo@clickhouse:8123/talks", "mirror.passwordSecret=analyses"),
    *("imagePullSecrets[0].name=pull", "nodeSelector.disk=fast", "podAnnotations.team=support"),
)


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert HELM is not None
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def rendered(*values: str) -> dict[str, Any]:
    """What would be applied, by kind; a Deployment by what it is for, too."""
    settings = [part for value in values for part in ("--set", value)]
    done = helm("template", "desk", str(CHART), "--api-versions", "monitoring.coreos.com/v1", *settings)
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    found = {_named(document): document for document in documents}
    assert len(found) == len(documents)
    return found


def _named(document: dict[str, Any]) -> str:
    if document["kind"] != "Deployment":
        return str(document["kind"])
    return f"Deployment {document['spec']['selector']['matchLabels']['app.kubernetes.io/component']}"


@pytest.mark.parametrize("values", [(), EVERYTHING], ids=["as it is", "with everything"])
def test_helm_finds_nothing_wrong(values: tuple[str, ...]) -> None:
    settings = [part for value in values for part in ("--set", value)]
    done = helm("lint", "--strict", str(CHART), *settings)
    assert done.returncode == 0, done.stdout + done.stderr


def test_as_it_is_one_pod_serves_a_file_on_a_volume_of_its_own() -> None:
    found = rendered()
    assert set(found) == {"Secret", "Service", "StatefulSet"}
    server = found["StatefulSet"]["spec"]
    assert server["replicas"] == 1
    (volume,) = server["volumeClaimTemplates"]
    (container,) = server["template"]["spec"]["containers"]
    assert volume["metadata"]["name"] in {mount["name"] for mount in container["volumeMounts"]}
    environment = {one["name"]: one for one in container["env"]}
    assert environment["TAKETWO_STORE"]["value"] == "sqlite:////data/taketwo.sqlite3"
    reference = environment["TAKETWO_ADMIN_KEY"]["valueFrom"]["secretKeyRef"]
    assert reference["name"] == found["Secret"]["metadata"]["name"]
    store = open_store("memory:")
    made = base64.b64decode(found["Secret"]["data"][reference["key"]]).decode()
    assert keep_given_key(store.documents, made, NOW).may("admin")
    store.close()


def test_recordings_go_into_a_bucket_where_one_is_named() -> None:
    container = rendered("store.blobs=s3://talks/prod")["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one for one in container["env"]}
    assert environment["TAKETWO_STORE"]["value"] == "sqlite:////data/taketwo.sqlite3?blobs=s3://talks/prod"


def test_with_everything_pods_share_a_database_and_workers_replay() -> None:
    found = rendered(*EVERYTHING)
    deployments = {"Deployment worker", "Deployment mirror"}
    assert set(found) == {"Secret", "Service", "StatefulSet", "Ingress", "ServiceMonitor"} | deployments
    server, workers, mirror = (found[kind]["spec"] for kind in ("StatefulSet", *sorted(deployments, reverse=True)))
    assert server["replicas"] == 3 and "volumeClaimTemplates" not in server
    for pod in (server["template"]["spec"], workers["template"]["spec"], mirror["template"]["spec"]):
        environment = {one["name"]: one for one in pod["containers"][0]["env"]}
        assert environment["TAKETWO_STORE"]["valueFrom"]["secretKeyRef"] == {"name": "database", "key": "url"}
        assert environment["TAKETWO_AGENT_HOSTS"]["value"] == "orders.shop.svc:8080"
        assert parse_prices(environment["TAKETWO_CALL_PRICES"]["value"])
        assert environment["TAKETWO_LLM_MODEL"]["value"] == "openai:gpt-5-mini"
        assert pod["imagePullSecrets"] == [{"name": "pull"}] and pod["nodeSelector"] == {"disk": "fast"}
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    (endpoint,) = found["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in found["Service"]["spec"]["ports"]}


@pytest.mark.parametrize("values", [(), EVERYTHING], ids=["as it is", "with everything"])
def test_commands_options_ports_and_addresses_exist(values: tuple[str, ...]) -> None:
    found = rendered(*values)
    store = open_store("memory:")
    paths = {route.path for route in create_app(store).routes if isinstance(route, Route)}
    store.close()
    settings = {f"TAKETWO_{name.upper()}" for name in Settings.__struct_fields__}
    running = [kind for kind in found if kind.startswith(("StatefulSet", "Deployment"))]
    for kind in running:
        pod = found[kind]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        program, command, *options = container["args"]
        help = CliRunner().invoke(taketwo, [command, "--help"]).output
        named = [option for option in options if option.startswith("-")]
        assert program == "taketwo" and all(option.partition("=")[0] in help for option in named)
        assert all(clickhouse_address(address) for address in options if address not in named)
        assert {one["name"] for one in container["env"]} <= settings | {"CLICKHOUSE_PASSWORD"}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["path"] in paths
    chosen = found["Service"]["spec"]["selector"]
    labels = found["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert chosen.items() <= labels.items()
    named = {port["name"] for port in found["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in found["Service"]["spec"]["ports"]} <= named
    for kind in set(running) - {"StatefulSet"}:
        assert not chosen.items() <= found[kind]["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (("replicas=2",), "served by one pod"),
        (("workers.enabled=true",), "take their work from a Temporal server"),
        (("workers.enabled=true", "executor=temporal://t:7233"), "share the server's store"),
        (("mirror.to=clickhouse://me@host:8123/talks",), "reads the server's store"),
        (("mirror.to=http://host/talks", "store.existingSecret=database"), "mirror"),
        (("executor=redis://x",), "executor"),
        (("store.sise=20Gi",), "sise"),
        (("store.blobs=/data",), "blobs"),
        (("store.blobs=s3://talks", "store.existingSecret=database"), "name the bucket there"),
    ],
)
def test_what_cannot_work_is_refused_before_it_is_applied(values: tuple[str, ...], why: str) -> None:
    done = helm("template", "desk", str(CHART), *(part for value in values for part in ("--set", value)))
    assert done.returncode != 0 and why in done.stderr
