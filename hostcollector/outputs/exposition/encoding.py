"""Writes snapshots as pages, fast, because series are the same from one page to the next."""

import threading
from collections.abc import Set as AbstractSet
from io import BytesIO

from hostcollector.base.model import Metric, Snapshot
from hostcollector.outputs.exposition.families import FamilyWriter
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.exposition.label_texts import LabelTexts, Series


class Encoder:
    """Turns snapshots into bytes and remembers what the next page will need again.

    What it remembers follows the last snapshot: families and series that are gone are forgotten, so its
    memory is bounded by the page however much guests come and go. May be called from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writers: dict[Metric, FamilyWriter] = {}
        self._texts: dict[tuple[str, ...], LabelTexts] = {}

    def encode(self, snapshot: Snapshot, form: Format, only: AbstractSet[str] | None = None) -> bytes:
        """Return the page of `snapshot` in UTF-8. Families without series are left out.

        `only` names the sources whose families to write; None means all of them. Histograms have buckets
        and neither sum nor count, because what is read has none.
        """
        families = [
            family
            for family in snapshot.families
            if family.series and (only is None or family.metric.source in only)
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

    def _writer(self, metric: Metric) -> FamilyWriter:
        writer = self._writers.get(metric)
        if writer is None:
            names = metric.label_names
            texts = self._texts.setdefault(names, LabelTexts(names))
            writer = self._writers[metric] = FamilyWriter(metric, texts)
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
