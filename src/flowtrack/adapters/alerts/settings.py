"""Who is told of alerts, and how findings are grouped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from flowtrack.errors import ConfigurationError
from flowtrack.tracking.alerts import AlertRules


class AlertSettings(BaseSettings):
    """Settings of the alerter, read from `FLOWTRACK_ALERTS__...`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_ALERTS__", extra="ignore", frozen=True)

    terminal: bool = True
    """Whether alerts are written to standard output: a line each in a pipe, a panel on a terminal."""
    alertmanager_url: HttpUrl | None = None
    """Base address of a Prometheus Alertmanager (0.16 or newer, API v2)."""
    webhook_url: HttpUrl | None = None
    """Address that takes a JSON document of alerts by POST."""
    webhook_token: SecretStr | None = None
    """Sent to the webhook as bearer token."""
    webhook_token_file: Path | None = None
    """A file that holds the token, e.g. a mounted secret; used when `webhook_token` is not set."""
    generator_url: HttpUrl | None = None
    """Where whoever is told can look further; Alertmanager shows it as the alert's source."""
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    """For one attempt to deliver, retries within it included."""
    retry_after_max_s: float = Field(default=60.0, gt=0)
    """Longest wait before what could not be delivered is tried again."""
    groups_max: int = Field(default=10_000, ge=1)
    kinds_per_change_max: int = Field(default=20, ge=1)
    repeat_after_s: float = Field(default=900.0, gt=0)
    resolve_after_s: float = Field(default=3600.0, gt=0)

    def rules(self) -> AlertRules:
        """Give the rules of grouping."""
        return AlertRules(
            groups_max=self.groups_max,
            kinds_per_change_max=self.kinds_per_change_max,
            repeat_after=timedelta(seconds=self.repeat_after_s),
            resolve_after=timedelta(seconds=self.resolve_after_s),
        )

    def token(self) -> str:
        """Give the webhook's token, from the setting or the file; empty when neither is set.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        if self.webhook_token is not None:
            return self.webhook_token.get_secret_value()
        if self.webhook_token_file is None:
            return ""
        try:
            return self.webhook_token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the token file `{self.webhook_token_file}`: {error.strerror}",
                where="FLOWTRACK_ALERTS__WEBHOOK_TOKEN_FILE",
                help="name a file that this process may read",
            ) from error
