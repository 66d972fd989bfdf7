"""The cgroup source reads a guest's own group, in every layout that libvirt makes, and no other."""

import shutil
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.model import Guest, Histogram
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import cgroup
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.processes import QemuProcesses
from hostcollector.sources.cgroup import Cgroup
from hostcollector.sources.cgroup.files import LOOK_SECONDS, GroupFiles
from hostcollector.sources.cgroup.placement import PLACEMENT_SECONDS
from tests.fakes.guests import A, B, request, series
from tests.fakes.procfs import Procfs as ProcTree
from tests.places import HYBRID

UNIFIED_MOUNT = "25 1 0:2 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
VERSION_1_MOUNTS = """30 1 0:5 / /sys/fs/cgroup ro - tmpfs tmpfs rw,mode=755
31 30 0:6 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:7 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
33 30 0:8 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
"""
SCOPE = "machine.slice/machine-qemu\\x2d3\\x2dweb.scope"
SOME = "some avg10=0.00 avg60=0.10 avg300=0.00 total={some}\n"
FULL = "full avg10=0.00 avg60=0.00 avg300=0.00 total={full}\n"


class Host(ProcTree):
    """A host with control groups, and a source that reads it, each time after a new scan."""

    def __init__(self, root: Path, mounts: str = UNIFIED_MOUNT) -> None:
        super().__init__(root)
        self.write("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/vda1 rw\n" + mounts)
        later = count(step=LOOK_SECONDS).__next__  # every read looks at the limits anew
        self.source = Cgroup(QemuProcesses(root, count(step=20).__next__), ticks_per_second=100, clock=later)

    def guest(self, pid: int, uuid: str, name: str, membership: str) -> None:
        """Add a guest's QEMU process with its /proc/PID/cgroup."""
        self.qemu(pid, uuid, name)
        self.write(f"proc/{pid}/cgroup", membership)

    def group(self, path: str, **files: str) -> None:
        """Write files of a group below /sys/fs/cgroup; their names have "_" for the first "."."""
        for file, content in files.items():
            self.write(f"sys/fs/cgroup/{path}/{file.replace('_', '.', 1)}", content)

    def read(self, **names: str) -> Reading:
        """Read the guests, given as names by their letters."""
        return self.source.read(request(**names))


def values(reading: Reading, uuid: str = A) -> dict[str, float | Histogram]:
    """Return the values of one guest's series without labels, by their names without the common part."""
    return {
        s.metric.name.removeprefix("libvirt_domain_").removeprefix("cgroup_"): s.value
        for s in reading.samples
        if s.uuid == uuid and not s.labels
    }


def test_a_captured_hybrid_host_is_read_whole() -> None:
    """CPU time and pressure from version 2, memory and throttling from version 1; no limit is no series."""
    reading = Cgroup(QemuProcesses(HYBRID)).read(request(a="web (blue), 1"))
    assert (reading.notes, reading.partial) == ((), False)
    assert values(reading) == {
        "cpu_usage_seconds_total": 0.29503,
        "cpu_user_seconds_total": 0.130656,
        "cpu_system_seconds_total": 0.164374,
        "memory_usage_bytes": 25038848,
        "memory_swap_bytes": 0,
        "memory_oom_kills_total": 0,
        "pressure_cpu_waiting_seconds_total": 0.066954,
        "pressure_memory_waiting_seconds_total": 0,
        "pressure_memory_stalled_seconds_total": 0,
        "pressure_io_waiting_seconds_total": 0.000426,
        "pressure_io_stalled_seconds_total": 0.000405,
    }
    assert series(reading, cgroup.CPU_PERIODS) == {("emulator",): 14, ("vcpu0",): 5, ("vcpu1",): 3}
    assert series(reading, cgroup.CPU_THROTTLED_PERIODS) == {("emulator",): 1, ("vcpu0",): 0, ("vcpu1",): 0}
    assert series(reading, cgroup.CPU_THROTTLED)["emulator",] == 0.006814845


def systemd_version_2(root: Path) -> Host:
    """Give a host with systemd and version 2 only, as libvirt lays it out since 7.1, and one guest."""
    host = Host(root)
    host.guest(50, A, "web", f"0::/{SCOPE}/libvirt/emulator\n")
    pressure = SOME.format(some=2_000_000) + FULL.format(full=500_000)
    host.group(
        SCOPE,
        cpu_stat="usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 9\nnr_throttled 9\n",
        cpu_max="max 100000\n",
        memory_current="1048576\n",
        memory_max="max\n",
        memory_events="low 0\nhigh 0\nmax 4\noom 2\noom_kill 1\n",
        cpu_pressure=pressure,
        memory_pressure=pressure,
        io_pressure=pressure,
    )
    host.write(f"sys/fs/cgroup/{SCOPE}/memory.swap.current", "4096\n")
    for part, quota in (("", "max 100000"), ("/emulator", "max 100000"), ("/vcpu0", "20000 100000")):
        host.group(
            f"{SCOPE}/libvirt{part}",
            cpu_max=f"{quota}\n",
            cpu_stat="usage_usec 5\nnr_periods 7\nnr_throttled 3\nthrottled_usec 1500000\n",
            memory_max="2097152\n" if not part else "max\n",
        )
    return host


def test_the_oom_kills_are_counted_where_the_guest_is(tmp_path: Path) -> None:
    """The group above the guest's own one explains its end; a kill elsewhere on the host does not."""
    host = Host(tmp_path)
    kills = OomKills(tmp_path)
    host.source = Cgroup(QemuProcesses(tmp_path), kills)
    host.guest(50, A, "web", f"0::/{SCOPE}/libvirt/emulator\n")
    host.group(SCOPE, memory_events="oom_kill 0\n")
    host.group("machine.slice", memory_events="oom_kill 1\n")
    host.write("proc/vmstat", "oom_kill 1\n")
    host.read(a="web")
    kills.note({A})
    host.write("proc/vmstat", "oom_kill 2\n")
    assert not kills.claim(A)
    host.group("machine.slice", memory_events="oom_kill 2\n")
    assert kills.claim(A)


def test_version_2_with_systemd(tmp_path: Path) -> None:
    """The scope holds the whole guest; libvirt's limits are one level below it."""
    reading = systemd_version_2(tmp_path).read(a="web")
    assert (reading.notes, reading.partial) == ((), False)
    assert values(reading) == {
        "cpu_usage_seconds_total": 3,
        "cpu_user_seconds_total": 2,
        "cpu_system_seconds_total": 1,
        "memory_usage_bytes": 1048576,
        "memory_limit_bytes": 2097152,
        "memory_swap_bytes": 4096,
        "memory_oom_kills_total": 1,
        "pressure_cpu_waiting_seconds_total": 2,
        "pressure_memory_waiting_seconds_total": 2,
        "pressure_memory_stalled_seconds_total": 0.5,
        "pressure_io_waiting_seconds_total": 2,
        "pressure_io_stalled_seconds_total": 0.5,
    }
    assert series(reading, cgroup.CPU_PERIODS) == {("vcpu0",): 7}
    assert series(reading, cgroup.CPU_THROTTLED_PERIODS) == {("vcpu0",): 3}
    assert series(reading, cgroup.CPU_THROTTLED) == {("vcpu0",): 1.5}


def test_quotas_of_the_whole_guest_are_distinguished_from_those_of_its_parts(tmp_path: Path) -> None:
    """Both that of systemd (CPUQuota=) and that of libvirt (global_quota)."""
    host = systemd_version_2(tmp_path)
    stat = "nr_periods 8\nnr_throttled 2\nthrottled_usec 250000\n"
    host.group(SCOPE, cpu_max="30000 100000\n", cpu_stat=stat)
    host.group(f"{SCOPE}/libvirt", cpu_max="40000 100000\n", cpu_stat=stat)
    reading = host.read(a="web")
    assert series(reading, cgroup.CPU_THROTTLED) == {("machine",): 0.25, ("domain",): 0.25, ("vcpu0",): 1.5}


def test_parts_come_and_go(tmp_path: Path) -> None:
    """A vCPU that is plugged in has a group of its own from then on."""
    host = systemd_version_2(tmp_path)
    for _ in range(2):
        assert series(host.read(a="web"), cgroup.CPU_PERIODS).keys() == {("vcpu0",)}
    host.group(f"{SCOPE}/libvirt/vcpu1", cpu_max="1000 100000\n", cpu_stat="nr_periods 1\nnr_throttled 0\n")
    reading = host.read(a="web")
    assert series(reading, cgroup.CPU_PERIODS).keys() == {("vcpu0",), ("vcpu1",)}
    assert series(reading, cgroup.CPU_THROTTLED).keys() == {("vcpu0",)}
    assert (reading.partial, reading.missing) == (True, 1)
    stat = "nr_periods 1\nnr_throttled 0\nthrottled_usec 0\n"
    host.group(f"{SCOPE}/libvirt/vcpu1", cpu_stat=stat)
    assert series(host.read(a="web"), cgroup.CPU_PERIODS).keys() == {("vcpu0",), ("vcpu1",)}
    for file in (tmp_path / "sys/fs/cgroup" / SCOPE / "libvirt/vcpu0").iterdir():
        file.unlink()
    reading = host.read(a="web")
    assert series(reading, cgroup.CPU_PERIODS).keys() == {("vcpu1",)}
    assert not reading.partial


def test_without_its_controllers_a_group_has_what_is_left(tmp_path: Path) -> None:
    """CPU time is counted in any case; there is no zero for the rest."""
    host = Host(tmp_path)
    host.guest(50, A, "web", f"0::/{SCOPE}\n")
    host.group(SCOPE, cpu_stat="usage_usec 1\nuser_usec 1\nsystem_usec 0\n")
    reading = host.read(a="web")
    assert values(reading).keys() == {
        "cpu_usage_seconds_total",
        "cpu_user_seconds_total",
        "cpu_system_seconds_total",
    }
    assert not reading.partial


@pytest.mark.parametrize(
    ("own", "member"),
    [
        (SCOPE, f"{SCOPE}/libvirt"),
        ("machine/qemu-3-web.libvirt-qemu", "machine/qemu-3-web.libvirt-qemu"),
        ("gold.partition/qemu-3-web.libvirt-qemu", "gold.partition/qemu-3-web.libvirt-qemu"),
    ],
)
def test_version_1_in_all_layouts(tmp_path: Path, own: str, member: str) -> None:
    """Flat or nested; the kills are counted where QEMU is, the rest where the whole guest is."""
    host = Host(tmp_path, VERSION_1_MOUNTS)
    host.guest(50, A, "web", f"4:memory:/{member}\n3:cpu,cpuacct:/{member}/emulator\n1:name=systemd:/{own}\n")
    host.group(
        f"cpu,cpuacct/{own}",
        cpuacct_usage="3000000000\n",
        cpuacct_stat="user 200\nsystem 100\n",
        cpu_stat="nr_periods 7\nnr_throttled 3\nthrottled_time 1500000000\n",
    )
    host.group(f"cpu,cpuacct/{own}/", cpu_cfs_quota_us="20000\n")
    host.group(
        f"memory/{own}",
        memory_usage_in_bytes="1048576\n",
        memory_limit_in_bytes="9223372036854771712\n",
        memory_stat="cache 5\nswap 0\ntotal_cache 5\ntotal_swap 4096\n",
    )
    host.group(
        f"memory/{member}",
        memory_oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        memory_limit_in_bytes="2097152\n",
    )
    reading = host.read(a="web")
    assert (reading.notes, reading.partial) == ((), False)
    assert values(reading) == {
        "cpu_usage_seconds_total": 3,
        "cpu_user_seconds_total": 2,
        "cpu_system_seconds_total": 1,
        "memory_usage_bytes": 1048576,
        "memory_limit_bytes": 2097152,
        "memory_swap_bytes": 4096,
        "memory_oom_kills_total": 2,
    }
    part = "machine" if own == SCOPE else "domain"
    assert series(reading, cgroup.CPU_THROTTLED) == {(part,): 1.5}


def test_version_1_without_its_files_has_no_zeros(tmp_path: Path) -> None:
    """A kernel without the controllers' options gives less, not nothing's count."""
    host = Host(tmp_path, VERSION_1_MOUNTS)
    host.guest(50, A, "web", f"4:memory:/{SCOPE}\n3:cpu,cpuacct:/{SCOPE}\n")
    host.group(f"cpu,cpuacct/{SCOPE}", cpu_cfs_quota_us="20000\n")
    assert host.read(a="web").samples == []


@pytest.mark.parametrize(
    "path", ["/", "/system.slice/libvirtd.service", "/user.slice/user-0.slice", f"/../../{SCOPE}", ""]
)
def test_a_group_that_is_not_the_guests_own_is_not_shown_as_its(tmp_path: Path, path: str) -> None:
    """The root, libvirtd's, a session's, one outside the account's view: the figures would be of many."""
    host = systemd_version_2(tmp_path)
    host.guest(60, B, "db", f"0::{path}\n")
    host.group("", cpu_stat="usage_usec 1\n")
    reading = host.read(a="web", b="db")
    assert {sample.uuid for sample in reading.samples} == {A}
    assert reading.partial
    assert len(reading.notes) == 1
    assert reading.notes[0].startswith("1 guest in no control group of their own ('db' first): ")


def test_a_group_of_two_guests_is_neithers(tmp_path: Path) -> None:
    """The sum of two tenants belongs to none of them."""
    host = systemd_version_2(tmp_path)
    host.guest(60, B, "db", f"0::/{SCOPE}/libvirt/vcpu0\n")
    reading = host.read(a="web", b="db")
    assert reading.samples == []
    assert reading.notes[0].startswith("2 guests in no control group of their own ('web' first): ")


NESTED = f"{SCOPE}/libvirt"


@pytest.mark.parametrize(
    ("file", "content", "lost"),
    [
        ("cpu.stat", "usage_usec 3000000\nuser_usec much\nsystem_usec 1000000\n", {"cpu_user_seconds_total"}),
        ("cpu.stat", "usage_usec 3000000\nsystem_usec 1000000\n", {"cpu_user_seconds_total"}),
        (
            "cpu.stat",
            "usage_usec 1 2 3\nuser_usec -1\nsystem_usec 18446744073709551616\n",
            {"cpu_usage_seconds_total", "cpu_user_seconds_total", "cpu_system_seconds_total"},
        ),
        ("memory.current", "", {"memory_usage_bytes"}),
        ("memory.current", "-1\n", {"memory_usage_bytes"}),
        ("memory.max", "", {"memory_limit_bytes"}),
        ("memory.max", "much\n", {"memory_limit_bytes"}),
        ("memory.swap.current", "0x10\n", {"memory_swap_bytes"}),
        ("memory.events", "", {"memory_oom_kills_total"}),
        ("memory.events", "oom_kill x\n", {"memory_oom_kills_total"}),
        ("io.pressure", "some total=x\nfull total=500000\n", {"pressure_io_waiting_seconds_total"}),
        (
            "cpu.pressure",
            "",
            {"pressure_cpu_waiting_seconds_total"},
        ),
    ],
)
def test_a_bad_file_costs_itself(tmp_path: Path, file: str, content: str, lost: set[str]) -> None:
    """The guest's other figures are there, and the file is named with the reason."""
    host = systemd_version_2(tmp_path)
    whole = values(host.read(a="web"))
    host.write(f"sys/fs/cgroup/{SCOPE}/{file}", content)
    host.source = Cgroup(host.source._processes)
    reading = host.read(a="web")
    assert whole.keys() - values(reading).keys() == lost
    assert values(reading).items() <= whole.items()
    assert reading.partial
    assert reading.missing >= 1
    assert SCOPE in reading.notes[0]


def test_lines_of_other_keys_may_say_what_they_will(tmp_path: Path) -> None:
    """Kernels of other makers add some, with several numbers in a line."""
    host = systemd_version_2(tmp_path)
    whole = values(host.read(a="web"))
    text = "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nwait_lat 1 2 3\n\n:\nx\n"
    host.write(f"sys/fs/cgroup/{SCOPE}/cpu.stat", text)
    reading = host.read(a="web")
    assert (values(reading), reading.partial) == (whole, False)


@pytest.mark.parametrize("content", ["", "much\n"])
def test_a_quota_that_cannot_be_read_costs_its_part(tmp_path: Path, content: str) -> None:
    """The parts beside it are shown, and all that is the whole guest's."""
    host = systemd_version_2(tmp_path)
    host.write(f"sys/fs/cgroup/{NESTED}/emulator/cpu.max", content)
    reading = host.read(a="web")
    assert series(reading, cgroup.CPU_PERIODS) == {("vcpu0",): 7}
    assert (reading.partial, reading.missing) == (True, 1)
    assert "emulator/cpu.max cannot be read" in reading.notes[0]


def test_the_group_of_a_vcpu_that_is_not_there_is_missed(tmp_path: Path) -> None:
    """The definition promises three vCPUs; libvirt made a group for one of them."""
    host = systemd_version_2(tmp_path)
    known = request(a="web")
    (guest,) = known.guests.values()
    guests = {A: replace(guest, domain=replace(guest.domain, vcpus=3))}
    for _ in range(2):
        reading = host.source.read(replace(known, guests=guests))
        assert (reading.partial, reading.missing) == (True, 2)
        assert reading.notes == ("control group not found: vcpu1 of guest 'web', vcpu2 of guest 'web'",)


def test_the_group_of_a_vcpu_that_was_unplugged_is_not_missed(tmp_path: Path) -> None:
    """It has been there and is gone, which no event of libvirt's reports: the definition is older."""
    host = systemd_version_2(tmp_path)
    host.group(f"{NESTED}/vcpu1", cpu_max="max 100000\n")
    known = request(a="web")
    (guest,) = known.guests.values()
    guests = {A: replace(guest, domain=replace(guest.domain, vcpus=2))}
    assert host.source.read(replace(known, guests=guests)).missing == 0
    group = tmp_path / "sys/fs/cgroup" / NESTED / "vcpu1"
    (group / "cpu.max").unlink()
    group.rmdir()
    for _ in range(3):
        assert host.source.read(replace(known, guests=guests)).missing == 0


def test_a_guest_without_a_process_is_counted(tmp_path: Path) -> None:
    """It has no group that could be found."""
    reading = systemd_version_2(tmp_path).read(a="web", b="db")
    assert (reading.partial, reading.missing) == (True, 1)


def test_one_malformed_file_costs_its_guest_only(tmp_path: Path) -> None:
    """The other guest is complete, and the page says what is missing."""
    host = systemd_version_2(tmp_path)
    host.guest(60, B, "db", "0::/machine/qemu-4-db.libvirt-qemu/emulator\n")
    host.group("machine/qemu-4-db.libvirt-qemu", cpu_stat="usage_usec much\n")
    reading = host.read(a="web", b="db")
    assert {sample.uuid for sample in reading.samples} == {A}
    assert "cpu.stat, usage_usec cannot be read: not a number: b'much'" in reading.notes[0]
    assert reading.partial


def test_one_unreadable_file_costs_its_guest_only(tmp_path: Path) -> None:
    """An error that does not mean "there is no such file" is reported."""
    host = systemd_version_2(tmp_path)
    host.guest(60, B, "db", "0::/machine/qemu-4-db.libvirt-qemu/emulator\n")
    (tmp_path / "sys/fs/cgroup/machine/qemu-4-db.libvirt-qemu/cpu.stat").mkdir(parents=True)
    reading = host.read(a="web", b="db")
    assert {sample.uuid for sample in reading.samples} == {A}
    assert "Is a directory" in reading.notes[0]


def test_a_guest_that_ends_while_it_is_read_has_no_series(tmp_path: Path) -> None:
    """Nor does the next owner of its PID give it some."""
    host = systemd_version_2(tmp_path)
    for _ in range(2):
        assert host.read(a="web", b="db").samples
    host.qemu(50, B, "db", starttime=2000)
    reading = host.read(a="web", b="db")
    assert reading.samples == []
    assert reading.notes[-1] == "the QEMU of guest 'web' ended while it was read"
    assert {sample.uuid for sample in host.read(b="db").samples} == {B}


def test_a_group_that_is_gone_leaves_nothing(tmp_path: Path) -> None:
    """Groups are removed when their guest ends, or their tree is not there to be seen: that is said."""
    host = Host(tmp_path)
    host.guest(50, A, "web", f"0::/{SCOPE}/libvirt\n")
    reading = host.read(a="web")
    assert reading.samples == []
    assert reading.notes == ("files of the control group not found: guest 'web'",)
    assert reading.partial


def test_without_control_groups_the_source_says_so(tmp_path: Path) -> None:
    """Nothing is mounted, or what is mounted cannot be read."""
    with pytest.raises(SourceUnavailableError, match="no control groups are mounted"):
        Host(tmp_path, mounts="").read(a="web")
    (tmp_path / "proc/self/mountinfo").unlink()
    with pytest.raises(SourceUnavailableError, match="mountinfo cannot be read"):
        Cgroup(QemuProcesses(tmp_path)).read(request())


def test_a_limit_is_a_setting_that_is_read_now_and_then(tmp_path: Path) -> None:
    """Within half a minute the last look counts; after a minute a new limit is known."""
    clock = iter((0.0, LOOK_SECONDS / 2 - 1, LOOK_SECONDS))
    files = GroupFiles(clock.__next__)
    file = tmp_path / "memory.max"
    seen = []
    for content in ("100", "200", "300"):
        file.write_text(f"{content}\n")
        files.begin()
        seen.append(files.limit(str(file)))
    assert seen == [100, 100, 300]


def test_a_guest_whose_group_cannot_be_found_costs_the_others_nothing(tmp_path: Path) -> None:
    """Whatever the kernel says when its membership is asked for, it is that guest's part that is missing."""
    host = Host(tmp_path)
    host.group(SCOPE, cpu_stat="usage_usec 5\nuser_usec 3\nsystem_usec 2\n")
    host.guest(50, A, "web", f"0::/{SCOPE}\n")
    host.guest(60, B, "db", "")
    (tmp_path / "proc/60/cgroup").unlink()
    (tmp_path / "proc/60/cgroup").mkdir()
    reading = host.read(a="web", b="db")
    assert values(reading)
    assert not values(reading, B)
    assert reading.partial
    assert "the membership of guest 'db' in control groups cannot be read: Is a dir" in reading.notes[0]


IO_STAT = (
    "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"
    "7:0 253:1 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0 cost.usage=7\n"
    "11:0 \n"
)
NUMA_STAT = "anon N0=4096 N1=8192\nfile N0=7 N1=7\nshmem N0=0 N1=100\nunevictable N0=1 N1=1\n"


def test_storage_is_counted_by_device_and_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    """A disk, an LVM volume on a line that begins with another device, and a device without figures."""
    host = systemd_version_2(tmp_path)
    host.group(SCOPE, io_stat=IO_STAT)
    blocks = tmp_path / "sys/dev/block"
    host.write("sys/devices/virtual/block/dm-1/dm/name", "vg-guests\n")
    blocks.mkdir(parents=True)
    (blocks / "253:1").symlink_to("../../devices/virtual/block/dm-1")
    reading = host.read(a="web")
    assert reading.notes == ()
    assert series(reading, cgroup.IO_READ_BYTES) == {("8:0",): 4096, ("dm-1",): 512}
    assert series(reading, cgroup.IO_WRITE_BYTES) == {("8:0",): 8192, ("dm-1",): 0}
    assert series(reading, cgroup.IO_READ_REQUESTS) == {("8:0",): 1, ("dm-1",): 1}
    assert series(reading, cgroup.IO_WRITE_REQUESTS) == {("8:0",): 2, ("dm-1",): 0}
    devices = {sample.labels for sample in reading.samples if sample.metric is cgroup.BLOCK_DEVICE_INFO}
    assert devices == {("8:0", "8:0", ""), ("dm-1", "253:1", "vg-guests")}


def test_a_guest_on_many_devices_has_the_figures_of_each(tmp_path: Path) -> None:
    """Disks on LVM and multipath are a dozen devices each: their lines are more than one read gives."""
    host = systemd_version_2(tmp_path)
    figures = "rbytes=1234567890123 wbytes=1234567890123 rios=1234567890 wios=1234567890 dbytes=0 dios=0"
    host.group(SCOPE, io_stat="".join(f"253:{minor} {figures}\n" for minor in reversed(range(200, 300))))
    reading = host.read(a="web")
    found = series(reading, cgroup.IO_READ_BYTES)
    assert found == {(f"253:{minor}",): 1234567890123 for minor in range(200, 264)}
    assert "more than 64 devices" in reading.notes[0]


def test_storage_of_version_1_is_that_of_the_blkio_controller(tmp_path: Path) -> None:
    """Bytes and requests are in two files, with sums that are left out."""
    mounts = VERSION_1_MOUNTS + "34 30 0:9 / /sys/fs/cgroup/blkio rw shared:12 - cgroup cgroup rw,blkio\n"
    host = Host(tmp_path, mounts)
    host.guest(50, A, "web", "7:blkio:/machine/qemu-1-web.libvirt-qemu\n")
    lines = "8:0 Read {0}\n8:0 Write {1}\n8:0 Sync 9\n8:0 Async 9\n8:0 Total 9\nTotal 9\n"
    group = "sys/fs/cgroup/blkio/machine/qemu-1-web.libvirt-qemu"
    host.write(f"{group}/blkio.throttle.io_service_bytes", lines.format(512, 1024))
    host.write(f"{group}/blkio.throttle.io_serviced", lines.format(1, 2))
    reading = host.read(a="web")
    assert series(reading, cgroup.IO_READ_BYTES) == {("8:0",): 512}
    assert series(reading, cgroup.IO_WRITE_BYTES) == {("8:0",): 1024}
    assert series(reading, cgroup.IO_READ_REQUESTS) == {("8:0",): 1}
    assert series(reading, cgroup.IO_WRITE_REQUESTS) == {("8:0",): 2}


@pytest.mark.parametrize("content", ["rbytes=1\n", "8:0 rbytes=-1\n", "8:0 rbytes=\n"])
def test_a_malformed_file_of_storage_costs_itself(content: str, tmp_path: Path) -> None:
    """The file is named; the other figures of the guest are there."""
    host = systemd_version_2(tmp_path)
    host.group(SCOPE, io_stat=content)
    reading = host.read(a="web")
    assert (reading.partial, reading.missing) == (True, 1)
    assert "io.stat" in reading.notes[0]
    assert series(reading, cgroup.IO_READ_BYTES) == {}
    assert values(reading)["memory_usage_bytes"] == 1048576


def test_a_guest_with_too_many_devices_shows_the_first_ones(tmp_path: Path) -> None:
    """64 of 70 are shown, and the note says that there are more."""
    host = systemd_version_2(tmp_path)
    host.group(
        SCOPE, io_stat="".join(f"8:{minor:02} rbytes=1 wbytes=1 rios=1 wios=1\n" for minor in range(70))
    )
    reading = host.read(a="web")
    assert len(series(reading, cgroup.IO_READ_BYTES)) == 64
    assert "more than 64 devices" in reading.notes[0]


def test_memory_is_shown_by_node_and_by_kind_of_huge_page(tmp_path: Path) -> None:
    """Anonymous and shared memory are the guest's; page cache is not."""
    host = systemd_version_2(tmp_path)
    stat = "anon 12288\nanon_thp 2097152\nfile_thp 7\nshmem_thp 0\n"
    host.group(SCOPE, memory_stat=stat, memory_numa_stat=NUMA_STAT)
    reading = host.read(a="web")
    assert reading.notes == ()
    assert series(reading, cgroup.MEMORY_TRANSPARENT_HUGE) == {("anon",): 2097152, ("shmem",): 0}
    assert series(reading, cgroup.MEMORY_BY_NODE) == {("0",): 4096, ("1",): 8292}


def test_memory_by_node_of_version_1_is_in_pages(tmp_path: Path) -> None:
    """Locked memory is unevictable there, and the guest's too; other lines are without its parts."""
    host = Host(tmp_path, VERSION_1_MOUNTS)
    host.guest(50, A, "web", "4:memory:/machine/qemu-1-web.libvirt-qemu\n")
    group = "sys/fs/cgroup/memory/machine/qemu-1-web.libvirt-qemu"
    numa = "anon=1 N0=1\nhierarchical_anon=3 N0=2 N1=1\nhierarchical_unevictable=4 N0=0 N1=4\n"
    host.write(f"{group}/memory.stat", "rss_huge 1\ntotal_swap 0\ntotal_rss_huge 4194304\n")
    host.write(f"{group}/memory.numa_stat", numa)
    host.source = Cgroup(QemuProcesses(tmp_path), page_size=4096)
    reading = host.read(a="web")
    assert series(reading, cgroup.MEMORY_BY_NODE) == {("0",): 8192, ("1",): 20480}
    assert series(reading, cgroup.MEMORY_TRANSPARENT_HUGE) == {("anon",): 4194304}


@pytest.mark.parametrize("content", ["anon N0=1\n", "anon N0=1\nshmem X=1\n", "anon N0=1\nshmem N0=x\n"])
def test_a_placement_that_cannot_be_read_is_noted_each_time(content: str, tmp_path: Path) -> None:
    """Also between two looks at the file."""
    host = systemd_version_2(tmp_path)
    host.group(SCOPE, memory_numa_stat=content)
    for _ in range(3):
        reading = host.read(a="web")
        assert series(reading, cgroup.MEMORY_BY_NODE) == {}
        assert "memory.numa_stat" in reading.notes[0]


def test_placement_is_read_once_a_minute(tmp_path: Path) -> None:
    """Between two looks the last figures are shown."""
    host = systemd_version_2(tmp_path)
    host.group(SCOPE, memory_numa_stat=NUMA_STAT)
    now = [0.0]
    host.source = Cgroup(QemuProcesses(tmp_path), clock=lambda: now[0])
    assert series(host.read(a="web"), cgroup.MEMORY_BY_NODE)["0",] == 4096
    host.group(SCOPE, memory_numa_stat=NUMA_STAT.replace("4096", "0"))
    now[0] = PLACEMENT_SECONDS / 2 - 1
    assert series(host.read(a="web"), cgroup.MEMORY_BY_NODE)["0",] == 4096
    now[0] = PLACEMENT_SECONDS
    assert series(host.read(a="web"), cgroup.MEMORY_BY_NODE)["0",] == 0


def test_not_all_guests_are_looked_up_in_one_collection(tmp_path: Path) -> None:
    """What was read of twenty guests at once is read again in several collections within a minute."""
    host = Host(tmp_path)
    names = {f"{number:08d}-0000-4000-8000-000000000000": f"web{number}" for number in range(20)}
    for number, (uuid, name) in enumerate(names.items()):
        host.guest(100 + number, uuid, name, f"0::/machine-qemu\\x2d{number}\\x2d{name}.scope\n")
        host.group(
            f"machine-qemu\\x2d{number}\\x2d{name}.scope", memory_max="100", memory_numa_stat=NUMA_STAT
        )
    now = [0.0]
    host.source = Cgroup(QemuProcesses(tmp_path), clock=lambda: now[0])
    guests = {uuid: Guest(domain=Domain(uuid=uuid, name=name)) for uuid, name in names.items()}
    asked = Request(guests=guests, deadline=0.0, taken_at=0.0)
    host.source.read(asked)
    for path in tmp_path.glob("sys/fs/cgroup/*/memory.*"):
        path.write_text(path.read_text().replace("100", "200").replace("4096", "0"))
    news = []
    for _ in range(6):
        now[0] += 10.0
        found = Counter((s.metric, s.value) for s in host.source.read(asked).samples)
        news.append((found[cgroup.MEMORY_LIMIT, 200], found[cgroup.MEMORY_BY_NODE, 0]))
    assert news[1] == (0, 0)
    assert all(0 < guests_read < len(guests) for guests_read in news[3])
    assert news[5] == (len(guests), len(guests))


def test_a_guest_that_is_moved_to_another_group_is_found_there(tmp_path: Path) -> None:
    """Within a minute, and in the second collection after its group is removed."""
    host = Host(tmp_path)
    host.guest(50, A, "web", f"0::/{SCOPE}\n")
    host.group(SCOPE, memory_current="1")
    now = [0.0]
    host.source = Cgroup(QemuProcesses(tmp_path), clock=lambda: now[0])
    assert values(host.read(a="web"))["memory_usage_bytes"] == 1
    host.group(f"other/{SCOPE.rpartition('/')[2]}", memory_current="2")
    host.write("proc/50/cgroup", f"0::/other/{SCOPE.rpartition('/')[2]}\n")
    assert values(host.read(a="web"))["memory_usage_bytes"] == 1
    now[0] = LOOK_SECONDS
    assert values(host.read(a="web"))["memory_usage_bytes"] == 2
    host.write("proc/50/cgroup", f"0::/{SCOPE}\n")
    shutil.rmtree(tmp_path / "sys/fs/cgroup/other")
    assert values(host.read(a="web")) == {}
    assert values(host.read(a="web"))["memory_usage_bytes"] == 1
