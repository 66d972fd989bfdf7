"""Collects what the answers of one round say, GPU by GPU."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from hostcollector.errors import SourceMalformedError
from hostcollector.redfish.atlas import Atlas, Found
from hostcollector.redfish.meanings import TABLES, Counted, Meaning
from hostcollector.redfish.throttling import reasons_held
from hostcollector.redfish.values import Key, Readings


class Tally:
    """The readings of a round. What is stale, not a number or not understood is left out."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._readings: defaultdict[str, Readings] = defaultdict(Readings)
        self._of_links: defaultdict[str, defaultdict[Key, dict[str, int]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._links: defaultdict[str, set[str]] = defaultdict(set)

    def add_report(self, document: Any) -> None:
        """Add a metric report. Raises `SourceMalformedError` for what is none."""
        for name, entry in entries(document):
            found = self._atlas.meaning(name)
            if found is not None:
                stale = _at(entry, "/Oem/Nvidia/MetricValueStale") is True
                self._add(found, "" if stale else _text(entry.get("MetricValue")))

    def add_resource(self, path: str, document: Any) -> None:
        """Add a resource that was asked for itself. Raises `SourceMalformedError` for what is none."""
        place = self._atlas.place(path)
        if not isinstance(document, dict):
            raise SourceMalformedError(f"{path} is not a resource")
        if place is None:
            return
        for pointer, meaning in TABLES[place.kind].items():
            value = _at(document, pointer)
            if value is not None:
                self._add(Found(gpu=place.gpu, meaning=meaning, port=place.port), _text(value))

    def readings(self) -> dict[str, Readings]:
        """Return the readings by the path of the GPU, the sums over its links included.

        A sum that lacks a link would look like a counter that was reset: there is none then.
        """
        for gpu, counters in self._of_links.items():
            for key, counts in counters.items():
                if counts.keys() == self._links[gpu]:
                    self._readings[gpu].counters[key] = sum(counts.values())
        return dict(self._readings)

    def _add(self, found: Found, text: str) -> None:
        readings = self._readings[found.gpu]
        match found.meaning:
            case None:
                held = reasons_held(text)
                readings.gauges.update((("clocks_held", (reason,)), it) for reason, it in held.items())
            case Meaning(key, read, labels):
                value = read(text)
                if value is not None:
                    link = (found.port,) if found.port else ()
                    readings.gauges[key, (*link, *labels)] = value
            case Counted(key, read, labels):
                raw = read(text)
                if found.port:
                    self._links[found.gpu].add(found.port)
                if raw is not None and found.port:
                    self._of_links[found.gpu][key, labels][found.port] = raw
                elif raw is not None:
                    readings.counters[key, labels] = raw


def entries(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of a metric report by their properties' names. Raises `SourceMalformedError`."""
    values = document.get("MetricValues") if isinstance(document, dict) else None
    if not isinstance(values, list):
        raise SourceMalformedError("a metric report has no MetricValues")
    for entry in values:
        name = entry.get("MetricProperty") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise SourceMalformedError("a metric report has a value that is of nothing")
        yield name, entry


def _at(document: dict[str, Any], pointer: str) -> Any:
    """Return what a JSON pointer leads to; None where it leads nowhere."""
    found: Any = document
    for part in pointer.split("/")[1:]:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str:
    """Return a value as reports write it, of a list its texts; empty for what has no such form."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return json.dumps([one for one in value if isinstance(one, str)])
    return json.dumps(value) if isinstance(value, bool | int | float) else ""
