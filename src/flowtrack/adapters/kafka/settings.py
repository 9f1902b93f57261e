"""Where Kafka is and how to get in; the one place from which every client takes its configuration."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from flowtrack.errors import ConfigurationError

_FETCH_WAIT_MS = 100
_FETCH_WAIT_EMBEDDED_MS = 10  # the embedded broker answers a waiting fetch only when its time is over
EMBEDDED_PARTITIONS = 4  # the embedded broker creates every topic with as many, on first use

Setting = str | int | float | bool  # what librdkafka takes


class KafkaSettings(BaseSettings):
    """Connection to Kafka, read from `FLOWTRACK_KAFKA__...`.

    `librdkafka()` and `aiokafka()` give the same settings in the two clients' words.

    Raises:
        ConfigurationError: SASL without a user name or password, or a partition count that the embedded broker
            cannot have.
    """

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_KAFKA__", extra="ignore", frozen=True)

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr | None = None
    sasl_password_file: Path | None = None
    """A file that holds the password, e.g. a mounted secret; used when `sasl_password` is not set."""
    ssl_ca_location: Path | None = None
    """CA certificates in PEM; without it, the system's."""
    ssl_certificate_location: Path | None = None
    ssl_key_location: Path | None = None
    ssl_key_password: SecretStr | None = None
    partitions: int = Field(default=8, ge=1)
    """Partitions of events, consents, decisions, findings, amendments and dead letters."""
    replication_factor: int = Field(default=-1, ge=-1)
    """Copies of each partition; -1 leaves it to the broker's own default, as an operator has set it."""
    embedded: bool = False
    """Whether the broker is librdkafka's mock: no transactions, one worker a group, 5 MiB a partition."""
    instance: str = ""
    """Names this process among its kind, e.g. the pod: a restart under the same name ends the transaction that a
    killed worker left open at once, instead of after its timeout. Two processes must never share it."""
    epoch: str = ""
    """Which life of the embedded broker this is: its offsets begin anew with each; empty on a real Kafka."""

    @model_validator(mode="before")
    @classmethod
    def _partitions_of_the_embedded_broker(cls, values: object) -> object:
        if isinstance(values, dict) and str(values.get("embedded", "")).lower() in {"true", "1", "yes", "on"}:
            values.setdefault("partitions", EMBEDDED_PARTITIONS)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.embedded and self.partitions != EMBEDDED_PARTITIONS:
            raise ConfigurationError(
                f"the embedded broker cannot have `{self.partitions}` partitions",
                where="FLOWTRACK_KAFKA__PARTITIONS",
                help=f"leave it out, or set it to {EMBEDDED_PARTITIONS}",
            )
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.password()):
            raise ConfigurationError(
                f"`{self.security_protocol}` needs a user name and a password",
                where="FLOWTRACK_KAFKA__SASL_USERNAME",
                help="set FLOWTRACK_KAFKA__SASL_USERNAME and FLOWTRACK_KAFKA__SASL_PASSWORD_FILE",
            )
        return self

    def password(self) -> str:
        """Give the SASL password, from the setting or the file; empty when neither is set.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        if self.sasl_password is not None:
            return self.sasl_password.get_secret_value()
        if self.sasl_password_file is None:
            return ""
        try:
            return self.sasl_password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the password file `{self.sasl_password_file}`: {error.strerror}",
                where="FLOWTRACK_KAFKA__SASL_PASSWORD_FILE",
                help="name a file that this process may read",
            ) from error

    def librdkafka(self) -> dict[str, Setting]:
        """Give the connection in librdkafka's words; consumers and producers add their own part."""
        config: dict[str, Setting] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "allow.auto.create.topics": self.embedded,
            "log_level": 2,  # what goes wrong is raised or told to an error callback; stderr stays clean
        }
        if self.security_protocol.startswith("SASL"):
            config |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": self.password(),
            }
        if self.security_protocol.endswith("SSL"):
            config |= {
                name: str(path)
                for name, path in (
                    ("ssl.ca.location", self.ssl_ca_location),
                    ("ssl.certificate.location", self.ssl_certificate_location),
                    ("ssl.key.location", self.ssl_key_location),
                )
                if path is not None
            }
            if self.ssl_key_password is not None:
                config["ssl.key.password"] = self.ssl_key_password.get_secret_value()
        return config

    def consumer(self, group: str) -> dict[str, Setting]:
        """Give what every consumer of librdkafka has in common: committed records only, no commit of its own accord."""
        return self.librdkafka() | {
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": _FETCH_WAIT_EMBEDDED_MS if self.embedded else _FETCH_WAIT_MS,
        }

    def aiokafka(self) -> dict[str, object]:
        """Give the connection as keyword arguments of aiokafka's clients."""
        config: dict[str, object] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            config |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.password(),
            }
        if self.security_protocol.endswith("SSL"):
            config["ssl_context"] = self.ssl_context()
        return config

    def ssl_context(self) -> ssl.SSLContext:
        """Give the TLS context of Python's own clients (aiokafka, Faust)."""
        context = ssl.create_default_context(cafile=str(self.ssl_ca_location) if self.ssl_ca_location else None)
        if self.ssl_certificate_location is not None:
            context.load_cert_chain(
                self.ssl_certificate_location,
                self.ssl_key_location,
                self.ssl_key_password.get_secret_value() if self.ssl_key_password else None,
            )
        return context
