"""The definition source shows what the live XML says, and only what it says."""

from pathlib import Path

from hostcollector.catalogue import block, guest, interface
from hostcollector.domain_xml import parse
from hostcollector.model import Domain, Guest, Sample, Tenant
from hostcollector.sources.base import Reading, Request
from hostcollector.sources.definition import Definition

DOMAIN = parse((Path(__file__).parent.parent / "fixtures" / "domain.xml").read_text())


def _read(*domains: Domain, tenant: Tenant | None = None) -> Reading:
    guests = {domain.uuid: Guest(domain=domain, tenant=tenant or Tenant()) for domain in domains}
    return Definition().read(Request(guests=guests, deadline=0.0, taken_at=0.0))


def _one(reading: Reading, name: str) -> Sample:
    (sample,) = [sample for sample in reading.samples if sample.metric.name == name]
    return sample


def test_sizes_and_limits_are_shown_in_base_units() -> None:
    """Memory in bytes, vCPUs, and the limits that are set; a limit of zero is no limit."""
    reading = _read(DOMAIN)
    assert _one(reading, guest.MAXIMUM_MEMORY.name).value == 4 * 2**30
    assert _one(reading, guest.VCPU_CURRENT.name).value == 2
    assert _one(reading, guest.VCPU_MAXIMUM.name).value == 4
    limits = {sample.metric: sample for sample in reading.samples if sample.metric in block.LIMITS.values()}
    assert {metric.name.rpartition("stats_")[2] for metric in limits} == {
        "limit_total_bytes",
        "limit_read_requests",
    }
    assert limits[block.LIMITS["total_bytes_sec"]].labels == ("vdb",)


def test_nova_guests_have_the_common_info_series() -> None:
    """The labels are those that dashboards of the other exporters join on."""
    reading = _read(DOMAIN)
    labels = dict(
        zip(guest.OPENSTACK_INFO.labels, _one(reading, guest.OPENSTACK_INFO.name).labels, strict=True)
    )
    assert labels == {
        "instance_name": "web-1",
        "instance_id": DOMAIN.uuid,
        "flavor_name": "m1.small",
        "user_name": "alice",
        "user_id": "u-1",
        "project_name": "Globex",
        "project_id": "p-1",
    }
    assert _one(reading, guest.INFO_META.name).labels[-2:] == ("image", "i-1")


def test_an_interface_without_a_netdev_has_no_series_of_its_own() -> None:
    """A passed-through interface would share its empty name with the next one."""
    names = [sample.labels for sample in _read(DOMAIN).samples if sample.metric is interface.META]
    assert names == [("br-int", "tap3", "8f0e5a3c-0000-4000-8000-000000000001")]


def test_a_guest_with_unreadable_xml_is_named() -> None:
    """It has no definition series, its tenant's if it is known, and a note says why."""
    domain = Domain(uuid="u", name="bad", complete=False)
    reading = _read(domain, tenant=Tenant(id="acme", name="Acme", resolver="map"))
    assert [sample.metric for sample in reading.samples] == [guest.TENANT_INFO]
    assert reading.partial
    assert "bad" in reading.notes[0]


def test_a_changed_definition_replaces_the_kept_series() -> None:
    """What was derived from the old definition is not shown for the new one."""
    source = Definition()
    for vcpus in (1, 2):
        known = Guest(domain=Domain(uuid="u", name="a", vcpus=vcpus))
        reading = source.read(Request(guests={"u": known}, deadline=0.0, taken_at=0.0))
        assert _one(reading, guest.VIRTUAL_CPUS.name).value == vcpus


def test_two_disks_with_one_target_give_one_series() -> None:
    """A definition that repeats a target cannot put a duplicate onto the page."""
    twice = Domain(uuid="u", name="a", disks=DOMAIN.disks[:1] * 2)
    assert len([sample for sample in _read(twice).samples if sample.metric is block.META]) == 1
