"""Writes snapshots as pages, fast, because series are the same from one page to the next.

The output is the same, byte for byte, as that of the Prometheus project's Python client, but for a negative
zero, which has no sign here.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from io import BytesIO
from typing import cast

from hostcollector.base.model import Histogram, Kind, Metric, Snapshot
from hostcollector.outputs.exposition.formats import Format

Labels = tuple[str, ...]
Series = Mapping[Labels, float | Histogram]

_SLACK = 64

_MILLION = 1_000_000
_KEPT_BELOW = 10_000
_LOWEST = -math.inf
_EXACT = 2**53  # up to here every integer is a float, so its decimal digits are the float's
_EXPONENTS = tuple(f"e+{digits - 1:02d}" for digits in range(20))


class Encoder:
    """Turns snapshots into bytes and remembers what the next page needs again.

    The memory follows the last snapshot: families and series that are gone are forgotten. So it is bounded by
    the size of a page. May be called from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writers: dict[Metric, _FamilyWriter] = {}
        self._texts: dict[tuple[str, ...], _LabelTexts] = {}
        self._numerals = _Numerals()

    def encode(self, snapshot: Snapshot, form: Format, only: AbstractSet[str] | None = None) -> bytes:
        """Return the page of `snapshot` in UTF-8, without families that have no series or are dropped.

        `only` names the sources whose families to write; None means all sources. Histograms have buckets and
        neither sum nor count, because no source reads those.
        """
        families = [
            family
            for family in snapshot.families
            if family.series
            and family.metric not in snapshot.dropped
            and (only is None or family.metric.source in only)
        ]
        # Written piece by piece: a list of the pieces would be a second page in memory.
        page = BytesIO()
        with self._lock:
            self._forget(snapshot)
            for family in families:
                page.write(self._writer(family.metric).write(family.series, form))
        if form is Format.OPENMETRICS:
            page.write(b"# EOF\n")
        return page.getvalue()

    def _writer(self, metric: Metric) -> "_FamilyWriter":
        writer = self._writers.get(metric)
        if writer is None:
            names = metric.label_names
            texts = self._texts.setdefault(names, _LabelTexts(names))
            writer = self._writers[metric] = _FamilyWriter(metric, texts, self._numerals)
        return writer

    def _forget(self, snapshot: Snapshot) -> None:
        sharing: dict[tuple[str, ...], list[Series]] = {}
        for family in snapshot.families:
            if family.series:
                sharing.setdefault(family.metric.label_names, []).append(family.series)
        for metric in self._writers.keys() - {family.metric for family in snapshot.families if family.series}:
            del self._writers[metric]
        for names in self._texts.keys() - sharing.keys():
            del self._texts[names]
        for names, texts in self._texts.items():
            texts.keep(sharing[names])


class _LabelTexts(dict[Labels, str]):
    """The texts ``{name="value",...} `` by the label values, for one tuple of label names.

    A text takes ten times as long to make as a number, and is the same on every page while the guest runs.
    All families with the same label names share them: a guest has four times as many series as label sets.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self._order = sorted((name, index) for index, name in enumerate(names))

    def __missing__(self, labels: Labels) -> str:
        pairs = ",".join(self.pairs(labels))
        text = self[labels] = f"{{{pairs}}} " if pairs else " "
        return text

    def pairs(self, labels: Labels) -> list[str]:
        """Return ``name="value"`` of every label, by name in alphabetical order."""
        return [f'{name}="{_escaped(labels[index])}"' for name, index in self._order]

    def before(self, name: str) -> int:
        """Return how many of the labels come before one that is called `name`."""
        return sum(own < name for own, _ in self._order)

    def keep(self, families: Iterable[Series]) -> None:
        """Drop the texts that none of `families` uses any more, once those are more than half."""
        families = list(families)
        if len(self) > 2 * max(map(len, families), default=0) + _SLACK:
            for labels in self.keys() - set().union(*families):
                del self[labels]


class _BucketEnds(dict[Labels, tuple[str, str]]):
    """The texts before and after a bucket's bound: ``le`` is sorted among the other labels."""

    def __init__(self, metric: Metric, texts: _LabelTexts) -> None:
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
        """Drop the texts without series, once those are more than half."""
        if len(self) > 2 * len(series) + _SLACK:
            for labels in self.keys() - series.keys():
                del self[labels]


class _FamilyWriter:
    """Writes one metric's family again and again. Not safe for two threads at once."""

    def __init__(self, metric: Metric, texts: _LabelTexts, numerals: "_Numerals") -> None:
        self._name = metric.name
        self._numerals = numerals
        self._headers = {form: _header(metric, form) for form in Format}
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
        name, texts, numerals = self._name, self._texts, self._numerals
        numbers = cast("Mapping[Labels, float]", series)
        return [f"{name}{texts[labels]}{numerals[value]}\n" for labels, value in numbers.items()]

    def _buckets(self, series: Series) -> Iterable[str]:
        for labels, histogram in cast("Mapping[Labels, Histogram]", series).items():
            head, tail = self._ends[labels]
            for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
                yield f"{head}{_numeral(bound)}{tail}{_numeral(count)}\n"


class _Numerals(dict[float, str]):
    """The texts of the values. Those of small whole numbers are kept: most values of a page are 0 or 1.

    Zero has no sign: a kept 0.0 equals -0.0.
    """

    def __init__(self) -> None:
        super().__init__({0: "0.0"})

    def __missing__(self, value: float) -> str:
        text = _numeral(value)
        if 0 < value < _KEPT_BELOW and value == int(value):
            self[value] = text
        return text


def _header(metric: Metric, form: Format) -> str:
    """Return the family's HELP, TYPE and, in OpenMetrics where the name carries it, UNIT lines."""
    if form is Format.TEXT:
        text = _encodable(metric.help).replace("\\", r"\\").replace("\n", r"\n")
        kind = Kind.GAUGE if metric.kind is Kind.INFO else metric.kind
        return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {kind}\n"
    name = metric.name
    if metric.kind in {Kind.COUNTER, Kind.INFO}:
        name = name.removesuffix("_total" if metric.kind is Kind.COUNTER else "_info")
    lines = f"# HELP {name} {_escaped(metric.help)}\n# TYPE {name} {metric.kind}\n"
    if metric.unit and metric.kind is not Kind.INFO and name.endswith(f"_{metric.unit}"):
        lines += f"# UNIT {name} {metric.unit}\n"
    return lines


def _encodable(text: str) -> str:
    r"""Return `text` with each lone surrogate written as its ``\uXXXX`` escape, so that UTF-8 can carry it.

    Names that are not UTF-8 reach Python as surrogates. The escape keeps two different names different,
    which a replacement character would not.
    """
    return text.encode(errors="backslashreplace").decode()


def _escaped(text: str) -> str:
    """Return a label value as written between the quotes in both formats."""
    return _encodable(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _numeral(value: float) -> str:
    """Return the shortest text that reads back as the same 64-bit float.

    Its form is that of Go's formatter as far as the Prometheus project's Python client follows it: always a
    fraction, an exponent from a million upwards, ``+Inf``, ``-Inf`` and ``NaN``. An integer that is too large
    for a float becomes an infinity.
    """
    # Most values of a page are integers, and a page spends most of its time here.
    if type(value) is int:
        if -_MILLION < value < _MILLION:
            return f"{value}.0"
        if 0 < value <= _EXACT:
            digits = str(value)
            return _scientific(digits, len(digits))
    elif type(value) is float and _LOWEST < value < _MILLION:
        return repr(value)
    return _any_numeral(value)


def _any_numeral(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    text = repr(number)
    point = text.find(".")
    if number >= _MILLION and point > 1:
        return _scientific(text[:point] + text[point + 1 :], point)
    return text


def _scientific(digits: str, point: int) -> str:
    """Write `digits` with an exponent; `point` is how many of them come before the decimal point."""
    return f"{digits[0]}.{digits[1:]}".rstrip("0.") + _EXPONENTS[point]
