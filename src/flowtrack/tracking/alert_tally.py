"""What a batch adds to one alert, and takes from it."""

from __future__ import annotations

from flowtrack.domain.decision import AlertRecord, Finding, Severity
from flowtrack.tracking.alerts import AlertRules, merged, source_of, worst_severity

_MAY_BE_LIFTED = frozenset({"denied", "indeterminate"})


class Tally:
    """Counts findings into an alert, and lifts some again.

    Args:
        before: the alert as it stands; None where it is new.
        rules: how many are followed and named.
    """

    def __init__(self, before: AlertRecord | None, rules: AlertRules) -> None:
        self.before = before
        self.new: AlertRecord | None = None
        """The alert as the batch's first finding alone would open it; set before anything is counted."""
        self._rules = rules
        self._purposes: set[str] = set()
        self._categories: set[str] = set()
        self._severity: Severity = ""
        self._examples: list[str] = []
        self._amended = 0
        self._lifted = 0
        self._followed = dict.fromkeys(before.followed if before is not None else ())
        self.count = 0
        """Findings that the batch brings."""

    @property
    def changes(self) -> bool:
        """Whether the batch makes a difference to the alert."""
        return bool(self.count or self._lifted)

    def add(self, finding: Finding, *, amended: bool) -> bool:
        """Count a finding, and say whether it can be lifted again: of a storm, only so many are remembered."""
        self.count += 1
        self._amended += amended
        self._purposes.add(finding.purpose)
        self._categories.update(finding.categories)
        self._severity = worst_severity(self._severity, finding.severity)
        if len(self._examples) < self._rules.examples_max and finding.event_id not in self._examples:
            self._examples.append(finding.event_id)
        if finding.what not in _MAY_BE_LIFTED or len(self._followed) >= self._rules.followed_max:
            return False
        self._followed[source_of(finding.partition, finding.offset)] = None
        return True

    def lift(self, source: str) -> None:
        """Take the finding of an event out again."""
        if source in self._followed:
            del self._followed[source]
            self._lifted += 1

    def after(self) -> AlertRecord:
        """The alert after the batch: it has ended when everything that it counted is lifted.

        Raises:
            ValueError: there is no such alert: it is new, and nothing was counted.
        """
        before, added = self.before, self._added()
        after = before or added
        if after is None:
            raise ValueError("nothing was counted")
        if before is not None and added is not None:
            after = merged(before, added, self._rules)
        lifted = after.lifted + self._lifted
        state = "open" if self._followed or lifted < after.count else "resolved"
        return after.model_copy(update={"lifted": lifted, "state": state, "followed": list(self._followed)})

    def _added(self) -> AlertRecord | None:
        if self.new is None:
            return None
        return self.new.model_copy(
            update={
                "severity": self._severity,
                "purpose": next(iter(self._purposes)) if len(self._purposes) == 1 else "",
                "categories": sorted(self._categories)[: self._rules.categories_max],
                "count": self.count,
                "amended": self._amended,
                "examples": [example for example in self._examples if example],
            }
        )
