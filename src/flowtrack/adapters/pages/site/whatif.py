"""The page of what another policy would have decided: before and after, worked out beside the page."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any, Final

from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from flowtrack.adapters.pages.pictures.sankey import Flow, sankey
from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.rendering import Words
from flowtrack.adapters.pages.site.exports import attached, form_of, in_rows
from flowtrack.adapters.pages.site.frame import Backing, needs
from flowtrack.adapters.pages.site.jobs import Jobs, Told
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.questions import Period
from flowtrack.audit.roles import EXAMINERS, Asker
from flowtrack.audit.row_forms import fields_of
from flowtrack.audit.whatif import ChangeBy, WhatIfAnswer, what_if
from flowtrack.domain.names import Verdict
from flowtrack.errors import PackError, QuestionError
from flowtrack.policy.pack import Pack
from flowtrack.policy.source import SUFFIXES
from flowtrack.policy.validate import accept_pack

_FILES_MAX: Final = 1_000
_BYTES_MAX: Final = 8 * 1024 * 1024
_PACKS_MAX: Final = 8
"""Packs that were handed in and are kept, the newest: for this process only."""
_SEE_OTHER: Final = 303
_BAD: Final = 400
_PROBLEMS_MAX: Final = 50
_PATIENCE_S: Final = 0.4
"""So long the first page waits for a result before it shows how far it is."""
_LOOKS: Final = 8
_AGAIN_S: Final = "1"


class WhatIf:
    """The page, and the packs that were handed in.

    Args:
        backing: has the ledger and its packs.
        jobs: work what is asked out.
    """

    def __init__(self, backing: Backing, jobs: Jobs[WhatIfAnswer]) -> None:
        self._backing = backing
        self._jobs = jobs
        self._handed_in: OrderedDict[str, Pack] = OrderedDict()

    async def show(self, visit: Visit) -> Response:
        """Show the choice of packs, how far the work is, or what it found."""
        needs(visit, EXAMINERS)
        known = await self._backing.with_ledger(self._backing.packs_of)
        named = visit.said.get("pack", "")
        told: dict[str, Any] = {"known": known, "handed_in": self._handed_in, "named": named}
        if not named:
            return visit.show("what-if.html", job=None, **told)
        new = known.get(named) or self._handed_in.get(named)
        if new is None:
            raise QuestionError(
                "there is no such pack here", where="pack", help="choose one that is published, or hand it in again"
            )
        period = Period(since=visit.instant("since"), until=visit.instant("until"), known_at=visit.instant("known_at"))
        asker = self._asker(visit)
        key = (named, period.model_dump_json(), "" if asker is None else asker.model_dump_json())
        job = self._jobs.of(key, self._work(period, new, asker))
        for _ in range(_LOOKS):
            if job.ended:
                break
            await asyncio.sleep(_PATIENCE_S / _LOOKS)
        if job.error is not None:
            raise job.error
        if job.result is None:
            response = visit.show("what-if.html", job=job, **told)
            response.headers["refresh"] = _AGAIN_S  # tells how far it is without any script
            return response
        if "format" in visit.said:
            return _as_file(visit, job.result)
        return visit.show("what-if.html", job=job, changed=_before_and_after(job.result, visit.words), **told)

    @staticmethod
    def _asker(visit: Visit) -> Asker | None:
        """Who subjects are named to: whoever said what for; without a purpose none is."""
        if visit.account is None or not visit.purpose_before:
            return None
        return visit.account.asker_among(EXAMINERS, "what-if", visit.purpose_before, needs_purpose=True)

    def _work(self, period: Period, new: Pack, asker: Asker | None) -> Callable[[Told], WhatIfAnswer]:
        def work(told: Told) -> WhatIfAnswer:
            with self._backing.whole() as ledger:
                return what_if(ledger, period, new, self._backing.packs_of(ledger), asker=asker, told=told)

        return work

    async def take(self, visit: Visit) -> Response:
        """Take a pack that is handed in: as the files of its folder."""
        needs(visit, EXAMINERS)
        form = await visit.request.form(max_files=_FILES_MAX, max_fields=10)
        files: dict[str, str] = {}
        size = 0
        for file in form.getlist("files"):
            if not isinstance(file, UploadFile) or not (file.filename or "").endswith(SUFFIXES):
                continue
            content = await file.read(_BYTES_MAX + 1)
            size += len(content)
            if size > _BYTES_MAX:
                raise QuestionError("the pack is too large", where="files", help="use `flowtrack policy whatif`")
            files[file.filename or ""] = _text(content)
        try:
            pack = await run_in_threadpool(accept_pack, _below_pack(files))
        except PackError as refused:
            return visit.show("refused-pack.html", status=_BAD, refused=refused, problems_max=_PROBLEMS_MAX)
        name = f"{pack.label}#{blake2b(repr(sorted(files.items())).encode(), digest_size=8).hexdigest()}"
        self._handed_in[name] = pack
        while len(self._handed_in) > _PACKS_MAX:
            self._handed_in.popitem(last=False)
        state = {key: str(form.get(key, "")) for key in ("since", "until", "known_at")}
        return RedirectResponse(visit.to("what-if", pack=name, **state), _SEE_OTHER)


def _as_file(visit: Visit, answer: WhatIfAnswer) -> Response:
    """Give all that was found: as one JSON document, or what changes as CSV."""
    form = form_of(visit, ("csv", "json"))
    whole = in_rows(answer.changes, fields_of([ChangeBy])) if form == "csv" else f"{answer.model_dump_json(indent=2)}\n"
    return attached(whole, "flowtrack-what-if", form)


def _before_and_after(answer: WhatIfAnswer, words: Words) -> Picture:
    """What changes, from the verdict before to the one after."""
    tones = {verdict.value: words.code("verdict", verdict) for verdict in Verdict}
    flows = [Flow((tones[each.before], tones[each.after]), each.flows, each.after) for each in answer.transitions]
    headings = [words(f"what_if.{name}") for name in ("before", "after", "verdict", "flows")]
    return sankey(words("what_if.picture"), headings, flows, tones=tones)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise QuestionError("a file of the pack is not UTF-8", where="files", help="save it as UTF-8") from None


def _below_pack(files: Mapping[str, str]) -> dict[str, str]:
    """Paths from the folder of pack.yaml on: browsers say them from the folder above.

    Raises:
        QuestionError: there is no pack.yaml.
    """
    tops = sorted((PurePosixPath(path).parent for path in files if PurePosixPath(path).name == "pack.yaml"), key=str)
    if not tops:
        raise QuestionError("there is no pack.yaml among the files", where="files", help="choose the folder of a pack")
    top = min(tops, key=lambda each: len(each.parts))
    paths = {path: PurePosixPath(path) for path in files}
    return {str(at.relative_to(top)): files[path] for path, at in paths.items() if at.is_relative_to(top)}
