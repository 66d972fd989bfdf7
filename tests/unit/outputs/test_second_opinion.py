"""The decoder of link messages and pyroute2's agree, and where they do not it is said."""

import sys
import time
from pathlib import Path

import pytest

from hostcollector.outputs.diagnose.second_opinion import (
    MOST_VFS,
    _difference,
    link_differences,
    on_vfs,
    second_opinion,
    vf_differences,
)
from hostcollector.protocols.netlink.route_socket import RouteSocket
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import UNKNOWN, Vf, link_message
from tests.fakes.sysfs import Sysfs

PF = "0000:01:00.0"


def vfs(count: int, *, switch: int = 1, link_state: int = 0) -> list[Vf]:
    """Return VFs that differ in everything that a driver may say."""
    return [
        Vf(
            number=n,
            vlan=n + 1,
            qos=n % 8,
            spoof_check=switch,
            trust=switch,
            link_state=link_state,
            counters=tuple(range(n, n + 8)),
        )
        for n in range(count)
    ]


@pytest.mark.native
def test_the_real_kernels_links_are_decoded_alike() -> None:
    """Every link of this machine, and counters that go on meanwhile: both decode the same bytes."""
    route = RouteSocket()
    found = list(link_differences(route.statistics(time.monotonic() + 20)))
    route.close()
    assert found
    assert not any(found)


@pytest.mark.parametrize(("switch", "link_state"), [(0, 0), (1, 2), (UNKNOWN, 1)])
def test_vfs_are_decoded_alike(switch: int, link_state: int) -> None:
    """Addresses, VLANs, switches and counters; what a driver does not say is no difference."""
    message = link_message(vfs(5, switch=switch, link_state=link_state))
    assert list(vf_differences(message)) == [None] * 5


def test_a_list_that_a_general_decoder_loses_is_a_difference() -> None:
    """Past a length of 16 bits only our walk finds the VFs, and that is what is said."""
    found = [difference for difference in vf_differences(link_message(vfs(222))) if difference]
    assert found[-1] == "VF 221 is found by us and not by pyroute2"


def test_all_that_differs_is_said_in_the_order_of_the_message() -> None:
    """Two reports of the same difference are the same text; what one side does not say is no difference."""
    ours = {"mac": "a", "vlan": 1, "qos": 2, "trust": True}
    theirs = {"qos": 3, "vlan": 4, "mac": "a", "spoof_check": False}
    expected = "VF 0, vlan: 1 by us, 4 by pyroute2; qos: 2 by us, 3 by pyroute2"
    assert _difference("VF 0", ours, theirs) == expected
    assert _difference("VF 0", {}, theirs) == "VF 0 is found by pyroute2 and not by us"
    assert _difference("VF 0", {}, {}) is None


@pytest.mark.parametrize("count", [3, MOST_VFS + 1])
def test_each_pf_has_a_line(count: int, tmp_path: Path) -> None:
    """One with more VFs than pyroute2 can decode is not judged by it."""

    def answer(question: Question) -> bytes:
        message = bytearray(link_message(vfs(count), index=2))
        message[8:12] = question.sequence.to_bytes(4, sys.byteorder)
        return bytes(message)

    sysfs = Sysfs(tmp_path)
    sysfs.pf(PF, netdev="enp1s0", index=2)
    for number in range(count):
        sysfs.vf(PF, number, f"0000:01:{number // 8 + 1:02x}.{number % 8}")
    with LinkKernel({2: answer}) as kernel:
        (line,) = on_vfs(tmp_path, RouteSocket(kernel.connect))
    assert line.startswith(
        "the VFs of enp1s0: no difference in 3 entries" if count == 3 else "enp1s0 has 196 VFs"
    )


def test_a_kernel_that_refuses_is_a_sentence(tmp_path: Path) -> None:
    """The report goes on without the second opinion."""

    def refuse() -> None:
        raise PermissionError(1, "refused")

    (line,) = second_opinion(tmp_path, RouteSocket(refuse))  # type: ignore[arg-type]
    assert "were not decoded a second time" in line
