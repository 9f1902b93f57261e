"""Where the ledger is kept: a directory of this machine, a ClickHouse server, or a cluster of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from flowtrack.errors import ConfigurationError

_MIB = 1024 * 1024
_CACHE_BYTES = 8 * _MIB
_MARKS_BYTES = 32 * _MIB
"""Marks of all columns of 100 million rows are some 10 MiB. With 8 a trail found one in ten of them and read the others
anew, which took four to seven times as long (docs/performance.md)."""
_PART_BYTES = 512 * _MIB
"""Parts are merged up to this size, some ten million rows, or up to as much as the engine may use, if that is more: a
merge holds the bitmaps of its rows' offsets, and a trail costs 3 ms for each part that has rows of the subject."""
_SMALLEST_MIB = 200  # below, the engine has nothing left to merge with after loading itself
_PREFIX = "FLOWTRACK_CLICKHOUSE__"
_ENGINE = Path(__file__).with_name("engine.xml")  # a file for certain: the engine itself reads it


class ClickHouseSettings(BaseSettings):
    """The store, read from `FLOWTRACK_CLICKHOUSE__...`.

    Raises:
        ConfigurationError: a URL that is none or carries a password, both a password and a password file, a file that
            is not there, or something that only a server has without a URL.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    url: str = ""
    """`http://host:8123` or `https://host:8443`; empty for the engine inside this process."""
    data_dir: Path = Path(".flowtrack/store")
    """Where the embedded engine keeps its files; one process at a time can open it."""
    database: str = Field(default="flowtrack", pattern="^[a-z][a-z0-9_]{0,62}$")
    user: str = "default"
    password: SecretStr | None = None
    password_file: Path | None = None
    """A file that holds the password, e.g. a mounted secret."""
    memory_bytes_max: int = Field(default=400 * _MIB, ge=_SMALLEST_MIB * _MIB)
    """What the embedded engine may use in all, its own code included; a query beyond it fails, the process lives on."""

    rows_kept: int = Field(default=20_000, ge=0)
    """Rows of answers that a process with the embedded engine keeps, to give them again while nothing changes them."""

    ca_file: Path | None = None
    """Certificates in PEM that a server's is checked against, in place of the system's."""
    certificate_file: Path | None = None
    """This client's certificate in PEM; without a password, it is the login."""
    key_file: Path | None = None
    """Its key."""
    verify: bool = True
    """Whether the server's certificate is checked; never off but in a test."""
    connect_timeout_s: int = Field(default=10, ge=1, le=300)
    timeout_s: int = Field(default=300, ge=1, le=3_600)
    """How long an answer may keep silent; a write that got none counts as in doubt."""
    compression: Literal["lz4", "zstd", "gzip", "none"] = "lz4"
    """Of what goes over the network, both ways."""
    cluster: str = Field(default="", pattern="^[A-Za-z0-9_.-]{0,63}$")
    """Name of the cluster in the servers' `remote_servers`; empty for a single server."""
    insert_quorum: str = Field(default="auto", pattern="^(auto|[2-9])$")
    """Replicas of a shard that must have a block before it counts as written; `auto` is the majority."""
    manage_roles: bool = False
    """Whether migrations also make roles, row policies and quotas: needs a user with access management."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.url:
            _refuse_url(self.url)
        elif self.cluster or self.manage_roles:
            name = "CLUSTER" if self.cluster else "MANAGE_ROLES"
            raise ConfigurationError(
                "the embedded engine has neither a cluster nor users",
                where=f"{_PREFIX}{name}",
                help=f"set {_PREFIX}URL to one of the servers, or unset {_PREFIX}{name}",
            )
        if self.password is not None and self.password_file is not None:
            raise ConfigurationError(
                "both a password and a password file are set",
                where=f"{_PREFIX}PASSWORD_FILE",
                help=f"keep the file, unset {_PREFIX}PASSWORD",
            )
        if self.key_file is not None and self.certificate_file is None:
            raise ConfigurationError(
                "a key without its certificate",
                where=f"{_PREFIX}KEY_FILE",
                help=f"set {_PREFIX}CERTIFICATE_FILE, or unset {_PREFIX}KEY_FILE",
            )
        for name in ("ca_file", "certificate_file", "key_file"):
            path: Path | None = getattr(self, name)
            if path is not None and not path.is_file():
                raise ConfigurationError(
                    f"there is no file `{path}`",
                    where=f"{_PREFIX}{name.upper()}",
                    help="name a file in PEM that this process may read",
                )
        return self

    @property
    def embedded(self) -> bool:
        """Whether the engine runs inside this process."""
        return not self.url

    @property
    def server(self) -> SplitResult:
        """The URL, taken apart."""
        return urlsplit(self.url)

    @property
    def address(self) -> str:
        """Where the store is, for people: host and port, or the directory; never a user or a password."""
        return str(self.data_dir) if self.embedded else self.server.netloc

    def secret(self) -> str:
        """Give the password, from the setting or the file; empty when neither is set.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_file is None:
            return ""
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the password file `{self.password_file}`: {error.strerror}",
                where=f"{_PREFIX}PASSWORD_FILE",
                help="name a file that this process may read",
            ) from error

    def engine_options(self) -> dict[str, str]:
        """Give the embedded engine's server settings: few threads, small caches, a hard bound on memory."""
        return {
            "max_server_memory_usage": str(self.memory_bytes_max),
            "mark_cache_size": str(_MARKS_BYTES),
            "primary_index_cache_size": str(_CACHE_BYTES),
            "query_condition_cache_size": str(_CACHE_BYTES),
            "compiled_expression_cache_size": str(_CACHE_BYTES),
            "merge_tree.max_bytes_to_merge_at_max_space_in_pool": str(max(_PART_BYTES, self.memory_bytes_max)),
            "background_pool_size": "1",
            "background_schedule_pool_size": "1",
            "background_common_pool_size": "1",
            "max_thread_pool_size": "48",
            "config-file": str(_ENGINE),
            "users_config": str(_ENGINE),  # without the other, the engine does not look at this one
            "backups.allowed_path": "/",  # an operator's backups go where this process may write
        }


def _refuse_url(url: str) -> None:
    """Raise if it is no address of ClickHouse's HTTP interface; a password in it would end up in logs."""
    where, help_ = (
        f"{_PREFIX}URL",
        "write http://host:8123 or https://host:8443, or leave it empty for the embedded engine",
    )
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise ConfigurationError("the URL's host or port is none", where=where, help=help_) from None
    if parts.scheme not in {"http", "https"}:
        scheme = url.split("://", 1)[0] if "://" in url else ""
        raise ConfigurationError(f"`{scheme}` is no scheme of ClickHouse's HTTP interface", where=where, help=help_)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "the URL carries a user or a password, which logs would show",
            where=where,
            help=f"set {_PREFIX}USER and {_PREFIX}PASSWORD_FILE, and take them out of the URL",
        )
    if not parts.hostname or not port_is_one or parts.query or parts.fragment:
        raise ConfigurationError(
            "the URL has no host, or more than scheme, host, port and path", where=where, help=help_
        )
