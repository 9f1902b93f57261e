"""The site in real Chromium: every page opens, works by keyboard, is accessible, and its address says all of its view.

A sample day goes through the real pipeline, and `flowtrack api` shows it, as on anybody's machine.  Screenshots are
kept in `.cache/screenshots`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.conftest import ROOT

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no tests in a browser")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: no tests in a browser")

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SCREENSHOTS = ROOT / ".cache" / "screenshots"
_CLI = [sys.executable, "-c", "from flowtrack.apps.cli import main; main()"]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PAGES = {
    "overview": "/",
    "violations": "/violations",
    "alerts": "/alerts?state=open",
    "recipients": "/recipient",
    "recipient": "/recipient?recipient=fast-courier",
    "service": "/service?service=shipping",
    "policy": "/policy",
    "clause": "/clause?clause=4.4",
    "what-if": "/what-if?pack=default@1.0.0",
    "audit-log": "/audit-log",
    "blast": "/blast?start=service&name=shipping",
    "origin": "/origin",
    "subject": "/subject?subject={subject}",
    "decision": "/decision?subject={subject}&event={event}",
    "withdrawal": "/withdrawal?subject={subject}&record=r-1",
    "refused": "/violations?since=whenever",
}


class Api(NamedTuple):
    """A running API with pages."""

    url: str
    token: str
    subject: str
    event: str

    def at(self, path: str) -> str:
        """The address of a page."""
        return self.url + path.format(subject=self.subject, event=self.event)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A sample day in a ledger of its own, and the API over it."""
    data = tmp_path_factory.mktemp("pages") / "data"
    small = ["--events", "2000", "--subjects", "200"]
    subprocess.run([*_CLI, "demo", *small, "--json", "--keep", str(data)], check=True, capture_output=True)
    made = [*_CLI, "api", "token", "--role", "auditor", "--who", "jo", "--data-dir", str(data)]
    said = subprocess.run(made, check=True, capture_output=True, text=True).stdout
    token = max(said.split(), key=len)
    with subprocess.Popen(
        [*_CLI, "api", "--port", "0", "--data-dir", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = next(found[0] for line in process.stdout if (found := re.search(r"http://[\d.]+:\d+", line)))
            headers = {"authorization": f"Bearer {token}", "flowtrack-purpose": "test"}
            row = httpx.get(f"{url}/v1/violations", params={"limit": 1}, headers=headers).json()["rows"][0]
            yield Api(url, token, row["subject"], row["event_id"])
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser."""
    path = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium here: install it (Debian: apt-get install chromium)")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(chromium: Any, api: Api) -> Any:
    """What a browser keeps of somebody who signed in with the form, and said why they look at lists of subjects."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(api.url + "/violations")
    page.fill("input[name=token]", api.token)
    page.press("input[name=token]", "Enter")
    page.wait_for_selector("form[action='/session/end']")
    page.fill("input[name=why]", "case 1")
    page.press("input[name=why]", "Enter")
    page.wait_for_selector("tbody tr")
    kept = context.storage_state()
    context.close()
    return kept


class Tab:
    """A tab of somebody who signed in, with what went wrong in it.

    Args:
        chromium: the browser.
        api: what it looks at.
        session: of who signed in.
        options: of its context.
    """

    def __init__(self, chromium: Any, api: Api, session: Any, **options: Any) -> None:
        self.api = api
        size = {"width": 1280, "height": 900}
        self.context = chromium.new_context(viewport=size, storage_state=session, **options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.api.url, "data:")):
            self.elsewhere.append(request.url)

    def _told(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(message.text)

    def open(self, path: str) -> Any:
        """Open a page, and say why where it is asked."""
        response = self.page.goto(self.api.at(path))
        if self.page.locator("input[name=why]").count():
            self.page.fill("input[name=why]", "case 7")
            with self.page.expect_navigation():
                self.page.press("input[name=why]", "Enter")
            assert not self.page.locator("input[name=why]").count()
        return response

    def faults_of_access(self) -> list[str]:
        """What axe finds that is serious or worse, as rule and element."""
        found = axe.Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {node['html'][:100]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]


@pytest.fixture
def tab(chromium: Any, api: Api, session: Any) -> Iterator[Tab]:
    """A tab."""
    made = Tab(chromium, api, session)
    yield made
    made.context.close()


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_opens_and_is_accessible(tab: Tab, name: str, language: str) -> None:
    """Each page opens without an error, asks nobody else for anything, and axe finds nothing serious in it."""
    path = PAGES[name]
    response = tab.open(f"{path}{'&' if '?' in path else '?'}lang={language}")
    assert response.status == (400 if name == "refused" else 200)
    assert tab.page.get_attribute("html", "lang") == language
    assert tab.faults_of_access() == []
    assert [fault for fault in tab.faults if "status of 400" not in fault] == []
    assert tab.elsewhere == []
    tab.page.screenshot(path=SCREENSHOTS / f"{name}-{language}.png", full_page=True)


@pytest.mark.parametrize("name", ["overview", "subject", "policy"])
def test_pages_are_accessible_in_the_dark_and_on_a_phone(chromium: Any, api: Api, session: Any, name: str) -> None:
    """In dark colours and on a narrow screen axe finds nothing serious either, and nothing is wider than the screen."""
    tab = Tab(chromium, api, session, color_scheme="dark")
    tab.page.set_viewport_size({"width": 390, "height": 800})
    tab.open(PAGES[name])
    assert tab.faults_of_access() == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    tab.page.screenshot(path=SCREENSHOTS / f"{name}-dark-phone.png", full_page=True)
    tab.context.close()


def test_a_slider_moves_by_keyboard_and_its_address_shows_the_same(
    chromium: Any, api: Api, session: Any, tab: Tab
) -> None:
    """Arrow keys move the as-of slider: the view follows, the focus stays, and its address shows it to others."""
    tab.open(PAGES["subject"])
    slider = tab.page.locator("#slide-as_of")
    slider.focus()
    for _ in range(40):
        tab.page.keyboard.press("ArrowLeft")
    tab.page.wait_for_url(re.compile("as_of="))
    tab.page.wait_for_function("document.activeElement?.id === 'slide-as_of'")
    links = tab.page.locator("header a[href*='/']").evaluate_all("all => all.map(each => each.href)")
    assert all("as_of=" in each for each in links)
    moved = tab.page.inner_text("main")
    other = Tab(chromium, api, session)
    other.open(tab.page.url.removeprefix(api.url))
    assert other.page.inner_text("main") == moved
    other.context.close()
    tab.page.keyboard.press("End")
    tab.page.wait_for_url(lambda url: "as_of=" not in url)
    assert tab.faults == []


def test_sliders_work_without_a_script(chromium: Any, api: Api, session: Any) -> None:
    """Without scripts the slider's button leads to the same view."""
    tab = Tab(chromium, api, session, java_script_enabled=False)
    tab.open(PAGES["subject"])
    tab.page.locator("#slide-as_of").focus()
    tab.page.keyboard.press("PageDown")
    tab.page.locator("form.sliders button").press("Enter")
    tab.page.wait_for_url(re.compile("as_of="))
    assert tab.page.locator("main h1").count() == 1
    tab.context.close()


def test_a_picture_opens_as_a_table_by_keyboard(tab: Tab) -> None:
    """The table of a picture is one key away, and has its numbers."""
    tab.open("/")
    summary = tab.page.locator("details.as-table summary").first
    summary.focus()
    assert not tab.page.locator("details.as-table table").first.is_visible()
    tab.page.keyboard.press("Enter")
    assert tab.page.locator("details.as-table table").first.is_visible()
    assert tab.page.locator("details.as-table tbody tr").count() > 3


def test_a_picture_is_kept_as_a_file_by_keyboard(tab: Tab, tmp_path: Path) -> None:
    """Its two links download the picture and its table; the picture opens by itself and shows what it showed."""
    tab.open("/")
    for form in ("svg", "csv"):
        link = tab.page.locator(f"a[download][href*='picture=sankey'][href*='form={form}']")
        link.focus()
        with tab.page.expect_download() as begun:
            tab.page.keyboard.press("Enter")
        file = tmp_path / begun.value.suggested_filename
        begun.value.save_as(file)
        assert file.name == f"flowtrack-sankey.{form}"
        assert file.stat().st_size > 100
    tab.page.goto((tmp_path / "flowtrack-sankey.svg").as_uri())
    assert tab.page.locator("svg > g.legend text").count() > 0
    tab.page.screenshot(path=SCREENSHOTS / "sankey-as-a-file.png")
    tab.elsewhere.clear()
    assert not tab.faults


def test_parts_of_a_picture_lead_on_by_keyboard(tab: Tab) -> None:
    """A name in the Sankey diagram can be reached and followed with the keyboard alone."""
    tab.open("/")
    tab.page.locator("svg a[aria-label^='fast-courier']").focus()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(re.compile("/recipient.recipient=fast-courier"))
    assert "fast-courier" in tab.page.inner_text("h1")


def test_filters_work_by_keyboard(tab: Tab) -> None:
    """Typing a filter and Enter shows only what it lets through, and stands in the address."""
    tab.open("/violations")
    tab.page.locator("input[name=service]").focus()
    tab.page.keyboard.type("shipping")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(re.compile("service=shipping"))
    assert set(tab.page.locator("tbody tr td:nth-child(4)").all_inner_texts()) == {"shipping"}


def test_the_content_is_one_key_away(tab: Tab) -> None:
    """The first stop of the keyboard skips what stands above the content."""
    tab.open("/violations")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "content"


def test_printed_pages_have_no_menus(tab: Tab) -> None:
    """On paper there is the content, without menus and forms."""
    tab.open("/")
    tab.page.emulate_media(media="print")
    assert not tab.page.locator("header").is_visible()
    assert not tab.page.locator("form.filters").is_visible()
    assert tab.page.locator("svg").first.is_visible()
    tab.page.pdf(path=SCREENSHOTS / "overview.pdf")


def test_a_wrong_token_is_told(chromium: Any, api: Api) -> None:
    """Who signs in with a token that is not known gets the form again, with the reason."""
    page = chromium.new_context().new_page()
    page.goto(api.url + "/violations?lang=en")
    page.fill("input[name=token]", "nobody's")
    page.press("input[name=token]", "Enter")
    page.wait_for_selector("[role=alert]")
    assert "then=%2Fviolations" in page.url
    page.context.close()


def test_exports_come_from_the_page(tab: Tab) -> None:
    """The links below an answer give its rows: streamed from the API, or of a subject for the purpose that was said."""
    for path, beginning in ((PAGES["violations"], "happened_at,"), (PAGES["subject"], "event_id,")):
        tab.open(path)
        address = tab.page.locator(".about a", has_text="CSV").get_attribute("href")
        given = tab.context.request.get(tab.api.url + address)
        assert given.status == 200
        assert given.text().lstrip("\ufeff").startswith(beginning), Path(address).name
