"""Covers: in every dimension the use is at least as specific as the consent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.covers import Dimension, covers
from flowtrack.domain.vocabulary import Vocabularies, Vocabulary

CATEGORY = {
    "personal": (),
    "contact": ("personal",),
    "provided": ("personal",),
    "provided.phone": ("provided", "contact"),
    "provided.name": ("provided",),
}
PURPOSE = {"purpose": (), "service": ("purpose",), "service.improve": ("service",), "recommendation": ("purpose",)}
PROCESSING = {"processing": (), "use": ("processing",), "share": ("processing",), "share.sell": ("share",)}
STORAGE = {"world": (), "region.asia": ("world",), "KR": ("region.asia",), "JP": ("region.asia",), "DE": ("world",)}
RECIPIENT = {"anyone": (), "affiliate": ("anyone",), "partner": ("anyone",)}
KNOWN = Vocabularies(
    category=Vocabulary("category", CATEGORY),
    purpose=Vocabulary("purpose", PURPOSE),
    processing=Vocabulary("processing", PROCESSING),
    storage=Vocabulary("storage", STORAGE),
    recipient=Vocabulary("recipient", RECIPIENT),
)
PARTIES = {"paycorp": "affiliate", "mailhouse": "partner"}
TERMS = {
    "data": [*CATEGORY, "unheard.of"],
    "processing": list(PROCESSING),
    "purpose": [*PURPOSE, "unheard.of"],
    "recipient": [*RECIPIENT, *PARTIES],
    "location": list(STORAGE),
}
USE: dict[str, Any] = {
    "data": "provided.phone",
    "processing": "share",
    "purpose": "service.improve",
    "recipient": "paycorp",
    "storage": {"location": "KR", "duration": {"min_days": 20, "max_days": 30}},
}


def policy(**dimensions: Any) -> UsagePolicy:
    """A usage policy from plain values."""
    return UsagePolicy.model_validate(dimensions)


def failed(consent: dict[str, Any], use: dict[str, Any] | None = None) -> Dimension | None:
    """The first dimension in which the consent does not cover the use."""
    return covers(policy(**consent), policy(**(USE if use is None else use)), KNOWN, parties=PARTIES).failed


def _terms(name: str) -> st.SearchStrategy[Any]:
    one = st.sampled_from(TERMS[name])
    return st.one_of(st.none(), one, st.lists(one, min_size=1, max_size=3, unique=True).map(lambda all_: {"all": all_}))


_days = st.one_of(st.none(), st.integers(0, 3))
policies = st.fixed_dictionaries(
    {
        **{name: _terms(name) for name in ("data", "processing", "purpose", "recipient")},
        "storage": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {
                    "location": _terms("location"),
                    "duration": st.one_of(st.none(), st.fixed_dictionaries({"min_days": _days, "max_days": _days})),
                }
            ),
        ),
    }
)


@st.composite
def wider(draw: st.DrawFn, use: dict[str, Any]) -> dict[str, Any]:
    """A policy that says less, or what lies above, in any of the dimensions."""
    storage = use["storage"]
    if storage is not None:
        storage = {"location": draw(_wider_term("location", storage["location"])), "duration": storage["duration"]}
        if storage["duration"] is not None:
            storage["duration"] = {
                name: draw(st.sampled_from([days, None])) for name, days in storage["duration"].items()
            }
    dimensions = {name: draw(_wider_term(name, use[name])) for name in use if name != "storage"}
    return {**dimensions, "storage": draw(st.sampled_from([storage, None]))}


def _wider_term(name: str, term: Any) -> st.SearchStrategy[Any]:
    if term is None:
        return st.none()
    vocabulary: Vocabulary = getattr(KNOWN, {"data": "category", "location": "storage"}.get(name, name))
    terms = [term] if isinstance(term, str) else term["all"]
    above = sorted({each for one in terms for each in vocabulary.ancestors(one) | {PARTIES.get(one, one)}})
    wide = st.lists(st.sampled_from(above), min_size=1, max_size=3, unique=True).map(lambda found: {"all": found})
    # a share's recipient must be named: leaving it out is no widening
    return st.one_of(st.just(term), st.sampled_from(above), wide, st.just(term) if name == "recipient" else st.none())


def _failed(one: dict[str, Any], other: dict[str, Any]) -> Dimension | None:
    return covers(policy(**one), policy(**other), KNOWN, parties=PARTIES).failed


def _named(one: dict[str, Any]) -> bool:
    """Whether the policy names a recipient, so that nothing can fail for want of one."""
    return one["recipient"] is not None


@given(policies)
def test_every_policy_covers_itself(one: dict[str, Any]) -> None:
    """Covers is reflexive, but for a share to nobody in particular, to which nobody can consent (clause 4.1)."""
    assert _failed(one, one) in ({None} if _named(one) else {None, Dimension.RECIPIENT})


@given(policies, st.data())
def test_covers_is_transitive(use: dict[str, Any], data: st.DataObject) -> None:
    """What is wider than what is wider than a use covers the use: narrowing keeps covered, widening covering."""
    middle = data.draw(wider(use))
    consent = data.draw(wider(middle))
    allowed = {None} if _named(use) else {None, Dimension.RECIPIENT}
    assert _failed(middle, use) in allowed
    assert _failed(consent, middle) in allowed
    if _failed(middle, use) is None and _failed(consent, middle) is None:
        assert _failed(consent, use) is None


@given(policies, st.sampled_from(["data", "processing", "purpose", "recipient"]), st.data())
def test_narrowing_a_use_keeps_it_covered(use: dict[str, Any], dimension: str, data: st.DataObject) -> None:
    """Any dimension of a covered use may be said more precisely: by a term below, or by one more term beside it."""
    consent = data.draw(wider(use))
    vocabulary: Vocabulary = getattr(KNOWN, {"data": "category"}.get(dimension, dimension))
    written = use[dimension]
    if written is None:
        narrower: Any = data.draw(st.sampled_from(TERMS[dimension]))
    elif isinstance(written, str):
        below = [term for term in vocabulary if vocabulary.is_a(term, written)]
        narrower = data.draw(st.sampled_from(below or [written]))
    else:
        narrower = {"all": [*written["all"], data.draw(st.sampled_from(TERMS[dimension]))]}
    assert _failed(consent, use) is not None or _failed(consent, {**use, dimension: narrower}) is None


@given(policies, st.sampled_from(["data", "processing", "purpose", "storage"]), st.data())
def test_leaving_a_dimension_out_of_a_consent_widens_it(
    use: dict[str, Any], dimension: str, data: st.DataObject
) -> None:
    """A dimension that a consent leaves out does not restrict."""
    consent = data.draw(wider(use))
    assert _failed(consent, use) is not None or _failed({**consent, dimension: None}, use) is None


@pytest.mark.parametrize(
    ("dimension", "narrow"),
    [
        (Dimension.DATA, {"data": "provided.name"}),
        (Dimension.PROCESSING, {"processing": "use"}),
        (Dimension.PURPOSE, {"purpose": "recommendation"}),
        (Dimension.RECIPIENT, {"recipient": "partner"}),
        (Dimension.STORAGE, {"storage": {"location": "JP"}}),
        (Dimension.STORAGE, {"storage": {"duration": {"max_days": 29}}}),
        (Dimension.STORAGE, {"storage": {"duration": {"min_days": 21}}}),
    ],
)
def test_the_first_dimension_that_fails_is_named(dimension: Dimension, narrow: dict[str, Any]) -> None:
    """Each dimension is named when it alone fails, and beside all the later ones."""
    wide = {"data": "personal", "processing": "share", "purpose": "service", "recipient": "affiliate"}
    assert failed(wide) is None
    assert failed({**wide, **narrow}) is dimension
    order = list(Dimension)
    all_wrong = {
        "data": "provided.name",
        "processing": "use",
        "purpose": "recommendation",
        "recipient": "partner",
        "storage": {"location": "JP"},
    }
    kept_right = {name: wide[name] for name in wide if order.index(Dimension(name)) < order.index(dimension)}
    assert failed({**all_wrong, **kept_right}) is dimension


def test_a_conjunction_asks_for_all_of_its_terms() -> None:
    """A consent to `contact` and `provided` at once covers what lies under both, and nothing that lies under one."""
    both = {"data": {"all": ["contact", "provided"]}, "recipient": "anyone"}
    assert failed(both) is None
    assert failed(both, {**USE, "data": "provided.name"}) is Dimension.DATA
    assert failed(both, {**USE, "data": {"all": ["contact", "provided"]}}) is None
    assert failed({"data": "contact", "recipient": "anyone"}, {**USE, "data": {"all": ["contact", "provided"]}}) is None


@pytest.mark.parametrize("processing", ["share", "share.sell", "processing", None])
def test_a_consent_to_share_names_its_recipient(processing: str | None) -> None:
    """A consent that names nobody covers nothing that is a share, or might be one (clause 4.1)."""
    use = {**USE, "processing": processing}
    assert failed({"purpose": "service"}, use) is Dimension.RECIPIENT
    assert failed({"purpose": "service"}, {**use, "recipient": None}) is Dimension.RECIPIENT
    assert failed({"purpose": "service", "recipient": "affiliate"}, use) is None


def test_elsewhere_a_recipient_need_not_be_named() -> None:
    """A use without a recipient is covered by a consent that names none, not by one that names some."""
    use = {"data": "provided.phone", "processing": "use", "purpose": "service"}
    assert failed({"purpose": "service"}, use) is None
    assert failed({"purpose": "service", "recipient": "affiliate"}, use) is Dimension.RECIPIENT


def test_a_dimension_that_a_use_leaves_open_is_not_covered_by_a_term() -> None:
    """Whoever may do anything is covered only by whoever allowed anything."""
    for name in ("data", "purpose"):
        assert failed({name: {"data": "personal", "purpose": "purpose"}[name]}, {"processing": "use"}) is Dimension(
            name
        )
    assert failed({"storage": {"duration": {"max_days": 9}}}, {"processing": "use"}) is Dimension.STORAGE


def test_a_meaningless_dimension_does_not_count() -> None:
    """What the event has not at all, a consent cannot have restricted."""
    consent = policy(data="contact", recipient="partner", storage={"location": "JP"})
    use = policy(data="provided.phone", processing="use")
    ignored = frozenset({Dimension.RECIPIENT, Dimension.STORAGE})
    assert covers(consent, use, KNOWN, meaningless=ignored)
    assert not covers(consent, use, KNOWN)
