"""Looking after the ledger over HTTP: the same as by itself, and only for who shows the token."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from flowtrack.adapters.clickhouse.keeper import ClickHouseKeeper
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.http.keeper import KeeperClient
from flowtrack.adapters.http.keeping import add_keeping
from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.adapters.http.service import build_app
from flowtrack.adapters.http.token import make_token, read_token, token_file
from flowtrack.apps.ledger_timer import VacuumTimer
from flowtrack.audit.copies import BackUp, Export
from flowtrack.audit.erasure import Erase, ErasureAnswer, VacuumAnswer
from flowtrack.audit.holds import Hold
from flowtrack.audit.retention import Retain, RetentionPolicy
from flowtrack.errors import RuntimeStateError, StoreError
from flowtrack.testing.ledger import MemoryLedger
from tests.ledger.day import subject_of
from tests.ledger.keeping import filled, keeper_of

pytestmark = pytest.mark.embedded

WHO = subject_of(3)
TOKEN = "a-token"
ERASE = Erase(subjects=(WHO,), reason="r")


class Served(NamedTuple):
    """A keeper, and where it is asked."""

    keeper: ClickHouseKeeper
    url: str


@pytest.fixture
def served(store: Store) -> Iterator[Served]:
    """A ledger with a day in it, whose keeper is asked over HTTP."""
    filled(store)
    keeper, app = keeper_of(store), build_app(MemoryLedger())
    add_keeping(app, keeper, TOKEN)
    with LoopbackServer(app, 0) as server:
        yield Served(keeper, server.url)


def test_answers_come_over_http_as_they_are(served: Served, tmp_path: Path) -> None:
    """Each request does over HTTP what it does by itself, and its answer says the same."""
    policy = RetentionPolicy.model_validate({"name": "p", "rules": [{"keep_days": 36_000}]})
    with KeeperClient(served.url, TOKEN) as client:
        placed = client.hold(Hold(reason="case", category="provided"), asker="counsel")
        assert client.holds() == served.keeper.holds() == [placed]
        assert client.release(placed.id, "closed", asker="counsel").released_by == "counsel"
        erased = client.erase(ERASE, asker="desk")
        assert client.erasures() == served.keeper.erasures() == erased
        assert client.vacuum(asker="ops", wait_s=0).pending >= 0
        assert client.retain(Retain(policy=policy, dry_run=True), asker="ops").rows == 0
        assert client.back_up(BackUp(target=str(tmp_path / "b")), asker="ops").rows > 0
        assert client.export(Export(target=str(tmp_path / "e")), asker="ops").rows > 0
        with pytest.raises(StoreError, match="no hold") as refused:
            client.release("none", "r", asker="counsel")
    assert "hold list" in refused.value.help


@pytest.mark.parametrize("authorization", [None, "Bearer other", "Basic YTpi", f"bearer {TOKEN}", TOKEN])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "erase"), ("GET", "erasures"), ("POST", "backup"), ("GET", "holds")]
)
def test_nothing_is_done_without_the_token(served: Served, authorization: str | None, method: str, path: str) -> None:
    """Another token, another scheme or none: refused before the request is looked at, and nothing happens."""
    headers = {} if authorization is None else {"authorization": authorization}
    content = ERASE.model_dump_json()
    answer = httpx.request(method, f"{served.url}/keep/{path}", headers=headers, content=content)
    assert answer.status_code == 403
    assert TOKEN not in answer.text
    assert served.keeper.erasures() == ErasureAnswer(erasures=[])


def test_a_page_of_a_browser_is_not_let_through(served: Served) -> None:
    """Neither under a name of its own (rebinding), nor from another origin: the service agrees to no foreign header."""
    right = {"authorization": f"Bearer {TOKEN}"}
    rebound = httpx.post(f"{served.url}/keep/erase", headers={**right, "host": "evil.example"}, content="{}")
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    preflight = httpx.options(f"{served.url}/keep/erase", headers=asked)
    assert rebound.status_code == 400
    assert preflight.status_code == 405
    assert "access-control-allow-origin" not in preflight.headers


def test_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    """The file is made anew at each start, readable by the account that runs the service and nobody else."""
    path = token_file(tmp_path / "store")
    first = make_token(path)
    second = make_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_token(path) == second != first
    with pytest.raises(RuntimeStateError, match="cannot read the token"):
        read_token(tmp_path / "none")


class _Keeper(ClickHouseKeeper):
    """Counts clean-ups; the first one fails."""

    def __init__(self) -> None:
        self.rounds = 0
        self.timer: VacuumTimer | None = None

    def vacuum(self, *, asker: str, wait_s: float) -> VacuumAnswer:  # noqa: ARG002 - the protocol's
        """Fail once, then end the timer."""
        self.rounds += 1
        if self.rounds == 1:
            raise StoreError("the store does not answer")
        assert self.timer is not None
        self.timer.stop()
        return VacuumAnswer(came_in_late=0, gone=0, pending=1, overdue=1, old_parts=0)


def test_the_timer_goes_on_after_a_fault() -> None:
    """A clean-up that fails is logged and tried again in the next round."""
    keeper = _Keeper()
    timer = keeper.timer = VacuumTimer(keeper, 0.01)
    with timer:
        assert timer.wait(10)
    assert keeper.rounds == 2
