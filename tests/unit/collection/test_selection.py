"""A guest that the configuration leaves out keeps its devices."""

from pathlib import Path

from hostcollector.base.definition import Domain, HostDevice
from hostcollector.base.model import Guest, Report, Sample, Scope, Snapshot, SourceState, Tenant
from hostcollector.catalogue import collection, ends, gpu
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector, Guests
from hostcollector.config.settings import GuestPattern, GuestSettings
from hostcollector.devices.baselines import Baselines
from hostcollector.guests.selection import Selection
from hostcollector.sources.vfio import Vfio
from tests.fakes.pci import PciTree

SHOWN, LEFT_OUT, FREE = "0000:3b:00.0", "0000:3c:00.0", "0000:3d:00.0"


def _guest(name: str, address: str) -> Guest:
    device = HostDevice(type="pci", pci_address=address)
    return Guest(domain=Domain(uuid=f"uuid of {name}", name=name, id=1, host_devices=(device,)))


def _page(path: Path, *, listed: bool = True) -> Snapshot:
    """Return a collection on a host with three GPUs, of two guests and of none."""
    tree = PciTree(path / "root")
    for address, driver in ((SHOWN, "vfio-pci"), (LEFT_OUT, "vfio-pci"), (FREE, "nvidia")):
        tree.add(address, driver=driver)
    guests = {each.domain.uuid: each for each in (_guest("web", SHOWN), _guest("infra", LEFT_OUT))}
    exclude = (GuestPattern(name="infra"), GuestPattern(name="ghost"))
    selection = Selection(GuestSettings(exclude=exclude))
    source = Vfio(tree.root, Baselines(path / "state", tree.root, patience=30))
    collector = Collector([source], Assembler(), Guests(lambda: guests, lambda: listed, selection.of))
    try:
        return collector.snapshot().result()
    finally:
        collector.close()


def test_a_gpu_of_a_guest_that_is_left_out_is_not_unassigned(tmp_path: Path) -> None:
    """It is neither the guest's on the page nor the host's; the other GPUs are as before."""
    families = {family.metric: family.series for family in _page(tmp_path).families}
    of_guests = {labels[1]: labels[3] for labels in families[gpu.INFO.guest]}
    of_host = {labels[0] for labels in families[gpu.INFO.host]}
    assert (of_guests, of_host) == ({"web": SHOWN}, {FREE})
    assert families[collection.DOMAINS_LEFT_OUT] == {(): 1}


def test_a_guest_that_is_left_out_is_hidden_and_not_lost(tmp_path: Path) -> None:
    """What tenants see does not depend on what the operator's page shows."""
    page = _page(tmp_path)
    hidden = {family.metric: family.series for family in page.hidden}
    assert {labels[1]: labels[3] for labels in hidden[gpu.INFO.guest]} == {"infra": LEFT_OUT}
    assert [known.domain.name for known in page.hidden_guests] == ["infra"]
    assert [known.domain.name for known in page.guests] == ["web"]
    assert {
        labels[1]
        for family in page.families
        for labels in family.series
        if family.metric.scope is Scope.DOMAIN
    } == {"web"}


def test_patterns_are_judged_when_the_guests_are_listed(tmp_path: Path) -> None:
    """Before the first listing a pattern may match a guest that is not known so far."""
    assert _page(tmp_path / "listed").notes == (
        "guests.exclude[1] (name: 'ghost') matches no guest of this host",
    )
    assert _page(tmp_path / "early", listed=False).notes == ()


def test_the_end_of_a_guest_that_was_left_out_is_not_named() -> None:
    """It is counted, as that of any guest; its name is on the page neither while it runs nor later."""
    assembler, exclude = Assembler(), GuestSettings(exclude=(GuestPattern(tenant="ops"),))
    selection = Selection(exclude)
    web, infra = (
        Guest(domain=Domain(uuid=name, name=name), tenant=Tenant(id=tenant))
        for name, tenant in (("web", "acme"), ("infra", "ops"))
    )
    samples = (
        *(Sample(ends.ENDED, 1e9, ("t", name, name, "crashed")) for name in ("web", "infra")),
        Sample(ends.INCIDENT, 1e9, ("ops", "infra", "infra", "io_error", "vda")),
        Sample(ends.ENDS, 2, ("crashed",)),
    )
    report = Report(source="events", state=SourceState.OK, samples=samples)
    for guests in ({"web": web, "infra": infra}, {"web": web}, {}):
        page = assembler.assemble(
            taken_at=2e9, guests=guests, reports=[report], own=(), facts={}, selected=selection.of(guests)
        )
        shown = {family.metric: family.series for family in page.families}
        assert shown[ends.ENDED].keys() == {("t", "web", "web", "crashed")}
        assert ends.INCIDENT not in shown
        assert shown[ends.ENDS] == {("crashed",): 2}
        selection = Selection(exclude, selection)  # a reload
