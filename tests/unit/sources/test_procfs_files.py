"""The files of a thread, and its name, are understood or refused, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import SourceMalformedError
from hostcollector.sources.procfs.roles import Duty, Role, iothread_name, role_in_group, role_of, whole_role
from hostcollector.sources.procfs.scheduling import Placement, Times, placement, times, wait_sum


@pytest.mark.parametrize(
    ("comm", "role"),
    [
        (b"CPU 0/KVM", Role(Duty.VCPU, "0")),
        (b"CPU 127/TCG", Role(Duty.VCPU, "127")),
        (b"CPU 0/KVM x", None),
        (b"ALL CPUs/TCG", None),
        (b"IO iothread1", Role(Duty.IOTHREAD, "iothread1")),
        (b"IO my disk", Role(Duty.IOTHREAD, "my disk")),
        (b"IO mon_iothread", None),
        (b"IO ", None),
        (b"vhost-12", Role(Duty.VHOST, "")),
        (b"vhost-user-x", None),
        (b"qemu-system-x86", None),
        (b"\xff\xfe", None),
    ],
)
def test_names_tell_what_threads_do(comm: bytes, role: Role | None) -> None:
    """As QEMU and the kernel name them."""
    assert role_of(comm) == role


@given(st.binary())
def test_any_name_has_a_role_or_none(comm: bytes) -> None:
    """A label is text whatever the name is."""
    role = role_of(comm)
    assert role is None or isinstance(role.label, str)


@pytest.mark.parametrize(
    ("cgroup", "role"),
    [
        (b"0::/machine.slice/a.scope/libvirt/vcpu0\n", Role(Duty.VCPU, "0")),
        (b"5:cpu:/x/vcpu12\n0::/y\n", Role(Duty.VCPU, "12")),
        (b"0::/x/iothread3\n", Role(Duty.IOTHREAD, "iothread3")),
        (b"0::/x/emulator\n", None),
        (b"0::/x/vcpu\n", None),
        (b"0::/x/vcpu1/deeper\n", None),
        (b"0::/x/myvcpu1\n", None),
        (b"", None),
    ],
)
def test_groups_tell_what_threads_do(cgroup: bytes, role: Role | None) -> None:
    """As libvirt names them below a guest's own."""
    assert role_in_group(cgroup) == role


@given(st.binary(), st.lists(st.integers(0, 10**9)))
def test_any_group_and_any_name_has_a_role_or_none(text: bytes, iothreads: list[int]) -> None:
    """A label is never the beginning of a name."""
    assert role_in_group(text) is None or b"/vcpu" in text or b"/iothread" in text
    role = role_of(text[:15])
    if role is not None and len(text) >= 15 and role.duty is Duty.IOTHREAD:
        whole = whole_role(role, text[:15], iothreads)
        assert whole is None or whole.label in map(iothread_name, iothreads)


@given(
    st.binary()
    | st.lists(st.integers(), min_size=2, max_size=4).map(lambda ns: b" ".join(b"%d" % n for n in ns))
)
def test_any_schedstat_is_times_or_the_typed_error(text: bytes) -> None:
    """Times are never negative."""
    try:
        assert times(text) is None or min(times(text) or Times(0, 0)) >= 0
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right


FIELDS = (b"\nvoluntary_ctxt_switches:", b"\nnonvoluntary_ctxt_switches:", b"\nCpus_allowed_list:")


@given(
    st.lists(st.sampled_from(FIELDS) | st.sampled_from((b"\t12\n", b" 0-3", b"\n")) | st.binary()).map(
        b"".join
    )
)
def test_any_status_is_a_placement_or_the_typed_error(text: bytes) -> None:
    """What is not said is None."""
    try:
        assert placement(text).cpus is not None or FIELDS[2] not in text
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right


def test_a_placement_without_any_field_is_empty() -> None:
    """As on a kernel without control of CPUs."""
    assert placement(b"Name:\tx\n") == Placement(None, None, None)


@given(st.binary() | st.from_regex(rb"wait_sum *: *[0-9]{1,30}\.[0-9]{0,7}\n"))
def test_any_sched_file_is_a_time_or_nothing(text: bytes) -> None:
    """A line in another form is no time."""
    try:
        assert wait_sum(text) is None or (wait_sum(text) or 0.0) >= 0
    except SourceMalformedError as error:
        assert "not a" in str(error)  # noqa: PT017 - both outcomes are right
