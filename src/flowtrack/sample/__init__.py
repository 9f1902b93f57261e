"""A believable day of a platform, made from a seed: what the demo shows, benchmarks measure and tests judge by."""

from flowtrack.sample.day import SampleDay, sample_day
from flowtrack.sample.diary import Item
from flowtrack.sample.options import SampleOptions
from flowtrack.sample.truth import BadMessage, Truth, Violation

__all__ = ["BadMessage", "Item", "SampleDay", "SampleOptions", "Truth", "Violation", "sample_day"]
