"""The join gives every guest's series its identity, and lets nothing hostile or double onto the page."""

from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest, Report, Sample, Snapshot, SourceState, Tenant
from hostcollector.catalogue import block, collection, guest, host
from hostcollector.collection.assemble import LONGEST_LABEL, Assembler, clean
from hostcollector.guests.selection import Selected

UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"


def _guest(name: str = "web", tenant: str = "acme", uuid: str = UUID) -> Guest:
    return Guest(domain=Domain(uuid=uuid, name=name), tenant=Tenant(id=tenant))


def _join(*samples: Sample, guests: tuple[Guest, ...] = (_guest(),), limit: int = 1000) -> Snapshot:
    report = Report(source="test", state=SourceState.OK, samples=samples)
    return Assembler(series_limit=limit).assemble(
        taken_at=1.0,
        guests={known.domain.uuid: known for known in guests},
        reports=[report],
        own=(),
        facts={},
    )


def _series(snapshot: Snapshot, name: str) -> dict[tuple[str, ...], object]:
    return next((dict(family.series) for family in snapshot.families if family.metric.name == name), {})


def _left_off(snapshot: Snapshot) -> dict[str, object]:
    return {labels[0]: count for labels, count in _series(snapshot, collection.SERIES_DROPPED.name).items()}


def test_a_guests_series_carries_tenant_name_and_uuid() -> None:
    """The identity comes before the sample's own labels."""
    snapshot = _join(Sample(block.READ_BYTES, 512, ("vda",), UUID))
    assert _series(snapshot, block.READ_BYTES.name) == {("acme", "web", UUID, "vda"): 512}


def test_a_host_series_has_its_own_labels_only() -> None:
    """What describes the hypervisor belongs to no tenant."""
    assert _series(_join(Sample(host.CPUS_ONLINE, 2)), host.CPUS_ONLINE.name) == {(): 2}


def test_the_first_of_two_samples_for_one_series_is_kept() -> None:
    """A duplicate would make Prometheus refuse the page: it is left off and counted."""
    sample = Sample(block.READ_BYTES, 512, ("vda",), UUID)
    snapshot = _join(sample, sample._replace(value=1024))
    assert _series(snapshot, block.READ_BYTES.name) == {("acme", "web", UUID, "vda"): 512}
    assert _left_off(snapshot) == {"duplicate": 1, "unknown_guest": 0, "over_limit": 0}


def test_two_guests_with_one_name_stay_apart() -> None:
    """Names repeat during a migration or a rebuild; the UUID keeps the series distinct."""
    other = "00000000-0000-4000-8000-000000000002"
    samples = (Sample(guest.STATE_CODE, 1, (), UUID), Sample(guest.STATE_CODE, 3, (), other))
    snapshot = _join(*samples, guests=(_guest(), _guest(uuid=other)))
    assert len(_series(snapshot, guest.STATE_CODE.name)) == 2
    assert _left_off(snapshot)["duplicate"] == 0


def test_a_sample_for_an_unknown_guest_is_counted_and_left_off() -> None:
    """A guest that vanished between listing and reading gives no series without a tenant."""
    snapshot = _join(Sample(guest.STATE_CODE, 1, (), "unknown"))
    assert _series(snapshot, guest.STATE_CODE.name) == {}
    assert _left_off(snapshot)["unknown_guest"] == 1


def test_a_page_ends_at_its_limit_of_series() -> None:
    """Runaway cardinality is cut off and shows in the count."""
    samples = [Sample(block.READ_BYTES, 1, (f"vd{number}",), UUID) for number in range(10)]
    snapshot = _join(*samples, limit=4)
    assert len(_series(snapshot, block.READ_BYTES.name)) == 4
    assert _left_off(snapshot)["over_limit"] == 6
    assert _series(snapshot, collection.SERIES_LIMIT.name) == {(): 4}


def test_families_come_in_the_catalogues_order() -> None:
    """Two pages can be compared line by line, whichever source was first."""
    names = [
        family.metric.name
        for family in _join(Sample(host.CPUS_ONLINE, 2), Sample(guest.STATE_CODE, 1, (), UUID)).families
    ]
    assert names.index(guest.STATE_CODE.name) < names.index(host.CPUS_ONLINE.name)


@given(st.text(max_size=LONGEST_LABEL + 50))
def test_a_cleaned_label_is_short_printable_utf8(value: str) -> None:
    """Whatever a guest is called, its label is one line of valid text of bounded length."""
    label = clean(value)
    label.encode()
    assert label.isprintable()
    assert len(label) <= LONGEST_LABEL
    assert clean(label) == label


@given(st.floats(-1e300, 1e300) | st.integers(-(2**70), 2**70))
def test_values_pass_through_untouched(value: float) -> None:
    """The join never changes a number."""
    row = collection.PROCESS_MAX_FDS
    assert _series(_join(Sample(row, value)), row.name) == {(): value}


def test_a_guest_that_is_left_out_has_no_series() -> None:
    """It is counted as left out, and not as unknown; its values are judged no more."""
    other = "00000000-0000-4000-8000-000000000002"
    samples = tuple(Sample(block.READ_BYTES, 512, ("vda",), uuid) for uuid in (UUID, other, "unknown"))
    guests = {UUID: _guest(), other: _guest("infra", uuid=other)}
    snapshot = Assembler().assemble(
        taken_at=1.0,
        guests=guests,
        reports=[Report(source="test", state=SourceState.OK, samples=samples)],
        own=(),
        facts={},
        selected=Selected(frozenset({other, "ended"}), ("a note",)),
    )
    assert _series(snapshot, block.READ_BYTES.name) == {("acme", "web", UUID, "vda"): 512}
    assert _left_off(snapshot)["unknown_guest"] == 1
    assert [member.domain.name for member in snapshot.guests] == ["web"]
    assert (snapshot.left_out, snapshot.notes) == (1, ("a note",))
