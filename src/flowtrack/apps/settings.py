"""Settings as the processes read them: from the environment, and with our errors when one is wrong."""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from flowtrack.errors import ConfigurationError

S = TypeVar("S", bound=BaseSettings)


class HealthSettings(BaseSettings):
    """Where a worker answers whoever runs it, read from `FLOWTRACK_HEALTH__...`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_HEALTH__", extra="ignore", frozen=True)

    port: int | None = Field(default=None, ge=1, le=65_535)
    """Port, on all interfaces, of /healthz, /readyz and /metrics; without it, nothing is served."""


def read(settings: type[S]) -> S:
    """Read a group of settings from the environment.

    Raises:
        ConfigurationError: a setting is missing or wrong; names the variable, never its value.
    """
    try:
        return settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        prefix = settings.model_config.get("env_prefix", "")
        name = f"{prefix}{'__'.join(str(part) for part in first['loc'])}".upper()
        raise ConfigurationError(
            f"{first['msg'][:1].lower()}{first['msg'][1:]}".replace("value error, ", ""),
            where=name,
            help=f"set {name} to something valid, or leave it out",
        ) from error
