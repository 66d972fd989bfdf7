"""How a row of the catalogue is written: one constructor per kind, so that a row reads as one line."""

from functools import partial

from hostcollector.model import Kind, Metric

counter = partial(Metric, kind=Kind.COUNTER)
gauge = partial(Metric, kind=Kind.GAUGE)
info = partial(Metric, kind=Kind.INFO)
histogram = partial(Metric, kind=Kind.HISTOGRAM)

EXPERIMENTAL = "experimental"
