"""A guest that is held back by a limit of its interface: the page against the kernel's own account."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.served import Page, serving

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

NIC = "libvirt_domain_interface"
PACKETS, FRAME = 4000, 1000
LIMIT = 125_000
BANDWIDTH = "<bandwidth><inbound average='125' peak='250' burst='16'/></bandwidth>"
LIMITED = f"<interface type='ethernet'><mac address='52:54:00:11:42:01'/>{BANDWIDTH}</interface>"
# The laboratory's kernel has neither SFQ nor the classifier by firewall mark: the HTB's leaf stays a FIFO.
TC = """#!/bin/sh
case " $* " in *" sfq "*|*" fw "*) exit 0;; esac
exec {tc} "$@"
"""


@pytest.fixture
def limiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateHypervisor]:
    """Give a libvirtd that can limit interfaces on this kernel."""
    real = subprocess.run(["sh", "-c", "command -v tc"], capture_output=True, text=True, check=True).stdout
    wrapper = tmp_path / "bin/tc"
    wrapper.parent.mkdir()
    wrapper.write_text(TC.format(tc=real.strip()))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    with PrivateHypervisor.start() as own:
        yield own


def kernel(tap: str) -> dict[str, int]:
    """Return the account that `tc` gives of the HTB."""
    ran = subprocess.run(
        ["tc", "-s", "-j", "qdisc", "show", "dev", tap, "root"], capture_output=True, text=True, check=True
    )
    (account,) = json.loads(ran.stdout)
    assert account["kind"] == "htb"
    return {name: account[name] for name in ("packets", "drops", "overlimits", "qlen")}


def flood(tap: str) -> None:
    """Send the frames to the guest as fast as the host can."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE: else the sender waits
        sender.bind((tap, 0))
        frame = bytes.fromhex("52540011420152540000009988b5").ljust(FRAME, b"\0")
        for _ in range(PACKETS):
            try:
                sender.send(frame)
            except OSError:  # ENOBUFS: the limit has dropped it
                continue


def test_a_flooded_tap_is_held_back_as_the_kernel_counts(limiting: PrivateHypervisor, tmp_path: Path) -> None:
    """Limit, drops and overlimits of a guest that is sent more than its definition allows, then drift."""
    booted = limiting.boot(Guest.idle("limited", nics=0, devices=LIMITED))
    try:
        (tap,) = booted.taps()
        labels = {"uuid": booted.guest.uuid, "target_device": tap, "direction": "receive"}
        with serving(limiting.uri_readonly, tmp_path) as served:
            before = served.page()
            assert before.one(f"{NIC}_limit_drops_total", **labels) == kernel(tap)["drops"] == 0
            flood(tap)
            first = kernel(tap)
            page = served.page_where(
                lambda page: page.one(f"{NIC}_limit_drops_total", **labels) > 0, "the drops"
            )
            last = kernel(tap)
            subprocess.run(["tc", "qdisc", "del", "dev", tap, "root"], check=True)
            drifted = served.page_where(
                lambda page: page.one(f"{NIC}_limit_drift", **labels) == 1, "the drift"
            )
    finally:
        booted.destroy()
    _agrees(page, labels, first, last)
    assert not drifted.all(f"{NIC}_limit_bytes_per_second", **labels)
    assert drifted.one(f"{NIC}_defined_limit_bytes_per_second", **labels) == LIMIT


def _agrees(page: Page, labels: dict[str, str], first: dict[str, int], last: dict[str, int]) -> None:
    """Check a page between two accounts of the kernel."""
    print(f"\n{PACKETS} frames of {FRAME} bytes; the kernel: {first}, then {last}")
    assert page.one(f"{NIC}_defined_limit_bytes_per_second", **labels) == LIMIT
    assert page.one(f"{NIC}_defined_peak_bytes_per_second", **labels) == 2 * LIMIT
    assert page.one(f"{NIC}_defined_burst_bytes", **labels) == 16 * 1024
    assert page.one(f"{NIC}_limit_bytes_per_second", **labels) == LIMIT
    assert page.one(f"{NIC}_limit_info", **labels, kind="htb") == 1
    assert page.one(f"{NIC}_limit_drift", **labels) == 0
    drops = page.one(f"{NIC}_limit_drops_total", **labels)
    overlimits = page.one(f"{NIC}_limit_overlimits_total", **labels)
    print(f"the page: {drops:.0f} drops, {overlimits:.0f} overlimits")
    assert first["drops"] == drops == last["drops"] > 0
    assert first["overlimits"] <= overlimits <= last["overlimits"]
    assert last["packets"] + last["drops"] + last["qlen"] >= PACKETS
