"""deploy/clickhouse: the engine reads the servers' configuration, and it fits Compose, Kubernetes and the settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from flowtrack.adapters.clickhouse.connect import OLDEST_SERVER
from flowtrack.adapters.clickhouse.migrate import for_servers

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
CONFIG = DEPLOY / "clickhouse"
# What the image brings, as far as the files of deploy/ change it.
_BASE = """<clickhouse>
<remote_servers><default><shard><replica><host>localhost</host><port>9000</port></replica></shard></default></remote_servers>
<user_directories><users_xml><path>users.xml</path></users_xml><local_directory><path>access</path></local_directory>
</user_directories></clickhouse>"""
_USERS = """<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>
<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default></users></clickhouse>"""
_READ = """
import json, sys
import chdb
connection = chdb.connect(sys.argv[1])
def rows(statement):
    return [json.loads(line) for line in connection.query(statement, "JSONCompactEachRow").bytes().splitlines()]
print(json.dumps({
    "clusters": rows("SELECT cluster, toInt32(shard_num), toInt32(shard_weight), host_name FROM system.clusters"),
    "macros": dict(rows("SELECT macro, substitution FROM system.macros")),
}))
"""


@pytest.fixture(scope="module")
def understood(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the engine understands of the configuration, merged with the image's as a server does."""
    directory = tmp_path_factory.mktemp("config")
    (directory / "config.d").mkdir()
    (directory / "config.xml").write_text(_BASE, encoding="utf-8")
    (directory / "users.xml").write_text(_USERS, encoding="utf-8")
    for name in ("cluster.xml", "server.xml"):
        shutil.copy(CONFIG / name, directory / "config.d")
    this = {"CLICKHOUSE_SHARD": "2", "CLICKHOUSE_REPLICA": "2-1", "CLICKHOUSE_CLUSTER_SECRET": "of a test"}
    argv = [sys.executable, "-c", _READ, f"{directory / 'store'}?config-file={directory / 'config.xml'}"]
    read = subprocess.run(
        argv, capture_output=True, text=True, timeout=100, check=False, cwd=directory, env={**os.environ, **this}
    )
    assert read.returncode == 0, read.stderr[-2000:]
    return json.loads(read.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def overlay() -> Any:
    """The services of compose.cluster.yaml."""
    return yaml.safe_load((DEPLOY / "compose.cluster.yaml").read_text(encoding="utf-8"))["services"]


def env_file(path: Path) -> dict[str, str]:
    """Variables of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def root_of(name: str) -> ET.Element:
    """The configuration as XML."""
    return ET.fromstring((CONFIG / name).read_text(encoding="utf-8"))  # noqa: S314 - a file of this repository


def test_the_engine_knows_two_shards_of_two_replicas(understood: Any) -> None:
    """All weigh the same, and their number divides the partitions of both deployments."""
    shards: dict[int, set[str]] = {}
    for cluster, shard, weight, host in understood["clusters"]:
        assert (cluster, weight) == ("flowtrack", 1)
        shards.setdefault(shard, set()).add(host)
    assert shards == {n: {f"clickhouse-{n}-1", f"clickhouse-{n}-2"} for n in (1, 2)}
    assert int(env_file(DEPLOY / ".env")["PARTITIONS"]) % len(shards) == 0
    assert int(env_file(DEPLOY / "kubernetes/settings.env")["FLOWTRACK_KAFKA__PARTITIONS"]) % len(shards) == 0


def test_a_server_knows_which_one_it_is(understood: Any) -> None:
    """The macros in the paths of replicated tables come from the container's environment."""
    assert understood["macros"] == {"cluster": "flowtrack", "shard": "2", "replica": "2-1"}


def test_a_shard_knows_who_asked() -> None:
    """Servers of the cluster share a secret, without which rights and row policies would not hold on shards."""
    (secret,) = root_of("cluster.xml").findall("remote_servers/flowtrack/secret")
    assert secret.get("from_env") == "CLICKHOUSE_CLUSTER_SECRET"
    assert not (secret.text or "").strip()


def test_accounts_are_the_same_on_every_server() -> None:
    """Accounts made by SQL go to Keeper, and to no directory of one server."""
    (directories,) = root_of("cluster.xml").findall("user_directories")
    assert directories.get("replace") == "replace"
    assert {each.tag for each in directories} == {"users_xml", "replicated"}


def test_every_server_and_keeper_of_the_configuration_runs(overlay: Any) -> None:
    """Hosts of cluster.xml and keeper.xml are containers, each told its own name, shard and number."""
    servers = {service.get("hostname"): service for name, service in overlay.items() if name.startswith("clickhouse")}
    hosts = [host.text for host in root_of("cluster.xml").findall("remote_servers/flowtrack/shard/replica/host")]
    assert set(hosts) == set(servers)
    for host, service in servers.items():
        shard = service["environment"]["CLICKHOUSE_SHARD"]
        assert host == f"clickhouse-{service['environment']['CLICKHOUSE_REPLICA']}"
        assert host.startswith(f"clickhouse-{shard}-")
    keepers = {each.findtext("hostname"): each.findtext("id") for each in root_of("keeper.xml").iter("server")}
    assert keepers == {n: s["environment"]["KEEPER_ID"] for n, s in overlay.items() if n.startswith("keeper")}
    assert [host.text for host in root_of("cluster.xml").findall("zookeeper/node/host")] == [*keepers]
    ports = {port.text for port in root_of("cluster.xml").findall("zookeeper/node/port")}
    assert ports == {root_of("keeper.xml").findtext("keeper_server/tcp_port")}


def test_workers_are_told_of_the_cluster(overlay: Any) -> None:
    """Who makes the tables and who writes them name the same cluster, which is the configuration's."""
    (cluster,) = [each.tag for each in root_of("cluster.xml").findall("remote_servers/*") if each.tag != "default"]
    for name in ("tables", "sink", "api"):
        assert overlay[name]["environment"]["FLOWTRACK_CLICKHOUSE__CLUSTER"] == cluster


def test_accounts_get_roles_that_the_migrations_make() -> None:
    """users.sh is shell that parses, and each role it gives is one of the migrations'."""
    assert subprocess.run(["bash", "-n", str(CONFIG / "users.sh")], check=False).returncode == 0
    text = (CONFIG / "users.sh").read_text(encoding="utf-8")
    given = re.findall(r"^account \w+ (\w+) ", text, re.MULTILINE)
    made = re.findall(r"CREATE ROLE IF NOT EXISTS (\w+)", "".join(migration.text for migration in for_servers()))
    assert given
    assert set(given) <= set(made)


def test_the_servers_are_new_enough() -> None:
    """The images that are pinned have what the schema needs, and Kubernetes has the same ones."""
    pinned = env_file(DEPLOY / ".env")
    version = pinned["CLICKHOUSE_IMAGE"].rpartition(":")[2]
    assert tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_SERVER
    kustomization = yaml.safe_load((DEPLOY / "kubernetes/clickhouse/kustomization.yaml").read_text(encoding="utf-8"))
    images = {f"{image['name']}:{image['newTag']}" for image in kustomization["images"]}
    assert images == {pinned["CLICKHOUSE_IMAGE"], pinned["KEEPER_IMAGE"]}


def test_kubernetes_runs_the_same_servers() -> None:
    """Its pods have the names of the configuration, no rights, and volumes for whatever they mount."""
    folder = DEPLOY / "kubernetes/clickhouse"
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    files = [folder / name for name in kustomization["resources"] if name.endswith(".yaml")]
    assert {path.name for path in files} == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    manifests = [each for path in files for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    services = {each["metadata"]["name"]: each["spec"]["selector"] for each in manifests if each["kind"] == "Service"}
    pods = set()
    for manifest in (each for each in manifests if each["kind"] == "StatefulSet"):
        spec, name = manifest["spec"], manifest["metadata"]["name"]
        pods |= {f"{name}-{n + spec['ordinals']['start']}" for n in range(spec["replicas"])}
        pod = spec["template"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert labels == spec["selector"]["matchLabels"]
        assert services[spec["serviceName"]].items() <= labels.items()
        there = {each["name"] for each in pod["volumes"]} | {
            e["metadata"]["name"] for e in spec["volumeClaimTemplates"]
        }
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= there
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["resources"]["limits"]["memory"]
    configured = {host.text for host in root_of("cluster.xml").iter("host")}
    assert pods == configured


def test_config_maps_hold_the_files_of_compose() -> None:
    """Kubernetes gets the same files as Compose mounts: there is no second copy."""
    kustomization = yaml.safe_load((CONFIG / "kustomization.yaml").read_text(encoding="utf-8"))
    files = [name.rpartition("=")[2] for each in kustomization["configMapGenerator"] for name in each["files"]]
    assert set(files) == {path.name for path in CONFIG.iterdir()} - {"kustomization.yaml"}
