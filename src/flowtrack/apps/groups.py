"""The consumer groups of the workers: names that stand in Kafka, so none is ever renamed."""

from __future__ import annotations

from typing import Final

CHECKER_GROUP: Final = "flowtrack-checker"
SINK_GROUP: Final = "flowtrack-sink"
ALERTER_GROUP: Final = "flowtrack-alerter"
