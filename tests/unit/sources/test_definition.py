"""The definition source shows what the live XML says, and only what it says."""

from dataclasses import replace

import pytest

from hostcollector.base.definition import Bandwidth, Disk, DiskLimits, Domain, MemoryBacking, Nic
from hostcollector.base.model import Guest, Sample, Tenant
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import block, guest, interface, limits, memory
from hostcollector.guests.domain_xml import parse
from hostcollector.sources.definition import Definition
from tests.places import DOMAIN_XML

DOMAIN = parse(DOMAIN_XML.read_text())


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
    found = {sample.metric: sample for sample in reading.samples if sample.metric in block.LIMITS.values()}
    assert {metric.name.rpartition("stats_")[2] for metric in found} == {
        "limit_total_bytes",
        "limit_read_requests",
    }
    assert found[block.LIMITS["total_bytes_sec"]].labels == ("vdb",)


def test_limits_of_interfaces_are_shown_by_direction() -> None:
    """What the definition grants, and nothing for what it does not set."""
    nic = Nic(type="bridge", target="tap7", inbound=Bandwidth(average=125_000, peak=250_000))
    reading = _read(replace(DOMAIN, nics=(nic,)))
    defined = {sample.metric: sample for sample in reading.samples if "_defined_" in sample.metric.name}
    assert set(defined) == {limits.DEFINED, limits.DEFINED_PEAK}
    assert defined[limits.DEFINED].value == 125_000
    assert defined[limits.DEFINED].labels == ("tap7", "receive")


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
    domain = Domain(uuid="u", name="bad", complete=False, remarks=("not XML: line 3",))
    reading = _read(domain, tenant=Tenant(id="acme", name="Acme", resolver="map"))
    assert [sample.metric for sample in reading.samples] == [guest.TENANT_INFO]
    assert reading.partial
    assert reading.missing == 1
    assert reading.notes == ("the XML of guest 'bad' cannot be read: not XML: line 3",)


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


def test_what_was_left_out_of_the_metadata_is_said() -> None:
    """The reading is whole: the metadata of others is no part of the definition."""
    domain = Domain(uuid="u", name="a", remarks=("<n:note> in its metadata is left out: unbound prefix",))
    reading = _read(domain)
    assert reading.notes == ("guest 'a': <n:note> in its metadata is left out: unbound prefix",)
    assert (reading.partial, reading.missing) == (False, 0)


def test_many_guests_with_odd_metadata_are_few_notes() -> None:
    """The same remark is one note, different ones are so many and a count: a page of notes does not help."""
    same = [Domain(uuid=f"s{n}", name=f"s{n}", remarks=("it is odd",)) for n in range(50)]
    other = [Domain(uuid=f"o{n}", name=f"o{n} ", remarks=(f"odd in line {n}",)) for n in range(50)]
    notes = _read(*same, *other).notes
    assert len(notes) == 12
    assert notes[0].endswith("'s9' and 40 more: it is odd")
    assert "41 more guests with metadata that is left out" in notes
    assert "and 40 more: a name with blanks" in notes[-1]
    assert max(map(len, notes)) < 500


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("web-1", False),
        ("a b", False),
        ("b\u00fccher", False),
        ("trail ", True),
        (" lead", True),
        ("\N{NO-BREAK SPACE}nbsp", True),
        ("em\N{EM QUAD}", True),
        ("a\N{ZERO WIDTH SPACE}", True),
        ("\N{RIGHT-TO-LEFT OVERRIDE}txt", True),
        ("a\nb", True),
    ],
)
def test_a_name_that_looks_like_another_is_marked(name: str, marked: bool) -> None:  # noqa: FBT001
    """The note shows how it is really written, and the UUID that distinguishes the guests."""
    notes = _read(Domain(uuid="u-1", name=name)).notes
    assert bool(notes) is marked
    assert all(repr(name) in note and "u-1" in note for note in notes)


def test_disks_that_share_their_limits_are_shown() -> None:
    """Each disk has the limit, and the group that it shares it in."""
    limits = DiskLimits(values={"total_iops_sec": 200}, groups=("limit0",))
    disks = tuple(Disk(target=target, limits=limits) for target in ("vda", "vdb"))
    samples = _read(Domain(uuid="u", name="a", disks=disks)).samples
    shown = {(s.metric, s.labels): s.value for s in samples if s.metric is block.THROTTLE_GROUP}
    assert shown == {(block.THROTTLE_GROUP, (disk, "limit0")): 1.0 for disk in ("vda", "vdb")}
    rows = [(s.labels, s.value) for s in samples if s.metric is block.LIMITS["total_iops_sec"]]
    assert rows == [(("vda",), 200), (("vdb",), 200)]


@pytest.mark.parametrize(("connected", "shown"), [(True, [1.0]), (False, [0.0]), (None, [])])
def test_the_agents_channel_is_shown_where_there_is_one(connected: bool | None, shown: list[float]) -> None:  # noqa: FBT001
    """A guest without the channel has no such series: the host cannot know whether it has an agent."""
    samples = _read(Domain(uuid="u", name="a", agent_connected=connected)).samples
    assert [sample.value for sample in samples if sample.metric is guest.AGENT_CONNECTED] == shown


def test_how_memory_is_backed_is_shown_where_the_definition_says_so() -> None:
    """Huge pages and NUMA nodes as labels; a guest with ordinary memory has no such series."""
    backing = MemoryBacking(huge_page_sizes=(0, 2**30), source="memfd", access="shared", locked=True)
    backed = Domain(uuid="a", name="a", memory_backing=backing, numa_mode="strict", numa_nodes="0-1")
    sample = _one(_read(backed, Domain(uuid="b", name="b")), memory.BACKING_INFO.name)
    assert (sample.uuid, sample.labels) == (
        "a",
        ("default,1073741824", "memfd", "shared", "yes", "strict", "0-1"),
    )
