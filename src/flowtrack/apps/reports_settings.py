"""Deadlines and thresholds of reports: `FLOWTRACK_REPORTS__…`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flowtrack.audit.overdue import DAYS_MAX
from flowtrack.audit.reports.terms import Terms

_DEFAULTS = Terms()


class ReportSettings(BaseSettings):
    """Numbers of laws, and of this organisation where a law says none; sources in docs/reference/laws.md."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_REPORTS__", extra="ignore", frozen=True)

    gdpr_access_months: int = Field(default=_DEFAULTS.gdpr_access_months, ge=1, le=12)
    gdpr_access_extension_months: int = Field(default=_DEFAULTS.gdpr_access_extension_months, ge=0, le=12)
    pipa_access_days: int = Field(default=_DEFAULTS.pipa_access_days, ge=1, le=365)
    pipl_access_days: int = Field(default=_DEFAULTS.pipl_access_days, ge=1, le=365)
    gdpr_breach_hours: int = Field(default=_DEFAULTS.gdpr_breach_hours, ge=1, le=720)
    pipa_breach_hours: int = Field(default=_DEFAULTS.pipa_breach_hours, ge=1, le=720)
    pipa_breach_subjects: int = Field(default=_DEFAULTS.pipa_breach_subjects, ge=1)
    pipa_identifying: Annotated[tuple[str, ...], NoDecode] = tuple(_DEFAULTS.pipa_identifying)
    """Categories, separated by commas."""
    keep_days: int | None = Field(default=_DEFAULTS.keep_days, ge=1, le=DAYS_MAX)
    """For copies that name no end."""
    staff_review_months: int = Field(default=_DEFAULTS.staff_review_months, ge=1, le=12)

    @field_validator("pipa_identifying", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @property
    def terms(self) -> Terms:
        """As reports take them."""
        return Terms.model_validate({**self.model_dump(), "pipa_identifying": list(self.pipa_identifying)})
