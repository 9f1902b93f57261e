"""Settings of a server: what is refused, what the client is told, and TLS for real."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flowtrack.adapters.clickhouse.connect import insert_settings
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import ConfigurationError, StoreError
from tests.ledger.http_front import HttpFront
from tests.ledger.http_requests import inserts


@pytest.mark.parametrize(
    ("variables", "where"),
    [
        ({"URL": "tcp://host:9000"}, "URL"),
        ({"URL": "host:8123"}, "URL"),
        ({"URL": "http://"}, "URL"),
        ({"URL": "http://host:99999"}, "URL"),
        ({"URL": "http://host/?verify=false"}, "URL"),
        ({"URL": "http://jane:s3cret@host:8123"}, "URL"),
        ({"PASSWORD": "s3cret", "PASSWORD_FILE": "/b"}, "PASSWORD_FILE"),
        ({"URL": "https://host", "CA_FILE": "/no/such/ca.pem"}, "CA_FILE"),
        ({"URL": "https://host", "KEY_FILE": "/no/such/key.pem"}, "KEY_FILE"),
        ({"CLUSTER": "main"}, "CLUSTER"),
        ({"MANAGE_ROLES": "true"}, "MANAGE_ROLES"),
    ],
)
def test_wrong_settings_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], where: str
) -> None:
    """What cannot be is refused with the variable's name and what to do, never with what it held."""
    for name, value in variables.items():
        monkeypatch.setenv(f"FLOWTRACK_CLICKHOUSE__{name}", value)
    with pytest.raises(ConfigurationError) as refused:
        ClickHouseSettings()
    assert refused.value.where == f"FLOWTRACK_CLICKHOUSE__{where}"
    assert refused.value.help
    assert "s3cret" not in str(refused.value)


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    """A mounted secret is read, without the newline at its end; a missing one is named."""
    secret = tmp_path / "password"
    secret.write_text("s3cret\n", encoding="utf-8")
    assert ClickHouseSettings(password_file=secret).secret() == "s3cret"
    with pytest.raises(ConfigurationError, match="cannot read"):
        ClickHouseSettings(password_file=tmp_path / "none").secret()


def test_an_insert_on_a_cluster_waits_for_a_quorum() -> None:
    """Embedded, on a server and on a cluster an insert is one block; only a cluster has a quorum to wait for."""
    url = "https://host:8443"
    embedded = insert_settings(ClickHouseSettings(), "t", read_back=True)
    server = insert_settings(ClickHouseSettings(url=url), "t", read_back=True)
    replicated = ClickHouseSettings(url=url, cluster="main", timeout_s=10)
    cluster = insert_settings(replicated, "t", read_back=True)
    for settings in (embedded, server, cluster):
        assert (settings["async_insert"], settings["insert_deduplication_token"]) == (0, "t")
    assert "insert_quorum" not in embedded | server
    assert server["wait_end_of_query"] == 1
    assert (cluster["insert_quorum"], cluster["insert_quorum_parallel"]) == ("auto", 0)
    assert insert_settings(replicated, "t", read_back=False)["insert_quorum_parallel"] == 1
    assert cluster["insert_quorum_timeout"] < 10_000  # the server knows the outcome before its client gives up


def test_what_is_exact_is_said_to_the_server(own_front: HttpFront) -> None:
    """An insert over HTTP carries its token and waits for the end; no request names a session."""
    with Store(ClickHouseSettings(url=own_front.url, database="said")) as store:
        store.migrate()
    (note, *_) = [request for request in own_front.seen if inserts("migrations")(request)]
    assert note.settings["async_insert"] == "0"
    assert note.transport["wait_end_of_query"] == "1"
    assert not [request for request in own_front.seen if "session_id" in request.transport]


class Made(NamedTuple):
    """Files in PEM."""

    ca: Path
    certificate: Path
    key: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """An authority, and a certificate of it for 127.0.0.1, good for server and client."""
    directory = tmp_path_factory.mktemp("tls")
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
    now = datetime.now(UTC)

    def builder(of: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        built = x509.CertificateBuilder().subject_name(of).issuer_name(name).public_key(public)
        built = built.serial_number(x509.random_serial_number())
        return built.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))

    authority = builder(name, authority_key.public_key())
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "writer")])
    leaf = builder(subject, key.public_key()).add_extension(host, critical=False)
    files = Made(directory / "ca.pem", directory / "cert.pem", directory / "key.pem")
    pem = serialization.Encoding.PEM
    files.ca.write_bytes(authority.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    files.certificate.write_bytes(leaf.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.NoEncryption()
    files.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return files


def context(made: Made, *, asks_clients: bool = False) -> ssl.SSLContext:
    """The server's side."""
    made_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made_context.load_cert_chain(made.certificate, made.key)
    if asks_clients:
        made_context.load_verify_locations(made.ca)
        made_context.verify_mode = ssl.CERT_REQUIRED
    return made_context


def test_a_server_is_reached_over_tls(engine: Path, made: Made) -> None:
    """With its authority the server is believed, without it refused; at a port that does not say HTTPS by itself."""
    with HttpFront(engine, tls=context(made)) as front:
        with Store(ClickHouseSettings(url=front.url, ca_file=made.ca)) as store:
            assert store.rows("SELECT 1") == [(1,)]
        with pytest.raises(StoreError, match="no TLS connection") as refused:
            Store(ClickHouseSettings(url=front.url)).open()
        assert "CA_FILE" in refused.value.help
        with Store(ClickHouseSettings(url=front.url, verify=False)) as unchecked:
            assert unchecked.rows("SELECT 1") == [(1,)]


def test_a_client_shows_its_certificate(engine: Path, made: Made) -> None:
    """A server that wants a certificate gets it, with the password beside it where there is one."""
    with HttpFront(engine, users={"writer": "pw"}, tls=context(made, asks_clients=True)) as front:
        settings = ClickHouseSettings(
            url=front.url, user="writer", password="pw", ca_file=made.ca,
            certificate_file=made.certificate, key_file=made.key,
        )  # fmt: skip
        with Store(settings) as store:
            assert store.rows("SELECT 1") == [(1,)]
        with pytest.raises(StoreError):
            Store(settings.model_copy(update={"certificate_file": None, "key_file": None})).open()
