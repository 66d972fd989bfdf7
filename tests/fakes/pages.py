"""Makes snapshots for tests: one with a sample of every row, and hostile ones drawn by Hypothesis."""

import math
from collections.abc import Iterable

from hypothesis import strategies as st

from hostcollector import catalogue
from hostcollector.base.model import Family, Histogram, Kind, Metric, Scope, Snapshot
from hostcollector.catalogue.possible import FLAG

Labels = tuple[str, ...]
Value = float | Histogram

KINDS = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.INFO: "_info", Kind.HISTOGRAM: ""}
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.floats(1e5, 1e17),
    st.integers(0, 2**54).map(float),
    st.sampled_from((0, 1, 9_999, 10_000, 999_999, 1_000_000, 999_999.5, 2**53, 2**53 + 1, 1e16, True)),
).map(lambda number: number or 0)  # a page's zero has no sign


def snapshot(families: Iterable[Family], taken_at: float = 0.0) -> Snapshot:
    """Return a snapshot of `families` and nothing else."""
    return Snapshot(taken_at=taken_at, families=tuple(families))


def full_page() -> Snapshot:
    """Return a snapshot with one series of every row of the catalogue."""
    return snapshot(
        Family(row, {tuple(f"{name}-value" for name in row.label_names): _one(row)}) for row in catalogue.ALL
    )


def _one(row: Metric) -> Value:
    return Histogram((0.001, 1.0, math.inf), (3, 4, 5)) if row.kind is Kind.HISTOGRAM else 1


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    """Draw a cumulative histogram whose last bound is +Inf."""
    bounds = draw(st.lists(st.floats(0, 1e9), max_size=4, unique=True).map(sorted))
    counts = draw(st.lists(st.integers(0, 2**50), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    return Histogram((*bounds, math.inf), tuple(sorted(counts)))


@st.composite
def metrics(draw: st.DrawFn, number: int) -> Metric:
    """Draw a row of any kind with a name that no other `number` has, its unit in the name or not."""
    kind = draw(st.sampled_from(tuple(Kind)))
    unit = draw(st.sampled_from(("", "bytes", "seconds")))
    named = f"_{unit}" if unit and draw(st.booleans()) else ""
    return Metric(
        name=f"libvirt_domain_family{number}{named}{KINDS[kind]}",
        kind=kind,
        can_be=FLAG,
        help=draw(st.text(min_size=1)),
        source=draw(st.sampled_from(("procfs", "netlink"))),
        scope=draw(st.sampled_from(tuple(Scope))),
        labels=draw(st.sampled_from(((), ("vcpu",), ("target_device", "operation"), ("zone", "a", "le_")))),
        unit=unit,
    )


@st.composite
def snapshots(draw: st.DrawFn, *, valid: bool = False) -> Snapshot:
    """Draw a snapshot; `valid` keeps to values that OpenMetrics allows for each kind."""
    families = []
    for number in range(draw(st.integers(0, 4))):
        metric = draw(metrics(number))
        width = len(metric.label_names)
        keys = st.lists(st.text(), min_size=width, max_size=width).map(tuple)
        values: st.SearchStrategy[Value] = NUMBERS
        if metric.kind is Kind.HISTOGRAM:
            values = histograms()
        elif valid:
            values = _valid(metric.kind)
        families.append(Family(metric, draw(st.dictionaries(keys, values, max_size=4))))
    return snapshot(families)


def _valid(kind: Kind) -> st.SearchStrategy[Value]:
    if kind is Kind.INFO:
        return st.just(1)
    return NUMBERS.filter(lambda number: number >= 0) if kind is Kind.COUNTER else NUMBERS
