"""`flowtrack ask <family>`: commands made from the questions themselves, answers in every form, nothing left unsaid."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pytest
import typer
from pyarrow import parquet
from pydantic import AwareDatetime, Field

from flowtrack.apps import ask_families, ledger_keeping
from flowtrack.apps.answer_tables import parts_of
from flowtrack.apps.ask_fields import completing, parameters_of
from flowtrack.apps.screen import Lines, Table
from flowtrack.audit import families
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.family import Answer, PagedQuestion, SubjectQuestion
from flowtrack.audit.holds import Hold, PlacedHold
from flowtrack.audit.roles import Asker
from flowtrack.audit.violations import Violation, Violations
from flowtrack.domain.model import Contract, Name
from flowtrack.policy.pack import default_pack
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking import rows as tables

if TYPE_CHECKING:
    from tests.cli.commands import Commands

SUBJECT = "0" * 32
WHOLE = ("--all", "--limit", "7")


@pytest.fixture
def expected(ledger: MemoryLedger) -> list[Violation]:
    """All violations of the day."""
    return ledger.ask(Violations(limit=10_000), asker=Asker(who="test")).rows


def test_pages_are_followed_in_every_form(flowtrack: Commands, expected: list[Violation], tmp_path: Path) -> None:
    """With --all, JSON, CSV and Parquet hold every row once, whatever the size of a page."""
    document = flowtrack.run("ask", "violations", *WHOLE, "--json").document
    assert [Violation.model_validate(row) for row in document["rows"]] == expected
    assert (
        document["about"]["completeness"] | {"truncated": False, "left_out": 0, "after": ""}
        == (document["about"]["completeness"])
    )
    lines = list(csv.DictReader(io.StringIO(flowtrack.run("ask", "violations", *WHOLE, "--csv").out)))
    assert [line["event_id"] for line in lines] == [row.event_id for row in expected]
    assert [json.loads(line["clauses"]) for line in lines] == [row.clauses for row in expected]
    target = tmp_path / "violations.parquet"
    assert flowtrack.run("ask", "violations", *WHOLE, "--parquet", target).status == 0
    table = parquet.read_table(target)
    assert table.column("clauses").to_pylist() == [row.clauses for row in expected]
    assert table.column("happened_at").to_pylist() == [row.happened_at for row in expected]


def test_coverage_is_shown_with_what_never_decided(flowtrack: Commands, ledger: MemoryLedger) -> None:
    """On a terminal: rules, clauses, situations under no rule, and clauses that nothing cites; CSV has clauses."""
    documents = [row for row in ledger.tables[tables.DOCUMENTS] if row["kind"] != "policy"]  # the day's is invented
    ledger.tables[tables.DOCUMENTS] = documents
    out = flowtrack.run("ask", "coverage").out
    assert "Under no rule: " in out
    assert "clauses that no verdict cites: " in out
    lines = list(csv.DictReader(io.StringIO(flowtrack.run("ask", "coverage", "--csv").out)))
    cited = {line["clause"]: int(line["cited"]) for line in lines}
    assert set(cited) == set(default_pack().clauses)
    assert {count > 0 for count in cited.values()} == {True, False}


def test_an_explanation_says_what_nearly_matched(flowtrack: Commands, ledger: MemoryLedger) -> None:
    """On a terminal: what decided each category, and that near misses are not known where nothing is defined."""
    row = next(each for each in ledger.tables[tables.FLOWS] if each["category"])
    out = flowtrack.run("ask", "explanation", row["subject"], row["event_id"], "--why", "case 7").out
    assert "Rules that nearly matched: 0" in out
    assert "not known of " in out


@pytest.mark.usefixtures("ledger")
def test_files_are_whole_and_their_endings_say_the_form(flowtrack: Commands, tmp_path: Path) -> None:
    """--output takes the place of standard output; the ending says the form; no draft is left beside it."""
    for name in ("some.json", "some.csv", "some.parquet", "some.txt"):
        ran = flowtrack.run("ask", "violations", "--output", tmp_path / "out" / name)
        assert (ran.status, "cannot write" in ran.err) == (2, True)
        (tmp_path / "out").mkdir(exist_ok=True)
        ran = flowtrack.run("ask", "violations", "--output", tmp_path / "out" / name)
        assert (ran.status, ran.out) == (0, "")
        assert [each.name for each in (tmp_path / "out").iterdir()] == [name]
        for each in (tmp_path / "out").iterdir():
            each.unlink()
        (tmp_path / "out").rmdir()


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)], ids=str)
def test_what_is_left_out_is_said(flowtrack: Commands, form: tuple[str, ...]) -> None:
    """An answer that is cut says so, and how the rest is had, in every form."""
    ran = flowtrack.run("ask", "violations", "--limit", "2", *form)
    assert ran.status == 0
    assert "left out: --all gives them" in (ran.err if form else ran.out)


def test_a_table_says_how_complete_it_is(flowtrack: Commands, expected: list[Violation]) -> None:
    """A table ends with the instant up to which it is complete and what judged its rows."""
    out = flowtrack.run("ask", "violations", "--all").out
    assert "Complete up to" in out
    assert expected[0].pack in out
    assert all(row.subject in out for row in expected)


def test_tables_are_in_utc_and_say_so(
    flowtrack: Commands, expected: list[Violation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever zone the machine is in: as in every other form, and their headings name it."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Asia/Seoul")
        time.tzset()
        by_hand = flowtrack.run("ask", "violations", "--all").out
        from_rows = flowtrack.run("ask", "audit-log").out
        tree = flowtrack.run("trace", expected[0].subject).out
    time.tzset()
    at = f"{expected[0].happened_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    assert at in by_hand
    assert at in tree
    assert "when (UTC)" in by_hand
    assert "(UTC)" in from_rows
    assert "times are UTC" in tree


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("option", ["--since", "--until", "--as-of", "--known-at"])
def test_a_day_is_its_midnight_in_utc(flowtrack: Commands, option: str) -> None:
    """A day is taken for an instant, as on pages; a time without its zone is still refused."""
    asked = flowtrack.run("ask", "violations", option, "2026-03-02", "--json").document["about"]["question"]
    name = option.removeprefix("--").replace("-", "_")
    assert datetime.fromisoformat(asked[name]) == datetime(2026, 3, 2, tzinfo=UTC)


def test_filters_reach_the_question(flowtrack: Commands, expected: list[Violation]) -> None:
    """What an option names narrows the answer."""
    clause = expected[0].clauses[0]
    document = flowtrack.run("ask", "violations", "--clause", clause, "--json", "--all").document
    assert len(document["rows"]) == sum(clause in row.clauses for row in expected)
    assert document["about"]["question"]["clause"] == clause


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "is no instant"),
        (("--since", "2026-03-02T09:00:00"), "is no instant"),
        (("--after", "secret"), "the cursor is not right"),
        (("--service", "s" * 200), "not right in `service`"),
        (("--json", "--csv"), "one form and one place"),
        (("--parquet", "a", "--output", "b"), "one form and one place"),
    ],
)
def test_questions_that_are_not_right_end_with_2(flowtrack: Commands, words: tuple[str, ...], said: str) -> None:
    """What cannot be asked ends with 2, names the field, and says nothing of what was in it but for instants."""
    ran = flowtrack.run("ask", "violations", *words)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert "secret" not in ran.err


def test_a_report_that_is_spelt_nearly_right_gets_a_hint(flowtrack: Commands) -> None:
    """Reports are commands that are made, too, and asked about alike."""
    ran = flowtrack.run("report", "acces-request")
    assert ran.status == 2
    assert "Did you mean 'access-request'?" in ran.err


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(("typed", "meant"), [("violation", "'violations'"), ("orphan", "'orphans'")])
def test_a_family_that_is_spelt_nearly_right_gets_a_hint(flowtrack: Commands, typed: str, meant: str) -> None:
    """Commands made of families, and those written by hand, are asked about alike."""
    ran = flowtrack.run("ask", typed)
    assert ran.status == 2
    assert "Did you mean" in ran.err
    assert meant in ran.err


class Colour(StrEnum):
    """Something to choose from."""

    RED = "red"


class Inner(Contract):
    """A part of a row."""

    name: str


class OddRow(Contract):
    """A row with everything in it."""

    name: str
    on: date
    at: AwareDatetime | None
    share: float
    good: bool
    colour: Colour
    parts: list[Inner]
    counts: dict[str, int]
    numbers: list[int]


class OddAnswer(Answer):
    """An answer with more beside its rows."""

    rows: list[OddRow]
    total: int
    inner: Inner
    others: list[Inner]


class Odd(SubjectQuestion[OddAnswer], PagedQuestion[OddAnswer]):
    """Is every kind of field understood?"""

    family: ClassVar[str] = "odd"
    answer: ClassVar[type[Answer]] = OddAnswer

    begun: AwareDatetime
    """When it began."""
    place: Literal["here", "there"] = "here"
    colour: Colour | None = None
    hops_max: Annotated[int, Field(ge=1, le=32)] = 8
    """Steps."""
    categories: list[Name] = []
    exact: bool = False
    on: date | None = None
    weights: dict[str, float] | None = None


def odd_answer(question: Odd) -> OddAnswer:
    """An answer of one row that says what was asked."""
    row = OddRow(
        name="=1+1",
        on=date(2026, 3, 2),
        at=question.begun,
        share=0.5,
        good=question.exact,
        colour=Colour.RED,
        parts=[Inner(name=each) for each in question.categories],
        counts={"hops": question.hops_max},
        numbers=[1, 2],
    )
    said = question.model_dump(mode="json")
    complete = {"complete_up_to": None, "truncated": True, "left_out": 3}
    about = {"id": "0", "family": "odd", "question": said, "completeness": complete}
    return OddAnswer.model_validate(
        {"about": about, "rows": [row], "total": 1_000, "inner": Inner(name="in"), "others": [Inner(name="out")]}
    )


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch, ledger: MemoryLedger) -> list[tuple[Odd, Asker]]:
    """A family that landed later, and what it is asked."""
    asked: list[tuple[Odd, Asker]] = []

    def ask(question: Odd, *, asker: Asker) -> OddAnswer:
        asked.append((question, asker))
        return odd_answer(question)

    monkeypatch.setitem(families.FAMILIES, "odd", Odd)
    monkeypatch.setattr(ledger, "ask", ask)
    from flowtrack.apps import ask_cli

    ask_cli._made.cache_clear()
    monkeypatch.setattr(ask_cli, "_made", ask_families.commands)
    return asked


ODD_WORDS = (
    *("ask", "odd", SUBJECT, "--begun", "2026-03-02T09:00:00+09:00", "--place", "there", "--colour", "red"),
    *("--hops", "3", "--categories", "a", "--categories", "b", "--exact", "--on", "2026-03-02"),
    *("--weights", '{"a": 1}', "--why", "case 7"),
)


def test_a_family_that_lands_later_has_its_command(flowtrack: Commands, odd: list[tuple[Odd, Asker]]) -> None:
    """Fields of every type become options, what must be given an argument; who asks and why goes along."""
    ran = flowtrack.run(*ODD_WORDS, "--json")
    assert ran.status == 0, ran.err
    (question, asker), *_ = odd
    assert question.model_dump(exclude_unset=True) == {
        "subject": SUBJECT,
        "begun": datetime(2026, 3, 2, tzinfo=UTC),
        "place": "there",
        "colour": Colour.RED,
        "hops_max": 3,
        "categories": ["a", "b"],
        "exact": True,
        "on": date(2026, 3, 2),
        "weights": {"a": 1.0},
        "limit": 100,
        "after": "",
    }
    assert asker.why == "case 7"


def test_any_row_fits_every_form(flowtrack: Commands, odd: list[tuple[Odd, Asker]], tmp_path: Path) -> None:
    """Rows with parts, lists, dates and numbers go into CSV, Parquet and a table; no cell is a formula."""
    assert odd is not None
    (line,) = csv.DictReader(io.StringIO(flowtrack.run(*ODD_WORDS, "--csv").out))
    assert (line["name"], line["good"], json.loads(line["parts"])) == ("'=1+1", "true", [{"name": "a"}, {"name": "b"}])
    flowtrack.run(*ODD_WORDS, "--parquet", tmp_path / "odd.parquet")
    (row,) = parquet.read_table(tmp_path / "odd.parquet").to_pylist()
    assert (row["on"], row["share"], row["numbers"]) == (date(2026, 3, 2), 0.5, [1, 2])
    assert json.loads(row["counts"]) == {"hops": 3}
    out = flowtrack.run(*ODD_WORDS).out
    for shown in ("total: 1,000", "inner, name: in", "Others", "hops 3", "3 rows left out", "The ledger is empty"):
        assert shown in out


def test_what_does_not_fit_a_screen_is_counted() -> None:
    """Of a table beside the rows only some are shown, and it says how many are not; no rows are said so, too."""
    answer = odd_answer(Odd(subject=SUBJECT, begun=datetime(2026, 3, 2, tzinfo=UTC)))
    many = answer.model_copy(update={"rows": [], "others": [Inner(name=f"other-{place}") for place in range(100)]})
    tables = {part.title: part for part in parts_of("odd", many) if isinstance(part, Table)}
    assert "odd: 0 rows" in [part.title for part in parts_of("odd", many) if isinstance(part, Lines)]
    assert tables["Others: 100"].note == "and 60 more: --json gives all"
    assert len(tables["Others: 100"].rows) == 40


def test_values_are_completed() -> None:
    """A shell completes categories, purposes and clauses from the pack, and nothing where no list is known."""
    vocabularies = default_pack().vocabularies
    for name, known in (("category", vocabularies.category), ("purposes", vocabularies.purpose)):
        complete = completing(name)
        assert complete is not None
        assert set(complete("")) == set(known)
        assert all(each.startswith("a") for each in complete("a"))
    categories, clauses = completing("categories"), completing("clause")
    assert categories is not None
    assert clauses is not None
    assert "3.1" in clauses("3")
    assert completing("service") is None


def test_shells_complete_families_and_values() -> None:
    """The script that `--install-completion` installs asks this command line for families and for values."""
    for words, among in (
        ("flowtrack ask vio", "violations"),
        ("flowtrack ask violations --category provided.e", "provided.email"),
    ):
        env = {
            **os.environ,
            "_FLOWTRACK_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        code = "import sys; sys.argv = ['flowtrack']; from flowtrack.apps.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert among in done.stdout.split()


def test_help_does_not_load_the_families() -> None:
    """`flowtrack --help` answers without loading questions, models or the engine."""
    code = (
        "import sys; sys.argv = ['flowtrack', '--help']\n"
        "from flowtrack.apps.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('pydantic', 'flowtrack.audit.families', 'chdb', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_asked_from_a_terminal(name: str) -> None:
    """Each family's fields make a command whose help can be shown."""
    assert parameters_of(FAMILIES[name])
    command: Any = ask_families.commands()[name]
    assert command.get_help(typer.Context(command, info_name=name)).startswith("Usage:")


def test_a_hold_takes_days_as_questions_do(flowtrack: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the ledger is told to keep has its period from midnight to midnight in UTC."""

    class Keeping:
        def hold(self, hold: Hold, *, asker: str) -> PlacedHold:
            return PlacedHold(id="h-1", hold=hold, placed_at=datetime(2026, 3, 2, tzinfo=UTC), placed_by=asker)

    monkeypatch.setattr(ledger_keeping, "open_keeper", lambda _: nullcontext(Keeping()))
    period = ("--since", "2026-03-01", "--until", "2026-04-01T00:00:00Z")
    ran = flowtrack.run("ledger", "hold", "add", "--reason", "case 7", *period, "--json")
    assert ran.status == 0, ran.err
    hold = Hold.model_validate((ran.document[0] if isinstance(ran.document, list) else ran.document)["hold"])
    assert (hold.since, hold.until) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert flowtrack.run("ledger", "hold", "add", "--reason", "case 7", "--since", "March").status == 2
