"""One PF in one collection: its list, where its VFs' counters come from, and what to tell the operator."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hostcollector.base.gaps import Gaps
from hostcollector.devices.sriov import PhysicalFunction
from hostcollector.protocols.netlink.attributes import ARPHRD_INFINIBAND
from hostcollector.protocols.netlink.vf_list import ListedVf, VfList
from hostcollector.sources.sriov.drivers import counted
from hostcollector.sources.sriov.vendor_files import VendorFiles

# Counters of different origin start at different values: their baselines are kept apart by these prefixes.
FILES, REPRESENTOR = "files:", "representor:"


@dataclass(slots=True)
class Card:
    """A PF with what netlink said of it; `name` is the `pf` label.

    `problem` says why it said nothing, and `by_nature` that it never will. `too_many` says that the kernel
    cannot tell the counters of so many VFs.
    """

    pf: PhysicalFunction
    name: str
    list: VfList | None
    problem: str = ""
    by_nature: bool = False
    too_many: bool = False
    fields: frozenset[str] = field(init=False)
    ipoib: bool = field(init=False)

    def __post_init__(self) -> None:
        self.ipoib = self.pf.infiniband if self.list is None else self.list.hardware_type == ARPHRD_INFINIBAND
        self.fields = counted(self.pf.driver, ipoib=self.ipoib, switchdev=self.pf.switchdev)

    @property
    def truncated(self) -> bool:
        """Whether the kernel told less than all VFs of the card."""
        told = len(self.list.vfs) if self.list is not None else 0
        return told < len(self.pf.vfs)

    @property
    def counts(self) -> bool:
        """Whether netlink's answer should have counters: the driver keeps some, and there is an answer."""
        return bool(self.fields) and self.list is not None and not self.too_many

    def listed(self, number: int) -> ListedVf | None:
        """Return what netlink said of the VF."""
        return self.list.vfs.get(number) if self.list is not None else None


class CounterReader:
    """Finds the raw counters of a card's VFs: netlink first, then the vendor's files, then representors.

    `told` are the addresses of VFs that netlink has ever told counters of: they have no others. One that is
    missing from a list for once would jump to another account and back.
    """

    def __init__(self, card: Card, files: VendorFiles, told: set[str], gaps: Gaps) -> None:
        self._card = card
        self._files = files
        self._told = told
        self._gaps = gaps
        self.directory = files.directory(card.pf)
        self.origins: set[str] = set()

    def counters(self, number: int) -> tuple[str, Mapping[str, int]]:
        """Return the prefix of the counters' origin and the counters; none where nobody counts."""
        card = self._card
        listed = card.listed(number)
        if listed is not None and listed.statistics and card.fields:
            raw = listed.statistics
            if len(card.fields) < len(raw):
                raw = {name: value for name, value in raw.items() if name in card.fields}
            self._told.add(card.pf.vfs[number])
            return self._noted("", raw)
        if card.pf.vfs[number] in self._told:
            return "", {}
        if self.directory and (raw := self._files.counters(self.directory, number, self._gaps)):
            return self._noted(FILES, raw)
        representor = card.pf.representors.get(number)
        if representor is not None:
            return self._noted(REPRESENTOR, self._files.representor_counters(representor, self._gaps))
        return "", {}

    def guids(self, number: int) -> tuple[str, str]:
        """Return the GUIDs of an InfiniBand VF: as the host has set them, else as the driver's files say."""
        if not self._card.ipoib:
            return "", ""
        listed = self._card.listed(number)
        node, port = (listed.node_guid, listed.port_guid) if listed is not None else (None, None)
        if node and port:
            return node, port
        filed = self._files.guids(self.directory, number) if self.directory else ("", "")
        return node or filed[0], port or filed[1]

    def _noted(self, origin: str, raw: Mapping[str, int]) -> tuple[str, Mapping[str, int]]:
        self.origins.add(origin)
        return origin, raw


_ORIGINS = {
    "": "counters from netlink",
    FILES: "counters from the driver's files",
    REPRESENTOR: "counters from the representors",
}


def note(card: Card, reader: CounterReader, owned: int, gaps: Gaps) -> None:
    """Note what one card gives, for the status page and `diagnose`, and what it does not."""
    pf = card.pf
    where = f"{card.name} ({pf.address}, {pf.driver or 'no driver'})"
    if not pf.vfs:
        gaps.fact(f"{where}: not split into VFs")
        return
    if reader.origins:
        counters = " and ".join(_ORIGINS[origin] for origin in sorted(reader.origins))
    elif card.too_many:
        counters = "no traffic counters: the kernel cannot tell those of so many VFs"
    elif card.fields:
        counters = "no traffic counters: netlink gives none and the driver keeps no files"
    else:
        counters = f"no traffic counters: the driver {pf.driver or '(none)'} does not count per VF"
    vfs = f"{len(pf.vfs)} VF" if len(pf.vfs) == 1 else f"{len(pf.vfs)} VFs"
    gaps.fact(f"{where}: {vfs}, {owned} owned by guests; {counters}")
    told = len(card.list.vfs) if card.list is not None else 0
    if card.problem and card.by_nature:
        gaps.fact(f"{where}: its VFs have no configuration series: {card.problem}")
    elif card.problem:
        gaps.tell((f"{where}: the configuration of its VFs cannot be read: {card.problem}",), len(pf.vfs))
    elif card.truncated:
        text = f"{where}: the kernel told {told} of {vfs}; the others have no configuration series"
        gaps.tell((text,), len(pf.vfs) - told)
