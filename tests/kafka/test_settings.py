"""One set of settings, in the words of every client."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from flowtrack.adapters.kafka.embedded import EmbeddedBroker, serve
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.errors import ConfigurationError, RuntimeStateError
from tests.kafka.conftest import until


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names are those that DESIGN 7 gives; a password comes from a mounted file."""
    secret = tmp_path / "password"
    secret.write_text("open sesame\n", encoding="utf-8")
    for name, value in {
        "BOOTSTRAP_SERVERS": "a:1,b:2",
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_USERNAME": "flowtrack",
        "SASL_PASSWORD_FILE": str(secret),
    }.items():
        monkeypatch.setenv(f"FLOWTRACK_KAFKA__{name}", value)
    settings = KafkaSettings()
    ours, theirs = settings.librdkafka(), settings.aiokafka()
    assert (ours["bootstrap.servers"], theirs["bootstrap_servers"]) == ("a:1,b:2", "a:1,b:2")
    assert (ours["security.protocol"], theirs["security_protocol"]) == ("SASL_PLAINTEXT", "SASL_PLAINTEXT")
    assert (ours["sasl.password"], theirs["sasl_plain_password"]) == ("open sesame", "open sesame")


def test_a_password_is_not_shown() -> None:
    """Neither the settings' own text nor an error's tells it."""
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_username="u", sasl_password=SecretStr("open sesame"))
    assert "open sesame" not in repr(settings)


def test_sasl_needs_credentials() -> None:
    """The error names the settings to give."""
    with pytest.raises(ConfigurationError, match="SASL_PASSWORD_FILE"):
        KafkaSettings(security_protocol="SASL_SSL", sasl_username="u")


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the file and the setting."""
    with pytest.raises(ConfigurationError, match="absent"):
        KafkaSettings(security_protocol="SASL_SSL", sasl_username="u", sasl_password_file=tmp_path / "absent")


def test_the_embedded_broker_has_four_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being told, and it says so when told otherwise."""
    monkeypatch.setenv("FLOWTRACK_KAFKA__EMBEDDED", "true")
    assert KafkaSettings().partitions == 4
    with pytest.raises(ConfigurationError, match="`8` partitions"):
        KafkaSettings(partitions=8)


def test_the_embedded_broker_starts_once_and_names_its_life() -> None:
    """Two lives have two epochs, a given one is kept, and starting twice is refused."""
    first, second = EmbeddedBroker(), EmbeddedBroker()
    assert first.epoch != second.epoch
    assert EmbeddedBroker("e1").epoch == "e1"
    address = first.start()
    assert Producer({"bootstrap.servers": address}).list_topics(timeout=10).brokers
    with pytest.raises(RuntimeStateError, match="already"):
        first.start()
    first.stop()
    first.stop()


def test_serve_runs_until_told_to_stop() -> None:
    """The main loop of a broker's process says its address and ends with the event."""
    addresses: list[str] = []
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(addresses.append, stop))
    thread.start()
    until(lambda: addresses)
    assert Producer({"bootstrap.servers": addresses[0]}).list_topics(timeout=10).brokers
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
