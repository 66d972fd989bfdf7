"""Guests by one letter, and what a reading says of them."""

from collections.abc import Mapping
from uuid import uuid4

from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest, Histogram, Metric
from hostcollector.base.source import Reading, Request

A = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
B = "0f6f3c1c-07f6-4b2e-8d3f-1d3f0c9d5b22"
OURS = str(uuid4())
"""For whom a test starts real processes: a test run beside this one has another, and sees none of them."""
_UUIDS = {"a": A, "b": B, "ours": OURS}

Series = Mapping[tuple[str, ...], float | Histogram]


def guests(**names: str) -> dict[str, Guest]:
    """Return guests by UUID, given as names by the words above in lower case."""
    return {_UUIDS[key]: Guest(domain=Domain(uuid=_UUIDS[key], name=name)) for key, name in names.items()}


def request(**names: str) -> Request:
    """Return a request for such guests."""
    return Request(guests=guests(**names), deadline=0.0, taken_at=0.0)


def series(reading: Reading, metric: Metric, uuid: str = A) -> Series:
    """Return the values of one guest's series of a metric by their labels."""
    return {s.labels: s.value for s in reading.samples if s.metric is metric and s.uuid == uuid}
