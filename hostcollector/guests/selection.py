"""Which guests the page shows: the patterns of `guests.include` and `guests.exclude`.

Only the page is selected. Sources read every guest, so that a device of a guest that is left out still has
its owner, and values are judged with all guests known.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from xml.etree import ElementTree as ET

from hostcollector.base.model import Guest
from hostcollector.base.wording import one_line
from hostcollector.config.settings import GuestPattern, GuestSettings

MOST_PLACES = 1000
"""Places in one guest's metadata that a path is compared at."""

LONGEST_VALUE = 1024
"""Characters of a text in the metadata; a longer text matches no pattern."""

MOST_REMEMBERED = 2000
"""Guests that are remembered as left out after their end: as many as ends and incidents are kept of."""


@dataclass(frozen=True, slots=True)
class Selected:
    """The selection on one page: the UUIDs of the guests that are left out, and sentences about patterns.

    Guests that have ended are among them: the page names ended guests.
    """

    left_out: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


ALL = Selected()
"""Every guest is on the page."""


class Selection:
    """Applies the patterns; an unchanged guest costs nothing again. Called from one thread at a time.

    `predecessor` is that of the configuration before: which guests it has left out that have ended since.
    """

    def __init__(self, settings: GuestSettings | None = None, predecessor: "Selection | None" = None) -> None:
        settings = settings or GuestSettings()
        self._include = [_Rule(f"guests.include[{n}]", entry) for n, entry in enumerate(settings.include)]
        self._exclude = [_Rule(f"guests.exclude[{n}]", entry) for n, entry in enumerate(settings.exclude)]
        self._kept: dict[str, tuple[Guest, frozenset[_Rule]]] = {}
        self._left_out: dict[str, None] = {} if predecessor is None else dict.fromkeys(predecessor.left_out)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The UUIDs of the guests that are left out, with those that have ended."""
        return tuple(self._left_out)

    def of(self, guests: Mapping[str, Guest]) -> Selected:
        """Return the selection among the guests of this host."""
        if not self._include and not self._exclude:
            return ALL
        kept = {}
        for uuid, guest in guests.items():
            before = self._kept.get(uuid)
            kept[uuid] = before if before and before[0] is guest else (guest, self._matching(guest))
        self._kept = kept
        for uuid, (_, rules) in kept.items():
            self._left_out.pop(uuid, None)
            if not self._shown(rules):
                self._left_out[uuid] = None
        for uuid in list(self._left_out)[: max(0, len(self._left_out) - len(guests) - MOST_REMEMBERED)]:
            del self._left_out[uuid]
        used = frozenset[_Rule]().union(*(rules for _, rules in kept.values()))
        unused = [rule.text for rule in (*self._include, *self._exclude) if rule not in used]
        return Selected(
            frozenset(self._left_out), tuple(f"{text} matches no guest of this host" for text in unused)
        )

    def _matching(self, guest: Guest) -> "frozenset[_Rule]":
        return frozenset(rule for rule in (*self._include, *self._exclude) if rule.matches(guest))

    def _shown(self, matching: "frozenset[_Rule]") -> bool:
        if not matching.isdisjoint(self._exclude):
            return False
        return not self._include or not matching.isdisjoint(self._include)


class _Rule:
    """One entry of the configuration, compiled. `text` names it in notes."""

    def __init__(self, place: str, entry: GuestPattern) -> None:
        self.text = f"{place} ({one_line(_written(entry))})"
        self._name, self._tenant, self._value = map(_compiled, (entry.name, entry.tenant, entry.value))
        self._path, self._namespaces = entry.metadata, dict(entry.namespaces)

    def matches(self, guest: Guest) -> bool:
        """Whether the guest fits all keys of the entry."""
        if not self._name.match(guest.domain.name) or not self._tenant.match(guest.tenant.id):
            return False
        if not self._path:
            return True
        values = _values(guest, self._path, self._namespaces)
        return any(
            len(value) <= LONGEST_VALUE and self._value.match(value) for value in islice(values, MOST_PLACES)
        )


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def _written(entry: GuestPattern) -> str:
    """Return the keys of an entry that select something, as in the configuration."""
    keys = (("name", entry.name), ("tenant", entry.tenant), ("metadata", entry.metadata))
    given = [f"{key}: {text!r}" for key, text in keys if text != ("" if key == "metadata" else "*")]
    return ", ".join(given + ([f"value: {entry.value!r}"] if entry.value != "*" else []))


def _values(guest: Guest, path: str, namespaces: Mapping[str, str]) -> Iterator[str]:
    """Yield the texts or attributes that the path finds in the guest's metadata."""
    root = ET.Element("metadata")
    root.extend(ET.fromstring(element.xml) for element in guest.domain.metadata)  # noqa: S314 - see import
    where, _, attribute = path.rpartition("/@")
    for element in root.findall(where or path, dict(namespaces)):
        value = element.get(attribute) if where else element.text or ""
        if value is not None:
            yield value.strip()
