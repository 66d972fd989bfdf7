"""Each owner of reusable hardware starts at 0 and is never shown another owner's use."""

import math
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.devices.baseline_record import Record
from hostcollector.devices.baselines import FILE_NAME, Baselines, boot_of

VF = "vf/0000:3b:00.2"


def _baselines(directory: Path, boot: str = "first") -> Baselines:
    """Return baselines in `directory` on a host that booted as `boot`."""
    file = directory / "root/proc/sys/kernel/random/boot_id"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(boot + "\n")
    return Baselines(directory / "state", directory / "root", patience=30)


def _read(baselines: Baselines, owner: str, rx: int, tx: int) -> Mapping[str, float]:
    """Return the counters that can be believed."""
    values = baselines.relative(VF, owner, {"rx": rx, "tx": tx})
    return {name: value for name, value in values.items() if not math.isnan(value)}


def test_a_pair_met_without_a_record_starts_at_0(tmp_path: Path) -> None:
    """What the hardware counted before the first reading has no owner."""
    baselines = _baselines(tmp_path)
    assert _read(baselines, "a", 1000, 500) == {"rx": 0, "tx": 0}
    assert _read(baselines, "a", 1300, 500) == {"rx": 300, "tx": 0}


def test_a_new_owner_starts_at_0(tmp_path: Path) -> None:
    """Also when the hardware was free in between, and also for an owner that was there before."""
    baselines = _baselines(tmp_path)
    _read(baselines, "a", 10, 10)
    assert _read(baselines, "a", 500, 700) == {"rx": 490, "tx": 690}
    assert _read(baselines, "", 510, 700) == {"rx": 0, "tx": 0}
    assert _read(baselines, "b", 600, 800) == {"rx": 0, "tx": 0}
    assert _read(baselines, "b", 601, 802) == {"rx": 1, "tx": 2}
    assert _read(baselines, "a", 700, 900) == {"rx": 0, "tx": 0}


def test_what_an_owner_has_had_is_kept(tmp_path: Path) -> None:
    """Parts that are gone are still its own, also after a restart; the next owner begins anew."""
    baselines = _baselines(tmp_path)
    assert baselines.had("gpu", "a", ("link/0", "link/1")) == frozenset({"link/0", "link/1"})
    assert baselines.had("gpu", "a", ("link/1", "link/2")) == frozenset({"link/0", "link/1", "link/2"})
    assert baselines.relative("gpu", "a", {"rx": 5}) == {"rx": 0}
    baselines.flush()
    again = _baselines(tmp_path)
    assert again.had("gpu", "a", ()) == frozenset({"link/0", "link/1", "link/2"})
    assert again.had("gpu", "b", ("link/2",)) == frozenset({"link/2"})


def test_devices_do_not_mix(tmp_path: Path) -> None:
    """One owner may have many devices, each with a baseline of its own."""
    baselines = _baselines(tmp_path)
    baselines.relative("vf/1", "a", {"rx": 5})
    baselines.relative("vf/2", "a", {"rx": 7})
    assert baselines.relative("vf/1", "a", {"rx": 6}) == {"rx": 1}
    assert baselines.relative("vf/2", "a", {"rx": 9}) == {"rx": 2}


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    """The counters of an owner that is still there go on; one that came meanwhile starts at 0."""
    before = _baselines(tmp_path)
    _read(before, "a", 1000, 0)
    assert _read(before, "a", 1500, 40) == {"rx": 500, "tx": 40}
    before.flush()
    assert _read(_baselines(tmp_path), "a", 1700, 50) == {"rx": 700, "tx": 50}
    assert _read(_baselines(tmp_path), "b", 1700, 50) == {"rx": 0, "tx": 0}


def test_records_of_another_boot_are_not_believed(tmp_path: Path) -> None:
    """No guest outlives its host's boot; the same name after it is another guest."""
    before = _baselines(tmp_path)
    _read(before, "a", 100, 100)
    before.flush()
    assert _read(_baselines(tmp_path, "second"), "a", 5000, 5000) == {"rx": 0, "tx": 0}


def test_a_reset_goes_on_from_0(tmp_path: Path) -> None:
    """Counters that went back count from there, once they are read again; nothing is ever negative."""
    baselines = _baselines(tmp_path)
    _read(baselines, "a", 1000, 1000)
    assert _read(baselines, "a", 5000, 1001) == {"rx": 4000, "tx": 1}
    assert _read(baselines, "a", 30, 0) == {}
    assert _read(baselines, "a", 50, 2) == {"rx": 20, "tx": 2}


def test_a_reset_during_a_restart_is_seen(tmp_path: Path) -> None:
    """Counters below the baseline on disk were reset."""
    before = _baselines(tmp_path)
    _read(before, "a", 1000, 1000)
    before.flush()
    after = _baselines(tmp_path)
    assert _read(after, "a", 7, 1001) == {"tx": 1}
    assert _read(after, "a", 9, 1002) == {"rx": 2, "tx": 2}


def test_zeros_out_of_nowhere_are_left_out(tmp_path: Path) -> None:
    """A read that failed gives zeros: nothing is shown, and afterwards the counters go on."""
    baselines = _baselines(tmp_path)
    _read(baselines, "a", 1000, 1000)
    _read(baselines, "a", 1500, 1100)
    assert _read(baselines, "a", 0, 0) == {}
    assert _read(baselines, "a", 1510, 0) == {"rx": 510}
    assert _read(baselines, "a", 1600, 1200) == {"rx": 600, "tx": 200}


def test_a_failed_read_at_the_take_over_leaks_nothing(tmp_path: Path) -> None:
    """Zeros in the very moment of a new owner are 0 for it, but no baseline: the old total never shows."""
    baselines = _baselines(tmp_path)
    _read(baselines, "a", 1000, 1000)
    assert _read(baselines, "b", 0, 0) == {"rx": 0, "tx": 0}
    assert _read(baselines, "b", 1200, 1200) == {"rx": 0, "tx": 0}
    assert _read(baselines, "b", 1201, 1202) == {"rx": 1, "tx": 2}


def test_zeros_that_were_never_more_are_counters(tmp_path: Path) -> None:
    """Hardware that has not counted yet shows 0, and its first packet counts from the second reading on."""
    baselines = _baselines(tmp_path)
    assert _read(baselines, "a", 0, 0) == {"rx": 0, "tx": 0}
    assert _read(baselines, "a", 0, 0) == {"rx": 0, "tx": 0}
    assert _read(baselines, "a", 1, 0) == {"rx": 1, "tx": 0}


WILD, ALL_ONES = 2**62, 2**64 - 1
_LEFT_OUT = math.nan


@pytest.mark.parametrize(
    ("readings", "shown"),
    [
        ([100, ALL_ONES, 200, 300], [0, _LEFT_OUT, 100, 200]),
        ([5, ALL_ONES, 6], [0, _LEFT_OUT, 1]),
        ([ALL_ONES, 200, 300], [_LEFT_OUT, 0, 100]),
        ([2**32 - 1, 200, 300], [_LEFT_OUT, 0, 100]),
        ([-1, 200, 300], [_LEFT_OUT, 0, 100]),
        ([100, (2**64 - 1) * 1024, 200], [0, _LEFT_OUT, 100]),
        ([100, ALL_ONES - 3, 200], [0, _LEFT_OUT, 100]),
        ([100, WILD, 200, 300], [0, _LEFT_OUT, 100, 200]),
        ([100, WILD, WILD + 1, 200, 300], [0, _LEFT_OUT, _LEFT_OUT, 100, 200]),
        # As far as the counter could have grown: shown, and then undone.
        ([100, 2**40, 200, 300], [0, 2**40 - 100, _LEFT_OUT, 200]),
        # What stays is believed, and the leap is not the owner's.
        ([100, 300, WILD, WILD + 1, WILD + 7], [0, 200, _LEFT_OUT, _LEFT_OUT, 207]),
        ([0, 900, 910], [0, 0, 10]),
        ([0, 0, 900, 910], [0, 0, 900, 910]),
        ([WILD, 200, 300, 301], [0, _LEFT_OUT, 100, 101]),
        ([1000, 1500, 5, 1600], [0, 500, _LEFT_OUT, 600]),
        ([1000, 1500, 0, 1600], [0, 500, _LEFT_OUT, 600]),
        ([1000, 1500, 0, 0, 0, 1600], [0, 500, _LEFT_OUT, _LEFT_OUT, _LEFT_OUT, 600]),
        ([1000, 1500, 5, 20, 30], [0, 500, _LEFT_OUT, 15, 25]),
        # The same number again within a minute is no second reading.
        ([1000, 1500, 5, 5, 5, 5, 5, 6], [0, 500, *[_LEFT_OUT] * 4, 0, 1]),
        ([1000, WILD, WILD, WILD, WILD, 1100], [0, *[_LEFT_OUT] * 4, 100]),
        ([1000, 1500, 20, 5, 30], [0, 500, _LEFT_OUT, _LEFT_OUT, 25]),
        ([1000, 1500, WILD, 5, 1600], [0, 500, _LEFT_OUT, _LEFT_OUT, 600]),
    ],
)
def test_a_wild_reading_is_left_out_and_the_next_one_goes_on(readings: list[int], shown: list[float]) -> None:
    """Up or down, the first one included: the baseline survives it."""
    record = Record("a")
    values = [record.read_off({"rx": raw}, 15.0 * n, {})[0]["rx"] for n, raw in enumerate(readings, 1)]
    assert values == pytest.approx(shown, nan_ok=True)


def test_a_wild_reading_after_a_restart_is_left_out() -> None:
    """No counter grew further than it can since the host's boot."""
    record = Record.restored("a", {"rx": 100})
    values = [record.read_off({"rx": raw}, 3600.0 + n, {})[0]["rx"] for n, raw in enumerate([WILD, 200])]
    assert values == pytest.approx([_LEFT_OUT, 100], nan_ok=True)


def test_a_wild_reading_at_the_take_over_is_no_baseline() -> None:
    """The next owner starts at 0 at once, and counts from the first reading that can be."""
    record = Record("a")
    record.read_off({"rx": 100}, 1.0, {})
    record = record.taken_over("b")
    shown = [record.read_off({"rx": raw}, 2.0 + n, {})[0]["rx"] for n, raw in enumerate([WILD, 150, 160])]
    assert shown == [0, 0, 10]


def test_a_slow_counter_leaps_sooner() -> None:
    """The greatest rate is the counter's own where it is known."""
    record = Record("a")
    for at, raw in ((1.0, 100), (2.0, 2**40)):
        record.read_off({"rx": raw}, at, {"rx": 1e9})
    assert record.read_off({"rx": 200}, 3.0, {"rx": 1e9})[0] == {"rx": 100}


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """Not a number: the page leaves it off, counts it and names it in the source's note."""
    baselines = _baselines(tmp_path)
    _read(baselines, "a", 1000, 1000)
    values = baselines.relative(VF, "a", {"rx": 0, "tx": 1001})
    assert values == pytest.approx({"rx": math.nan, "tx": 1}, nan_ok=True)


def test_counters_that_come_later_start_at_0(tmp_path: Path) -> None:
    """A counter that the owner's first reading lacked is met now."""
    baselines = _baselines(tmp_path)
    baselines.relative(VF, "a", {"rx": 5})
    assert _read(baselines, "a", 6, 1000) == {"rx": 1, "tx": 0}


def test_devices_that_have_gone_are_forgotten(tmp_path: Path) -> None:
    """Only those of the given kind; a device that comes back is new."""
    baselines = _baselines(tmp_path)
    for device in ("vf/1", "vf/2", "gpu/1"):
        baselines.relative(device, "a", {"rx": 5})
    baselines.retain("vf/", {"vf/2"})
    values = [dict(baselines.relative(device, "a", {"rx": 9})) for device in ("vf/1", "vf/2", "gpu/1")]
    assert values == [{"rx": 0}, {"rx": 4}, {"rx": 4}]


def test_only_changes_are_written(tmp_path: Path) -> None:
    """Counters that merely move leave the disk alone."""
    baselines = _baselines(tmp_path)
    file = tmp_path / "state" / FILE_NAME
    baselines.flush()
    assert not file.exists()
    _read(baselines, "a", 1, 1)
    baselines.flush()
    written = file.stat()
    _read(baselines, "a", 2, 2)
    baselines.flush()
    assert file.stat() == written
    _read(baselines, "b", 2, 2)
    assert baselines.status.unsaved
    baselines.flush()
    assert file.stat().st_ino != written.st_ino
    assert not baselines.status.unsaved


def test_several_threads_may_use_it(tmp_path: Path) -> None:
    """Sources read in threads of their own; each device's counters stay its own."""
    baselines = _baselines(tmp_path)
    failures: list[str] = []

    def use(device: str) -> None:
        for raw in range(1, 400):
            if baselines.relative(device, "a", {"rx": raw}) != {"rx": raw - 1}:
                failures.append(f"{device} {raw}")
            if raw % 50 == 0:
                baselines.flush()

    threads = [threading.Thread(target=use, args=(f"vf/{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert baselines.status.records == 4


def test_a_host_that_does_not_tell_its_boot_has_an_empty_one(tmp_path: Path) -> None:
    """The boot is read from the kernel."""
    assert boot_of(tmp_path) == ""
    assert len(boot_of(Path("/"))) == 36


owners = st.sampled_from(["", "a", "b"])
readings = st.lists(
    st.tuples(owners, st.fixed_dictionaries({"rx": st.integers(0, 50), "tx": st.integers(0, 50)})),
    max_size=30,
)


@given(readings)
def test_no_owner_is_ever_shown_more_than_its_own_time_saw(
    sequence: list[tuple[str, dict[str, int]]],
) -> None:
    """For any readings at all: never negative, and at most what the counters grew during the owner's stay."""
    record = Record("none")
    grown: dict[str, int] = {}
    last: dict[str, int] = {}
    for at, (owner, raw) in enumerate(sequence):
        if owner != record.owner:
            record = record.taken_over(owner)
            grown, last = dict.fromkeys(raw, 0), dict(raw)
        for name, value in raw.items():
            grown[name] += max(0, value - last[name])
        last = dict(raw)
        values, _ = record.read_off(raw, float(at), {})
        assert all(math.isnan(value) or 0 <= value <= grown[name] for name, value in values.items())


steps = st.lists(
    st.tuples(st.sampled_from(["use", "change", "reset", "fail", "restart"]), owners, st.integers(1, 100)),
    max_size=40,
)


@given(steps)
def test_every_owner_sees_its_own_use(
    steps: list[tuple[str, str, int]],
) -> None:
    """Through changes, resets, failed reads and restarts: never more than it used, and in calm all of it."""
    record, raw, used, calm = Record("none"), 0, 0, False
    for at, (what, owner, amount) in enumerate(steps):
        if what == "use":
            raw, used = raw + amount, used + amount
        elif what == "change" and owner != record.owner:
            # Read at once, so that what the owner before used last is not in question; nor is a reset.
            record = record.taken_over(owner)
            used, calm = 0, 0 < raw >= record.last.get("rx", 0)
        elif what == "reset":
            raw, calm = 0, False
        elif what == "restart":
            record = Record.restored(record.owner, record.baseline)
            calm = calm and bool(record.baseline)
        values, _ = record.read_off({"rx": 0 if what == "fail" else raw}, float(at), {})
        if what == "fail":
            calm = calm and raw == 0
            continue
        assert math.isnan(values["rx"]) or 0 <= values["rx"] <= used
        if calm:
            assert values == {"rx": used}
