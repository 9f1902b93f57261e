"""Settings as the processes read them: from the environment, and with our errors when one is wrong."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from flowtrack.errors import ConfigurationError

S = TypeVar("S", bound=BaseSettings)


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
