"""deploy/kubernetes: manifests that fit each other, run without rights, and carry settings that exist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowtrack.adapters.http.api.settings import ApiSettings
from tests.deploy.settings import variables

KUBERNETES = Path(__file__).parent.parent.parent / "deploy/kubernetes"
WORKERS = {"checker", "sink", "alerter"}
RUNNING = {"StatefulSet", "Deployment", "Job"}


@pytest.fixture(scope="module")
def kustomization() -> Any:
    """The list of what belongs to it."""
    return yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def manifests(kustomization: Any) -> list[Any]:
    """All objects of all files that are listed."""
    texts = [(KUBERNETES / name).read_text(encoding="utf-8") for name in kustomization["resources"]]
    return [document for text in texts for document in yaml.safe_load_all(text)]


def _pods(manifests: list[Any]) -> Iterator[tuple[str, Any]]:
    for manifest in manifests:
        if manifest["kind"] in RUNNING:
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def _containers(manifests: list[Any]) -> Iterator[tuple[str, Any]]:
    for name, pod in _pods(manifests):
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            yield f"{name}/{container['name']}", container


def test_every_manifest_is_listed(kustomization: Any) -> None:
    """Each YAML file in the folder is a resource, and the image has the version that deploy/.env pins."""
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    (image,) = kustomization["images"]
    pinned = (KUBERNETES.parent / ".env").read_text(encoding="utf-8").splitlines()
    assert f"FLOWTRACK_IMAGE={image['name']}:{image['newTag']}" in pinned


def test_containers_have_no_rights_and_bounds(manifests: list[Any]) -> None:
    """No pod runs as root or can gain rights, none has a token, and each container's memory is bounded."""
    for name, pod in _pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
    for name, container in _containers(manifests):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"], name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"]["drop"] == ["ALL"], name
        assert container["resources"]["limits"]["memory"], name


def test_each_worker_is_probed_at_its_port(manifests: list[Any]) -> None:
    """Each worker is a StatefulSet with probes for life and readiness at the port that the settings name."""
    settings = _settings()
    sets = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "StatefulSet"}
    assert set(sets) == WORKERS
    for name, manifest in sets.items():
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["worker", name]
        assert [str(port["containerPort"]) for port in container["ports"]] == [settings["FLOWTRACK_HEALTH__PORT"]]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_api_is_probed_under_a_name_that_it_knows(manifests: list[Any]) -> None:
    """Probes go to its port under a name of the loopback interface: under the pod's address it answers 421."""
    (manifest,) = (m for m in manifests if m["kind"] == "Deployment")
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["api"]
    assert [port["containerPort"] for port in container["ports"]] == [ApiSettings.model_fields["port"].default]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert [probe["path"] for probe in probes.values()] == ["/healthz", "/healthz", "/readyz"]
    for probe in probes.values():
        (header,) = probe["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in ApiSettings().addressed_as


def test_the_api_starts_with_its_settings_and_a_secret_of_its_own(manifests: list[Any]) -> None:
    """Its variables are settings that fit together; its secret is no worker's, and every file in it is the README's."""
    (manifest,) = (m for m in manifests if m["kind"] == "Deployment")
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    prefix = "FLOWTRACK_API__"
    named = {name.removeprefix(prefix).lower(): value for name, value in given.items() if name.startswith(prefix)}
    settings = ApiSettings(hosts=_settings()["FLOWTRACK_API__HOSTS"], **named)
    assert settings.plain_http
    assert settings.session_key_file is not None  # of several pods, each takes the sessions of the others
    secrets = {name: v["secret"]["secretName"] for name, p in _pods(manifests) for v in p["volumes"] if "secret" in v}
    assert [name for name, secret in secrets.items() if secret == secrets["api"]] == ["api"]
    readme = (KUBERNETES / "README.md").read_text(encoding="utf-8")
    made = readme.partition(f"generic {secrets['api']} ")[2].partition("```")[0]
    files = {Path(value).name for value in given.values() if value.startswith("/run/secrets/")}
    assert {part.partition("=")[2] for part in made.split() if part.startswith("--from-file=")} == files


def test_only_an_ingress_reaches_the_api(manifests: list[Any]) -> None:
    """Its port is opened to one namespace; the policy of all workers does not open it."""
    policies = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"}
    (rule,) = policies["api"]["ingress"]
    assert rule["ports"] == [{"port": "http"}]
    assert all("namespaceSelector" in each for each in rule["from"])
    assert [port for each in policies["workers"]["ingress"] for port in each["ports"]] == [{"port": "health"}]


def test_labels_and_services_fit(manifests: list[Any]) -> None:
    """Each set selects its own pods, and its service selects the same."""
    services = {m["metadata"]["name"]: m["spec"]["selector"] for m in manifests if m["kind"] == "Service"}
    for manifest in manifests:
        if manifest["kind"] in {"StatefulSet", "Deployment"}:
            spec = manifest["spec"]
            assert spec["template"]["metadata"]["labels"] == spec["selector"]["matchLabels"]
            assert services[spec.get("serviceName", manifest["metadata"]["name"])] == spec["selector"]["matchLabels"]


def test_mounts_have_volumes(manifests: list[Any]) -> None:
    """Whatever a container mounts is a volume of its pod, or claimed for it."""
    for manifest in manifests:
        if manifest["kind"] not in RUNNING:
            continue
        spec = manifest["spec"]
        pod = spec["template"]["spec"]
        there = {volume["name"] for volume in pod["volumes"]}
        there |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            assert {mount["name"] for mount in container["volumeMounts"]} <= there, manifest["metadata"]["name"]


def _settings() -> dict[str, str]:
    lines = (KUBERNETES / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_variables_of_pods_exist(manifests: list[Any]) -> None:
    """Every variable of settings.env and of the containers is one that some settings read, and no secret is plain."""
    given = set(_settings()) | {each["name"] for _, c in _containers(manifests) for each in c.get("env", [])}
    assert given
    assert not given - variables(), given - variables()
    assert not {name for name in given if name.endswith(("PASSWORD", "TOKEN"))}
