"""deploy/: pinned images, probes, limits, and settings that exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.settings import variables

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
WORKERS = {"checker", "sink", "alerter"}
API = {"api"}
JOBS = {"topics", "rules", "tables"}
CLUSTER = {"clickhouse-1-2", "clickhouse-2-1", "clickhouse-2-2", "keeper-1", "keeper-2", "keeper-3"}
PINNED = re.compile(r"[\w./-]+:v?\d+(\.\d+){2,}[\w.-]*")
PLACEHOLDER = re.compile(r"\$\{(\w+)(?:[:?-][^}]*)?\}")


def pins() -> dict[str, str]:
    """What deploy/.env sets."""
    lines = (DEPLOY / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def compose() -> Any:
    """The compose file, its anchors resolved."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services(compose: Any) -> dict[str, Any]:
    """Its services, by name."""
    found: dict[str, Any] = compose["services"]
    return found


def test_images_are_pinned_in_one_place(services: dict[str, Any]) -> None:
    """Every image is a variable of deploy/.env, and stands there with a full version."""
    pinned = pins()
    assert all(PINNED.fullmatch(image) for name, image in pinned.items() if name.endswith("_IMAGE")), pinned
    for name, service in services.items():
        variable = PLACEHOLDER.fullmatch(service["image"])
        assert variable is not None, f"{name}: name the image in deploy/.env"
        assert variable[1] in pinned, f"{name}: {variable[1]} is not in deploy/.env"


def test_the_workers_image_is_built_from_the_checkout(services: dict[str, Any]) -> None:
    """Workers and jobs run one image, built by a Dockerfile that ends as a user without rights."""
    for name in WORKERS | JOBS | API:
        build = services[name]["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    froms = [line.split()[1] for line in lines if line.startswith("FROM ")]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert set(froms) == {"${PYTHON_IMAGE}"}
    assert users
    assert users[-1].split(":")[0] not in {"root", "0"}


def test_what_stays_is_restarted_and_probed(services: dict[str, Any]) -> None:
    """Every service that does not end has a health check and comes back; every one has a bound of memory."""
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"]["memory"], name
        if name in JOBS:
            assert service["restart"] == "on-failure", name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_workers_are_asked_whether_they_are_ready(services: dict[str, Any]) -> None:
    """A worker's health check asks /readyz at the port that its settings name."""
    for name in WORKERS:
        port = services[name]["environment"]["FLOWTRACK_HEALTH__PORT"]
        assert f"127.0.0.1:{port}/readyz" in services[name]["healthcheck"]["test"][-1]


def test_the_api_is_asked_whether_it_is_ready(services: dict[str, Any]) -> None:
    """The API's health check asks it at the port that is published, and its tokens come from a secret."""
    api = services["api"]
    (published,) = api["ports"]
    assert f"127.0.0.1:{published.rpartition(':')[2]}/readyz" in api["healthcheck"]["test"][-1]
    assert api["environment"]["FLOWTRACK_API__TOKENS_FILE"] == "/run/secrets/api_tokens"


def test_services_wait_for_what_they_need(services: dict[str, Any]) -> None:
    """Who is waited for either has a health check or is a job that ends."""
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in JOBS else "service_healthy"
            assert how["condition"] == expected, f"{name} -> {other}"
    assert all("topics" in services[name]["depends_on"] for name in WORKERS)


def test_variables_of_containers_exist(services: dict[str, Any]) -> None:
    """Every FLOWTRACK_ variable that a container is given is one that some settings read."""
    given = {variable for name in WORKERS | JOBS | API for variable in services[name]["environment"]}
    assert given
    assert not given - variables(), given - variables()


def test_no_secret_stands_in_the_compose_file(compose: Any, services: dict[str, Any]) -> None:
    """Secrets come from files that git ignores, and every secret that is used is declared."""
    declared = compose["secrets"]
    for name, service in services.items():
        plain = {key for key in service.get("environment", {}) if key.endswith(("PASSWORD", "TOKEN", "SECRET"))}
        assert not plain, f"{name}: put {plain} into a file"
        assert set(service.get("secrets", [])) <= set(declared), name
    for secret in declared.values():
        ignored = subprocess.run(["git", "check-ignore", "-q", str(DEPLOY / secret["file"])], cwd=ROOT, check=False)
        assert ignored.returncode == 0, f"git does not ignore {secret['file']}"


def test_ports_are_published_to_this_machine_only(services: dict[str, Any]) -> None:
    """Nothing in here asks who is there, so nothing listens beyond the loopback interface."""
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published), published


def test_volumes_are_declared(compose: Any, services: dict[str, Any]) -> None:
    """What has to outlive a container lies in a named volume; files that are mounted exist."""
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source, named, _ = volume.partition(":")
            if not named:
                continue  # a container's own, named by nobody
            known = (DEPLOY / source).is_file() if source.startswith(".") else source in compose["volumes"]
            assert known, f"{name}: {volume}"
    assert {"kafka", "clickhouse"} <= {name for name, service in services.items() if service.get("volumes")}


def _composing() -> list[str]:
    """The command that reads compose files, as the machine has it; empty where it has none."""
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True)
        if plugin.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


@pytest.mark.parametrize("overlays", [["compose.yaml"], ["compose.yaml", "compose.cluster.yaml"]])
def test_compose_accepts_the_files(tmp_path: Path, overlays: list[str]) -> None:
    """Compose itself reads the file, and the cluster on top of it, and gives them back with every image named."""
    command = _composing()
    if not command:
        pytest.skip("no Compose: neither `docker compose` nor `docker-compose` is installed")
    copy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, copy)
    for secret in yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["secrets"]:
        (copy / "secrets" / secret).write_text("of a test", encoding="utf-8")
    for secret in ("clickhouse_cluster_secret",):
        (copy / "secrets" / secret).write_text("of a test", encoding="utf-8")
    pinned_only = {name: value for name, value in os.environ.items() if name not in pins()}
    files = [argument for file in overlays for argument in ("-f", str(copy / file))]
    asked = [*command, *files, "config"]
    read = subprocess.run(asked, check=False, capture_output=True, text=True, cwd=copy, env=pinned_only)
    assert read.returncode == 0, read.stderr
    understood = yaml.safe_load(read.stdout)["services"]
    assert understood["kafka"]["image"] == pins()["KAFKA_IMAGE"]
    servers = {"kafka", "clickhouse", "alertmanager"} | (CLUSTER if len(overlays) > 1 else set())
    assert set(understood) == WORKERS | JOBS | API | servers
    assert {understood[name]["image"] for name in servers if name.startswith("clickhouse")} == {
        pins()["CLICKHOUSE_IMAGE"]
    }
