"""`flowtrack report`: from an embedded ledger to a file, and what is said of options that are not right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flowtrack.apps.ask_fields import option_of
from flowtrack.apps.reports import SHARED, commands, ordered
from flowtrack.apps.reports_settings import ReportSettings
from flowtrack.audit.reports.orders import ORDERS
from flowtrack.audit.reports.terms import Terms
from flowtrack.errors import ConfigurationError
from tests.docs.pages import rows_under
from tests.reports.day import as_json
from tests.reports.pages import Page
from tests.reports.test_reports import FIELDS, report

ROOT = Path(__file__).parent.parent.parent
_OF_THE_RUN = ("head", "deadlines")
"""What depends on when and by whom a report is made."""


def _options(fields: dict[str, Any]) -> list[str]:
    found = []
    for name, value in fields.items():
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        found += [text] if name in {"subject", "record", "month"} else [f"--{name.replace('_', '-')}", text]
    return found


def test_reports_come_out_of_an_embedded_ledger(tmp_path: Path) -> None:
    """Each report of an embedded ledger says what the one of the ledger in memory says, as JSON and as HTML."""
    commands = []
    for name in ORDERS:
        order = ["report", name, *_options(FIELDS[name]), "--why", "case 7"]
        commands.append([*order, "--json", "--output", str(tmp_path / f"{name}.json")])
        commands.append([*order, "--lang", "ko", "--output", str(tmp_path / f"{name}.html")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.reports.embedded", str(tmp_path / "data")],
        input="\n".join(json.dumps(each) for each in commands),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ORDERS:
        given, expected = json.loads((tmp_path / f"{name}.json").read_text()), as_json(report(name))
        assert given["head"]["why"] == "case 7"
        assert given["head"]["sources"] == expected["head"]["sources"]
        for each in _OF_THE_RUN:
            given.pop(each, None)
            expected.pop(each, None)
        assert given == expected, name
        page = Page((tmp_path / f"{name}.html").read_text(encoding="utf-8"))
        assert page.of("html") == [{"lang": "ko"}]
        assert page.faults == []


def test_options_that_are_not_right_are_named() -> None:
    """An order that is not right names its options, never what was given."""
    with pytest.raises(ConfigurationError, match="--since") as error:
        ordered("ropa", {"since": "secret", "until": ""})
    assert "secret" not in str(error.value)
    assert ordered("ropa", {"since": "", "until": ""}).model_dump(exclude_none=True) == {}


def test_an_order_that_is_not_whole_says_what_it_takes() -> None:
    """Where no single option is wrong, what they need together is told."""
    with pytest.raises(ConfigurationError) as error:
        ordered("breach", {"service": "shop"})
    assert "one place with the instant since when" in error.value.help


def test_settings_are_the_terms_of_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings reports take the laws' numbers; each of them can be set."""
    assert ReportSettings().terms == Terms()
    monkeypatch.setenv("FLOWTRACK_REPORTS__PIPA_BREACH_SUBJECTS", "7")
    monkeypatch.setenv("FLOWTRACK_REPORTS__PIPA_IDENTIFYING", "contact, financial")
    terms = ReportSettings().terms
    assert terms.pipa_breach_subjects == 7
    assert terms.pipa_identifying == ["contact", "financial"]


def test_the_page_of_reports_has_every_option() -> None:
    """reports.md lists each report with its arguments and options, and what all of them share."""
    shared = {option_of(each.name) for each in SHARED}
    rows = rows_under("docs/reference/reports.md", "Options of every report")
    assert {row[0].strip("`") for row in rows} == shared
    for name, command in commands().items():
        told = {row[0].strip("`") for row in rows_under("docs/reference/reports.md", f"flowtrack report {name}")}
        taken = {each.name.upper() if each.param_type_name == "argument" else each.opts[0] for each in command.params}
        assert told == taken - shared
