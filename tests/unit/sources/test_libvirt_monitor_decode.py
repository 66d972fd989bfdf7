"""libvirt's records become samples by the table of fields; what a record lacks is absent, never zero."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector import catalogue
from hostcollector.base.definition import Disk, Domain
from hostcollector.base.model import Guest, Histogram, Metric
from hostcollector.catalogue import block, memory
from hostcollector.catalogue.libvirt_fields import FIELDS, field_of
from hostcollector.sources.libvirt_monitor.decode import Decoder, has_answered, is_partial

UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"
GUEST = Guest(domain=Domain(uuid=UUID, name="vm", disks=(Disk(target="vda", type="file"),)))
# As libvirt 9.0 gives them for a guest whose balloon driver reports.
WHOLE = {
    "balloon.current": 1024,
    "balloon.maximum": 2048,
    "balloon.available": 1000,
    "balloon.usable": 250,
    "balloon.disk_caches": 10,
    "balloon.last-update": 1700000000,
    "balloon.rss": 4096,
    "block.count": 1,
    "block.0.name": "vda",
    "block.0.rd.reqs": 3,
    "block.0.rd.bytes": 1536,
    "block.0.rd.times": 2_500_000_000,
    "block.0.capacity": 1048576,
}
# The same with another client's job on the monitor: NOWAIT steps over it.
BUSY = {"balloon.current": 1024, "balloon.maximum": 2048, "block.count": 1, "block.0.name": "vda"}


def _decode(
    record: dict[str, object], taken_at: float = 1700000005.0
) -> dict[tuple[Metric, tuple[str, ...]], object]:
    return {
        (sample.metric, sample.labels): sample.value for sample in Decoder().decode(UUID, record, taken_at)
    }


def test_a_whole_record_is_decoded_in_base_units() -> None:
    """Nanoseconds become seconds, KiB become bytes, the disk is named by its target."""
    values = _decode(WHOLE)
    assert values[block.READ_TIME, ("vda",)] == 2.5
    assert values[block.READ_BYTES, ("vda",)] == 1536
    assert values[memory.USAGE, ()] == 1024 * 1024
    assert values[memory.CURRENT_BALLOON, ()] == values[memory.ACTUAL_BALLOON, ()] == 1024 * 1024
    assert values[memory.USED_PERCENT, ()] == 75.0
    assert values[memory.AGE, ()] == 5.0
    assert not is_partial(WHOLE, GUEST)


def test_a_partial_record_has_no_counters_at_all() -> None:
    """A busy monitor makes counters absent: a zero would look like a reset."""
    metrics = {metric for metric, _ in _decode(BUSY)}
    assert metrics == {memory.USAGE, memory.MAXIMUM, memory.ACTUAL_BALLOON, memory.CURRENT_BALLOON}
    assert is_partial(BUSY, GUEST)


@pytest.mark.parametrize(
    ("types", "whole"),
    [
        (("vhostuser",), True),
        (("vhostvdpa",), True),
        (("vhostuser", "vhostvdpa"), True),
        (("vhostuser", "block"), False),
        (("network",), False),
        (("",), False),
        ((), False),
    ],
)
def test_only_disks_that_pass_qemu_by_may_lack_counters(types: tuple[str, ...], *, whole: bool) -> None:
    """QEMU never counts for such disks; for any other one missing counters mean a busy monitor."""
    disks = tuple(Disk(target=f"vd{number}", type=type_) for number, type_ in enumerate(types))
    guest = Guest(domain=Domain(uuid=UUID, name="vm", disks=disks))
    record = {"balloon.current": 1024, "balloon.rss": 4096, "block.count": 1, "block.0.name": "vda"}
    assert is_partial(record, guest) is not whole
    assert is_partial(BUSY, guest)


def test_a_record_says_whether_the_monitor_was_asked() -> None:
    """Balloon or disks alone are an answer too; names and sizes are what libvirt knows by itself."""
    balloon = {key: value for key, value in WHOLE.items() if key.startswith("balloon.")}
    disks = {key: value for key, value in WHOLE.items() if key.startswith("block.")}
    assert all(map(has_answered, (WHOLE, balloon, disks)))
    assert not has_answered(BUSY)


REPORTED = {
    row
    for row in catalogue.rows_of(memory)
    if row not in {memory.USAGE, memory.MAXIMUM, memory.ACTUAL_BALLOON, memory.CURRENT_BALLOON}
}


def test_a_balloon_that_never_reported_has_no_age() -> None:
    """last-update 0 means never: nothing of the guest's driver, and no age of half a century."""
    record = {key: value for key, value in BUSY.items() if key.startswith("balloon.")}
    assert {metric for metric, _ in _decode({**record, "balloon.last-update": 0})}.isdisjoint(REPORTED)


@pytest.mark.parametrize("updated", [0, 1700000005 + 3600, -1, 2**64 - 1, None])
def test_figures_without_an_age_are_left_out(updated: int | None) -> None:
    """A report at no time, or in the future: only that time is given on, which no row allows."""
    record = {**WHOLE, "balloon.swap_in": 1, "balloon.major_fault": 2, "balloon.last-update": updated}
    if updated is None:
        del record["balloon.last-update"]
    values = {metric: value for (metric, _), value in _decode(record).items() if metric in REPORTED}
    assert values == {memory.LAST_UPDATE: updated or 0}


@pytest.mark.parametrize(
    "lie",
    [
        {"balloon.available": (2**64 - 1) // 1024},
        {"balloon.available": 2049},
        {"balloon.available": -1},
        {"balloon.usable": 1001},
        {"balloon.usable": (2**64 - 1) // 1024},
        {"balloon.usable": -1},
        {"balloon.available": 0},
    ],
)
def test_no_share_is_made_of_what_cannot_be(lie: dict[str, object]) -> None:
    """The guest writes these figures: more than its memory, more usable than there is, less than none."""
    assert (memory.USED_PERCENT, ()) not in _decode({**WHOLE, **lie})


def test_a_histogram_of_absurdly_many_bins_is_left_out() -> None:
    """More bins than the record has fields are none."""
    record = {"block.0.name": "vda", "block.0.latency_histogram.read.bin.count": 2**32 - 1}
    assert _decode(record) == {}


def test_latency_bins_become_a_cumulative_histogram() -> None:
    """Each bin's upper bound is the next bin's start; the last bin is open."""
    prefix = "block.0.latency_histogram.read.bin"
    record = {"block.0.name": "vda", f"{prefix}.count": 3}
    for position, (start, value) in enumerate([(0, 5), (10_000, 7), (1_000_000, 1)]):
        record |= {f"{prefix}.{position}.start": start, f"{prefix}.{position}.value": value}
    (histogram,) = _decode(record).values()
    assert histogram == Histogram(bounds=(1e-5, 1e-3, math.inf), counts=(5, 12, 13))


def test_a_histogram_with_a_missing_bin_is_left_out() -> None:
    """Half a histogram would be a false one."""
    record = {"block.0.name": "vda", "block.0.latency_histogram.read.bin.count": 2}
    assert _decode(record) == {}


def test_an_unknown_field_is_counted_once_and_harmless() -> None:
    """A newer libvirt may say more; each new field counts once, whatever its index."""
    decoder = Decoder()
    record = {**WHOLE, "block.0.novelty": 1, "block.1.novelty": 2, "gadget.count": 3}
    assert len(list(decoder.decode(UUID, record, 0.0))) == len(list(Decoder().decode(UUID, WHOLE, 0.0)))
    assert decoder.unknown_fields == {"block.<n>.novelty", "gadget.count"}


def test_every_field_is_shown_or_has_a_reason() -> None:
    """Nothing that libvirt documents is left out in silence, and no pattern occurs twice."""
    assert field_of("block.0.limits.iov_max") is not None  # since libvirt 12
    assert all((field.metric is None) == bool(field.reason) for field in FIELDS)
    assert len({field.pattern for field in FIELDS}) == len(FIELDS)


@given(
    st.dictionaries(
        st.from_regex(r"(block|vcpu|balloon|[a-z]{1,5})(\.[0-9]{1,3})?(\.[a-z_]{1,9}){0,3}", fullmatch=True),
        st.integers(0, 2**64),
    )
)
def test_no_record_makes_the_decoder_raise_or_repeat_a_series(record: dict[str, object]) -> None:
    """Odd combinations of fields cost nothing but themselves."""
    samples = list(Decoder().decode(UUID, record, 0.0))
    assert len({(sample.metric, sample.labels) for sample in samples}) == len(samples)
    assert all(field_of(key) is not None for key in WHOLE)
