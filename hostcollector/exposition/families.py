"""Writes one family: header lines made once, and for each series the cached text in front of its number.

A series' ``name{labels} `` costs ten times what its number costs, and is the same on every page while the
guest lives. So it is kept by label values, and dropped when series come and go.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from hostcollector.exposition.formats import Format
from hostcollector.exposition.numerals import numeral
from hostcollector.model import Histogram, Kind, Metric

Labels = tuple[str, ...]
Series = Mapping[Labels, float | Histogram]
T = TypeVar("T")

_SLACK = 64


def encodable(text: str) -> str:
    r"""Return `text` with each lone surrogate written as its ``\uXXXX`` escape, so that UTF-8 can carry it.

    Names that are not UTF-8 reach Python as surrogates. The escape keeps two different names different,
    which a replacement character would not.
    """
    return text.encode(errors="backslashreplace").decode()


def escaped(text: str) -> str:
    """Return a label value as it stands between the quotes in both formats."""
    return encodable(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


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


class _Cache(dict[Labels, T]):
    """What is made once per series, by its label values."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._name = metric.name
        self._order = sorted((name, index) for index, name in enumerate(metric.label_names))

    def pairs(self, labels: Labels) -> list[str]:
        """Return ``name="value"`` of every label, by name in alphabetical order."""
        return [f'{name}="{escaped(labels[index])}"' for name, index in self._order]

    def keep(self, series: Series) -> None:
        """Drop what has no series any more, once that is most of the cache."""
        if len(self) > 2 * len(series) + _SLACK:
            for labels in self.keys() - series.keys():
                del self[labels]


class _Prefixes(_Cache[str]):
    def __missing__(self, labels: Labels) -> str:
        pairs = ",".join(self.pairs(labels))
        prefix = self[labels] = f"{self._name}{{{pairs}}} " if pairs else f"{self._name} "
        return prefix


class _BucketEnds(_Cache[tuple[str, str]]):
    """The texts before and after a bucket's bound: ``le`` has its place in the alphabet like any label."""

    def __missing__(self, labels: Labels) -> tuple[str, str]:
        pairs = self.pairs(labels)
        place = sum(name < "le" for name, _ in self._order)
        before = "".join(f"{pair}," for pair in pairs[:place])
        after = "".join(f",{pair}" for pair in pairs[place:])
        ends = self[labels] = (f'{self._name}_bucket{{{before}le="', f'"{after}}} ')
        return ends


class FamilyWriter:
    """Writes one metric's family again and again. Not safe for two threads at once."""

    def __init__(self, metric: Metric) -> None:
        self._headers = {form: header(metric, form) for form in Format}
        self._histogram = metric.kind is Kind.HISTOGRAM
        self._prefixes = _Prefixes(metric)
        self._ends = _BucketEnds(metric)

    def write(self, series: Series, form: Format) -> bytes:
        """Return the family's lines in `form`, in the order of `series`."""
        lines = self._buckets(series) if self._histogram else self._numbers(series)
        text = self._headers[form] + "".join(lines)
        self._prefixes.keep(series)
        self._ends.keep(series)
        return text.encode()

    def _numbers(self, series: Series) -> list[str]:
        prefixes = self._prefixes
        numbers = cast("Mapping[Labels, float]", series)
        return [f"{prefixes[labels]}{numeral(value)}\n" for labels, value in numbers.items()]

    def _buckets(self, series: Series) -> Iterable[str]:
        for labels, histogram in cast("Mapping[Labels, Histogram]", series).items():
            head, tail = self._ends[labels]
            for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
                yield f"{head}{numeral(bound)}{tail}{numeral(count)}\n"
