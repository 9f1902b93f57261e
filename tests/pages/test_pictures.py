"""Laws of pictures: what flows in flows out, bars sum, nothing leaves the view box, and no text becomes markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.adapters.pages.pictures.axis import instants, round_steps
from flowtrack.adapters.pages.pictures.bars import HEIGHT, WIDTH, Bar, Tone, bars, blocks
from flowtrack.adapters.pages.pictures.graph import Edge, graph
from flowtrack.adapters.pages.pictures.graph import Node as GraphNode
from flowtrack.adapters.pages.pictures.graph import layout as layered
from flowtrack.adapters.pages.pictures.sankey import Flow, layout, sankey
from flowtrack.adapters.pages.pictures.svg import Picture, fitted, width_px
from flowtrack.adapters.pages.pictures.timeline import Line, Mark, ReadAs, Span, timeline
from flowtrack.policy.pack import default_pack

HEADINGS = ["service", "category", "recipient", "verdict", "flows"]
HELD = {"permit": "holds", "not_applicable": "withdrawn"}
TONES = {"permit": "permitted", "indeterminate": "indeterminate", "deny": "denied"}
texts = st.text(max_size=30) | st.sampled_from(["<script>", '"&', "a-b", "전화번호", "]]>", "\x00\ufffe", "{count}"])
flows = st.lists(
    st.builds(
        Flow,
        st.tuples(texts, texts, texts),
        st.integers(1, 10**9),
        st.sampled_from(list(TONES)),
    ),
    max_size=25,
)
moments = st.datetimes(timezones=st.just(UTC))


def parsed(picture: Picture) -> ET.Element:
    """The drawing as what a reader of XML sees."""
    return ET.fromstring(picture.svg)  # noqa: S314 - our own output


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    """The corners of all rectangles outside of definitions."""
    found = []
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, width, height = (float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def points(root: ET.Element) -> list[tuple[float, float]]:
    """All pairs of numbers on absolute paths that are drawn where they stand."""
    found = []
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        if path.get("class") in {"band tone-permit", "band tone-deny", "band tone-indeterminate"}:
            found += [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))]
    return found


def inside(root: ET.Element) -> bool:
    """Nothing is drawn outside of the view box, to a hundredth."""
    _, _, width, height = (float(each) for each in root.get("viewBox", "").split())
    corners = boxes(root)
    texts_at = [
        (float(each.get("x", "0")), float(each.get("y", "0"))) for each in root.iter("{http://www.w3.org/2000/svg}text")
    ]
    places = [(x, y) for x, y, _, _ in corners] + [(x, y) for _, _, x, y in corners] + points(root) + texts_at
    return all(-0.02 <= x <= width + 0.02 and -0.02 <= y <= height + 0.02 for x, y in places)


@given(flows, st.integers(2, 6))
def test_a_sankey_conserves_what_flows(given_flows: list[Flow], nodes_max: int) -> None:
    """Into and out of each inner node goes as much as it is high, and each column has all that flows."""
    laid = layout(given_flows, 3, list(TONES), nodes_max=nodes_max)
    total = sum(flow.value for flow in given_flows)
    for column in range(3):
        assert sum(node.value for node in laid.nodes if node.column == column) == total
        assert sum(node.column == column for node in laid.nodes) <= nodes_max
    for place, node in enumerate(laid.nodes):
        into = [band for band in laid.bands if band.target == place]
        out = [band for band in laid.bands if band.source == place]
        for side in (into,) * (node.column > 0) + (out,) * (node.column < 2):
            assert sum(band.value for band in side) == node.value
            assert sum(band.height for band in side) == pytest.approx(node.height)


@given(flows)
def test_a_sankey_stays_in_its_view_and_says_all_in_its_table(given_flows: list[Flow]) -> None:
    """Nothing leaves the view box, whatever the names; the table has each flow once with its number."""
    picture = sankey("flows", HEADINGS, given_flows, tones=TONES, nodes_max=4)
    assert inside(parsed(picture))
    assert sum(int(row[-1]) for row in picture.rows) == sum(flow.value for flow in given_flows)
    assert len(picture.rows) == len(given_flows)


@given(st.lists(st.tuples(texts, st.lists(st.integers(0, 10**7), min_size=3, max_size=3)), min_size=1, max_size=40))
def test_bars_sum(data: list[tuple[str, list[int]]]) -> None:
    """The parts of a bar are as high together as their sum on the axis, and none leaves the view box."""
    stacks = [Bar(name, parts) for name, parts in data]
    highest = round_steps(max(sum(bar.parts) for bar in stacks))[-1]
    laid = blocks(stacks, highest)
    whole = HEIGHT - 34 - 28
    for i, bar in enumerate(stacks):
        assert sum(block.height for block in laid if block.bar == i) == pytest.approx(sum(bar.parts) / highest * whole)
    picture = bars("n", "day", stacks, [Tone(css, name) for css, name in TONES.items()])
    assert inside(parsed(picture))
    assert [row[-1] for row in picture.rows] == [sum(bar.parts) for bar in stacks]
    assert max((right for _, _, right, _ in boxes(parsed(picture))), default=0) <= WIDTH


@given(
    st.lists(st.tuples(moments, texts, st.sampled_from(["collect", "use", "share", "store", "erase"])), max_size=20),
    st.lists(st.tuples(moments, st.none() | moments, texts), max_size=5),
    st.lists(moments, max_size=2),
)
def test_a_timeline_holds_any_instants(
    marks: list[tuple[datetime, str, str]],
    spans: list[tuple[datetime, datetime | None, str]],
    lines: list[datetime],
) -> None:
    """Whatever the instants, all stands inside, and the table has a row for each mark and span, in order of time."""
    picture = timeline(
        "trail",
        ["when", "until", "where", "what"],
        [Mark(at, lane, shape, "deny", f"{shape} {lane}") for at, lane, shape in marks],
        [Span(since, until, lane, "permit", lane) for since, until, lane in spans],
        [Line(at, "as of") for at in lines],
    )
    assert inside(parsed(picture))
    assert len(picture.rows) == len(marks) + len(spans)
    when = [datetime.fromisoformat(str(row[0])) for row in picture.rows]
    assert when == sorted(when)


def test_legends_name_what_is_drawn_and_not_by_colour_alone() -> None:
    """Each tone, shape and line that is there has an entry with its pattern, and what is not there has none."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    drawn = timeline(
        "trail",
        ["when", "until", "where", "what"],
        [Mark(at, "ads", "share", "deny", "x"), Mark(at, "ads", "use", "permit", "y")],
        [Span(at, None, "consent", "not_applicable", "z")],
        [Line(at, "as of")],
        read_as=ReadAs({**TONES, "not_applicable": "n/a"}, {"share": "shared", "use": "used", "store": "kept"}, HELD),
    )
    entries = parsed(drawn).find(".//{http://www.w3.org/2000/svg}g[@class='legend']")
    assert entries is not None
    told = ["".join(each.itertext()) for each in entries.iter("{http://www.w3.org/2000/svg}text")]
    assert told == ["shared", "used", "permitted", "denied", "withdrawn", "as of"]
    painted = {each.get("fill") for each in entries.iter("{http://www.w3.org/2000/svg}rect")}
    assert painted == {None, "url(#timeline-stripes)", "url(#timeline-lines)"}


@pytest.mark.parametrize(
    "words", [TONES, {"permit": "거부되지 않음" * 9, "indeterminate": "불가" * 30, "deny": "거부"}]
)
def test_a_legend_takes_as_many_rows_as_it_needs(words: dict[str, str]) -> None:
    """However long its words are, in Korean too, a legend stays inside of its picture."""
    picture = sankey("flows", HEADINGS, [Flow(("a", "b", "c"), 1, tone) for tone in TONES], tones=words)
    root = parsed(picture)
    assert inside(root)
    entries = root.find(".//{http://www.w3.org/2000/svg}g[@class='legend']")
    assert entries is not None
    assert len(list(entries.iter("{http://www.w3.org/2000/svg}text"))) == 3


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_a_graph_goes_from_left_to_right(pairs: list[tuple[int, int]]) -> None:
    """Without circles each edge leads to a later layer; with them all still stands inside, no node on another."""
    names = [str(each) for each in range(13)]
    forward = [(str(min(a, b)), str(max(a, b))) for a, b in pairs if a != b]
    laid = layered(names, forward)
    assert all(laid.places[a].layer < laid.places[b].layer for a, b in forward)
    picture = graph(
        "lineage",
        ["from", "to", "what", "verdict", "inferred"],
        [GraphNode(name, f"<{name}>") for name in names],
        [Edge(str(a), str(b), "email", "permit", inferred=a > b) for a, b in pairs],
    )
    root = parsed(picture)
    assert inside(root)
    corners = {(x, y) for x, y, _, _ in boxes(root)}
    assert len(corners) == len(names)


def test_every_category_of_the_policy_stands_whole_in_a_picture_of_flows() -> None:
    """No name of the default vocabulary is cut beside its column, nor between two, with a number of five digits."""
    for category in default_pack().vocabularies.category:
        for path in (("web", category, "acme"), (category, "acme")):
            headings = [*("service", "category", "recipient")[: len(path)], "verdict", "flows"]
            svg = sankey("title", headings, [Flow(path, 12_345, "permit")], tones=TONES).svg
            assert f">{category}: 12,345</text>" in svg


def test_kinds_of_places_are_told_without_colours() -> None:
    """Services, datasets and parties differ in their corners, and the legend names those that are drawn."""
    nodes = [GraphNode("a", "shop", "service"), GraphNode("b", "orders", "dataset"), GraphNode("c", "acme", "party")]
    edges = [Edge("a", "b", "x", "permit"), Edge("a", "c", "x", "permit")]
    words = {"service": "Service", "dataset": "Dataset", "party": "Party", "subject": "Subject"}
    svg = graph("title", ["from", "to", "what", "verdict", "how"], nodes, edges, kinds=words).svg
    boxes = re.findall(r'<rect[^>]*height="34"[^>]*rx="([\d.]+)"', svg)
    assert len(set(boxes)) == len(nodes)
    assert [f">{text}<" in svg for text in words.values()] == [True, True, True, False]


@given(texts)
def test_no_text_becomes_markup(text: str) -> None:
    """A name may hold anything: the drawing has the same elements as with any other name."""

    def elements(name: str) -> list[str]:
        flow = Flow((name, "c", "r"), 1, "deny")
        drawn = sankey("t", HEADINGS, [flow], tones=TONES, href=lambda _, n: f"/s?name={n}")
        return [each.tag for each in parsed(drawn).iter() if not each.tag.endswith("title")]

    assert elements(text) == elements("web")


def test_what_has_links_is_no_image() -> None:
    """A picture with links is a group that can be walked through; one without is an image with a name."""
    flow = [Flow(("a", "b", "c"), 1, "permit")]
    with_links = parsed(sankey("t", HEADINGS, flow, tones=TONES, href=lambda _, n: f"/{n}"))
    without = parsed(sankey("t", HEADINGS, flow, tones=TONES))
    assert (with_links.get("role"), without.get("role")) == ("group", "img")
    assert len(list(with_links.iter("{http://www.w3.org/2000/svg}a"))) == 3


@given(st.text(), st.floats(20, 200))
def test_labels_fit(text: str, room: float) -> None:
    """A label takes no more than its room."""
    assert width_px(fitted(text, room)) <= room


@given(moments, moments)
def test_round_instants_lie_between(one: datetime, other: datetime) -> None:
    """Instants on an axis lie between its ends, in order, and are few."""
    first, last = min(one, other), max(one, other)
    at = instants(first, last)
    assert at == sorted(at)
    assert all(first <= each <= last for each in at)
    assert len(at) <= 12


@given(st.floats(0, 1e12))
def test_round_steps_reach_the_highest(highest: float) -> None:
    """An axis begins at zero, ends at the highest value or above, and has few steps."""
    steps = round_steps(highest)
    assert steps[0] == 0
    assert steps[-1] >= highest * (1 - 1e-9)
    assert 2 <= len(steps) <= 12
