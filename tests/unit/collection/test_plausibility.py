"""What cannot be is not shown: one check of every sample, by what the catalogue says of its row."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector import catalogue
from hostcollector.base.definition import Domain
from hostcollector.base.model import (
    Given,
    Guest,
    Histogram,
    Kind,
    Metric,
    Report,
    Sample,
    Scope,
    Snapshot,
    SourceState,
    Tenant,
)
from hostcollector.catalogue import (
    block,
    collection,
    cpu,
    gpu,
    guest,
    host,
    infiniband,
    interface,
    memory,
    pci,
)
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.plausibility import KEPT_SECONDS

UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"
MEMORY = 2**30
START = 1_700_000_000.0
INTERVAL = 15.0
ALL_ONES = 2**64 - 1
GPU = ("0000:3b:00.0",)


def _guest(domain_id: int = 1) -> Guest:
    domain = Domain(uuid=UUID, name="web", id=domain_id, vcpus=2, vcpus_maximum=2, memory_bytes=MEMORY)
    return Guest(domain=domain, tenant=Tenant(id="acme"))


class Pages:
    """Pages of one source, that follow each other every 15 seconds."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.now = START
        self.guest = _guest()
        self.last: Snapshot | None = None
        self._assembler = Assembler(implausible=self.counts)

    def page(self, *samples: Sample, after: float = INTERVAL) -> Snapshot:
        """Return the page with `samples`, `after` seconds after the last one."""
        self.now += after
        report = Report(source="test", state=SourceState.OK, samples=samples, sample_count=len(samples))
        self.last = self._assembler.assemble(
            taken_at=self.now, guests={UUID: self.guest}, reports=[report], own=(), facts={}
        )
        return self.last

    def show(self, row: Metric, value: float | Histogram, *, after: float = INTERVAL) -> object:
        """Return what the next page shows of one series of `row`; None if it is absent."""
        return _value(self.page(_sample(row, value), after=after), row)

    def follow(self, row: Metric, values: Sequence[float]) -> list[object]:
        """Return what the next pages show of one series that reads as `values`."""
        return [self.show(row, value) for value in values]

    @property
    def note(self) -> str:
        """What the last page's report says."""
        assert self.last is not None
        return " ".join(self.last.reports[0].notes)


def _sample(row: Metric, value: float | Histogram) -> Sample:
    labels = tuple(f"{name}-1" for name in row.labels)
    return Sample(row, value, labels, UUID if row.scope is Scope.DOMAIN else "")


def _value(page: Snapshot, row: Metric) -> object:
    series = next((family.series for family in page.families if family.metric is row), {})
    labels = tuple(f"{name}-1" for name in row.labels)
    return series.get(("acme", "web", UUID, *labels) if row.scope is Scope.DOMAIN else labels)


def _inside(row: Metric) -> float:
    """Return a value that the row can have."""
    can_be = row.can_be
    if can_be.given is Given.PRESENT:
        return START
    value = min(max(can_be.least, 1.0), can_be.most)
    return next(each for each in (value, can_be.least, can_be.most) if each not in can_be.unknown)


# The join itself puts its limit on each page, whatever a source says of that row.
NUMBERS = tuple(
    row for row in catalogue.ALL if row.kind is not Kind.HISTOGRAM and row is not collection.SERIES_LIMIT
)
COUNTERS = tuple(row for row in NUMBERS if row.kind is Kind.COUNTER)
BEYOND = (
    st.sampled_from(
        [math.nan, math.inf, -math.inf, -1, -1.0, -273.15, 255, 65535, 2**32 - 1, 2**63 - 1, 2**63, ALL_ONES]
        + [
            factor * (2**bits - 1)
            for bits in (16, 32, 64)
            for factor in (1e-9, 1e-6, 1e-3, 0.01, 1024, 2**20, 1e6)
        ]
    )
    | st.floats()
)


@pytest.fixture
def pages() -> Pages:
    """Give pages of a guest with two vCPUs and 1 GiB."""
    return Pages()


@given(st.sampled_from(NUMBERS), BEYOND, st.data())
def test_a_wild_value_of_any_row_is_absent_counted_and_noted(
    row: Metric, wild: float, data: st.DataObject
) -> None:
    """Out of the row's range, or a value that means unknown: nothing is shown, and the page says so."""
    can_be = row.can_be
    if can_be.least <= wild <= can_be.most and wild not in can_be.unknown:
        wild = data.draw(st.sampled_from(sorted(can_be.unknown) or [can_be.most + max(1.0, can_be.most)]))
    pages = Pages()
    assert pages.show(row, wild) is None
    assert pages.counts["test"] == 1
    assert row.name in pages.note
    assert _series(pages, collection.IMPLAUSIBLE_VALUES) == {("test",): 1, ("collector",): 0}


@given(st.sampled_from(NUMBERS))
def test_a_value_of_any_row_that_can_be_is_kept(row: Metric) -> None:
    """What is within the row's range is shown as it is, and counted as nothing."""
    pages = Pages()
    assert pages.show(row, _inside(row)) == _inside(row)
    assert pages.counts["test"] == 0
    assert pages.note == ""


@given(st.sampled_from([row for row in COUNTERS if row.can_be.most > 1e6]), st.floats(1.01, 1e6))
def test_a_leap_of_any_counter_is_absent(row: Metric, times: float) -> None:
    """Further than the greatest rate allows since the last page: absent, counted, and then on as before."""
    pages = Pages()
    assert pages.show(row, 1.0) == 1.0
    threads = 66 if row.can_be.given is Given.VCPUS else 1
    leap = 1.0 + (row.can_be.per_second or 0) * threads * 75 * times
    assert pages.show(row, leap) is None
    assert row.name in pages.note
    assert pages.counts["test"] == 1
    assert pages.show(row, 2.0) == 2.0


def _series(pages: Pages, row: Metric) -> dict[tuple[str, ...], object]:
    assert pages.last is not None
    return next(dict(family.series) for family in pages.last.families if family.metric is row)


@pytest.mark.parametrize(
    ("row", "wild"),
    [
        (gpu.POWER.guest, 4294967.295),
        (gpu.POWER.guest, 310500),  # milliwatts
        (gpu.POWER.guest, 65.535),
        (gpu.TEMPERATURE.guest, 4294967295),
        (gpu.TEMPERATURE.guest, -273.15),
        (gpu.TEMPERATURE.guest, -1),
        (gpu.TEMPERATURE.guest, 255),
        (gpu.UTILIZATION.guest, 2.55),
        (gpu.CLOCK.guest, 4294967295e6),
        (gpu.MEMORY.guest, 0),
        (gpu.MEMORY_USED.guest, 2**64 - 4096),
        (gpu.ENERGY.guest, ALL_ONES / 1000),
        (gpu.NVLINK_RECEIVED.guest, ALL_ONES * 1024),
        (gpu.ECC_ERRORS.guest, 2**32 - 1),
        (host.CPUS_ONLINE, 0),
        (pci.LINK_WIDTH.guest, 63),
        (pci.LINK_WIDTH.guest, 255),
        (memory.AVAILABLE, ALL_ONES // 1024 * 1024),
        (memory.UNUSED, -1024),
        (memory.USAGE, MEMORY + 1024),
        (memory.LAST_UPDATE, 0),
        (memory.LAST_UPDATE, START + 86400),
        (memory.USED_PERCENT, -100),
        (block.READ_REQUESTS, ALL_ONES),
        (block.READ_REQUESTS, -1),
        (block.READ_TIME, ALL_ONES / 1e9),
        (cpu.VCPU_DELAY, 18446744073709551000 / 1e9),
        (cpu.VCPU_TIME, (2**64 - 5_000_000_000) / 1e9),
        (interface.RECEIVE_BYTES, 2**64 - 1500),
        (infiniband.PORT_COUNTERS["port_rcv_data"], 4294967295 * 4),
        (infiniband.PORT_COUNTERS["symbol_error"], 65535),
        (infiniband.PORT_COUNTERS["link_downed"], 255),
        (infiniband.PORT_COUNTERS["excessive_buffer_overrun_errors"], 15),
        (guest.STATE_CODE, 255),
        (guest.VIRTUAL_CPUS, 2**32 - 1),
    ],
)
def test_what_devices_say_when_they_know_nothing_is_absent(row: Metric, wild: float, pages: Pages) -> None:
    """All ones and -1 in several widths, before and after a unit's conversion, saturation, wrong units."""
    assert pages.show(row, wild) is None


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (infiniband.PORT_COUNTERS["symbol_error"], 65534),
        (infiniband.PORT_COUNTERS["port_rcv_data"], 65535 * 4),
        (gpu.NVLINK_RECEIVED.guest, 2**66),  # five months of a fast GPU
        (gpu.TEMPERATURE.guest, -5),
        (cpu.DOMAIN_CPU_TIME, 1e11),  # many vCPUs for years
        (block.READ_BYTES, 2**63 + 4096),
        (memory.AVAILABLE, MEMORY),
        (memory.SWAP_IN, 2**50),
        (memory.LAST_UPDATE, START + 3),
        (interface.RECEIVE_PACKETS, 0),
    ],
)
def test_what_is_rare_but_can_be_is_shown(row: Metric, value: float, pages: Pages) -> None:
    """A right value that is left out is a fault as well."""
    assert pages.show(row, value) == value


BYTES, ERRORS = interface.RECEIVE_BYTES, interface.RECEIVE_ERRORS
WILD = 2**62


@pytest.mark.parametrize(
    ("readings", "shown"),
    [
        ([100, WILD, 200, 300], [100, None, 200, 300]),
        ([100, WILD, WILD + 1, 200, 300], [100, None, None, 200, 300]),
        # What stays is believed at the third reading.
        ([100, WILD, WILD + 5, WILD + 9, WILD + 10], [100, None, None, WILD + 9, WILD + 10]),
        ([100, WILD, WILD * 3, 200], [100, None, None, 200]),
        ([1000, 5, 1100], [1000, None, 1100]),
        ([1000, 0, 1100], [1000, None, 1100]),
        # A restart of its owner is believed at the second reading.
        ([1000, 5, 20, 30], [1000, None, 20, 30]),
        ([1000, 0, 0, 1], [1000, None, 0, 1]),
        ([1000, 5, 3, 4], [1000, None, None, 4]),
        ([1000, 5, WILD, 1100], [1000, None, None, 1100]),
        ([1000, math.nan, 1100], [1000, None, 1100]),
        ([ALL_ONES, 200, 300], [None, 200, 300]),
        ([0, 0, 7], [0, 0, 7]),
    ],
)
def test_a_wild_reading_is_never_shown_and_poisons_nothing(
    readings: list[float], shown: list[object], pages: Pages
) -> None:
    """Up or down, the readings after it are judged by the one before it; what stays comes back."""
    assert pages.follow(BYTES, readings) == shown


def test_a_doubted_reading_survives_a_page_without_the_series(pages: Pages) -> None:
    """A source that fails in between takes neither the last reading away nor the doubt."""
    pages.show(BYTES, 100)
    pages.page()
    assert pages.show(BYTES, WILD) is None
    pages.page()
    assert pages.show(BYTES, 300) == 300


def test_a_long_pause_lets_a_counter_grow(pages: Pages) -> None:
    """The step is judged by the time that passed, for a series that was missing too."""
    day, rate = 86400.0, BYTES.can_be.per_second or 0
    pages.show(BYTES, 100)
    pages.page()
    assert pages.show(BYTES, rate * (INTERVAL + 60)) == rate * (INTERVAL + 60)
    assert pages.show(BYTES, rate * day, after=day) == rate * day


def test_a_series_that_was_missing_for_long_is_new(pages: Pages) -> None:
    """What was an hour ago says nothing any more."""
    pages.show(BYTES, 1000)
    pages.page(after=KEPT_SECONDS)
    pages.page()
    assert pages.show(BYTES, 5) == 5


def test_a_guest_that_was_started_again_counts_from_0_at_once(pages: Pages) -> None:
    """Its counters are those of another QEMU; nothing is in doubt."""
    pages.follow(BYTES, [1000, 2000])
    pages.guest = _guest(2)
    assert pages.show(BYTES, 5) == 5


def test_a_clock_that_is_set_back_doubts_nothing(pages: Pages) -> None:
    """A step is judged by the slack alone then."""
    pages.follow(BYTES, [1000, 2000])
    assert pages.show(BYTES, 3000, after=-3600) == 3000


def test_cpu_time_is_bounded_by_the_guests_vcpus(pages: Pages) -> None:
    """All threads of a guest use what its vCPUs and QEMU's own threads can, one thread a second each."""
    assert pages.follow(cpu.DOMAIN_CPU_TIME, [0, 150, 60_000, 300]) == [0, 150, None, 300]
    assert pages.follow(cpu.VCPU_TIME, [0, 15, 150, 45]) == [0, 15, None, 45]


def test_parts_are_at_most_the_whole(pages: Pages) -> None:
    """Of a GPU's memory and of the host's; the whole may come before or after its part on the page."""
    whole, part = gpu.MEMORY.guest, gpu.MEMORY_USED.guest
    assert _value(pages.page(_sample(whole, 100), _sample(part, 101)), part) is None
    assert _value(pages.page(_sample(part, 101), _sample(whole, 100)), part) is None
    assert _value(pages.page(_sample(part, 99), _sample(whole, 100)), part) == 99
    page = pages.page(_sample(host.MEMORY_TOTAL, 2**40), _sample(memory.RSS, 2**41))
    assert _value(page, memory.RSS) is None


def test_nothing_is_a_part_of_what_cannot_be(pages: Pages) -> None:
    """A GPU that says that its memory is 0 says nothing by using 0 of it."""
    whole, part = gpu.MEMORY.guest, gpu.MEMORY_USED.guest
    page = pages.page(_sample(whole, 0), _sample(part, 0))
    assert _value(page, part) is None


@pytest.mark.parametrize(
    "counts",
    [(3, 2, 5), (-1, 0, 5), (1, 2, ALL_ONES), (0, 1)],
)
def test_a_histogram_is_cumulative_or_absent(counts: tuple[int, ...], pages: Pages) -> None:
    """Counts that fall, are negative or too large, or are not one for each bound."""
    assert pages.show(block.LATENCY, Histogram((0.001, 1.0, math.inf), counts)) is None
    good = Histogram((0.001, 1.0, math.inf), (1, 2, 5))
    assert pages.show(block.LATENCY, good) == good


def test_a_histogram_in_a_row_of_numbers_is_absent(pages: Pages) -> None:
    """A source's mistake costs its sample, not the page."""
    assert pages.show(host.CPUS_ONLINE, Histogram((math.inf,), (1,))) is None


def test_the_note_names_a_few_metrics(pages: Pages) -> None:
    """With how many values, and one of them; the others are counted."""
    rows = [row for row in NUMBERS if row.source == "infiniband" and row.kind is Kind.COUNTER]
    pages.page(*(_sample(row, -1) for row in rows), _sample(rows[0], -2))
    assert f"{rows[0].name} (2, such as -1 for device-1/port-1)" in pages.note
    assert f"and {len(rows) - 5} more metrics" in pages.note


def test_the_count_goes_on(pages: Pages) -> None:
    """It is a counter: from 0 on for every source, and never less."""
    pages.page()
    assert _series(pages, collection.IMPLAUSIBLE_VALUES) == {("test",): 0, ("collector",): 0}
    pages.page(_sample(host.CPUS_ONLINE, 0))
    pages.page()
    assert _series(pages, collection.IMPLAUSIBLE_VALUES)["test",] == 1


def test_another_source_may_give_what_one_got_wrong(pages: Pages) -> None:
    """A value that cannot be does not take the series' place."""
    page = pages.page(_sample(host.CPUS_ONLINE, 0), _sample(host.CPUS_ONLINE, 8))
    assert _value(page, host.CPUS_ONLINE) == 8


def test_odd_numbers_break_nothing(pages: Pages) -> None:
    """Integers too long to be written, and what is no number at all: a source's mistake costs its sample."""
    odd: list[Any] = [10**5000, -(10**5000), 2**1024, 1e400, None, "8", b"8", (1,), 1j]
    row = gpu.ROW_REMAPPING_BANKS.host
    for value in odd:
        page = pages.page(_sample(row, value), _sample(host.CPUS_ONLINE, 8))
        assert (_value(page, row), _value(page, host.CPUS_ONLINE)) == (None, 8)
        assert row.name in pages.note
    assert pages.show(row, True) is True


SPEEDS = st.lists(st.floats(0, 1), min_size=4, max_size=12)


@given(st.sampled_from(COUNTERS), SPEEDS)
def test_no_counter_that_grows_as_it_can_is_doubted(row: Metric, speeds: list[float]) -> None:
    """At any rates up to the row's greatest, all readings are shown."""
    room = row.can_be.most / 4
    rate = min((row.can_be.per_second or 0) * INTERVAL, room / len(speeds))
    readings = [0.0]
    for speed in speeds:
        readings.append(readings[-1] + speed * rate)
    pages = Pages()
    assert pages.follow(row, readings) == readings


@given(st.sampled_from(COUNTERS), SPEEDS, st.data())
def test_one_wild_reading_among_good_ones_costs_itself(
    row: Metric, speeds: list[float], data: st.DataObject
) -> None:
    """Wherever it is and whatever it is, up or down: the others are shown as if it had not been."""
    step = min(row.can_be.per_second or 0, row.can_be.most / 4 / len(speeds))
    readings: list[float] = [step / 2]
    for speed in speeds:
        readings.append(readings[-1] + speed * step)
    place = data.draw(st.integers(1, len(readings) - 2))
    threads = 66 if row.can_be.given is Given.VCPUS else 1
    leap = readings[place] + (row.can_be.per_second or 0) * threads * 1000
    down = data.draw(st.floats(0, 0.9)) * readings[place - 1]
    wild = data.draw(st.sampled_from([down, leap, -1.0, math.nan, math.inf, row.can_be.most * 2]))
    shown: list[object] = [*readings[:place], None, *readings[place + 1 :]]
    pages = Pages()
    assert pages.follow(row, [*readings[:place], wild, *readings[place + 1 :]]) == shown
    assert pages.counts["test"] == 1


def test_the_count_outlives_a_reload() -> None:
    """Another assembler goes on where the last one was: a reload takes nothing away."""
    counts: Counter[str] = Counter()
    for expected in (1, 2):
        report = Report(source="test", state=SourceState.OK, samples=(_sample(host.CPUS_ONLINE, 0),))
        Assembler(implausible=counts).assemble(taken_at=START, guests={}, reports=[report], own=(), facts={})
        assert counts["test"] == expected
