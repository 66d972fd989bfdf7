"""The files about control groups are understood or refused, and no path in them leads out of the mount."""

from collections.abc import Callable
from tempfile import NamedTemporaryFile

from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.gaps import Gaps
from hostcollector.sources.cgroup.files import GroupFiles
from hostcollector.sources.cgroup.groups import GuestGroup, Mount, guest_groups, mounts_of

UNIFIED_MOUNT = "25 1 0:2 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
VERSION_1_MOUNTS = """30 1 0:5 / /sys/fs/cgroup ro - tmpfs tmpfs rw,mode=755
31 30 0:6 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:7 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
33 30 0:8 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
"""


def test_a_hierarchy_of_which_only_a_part_is_mounted() -> None:
    """As in a container: paths are those of the whole, directories those of the part."""
    mounts = {"": Mount(point="/cg", root="/pod")}
    inside = guest_groups(b"0::/pod/machine/qemu-1-a.libvirt-qemu/vcpu0\n", mounts, "/root")
    own = "/root/cg/machine/qemu-1-a.libvirt-qemu"
    assert inside == {"": GuestGroup(own, f"{own}/vcpu0")}
    assert guest_groups(b"0::/podling/qemu-1-a.libvirt-qemu\n", mounts, "/root") == {}


def test_the_hosts_hierarchy_in_a_namespace_of_control_groups() -> None:
    """As in a pod with a mount of the host's: kernel and mount name the host's root by the way up."""
    own_view = UNIFIED_MOUNT.replace("25 1", "24 1")
    mounts = mounts_of((own_view + UNIFIED_MOUNT.replace(" / /sys", " /../../.. /sys")).encode())
    assert mounts == {"": Mount("/sys/fs/cgroup", "/../../..")}
    of_guest = b"0::/../../../machine.slice/qemu-1-a.libvirt-qemu\n"
    own = "/sys/fs/cgroup/machine.slice/qemu-1-a.libvirt-qemu"
    assert guest_groups(of_guest, mounts, "/") == {"": GuestGroup(own, own)}
    assert guest_groups(of_guest, mounts_of(own_view.encode()), "/") == {}
    assert guest_groups(b"0::/../../../../b/qemu-1-a.libvirt-qemu\n", mounts, "/") == {}


def test_the_first_mount_of_a_hierarchy_counts() -> None:
    """Containers mount parts of it again."""
    again = UNIFIED_MOUNT.replace(" / /sys/fs/cgroup ", " /docker/1 /var/lib/docker/1 ")
    mounts = mounts_of((VERSION_1_MOUNTS + UNIFIED_MOUNT + again).encode())
    assert mounts[""] == Mount("/sys/fs/cgroup", "/")
    assert mounts["cpuacct"] == mounts["cpu"] == Mount("/sys/fs/cgroup/cpu,cpuacct", "/")


NUMBERED = st.sampled_from([b"usage_usec 1", b"some avg10=0.00 total=5", b"full total=", b"max", b""])
LINES = st.lists(NUMBERED | st.binary()).map(b"\n".join)


KEYS = (b"usage_usec", b"user_usec")
FILES = GroupFiles()


@given(st.lists(st.binary(max_size=20)), st.sampled_from([b"", b"\n", b"usage_usec\n", b"user_usec x\n"]))
def test_one_bad_line_of_a_keyed_file_loses_only_itself(lines: list[bytes], end: bytes) -> None:
    """Lines of other keys count for nothing; a wanted one that is bad or missing is noted."""
    content = (
        b"usage_usec 7\n" + b"\n".join(line for line in lines if not line.startswith(KEYS)) + b"\n" + end
    )
    gaps, found = read_back(content, lambda path, gaps: FILES.keyed(path, KEYS, gaps))
    assert found.get(b"usage_usec", 7) == 7
    assert set(found) | {b"user_usec", b"usage_usec"} == set(KEYS)
    assert gaps.count == len(KEYS) - len(found)


@given(st.binary(max_size=60))
def test_one_bad_line_of_a_pressure_file_loses_only_itself(bad: bytes) -> None:
    """What waits for a resource is read also where the other line is none."""
    bad = bad.replace(b"\n", b" ").replace(b"\r", b" ")
    gaps, found = read_back(b"some avg10=0.00 total=5\nfull " + bad + b"\n", FILES.pressure_totals)
    assert found.get(b"some") == 5
    assert gaps.count == 2 - len(found)


@given(LINES)
def test_any_keyed_file_is_numbers(text: bytes) -> None:
    """All numbers are unsigned, whatever the file holds."""
    for read in (FILES.pressure_totals, lambda path, gaps: FILES.keyed(path, (b"usage_usec", b"max"), gaps)):
        _, found = read_back(text, read)
        assert all(number >= 0 for number in found.values())


def read_back(content: bytes, read: Callable[[str, Gaps], dict[bytes, int]]) -> tuple[Gaps, dict[bytes, int]]:
    """Return what is read of a file with this content, and the gaps."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        gaps = Gaps()
        return gaps, read(file.name, gaps)


@given(LINES | st.binary().map(lambda path: b"0::/" + path + b"/qemu-1-a.libvirt-qemu/vcpu0"))
def test_any_membership_gives_directories_below_the_mount(text: bytes) -> None:
    """No path leads out of it."""
    for group in guest_groups(text, {"": Mount("/cg", "/")}, "/root").values():
        assert group.directory.startswith("/root/cg/")
        assert ".." not in group.process_directory.split("/")


@given(st.binary() | LINES)
def test_any_mountinfo_is_understood(text: bytes) -> None:
    """Lines that are none of a control group's are passed over."""
    assert all(isinstance(mount, Mount) for mount in mounts_of(text).values())
