"""Where the ledger is kept: a directory of this machine, or a ClickHouse server."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from flowtrack.errors import ConfigurationError

_MIB = 1024 * 1024
_CACHE_BYTES = 8 * _MIB  # a trail reads one granule a part: what it needs of marks and primary keys fits
_SMALLEST_MIB = 200  # below, the engine has nothing left to merge with after loading itself


class ClickHouseSettings(BaseSettings):
    """The store, read from `FLOWTRACK_CLICKHOUSE__...`.

    Raises:
        ConfigurationError: a URL that is none, or both a password and a password file.
    """

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_CLICKHOUSE__", extra="ignore", frozen=True)

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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"`{self.url.split('://', 1)[0]}` is no scheme of ClickHouse's HTTP interface",
                where="FLOWTRACK_CLICKHOUSE__URL",
                help="write http://host:8123 or https://host:8443, or leave it empty for the embedded engine",
            )
        if self.password is not None and self.password_file is not None:
            raise ConfigurationError(
                "both a password and a password file are set",
                where="FLOWTRACK_CLICKHOUSE__PASSWORD_FILE",
                help="keep the file, unset FLOWTRACK_CLICKHOUSE__PASSWORD",
            )
        return self

    @property
    def embedded(self) -> bool:
        """Whether the engine runs inside this process."""
        return not self.url

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
                where="FLOWTRACK_CLICKHOUSE__PASSWORD_FILE",
                help="name a file that this process may read",
            ) from error

    def engine_options(self) -> dict[str, str]:
        """Give the embedded engine's server settings: few threads, small caches, a hard bound on memory."""
        return {
            "max_server_memory_usage": str(self.memory_bytes_max),
            "mark_cache_size": str(_CACHE_BYTES),
            "primary_index_cache_size": str(_CACHE_BYTES),
            "query_condition_cache_size": str(_CACHE_BYTES),
            "compiled_expression_cache_size": str(_CACHE_BYTES),
            "background_pool_size": "1",
            "background_schedule_pool_size": "1",
            "background_common_pool_size": "1",
            "max_thread_pool_size": "48",
        }
