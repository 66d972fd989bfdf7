"""Judges page after page as the Prometheus that gets them would suffer from them."""

from collections import defaultdict
from collections.abc import Iterator

from hostcollector.base.model import Kind
from hostcollector.catalogue import block, guest, memory
from hostcollector.protocols.libvirt.visit import BLOCKED_AFTER_SECONDS
from tests.lab.matrix.complete import Complete
from tests.lab.matrix.harm import MONITOR, ROWS, Harm
from tests.lab.served import Labels, Page

START = "libvirt_domain_start_timestamp_seconds"
UP, PARTIAL = "hostcollector_source_up", "hostcollector_source_partial"
# One of these is 1 for a guest whose monitor did not say all.
_FLAGS = ("libvirt_domain_timed_out", "libvirt_domain_stats_partial")
DURATION = "hostcollector_collection_duration_seconds"
FREE = "libvirt_state"
"""The source that needs no monitor."""
BLOCKED = "libvirt_domain_monitor_blocked_seconds"
# They start anew when the guest's kernel does, in the same QEMU.
_COUNTED_BY_THE_GUEST = frozenset(
    {memory.MAJOR_FAULTS, memory.MINOR_FAULTS, memory.HUGETLB_ALLOCATIONS, memory.HUGETLB_FAILURES}
)
_NEVER_ZERO = frozenset(
    row.name
    for row in (
        block.CAPACITY,
        guest.MAXIMUM_MEMORY,
        guest.VIRTUAL_CPUS,
        memory.ACTUAL_BALLOON,
        memory.CURRENT_BALLOON,
        memory.LAST_UPDATE,
        memory.RSS,
    )
)
_MOST_SENTENCES = 5

Series = tuple[str, Labels]


class Judge:
    """Remembers of one client's pages what the next one may not contradict."""

    def __init__(self, complete: Complete) -> None:
        self._complete = complete
        self._lives: dict[str, float] = {}
        self._counters: defaultdict[str, dict[Series, float]] = defaultdict(dict)
        self._haunted: dict[str, float] = {}
        self.slow = 0
        """How often series were missing because a guest that is well was slow, which the page says."""

    def wrong(self, page: Page, harm: Harm, dead: frozenset[str]) -> list[str]:
        """Return a sentence for each thing that is wrong on the page, asked for under a harm in force.

        `dead` are guests that had ended when it was asked for.
        """
        sentences = [
            *self._new_lives(page, harm),
            *self._backwards(page, harm),
            *self._zeros(page),
            *self._missing(page, harm),
            *self._undead(page, dead),
        ]
        more = len(sentences) - _MOST_SENTENCES
        return sentences[:_MOST_SENTENCES] + ([f"and {more} more"] if more > 0 else [])

    def _new_lives(self, page: Page, harm: Harm) -> Iterator[str]:
        """Forget what belongs to an earlier QEMU of a guest; find starts of a QEMU that no test ended."""
        for labels, started in page.all(START).items():
            uuid = dict(labels)["uuid"]
            before = self._lives.get(uuid)
            if before != started:
                self._lives[uuid] = started
                self._counters.pop(uuid, None)
                if before is not None and not harm.ends(uuid):
                    yield f"the start of {uuid} moved from {before:g} to {started:g}"

    def _backwards(self, page: Page, harm: Harm) -> Iterator[str]:
        self._forget_devices(page)
        lives = {dict(labels)["uuid"] for labels in page.all(START)}
        for series, value in page.series.items():
            name, labels = series
            row = ROWS.get(name)
            if row is None or row.kind not in (Kind.COUNTER, Kind.HISTOGRAM):
                continue
            uuid = dict(labels).get("uuid", "")
            if harm.ends(uuid) and uuid not in lives:
                continue  # of the QEMU before or of the next one: the page does not say which
            known = self._counters[uuid]
            before = known.get(series, 0.0)
            rebooted = row in _COUNTED_BY_THE_GUEST and harm.covers(row.source, uuid)
            if value < before and not rebooted:
                yield f"{name}{dict(labels)} went back from {before:g} to {value:g}"
            known[series] = value

    def _forget_devices(self, page: Page) -> None:
        """Forget the series of a device that is gone: the page has the guest's other ones only."""
        shown = {(name, dict(labels).get("uuid", "")) for name, labels in page.series}
        for uuid, known in self._counters.items():
            for series in [series for series in known if series not in page.series]:
                if uuid and (series[0], uuid) in shown:
                    del known[series]

    def _zeros(self, page: Page) -> Iterator[str]:
        """Find sizes that are 0, which no guest's can be: what is unknown has to be absent."""
        for name, labels in page.series:
            if name in _NEVER_ZERO and page.series[name, labels] == 0:
                yield f"{name}{dict(labels)} is 0"

    def _undead(self, page: Page, dead: frozenset[str]) -> Iterator[str]:
        """Find guests that had ended before two collections and are still on the page."""
        collection = page.one(DURATION)  # to the microsecond: no two of them take the same
        self._haunted = {uuid: seen for uuid, seen in self._haunted.items() if uuid in dead}
        present = page.guests()
        for uuid in dead & present:
            if self._haunted.setdefault(uuid, collection) != collection:
                yield f"{uuid} has ended and is still there"

    def _missing(self, page: Page, harm: Harm) -> Iterator[str]:
        present = page.guests()
        slow = set()
        for name, uuid, labels in self._complete.lacking_on(page):
            source = ROWS[name].source
            what = f"{name}{dict(labels)} is missing{f' for {uuid}' if uuid else ''}"
            if not harm.covers(source, uuid):
                if (source in MONITOR and _slow(page, uuid)) or (source == FREE and _locked(page)):
                    slow.add(uuid)
                else:
                    yield f"{what} {_told(page, uuid)}"
            elif ROWS[name] in _COUNTED_BY_THE_GUEST:
                continue  # it went back with the guest's kernel, and is believed at its next reading
            elif uuid in present and not harm.ends(uuid) and not _explained(page, source, uuid):
                yield f"{what}, and nothing says why"
        self.slow += len(slow)


def _slow(page: Page, uuid: str) -> bool:
    """Whether the guest's QEMU takes as long for one answer as the collector waits, on a busy machine."""
    return any(seconds >= BLOCKED_AFTER_SECONDS for seconds in page.all(BLOCKED, uuid=uuid).values())


def _locked(page: Page) -> bool:
    """Whether libvirt kept a guest locked for so long that not all states came, on a busy machine."""
    return 1 in page.all(PARTIAL, source=FREE).values()


def _told(page: Page, uuid: str) -> dict[str, list[float]]:
    """Return what the page says of the guest's monitor."""
    return {mark: list(page.all(mark, uuid=uuid).values()) for mark in (*_FLAGS, BLOCKED)} if uuid else {}


def _explained(page: Page, source: str, uuid: str) -> bool:
    """Whether the page says itself that the source, or the guest's part of it, is not there."""
    if 0 in page.all(UP, source=source).values() or 1 in page.all(PARTIAL, source=source).values():
        return True
    return bool(uuid) and any(1 in page.all(flag, uuid=uuid).values() for flag in _FLAGS)
