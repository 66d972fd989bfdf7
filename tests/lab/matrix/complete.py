"""What a page shows when nothing is wrong, and what another one lacks of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

from hostcollector.base.model import Kind
from hostcollector.catalogue import liveness
from tests.lab.matrix.harm import ROWS
from tests.lab.served import PAST, Labels, Page

Key = tuple[str, str, Labels]
"""Name, the guest's UUID or nothing, and the labels that distinguish a counter's series."""

# Their labels say what was, not which one it is.
_CHANGING = frozenset({"libvirt_domain_events_total", "hostcollector_source_errors_total"})
# A check has a result, or the reason why it is unknown: one of the two is there.
_CHECK = frozenset({liveness.CHECK.name, liveness.CHECK_INFO.name})
_IDENTITY = frozenset({"tenant", "domain", "uuid"})


def keys(page: Page) -> Iterator[Key]:
    """Yield what a page shows: counters series by series, of the rest the names."""
    for name, labels in page.series:
        row = ROWS.get(name)
        if row is None or name in PAST:
            continue
        shown = dict(labels)
        uuid = shown.get("uuid", "")
        if name in _CHECK:
            yield liveness.CHECK.name, uuid, frozenset({("check", shown["check"])})
        elif row.kind is Kind.COUNTER and name not in _CHANGING:
            yield name, uuid, frozenset(_lasting(label) for label in labels if label[0] not in _IDENTITY)
        else:
            yield name, uuid, frozenset()


def _lasting(label: tuple[str, str]) -> tuple[str, str]:
    """Return the label as it is in every life of a guest: libvirt numbers taps anew each time."""
    name, value = label
    return (name, "vnet") if name == "target_device" and value.startswith("vnet") else label


@dataclass(frozen=True, slots=True)
class Complete:
    """What each of several healthy pages showed."""

    wanted: frozenset[Key]

    @classmethod
    def of(cls, pages: Sequence[Page]) -> "Complete":
        """Learn from pages; what is not on all of them is not counted on."""
        return cls(reduce(and_, (frozenset(keys(page)) for page in pages)))

    def lacking_on(self, page: Page) -> frozenset[Key]:
        """Return what is missing from the page."""
        return self.wanted - set(keys(page))

    def is_on(self, page: Page) -> bool:
        """Whether nothing is missing from the page."""
        return not self.lacking_on(page)

    def without(self, uuids: Iterable[str]) -> "Complete":
        """Return the same for a hypervisor that lacks some of the guests."""
        gone = set(uuids)
        return Complete(frozenset(key for key in self.wanted if key[1] not in gone))
