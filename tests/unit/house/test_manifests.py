"""Kubernetes takes the manifests, and they keep promises that no schema asks for."""

import importlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import kubernetes_validate
import pytest
import yaml

from libs.eventlog.database import CLOSE_SECONDS
from libs.eventlog.leases import LEAVE_SECONDS
from libs.runtime.settings import ServiceSettings, read_settings

ROOT = Path(__file__).parents[3]
BINARIES = Path(sys.executable).parent
KUBERNETES = "1.37"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OVERLAYS = sorted(folder.name for folder in (ROOT / "k8s/overlays").iterdir())
COMPONENTS = sorted(folder.name for folder in (ROOT / "k8s/components").iterdir())
PORTS = {"port", "containerPort", "targetPort", "nodePort", "hostPort"}

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What `kubectl apply -k` would send for one overlay, with some components or none."""

    manifests: list[Manifest]
    components: list[str]

    def of_kind(self, *kinds: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] in kinds]

    @property
    def pods(self) -> list[Manifest]:
        """The pod templates, each with `metadata` and `spec`."""
        jobs = [owner["spec"]["jobTemplate"] for owner in self.of_kind("CronJob")]
        return [owner["spec"]["template"] for owner in (*self.of_kind("Deployment", "StatefulSet", "Job"), *jobs)]

    @property
    def containers(self) -> list[Manifest]:
        return [container for pod in self.pods for container in pod["spec"]["containers"]]

    def selected(self, selector: dict[str, str]) -> list[Manifest]:
        return [pod for pod in self.pods if selector.items() <= pod["metadata"]["labels"].items()]


@pytest.fixture(
    scope="module",
    params=[(name, more) for name in OVERLAYS for more in ([], COMPONENTS)],
    ids=lambda param: "+".join([param[0], *param[1]]),
)
def overlay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Overlay:
    """Each overlay as it stands, and with all that may be added to it."""
    name, components = request.param
    k8s = tmp_path_factory.mktemp("overlay") / "k8s"
    shutil.copytree(ROOT / "k8s", k8s)
    document = k8s / "overlays" / name / "kustomization.yaml"
    whole = yaml.safe_load(document.read_text())
    assert "components" not in whole
    whole["components"] = [f"../../components/{one}" for one in components]
    document.write_text(yaml.safe_dump(whole))
    command = [BINARIES / "kubectl", "kustomize", document.parent]
    rendered = subprocess.run(command, check=True, capture_output=True).stdout
    return Overlay([manifest for manifest in yaml.safe_load_all(rendered) if manifest], components)


def test_every_manifest_passes_the_strict_schema(overlay: Overlay) -> None:
    for manifest in overlay.manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_port_is_one_that_exists(overlay: Overlay) -> None:
    numbers = [value for key, value in entries(overlay.manifests) if key in PORTS and isinstance(value, int)]
    assert numbers
    assert [number for number in numbers if not 0 < number <= 65535] == []


def test_every_named_port_is_opened_by_a_container(overlay: Overlay) -> None:
    opened = {port["name"] for container in overlay.containers for port in container.get("ports", [])}
    named = {value for key, value in entries(overlay.manifests) if key in PORTS and isinstance(value, str)}
    assert named <= opened


def test_every_image_is_this_version_or_a_digest(overlay: Overlay) -> None:
    for container in overlay.containers:
        image = container["image"]
        assert image.endswith(f":{VERSION}") or "@sha256:" in image, image


def test_every_pod_is_restricted(overlay: Overlay) -> None:
    assert overlay.pods
    for pod in overlay.pods:
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in overlay.containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


def test_a_service_account_carries_no_token(overlay: Overlay) -> None:
    assert all(account["automountServiceAccountToken"] is False for account in overlay.of_kind("ServiceAccount"))


def test_nothing_may_talk_unless_a_policy_says_so(overlay: Overlay) -> None:
    policies = [policy["spec"] for policy in overlay.of_kind("NetworkPolicy")]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies
    named = [policy["podSelector"].get("matchLabels", {}) for policy in policies if policy["podSelector"]]
    assert all(any(pod in overlay.selected(selector) for selector in named) for pod in overlay.pods)


def test_every_selector_finds_pods(overlay: Overlay) -> None:
    for service in overlay.of_kind("Service"):
        assert overlay.selected(service["spec"]["selector"])
    for owner in overlay.of_kind("Deployment", "StatefulSet", "PodDisruptionBudget"):
        assert overlay.selected(owner["spec"]["selector"]["matchLabels"])


def test_clients_see_every_replica_of_a_service(overlay: Overlay) -> None:
    assert all(service["spec"]["clusterIP"] == "None" for service in overlay.of_kind("Service"))


def test_ready_and_alive_are_different_questions(overlay: Overlay) -> None:
    for owner in overlay.of_kind("Deployment", "StatefulSet"):
        for container in owner["spec"]["template"]["spec"]["containers"]:
            ready, alive = (
                {k: container[p].get(k) for k in ("grpc", "httpGet")} for p in ("readinessProbe", "livenessProbe")
            )
            assert ready != alive


def test_nothing_is_killed_while_it_drains(overlay: Overlay) -> None:
    settings = {key: value for config in overlay.of_kind("ConfigMap") for key, value in config["data"].items()}
    for owner in overlay.of_kind("Deployment"):
        pod = owner["spec"]["template"]["spec"]
        for container in pod["containers"]:
            drain = int(settings[f"PORTRAIT_{container['name'].upper()}_DRAIN_SECONDS"])
            leaving = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            ending = LEAVE_SECONDS + CLOSE_SECONDS  # its leases are given back, so that others need not wait for them
            assert pod["terminationGracePeriodSeconds"] > leaving + drain + ending


def test_a_budget_never_keeps_a_node_from_being_drained(overlay: Overlay) -> None:
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in overlay.of_kind("PodDisruptionBudget"))


def test_the_broker_takes_its_configuration_and_syncs_always(overlay: Overlay, tmp_path: Path) -> None:
    data = next(config["data"] for config in overlay.of_kind("ConfigMap") if "nats.conf" in config["data"])
    for name, text in data.items():
        (tmp_path / name).write_text(text)
    checked = subprocess.run(
        [BINARIES / "nats-server", "-t", "-c", tmp_path / "nats.conf"],
        env={"POD_NAME": "nats-0"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    assert "sync_interval: always" in data["nats.conf"]


def test_every_setting_is_one_that_the_service_has(overlay: Overlay, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = {config["metadata"]["name"]: config["data"] for config in overlay.of_kind("ConfigMap")}
    for container in overlay.containers:
        if "envFrom" not in container:
            continue
        for source in container["envFrom"]:
            for name, value in configured[source["configMapRef"]["name"]].items():
                monkeypatch.setenv(name, value)
        for one in container["env"]:
            monkeypatch.setenv(one["name"], one.get("value", "postgresql://from-a-secret/database"))
        module = importlib.import_module(f"{container['args'][0]}.settings")
        (kind,) = (kind for kind in vars(module).values() if is_settings(kind) and kind.__module__ == module.__name__)
        read_settings(kind)


def test_replicas_that_only_answer_are_the_same_in_all_else(overlay: Overlay) -> None:
    pods = {owner["metadata"]["name"]: owner["spec"]["template"] for owner in overlay.of_kind("Deployment")}
    if not overlay.components:
        assert "identity-answering" not in pods
        return
    ours, theirs = (pods[name]["spec"] for name in ("identity-answering", "identity"))
    env = ours["containers"][0]["env"]
    assert {"name": "PORTRAIT_IDENTITY_CONSUMES", "value": "false"} in env
    theirs["containers"][0]["env"].append({"name": "PORTRAIT_IDENTITY_CONSUMES", "value": "false"})
    as_theirs = json.loads(json.dumps(ours).replace("identity-answering", "identity"))
    assert as_theirs == theirs
    rules = {one["metadata"]["name"]: one["spec"] for one in overlay.of_kind("NetworkPolicy")}
    for way in ("ingress", "egress"):
        assert rules["identity-answering"][way] == rules["identity"][way]


def test_whoever_is_told_of_a_tenants_document_has_it(overlay: Overlay) -> None:
    configured = {config["metadata"]["name"]: config["data"] for config in overlay.of_kind("ConfigMap")}
    for container in overlay.containers:
        told = [configured[one["configMapRef"]["name"]] for one in container.get("envFrom", [])]
        files = {value for data in told for name, value in data.items() if name.endswith("_TENANTS_FILE")}
        if "migrate" not in container["args"]:  # which is about tables only
            assert files <= {mount["mountPath"] for mount in container["volumeMounts"]}


def test_a_preview_of_rules_fits_into_the_container_beside_the_service(overlay: Overlay) -> None:
    settings = {key: value for config in overlay.of_kind("ConfigMap") for key, value in config["data"].items()}
    (limit,) = {one["resources"]["limits"]["memory"] for one in overlay.containers if one["name"] == "identity"}
    assert int(settings["PORTRAIT_IDENTITY_PREVIEW_MEMORY_MB"]) + 500 <= int(limit.removesuffix("Gi")) * 1024


def test_columns_of_members_fit_into_the_container_twice_beside_the_service(overlay: Overlay) -> None:
    settings = {key: value for config in overlay.of_kind("ConfigMap") for key, value in config["data"].items()}
    (limit,) = (
        one["resources"]["limits"]["memory"] for one in overlay.containers if one["args"] == ["services.tagging"]
    )
    assert 2 * int(settings["PORTRAIT_TAGGING_COLUMNS_MB"]) + 500 <= int(limit.removesuffix("Gi")) * 1024


def test_files_are_written_to_volumes_that_all_replicas_share(overlay: Overlay) -> None:
    shared = {one["metadata"]["name"] for one in overlay.of_kind("PersistentVolumeClaim")}
    for config in overlay.of_kind("ConfigMap"):
        for folder in (value for name, value in config["data"].items() if name.endswith("_EXPORTS")):
            (pod,) = overlay.selected({"app.kubernetes.io/name": config["metadata"]["name"].partition("-")[0]})
            (name,) = (
                mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"] if mount["mountPath"] == folder
            )
            (volume,) = (one for one in pod["spec"]["volumes"] if one["name"] == name)
            assert volume["persistentVolumeClaim"]["claimName"] in shared


def test_what_runs_now_and_then_never_runs_twice_at_once_and_ends(overlay: Overlay) -> None:
    jobs = [owner["spec"] for owner in overlay.of_kind("CronJob")]
    assert jobs
    for job in jobs:
        assert job["concurrencyPolicy"] == "Forbid"
        assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0


def test_passwords_are_only_referred_to(overlay: Overlay) -> None:
    assert overlay.of_kind("Secret") == []
    for container in overlay.containers:
        for variable in container.get("env", []):
            assert variable.get("value") in {None, "true", "false"}


def is_settings(value: object) -> TypeGuard[type[ServiceSettings]]:
    return isinstance(value, type) and issubclass(value, ServiceSettings)


def entries(node: Any) -> Iterator[tuple[str, Any]]:
    """Walk every key and value of a document, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from entries(value)
    elif isinstance(node, list):
        for value in node:
            yield from entries(value)
