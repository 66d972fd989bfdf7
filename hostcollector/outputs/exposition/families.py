"""Writes one family: header lines made once, and for each series the kept text in front of its number."""

from collections.abc import Iterable, Mapping
from typing import cast

from hostcollector.base.model import Histogram, Kind, Metric
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.exposition.label_texts import Labels, LabelTexts, Series, encodable, escaped
from hostcollector.outputs.exposition.numerals import numeral

_SLACK = 64


def header(metric: Metric, form: Format) -> str:
    """Return the family's HELP, TYPE and, in OpenMetrics where the name carries it, UNIT lines."""
    if form is Format.TEXT:
        text = encodable(metric.help).replace("\\", r"\\").replace("\n", r"\n")
        kind = Kind.GAUGE if metric.kind is Kind.INFO else metric.kind
        return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {kind}\n"
    name = metric.name
    if metric.kind in {Kind.COUNTER, Kind.INFO}:
        name = name.removesuffix("_total" if metric.kind is Kind.COUNTER else "_info")
    lines = f"# HELP {name} {escaped(metric.help)}\n# TYPE {name} {metric.kind}\n"
    if metric.unit and metric.kind is not Kind.INFO and name.endswith(f"_{metric.unit}"):
        lines += f"# UNIT {name} {metric.unit}\n"
    return lines


class _BucketEnds(dict[Labels, tuple[str, str]]):
    """The texts before and after a bucket's bound: ``le`` has its place in the alphabet like any label."""

    def __init__(self, metric: Metric, texts: LabelTexts) -> None:
        super().__init__()
        self._name = metric.name
        self._texts = texts
        self._place = texts.before("le")

    def __missing__(self, labels: Labels) -> tuple[str, str]:
        pairs = self._texts.pairs(labels)
        before = "".join(f"{pair}," for pair in pairs[: self._place])
        after = "".join(f",{pair}" for pair in pairs[self._place :])
        ends = self[labels] = (f'{self._name}_bucket{{{before}le="', f'"{after}}} ')
        return ends

    def keep(self, series: Series) -> None:
        """Drop what has no series any more, once that is most of it."""
        if len(self) > 2 * len(series) + _SLACK:
            for labels in self.keys() - series.keys():
                del self[labels]


class FamilyWriter:
    """Writes one metric's family again and again. Not safe for two threads at once."""

    def __init__(self, metric: Metric, texts: LabelTexts) -> None:
        self._name = metric.name
        self._headers = {form: header(metric, form) for form in Format}
        self._histogram = metric.kind is Kind.HISTOGRAM
        self._texts = texts
        self._ends = _BucketEnds(metric, texts)

    def write(self, series: Series, form: Format) -> bytes:
        """Return the family's lines in `form`, in the order of `series`."""
        lines = self._buckets(series) if self._histogram else self._numbers(series)
        text = self._headers[form] + "".join(lines)
        self._ends.keep(series)
        return text.encode()

    def _numbers(self, series: Series) -> list[str]:
        name, texts = self._name, self._texts
        numbers = cast("Mapping[Labels, float]", series)
        return [f"{name}{texts[labels]}{numeral(value)}\n" for labels, value in numbers.items()]

    def _buckets(self, series: Series) -> Iterable[str]:
        for labels, histogram in cast("Mapping[Labels, Histogram]", series).items():
            head, tail = self._ends[labels]
            for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
                yield f"{head}{numeral(bound)}{tail}{numeral(count)}\n"
