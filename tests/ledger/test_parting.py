"""Decisions taken apart: whatever recurs and however it is written, the parts say what the whole says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.adapters.clickhouse.handing import columns_of
from flowtrack.domain.decision import Decision
from flowtrack.domain.facts import Facts, Particulars
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Kind, Verdict
from flowtrack.errors import ContractError
from flowtrack.tracking.draft import flow_block
from flowtrack.tracking.parting import COMMONS_MAX, Parting, parted, read_decision
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import COLUMNS, FLOWS
from tests.ledger.day import category, decision, record, subject_of

EMAIL, PHONE = category("provided.email", consent="r-1"), category("provided.phone", Verdict.DENY)
text = st.text(max_size=12)
at = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=3, minutes=30))]),
)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    """Any decision."""
    made = decision(
        draw(st.integers(0, 1 << 40)),
        *draw(st.sampled_from([(), (EMAIL,), (EMAIL, PHONE), (EMAIL, EMAIL), (PHONE, EMAIL, PHONE)])),
        partition=draw(st.integers(0, 65_535)),
        kind=draw(st.sampled_from([Kind.SHARE, Kind.USE])),
        happened_at=draw(at),
        epoch=draw(text),
    )
    # texts that look like what decisions are cut at, or need to be escaped
    names = st.one_of(text, st.sampled_from(['","source":"x', '},"particulars":{', "\\", '\\"', "\u2028", "가"]))
    return made.model_copy(
        update={
            "event_id": draw(names),
            "correlationid": draw(names),
            "service": draw(names),
            "dataset": draw(names),
            "facts": draw(st.sampled_from([Facts(), Facts(encrypted=True), Facts(location='},"particulars":{')])),
            "particulars": draw(st.sampled_from([Particulars(), Particulars(reference='"},"source":'), OWN])),
        }
    )


OWN = Particulars(derived_from=["a", "b"], retain_until=datetime(2027, 1, 1, tzinfo=UTC))


def by_columns(records: list[Record]) -> list[list[object]]:
    """The columns that the engine is given, instants as whole units."""
    found = columns_of(parted(records), {(0, 1)}).to_pydict()
    found["happened_at"] = [instant_us(each) for each in found["happened_at"]]
    found["recorded_at"] = [instant_us(each) // 1000 for each in found["recorded_at"]]
    return [found[name] for name in COLUMNS[FLOWS]]


@given(st.lists(decisions(), min_size=1, max_size=6))
def test_columns_are_those_of_the_rows(made: list[Decision]) -> None:
    """Made of parts or read whole, a batch is the same rows, to the last column and in the same order."""
    records = [record(item, number) for number, item in enumerate([*made, *made])]
    assert by_columns(records) == list(flow_block(records, {(0, 1)}).columns.values())


def test_what_recurs_is_read_once() -> None:
    """Decisions that differ in what is their own share one object for the rest."""
    found = parted(record(decision(n, EMAIL), n) for n in range(5))
    assert len({id(each.common) for each in found}) == 1
    assert [each.own.offset for each in found] == [0, 1, 2, 3, 4]


@given(st.lists(st.tuples(text, text), min_size=2, max_size=6))
def test_consent_records_of_one_subject_alone_are_told_apart(ids: list[tuple[str, str]]) -> None:
    """What differs in them only is not read whole again, and each row has its own."""
    made = [
        decision(n, category("provided.email", consent=a), category("provided.phone", consent=b))
        for n, (a, b) in enumerate(ids)
    ]
    records = [record(item, number) for number, item in enumerate(made)]
    assert by_columns(records) == list(flow_block(records, {(0, 1)}).columns.values())


def test_a_text_is_read_whole_once_for_all_consent_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand subjects with consent records of their own cost one careful reading."""
    read: list[Record] = []

    def counted(each: Record) -> Decision:
        read.append(each)
        return read_decision(each)

    monkeypatch.setattr("flowtrack.tracking.parting.read_decision", counted)
    parted(record(decision(n, category("provided.email", consent=f"r-{n}")), n) for n in range(1_000))
    assert len(read) == 1


def test_what_recurs_is_forgotten_before_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has a bound; beyond it, all is read anew and is the same."""
    assert COMMONS_MAX < 100_000
    monkeypatch.setattr("flowtrack.tracking.parting.COMMONS_MAX", 2)
    parting = Parting()
    records = [record(decision(n, category(f"c.{n % 5}")), n) for n in range(20)]
    assert [parting.part(each).common.rows[0][0] for each in records] == [f"c.{n % 5}" for n in range(20)]


@pytest.mark.parametrize("pretty", [1, 2])
def test_another_way_of_writing_is_read_whole(pretty: int) -> None:
    """Spaces, or fields in another order: no shortcut, the same parts."""
    item = record(decision(3, EMAIL, PHONE).model_copy(update={"particulars": OWN}), 3)
    value = item.value or b""
    other = msgspec.json.format(value, indent=pretty)
    turned = msgspec.json.encode(dict(reversed(msgspec.json.decode(value).items())))
    (plain,) = parted([item])
    for written in (other, turned):
        (found,) = parted([item._replace(value=written)])
        assert (found.own, found.common.rows, found.particulars) == (plain.own, plain.common.rows, plain.particulars)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"suspect":', b'"suspected":'),
        (b'"offset":4', b'"offset":-4'),
        (b'"partition":0', b'"partition":65536'),
        (b'"subject":"', b'"subject":"0'),
        (b'"event_id":', b'"more":1,"event_id":'),
        (b'"happened_at":"2026', b'"happened_at":"26'),
        (b'"kind":"share"', b'"kind":"gift"'),
        (b'"particulars":{', b'"particulars":{"more":1,'),
        (b'"derived_from":["a"', b'"derived_from":[1'),
        (b"}}", b"}"),
        (b"}}", b"}}}"),
    ],
)
def test_what_is_no_decision_is_refused_beside_its_like(before: bytes, after: bytes) -> None:
    """Also when all that recurs in it is known: the error says where it stood, and holds no value."""
    good = record(decision(4, EMAIL, subject=subject_of(1)).model_copy(update={"particulars": OWN}), 4)
    value = (good.value or b"").replace(before, after)
    assert value != good.value
    with pytest.raises(ContractError) as refused:
        parted([good, good._replace(value=value)])
    assert refused.value.where.endswith("/0 at 4")
    assert "e-0-4" not in str(refused.value)
