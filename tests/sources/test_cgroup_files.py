"""The files about control groups are understood or refused, and no path in them leads out of the mount."""

from hypothesis import given
from hypothesis import strategies as st

from hostcollector.errors import SourceMalformedError
from hostcollector.sources.cgroup.files import keyed_numbers, pressure_totals
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


def test_the_first_mount_of_a_hierarchy_counts() -> None:
    """Containers mount parts of it again."""
    again = UNIFIED_MOUNT.replace(" / /sys/fs/cgroup ", " /docker/1 /var/lib/docker/1 ")
    mounts = mounts_of((VERSION_1_MOUNTS + UNIFIED_MOUNT + again).encode())
    assert mounts[""] == Mount("/sys/fs/cgroup", "/")
    assert mounts["cpuacct"] == mounts["cpu"] == Mount("/sys/fs/cgroup/cpu,cpuacct", "/")


NUMBERED = st.sampled_from([b"usage_usec 1", b"some avg10=0.00 total=5", b"full total=", b"max", b""])
LINES = st.lists(NUMBERED | st.binary()).map(b"\n".join)


@given(LINES)
def test_any_keyed_file_is_numbers_or_the_typed_error(text: bytes) -> None:
    """All numbers are unsigned."""
    try:
        assert all(number >= 0 for number in keyed_numbers(text).values())
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right


@given(LINES)
def test_any_pressure_file_is_totals_or_the_typed_error(text: bytes) -> None:
    """All totals are unsigned."""
    try:
        assert all(total >= 0 for total in pressure_totals(text).values())
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right


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
