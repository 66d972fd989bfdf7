"""PCI health of passed-through devices, read without touching them."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.pci import (
    FORBIDDEN,
    LINK_NOW,
    NVSWITCH_CLASS,
    opened,
    write,
)
from tests.fakes.samples import table
from tests.unit.sources.vfio.conftest import Host, guest

A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
GPU, SECOND, PORT = "0000:3b:00.0", "0000:3c:00.0", "0000:3a:01.0"


def test_passed_through_gpu(host: Host) -> None:
    """A guest's GPU has its description, its place and the mark that sysfs shows it."""
    host.tree.add(GPU, port=PORT)
    found = host.read(guest(A, GPU))
    assert found["libvirt_domain_gpu_info"] == {(A, GPU, GPU, "NVIDIA", "0x2330", "1", "passthrough"): 1.0}
    assert found["libvirt_domain_gpu_observable"] == {(A, GPU, GPU, "vfio"): 1.0}
    about = ("gpu", "NVIDIA", "0x2330", "vfio-pci", "1", "42", "flr bus", PORT)
    assert found["libvirt_domain_pci_info"] == {(A, GPU, *about): 1.0}
    assert found["libvirt_domain_pci_runtime_active"] == {(A, GPU): 1.0}
    assert found["libvirt_domain_pci_power_state_id"] == {(A, GPU): 0}


def test_link_at_full_speed(host: Host) -> None:
    """A link that runs as its ends can is not degraded; the port's limit counts as well as the device's."""
    host.tree.add(GPU, port=PORT)
    host.tree.links(GPU, speed="16.0", width=8)
    host.tree.links(PORT, top_speed="16.0", top_width=8)
    found = host.read(guest(A, GPU))
    assert found["libvirt_domain_pci_link_transfers_per_second"] == {(A, GPU): 16e9}
    assert found["libvirt_domain_pci_link_maximum_transfers_per_second"] == {(A, GPU): 16e9}
    assert found["libvirt_domain_pci_link_width"] == {(A, GPU): 8}
    assert found["libvirt_domain_pci_link_degraded"] == {(A, GPU, "speed"): 0.0, (A, GPU, "width"): 0.0}


def test_degraded_link(host: Host) -> None:
    """A link with fewer lanes or less speed than both its ends can do is degraded, each for itself."""
    host.tree.add(GPU, port=PORT)
    host.tree.links(GPU, speed="2.5", width=16)
    host.tree.add(SECOND, port="0000:3a:02.0")
    host.tree.links(SECOND, speed="32.0", width=4)
    degraded = host.read(guest(A, GPU, SECOND))["libvirt_domain_pci_link_degraded"]
    assert degraded == {
        (A, GPU, "speed"): 1.0,
        (A, GPU, "width"): 0.0,
        (A, SECOND, "speed"): 0.0,
        (A, SECOND, "width"): 1.0,
    }


def test_sleeping_device_is_left_asleep(host: Host) -> None:
    """The link files of a suspended device are not even opened, for reading them would wake it up."""
    host.tree.add(GPU, port=PORT, power_state="D3hot")
    host.tree.runtime(GPU, "suspended")
    with opened() as paths:
        found = host.read(guest(A, GPU))
    assert any(path.endswith("/power/runtime_status") for path in paths)
    assert not [path for path in paths if path.endswith(LINK_NOW)]
    assert found["libvirt_domain_pci_runtime_active"] == {(A, GPU): 0.0}
    assert found["libvirt_domain_pci_power_state_id"] == {(A, GPU): 3}
    assert found["libvirt_domain_pci_link_maximum_width"] == {(A, GPU): 16}
    assert "libvirt_domain_pci_link_width" not in found
    assert "libvirt_domain_pci_link_degraded" not in found


@pytest.mark.parametrize("status", ["suspending", "resuming", "unsupported", "error", ""])
def test_doubtful_device_is_not_touched(host: Host, status: str) -> None:
    """Only the link of a device that is certainly awake is read."""
    host.tree.add(GPU)
    host.tree.runtime(GPU, status)
    with opened() as paths:
        found = host.read(guest(A, GPU))
    assert not [path for path in paths if path.endswith(LINK_NOW)]
    assert "libvirt_domain_pci_runtime_active" not in found


def test_link_files_are_read_while_awake(host: Host) -> None:
    """The recording of opened files would notice: of a device that is awake the link files are opened."""
    host.tree.add(GPU)
    with opened() as paths:
        host.read(guest(A, GPU))
    assert {Path(path).name for path in paths}.issuperset(LINK_NOW)


def test_config_space_resources_and_rom_are_never_opened(host: Host) -> None:
    """Nothing that reaches into the device is opened, with any owner."""
    host.tree.add(GPU, port=PORT)
    host.tree.add(SECOND, driver="nvidia")
    host.tree.add("0000:05:00.0", pci_class=NVSWITCH_CLASS, driver="")
    with opened() as paths:
        host.read(guest(A, GPU))
    assert paths
    assert not [path for path in paths if Path(path).name in FORBIDDEN or "/resource" in path]


def test_device_that_answers_with_ones(host: Host) -> None:
    """A width of 63 and an unknown speed, as read from a device that is gone, are no facts."""
    host.tree.add(GPU)
    write(host.tree.device(GPU) / "current_link_speed", "Unknown")
    write(host.tree.device(GPU) / "current_link_width", "63")
    found = host.read(guest(A, GPU))
    assert "libvirt_domain_pci_link_width" not in found
    assert "libvirt_domain_pci_link_transfers_per_second" not in found


def test_errors_by_severity_and_kind(host: Host) -> None:
    """AER errors are counted at the device and at the other end of its link, from the owner's start on."""
    host.tree.add(GPU, port=PORT)
    host.tree.aer(GPU, correctable_RxErr=7)
    host.tree.aer(PORT, nonfatal_CmpltTO=1)
    first = host.read(guest(A, GPU))
    host.tree.aer(GPU, correctable_RxErr=10, fatal_DLP=1)
    host.tree.aer(PORT, nonfatal_CmpltTO=3)
    then = host.read(guest(A, GPU))
    assert set(first["libvirt_domain_pci_aer_errors_total"].values()) == {0}
    assert then["libvirt_domain_pci_aer_errors_total"] == {
        (A, GPU, "correctable"): 3,
        (A, GPU, "nonfatal"): 0,
        (A, GPU, "fatal"): 1,
    }
    assert then["libvirt_domain_pci_aer_errors_by_kind_total"] == {
        (A, GPU, "correctable", "RxErr"): 3,
        (A, GPU, "fatal", "DLP"): 1,
    }
    assert then["libvirt_domain_pci_upstream_aer_errors_total"][A, GPU, PORT, "nonfatal"] == 2
    assert then["libvirt_domain_pci_upstream_aer_errors_by_kind_total"] == {
        (A, GPU, PORT, "nonfatal", "CmpltTO"): 2
    }


def test_without_native_error_reporting(host: Host) -> None:
    """Where the firmware keeps AER to itself there are no error counters, and everything else is there."""
    host.tree.add(GPU)
    found = host.read(guest(A, GPU))
    assert not [name for name in found if "aer" in name]
    assert "libvirt_domain_pci_link_width" in found


SWITCH_PORT, ROOT_PORT = "0000:3a:10.0", "0000:3a:00.0"


def behind_switch(host: Host, width: int = 16) -> None:
    """Put a GPU behind a switch, whose upper port has a link of this width."""
    host.tree.add(ROOT_PORT, pci_class="0x060400", driver="pcieport")
    upper = host.tree.device(ROOT_PORT) / SWITCH_PORT
    host.tree.function(upper, {"class": "0x060400"})
    host.tree.links(SWITCH_PORT, width=width)
    host.tree.add(GPU, port=f"{ROOT_PORT}/{SWITCH_PORT}/{PORT}")


@pytest.mark.parametrize(("width", "degraded"), [(16, 0.0), (8, 1.0), (1, 1.0)])
def test_link_above_a_switch(host: Host, width: int, degraded: float) -> None:
    """A GPU's own link to its switch is whole; that of the switch to the root may not be."""
    behind_switch(host, width=width)
    found = host.read(guest(A, GPU))
    assert found["libvirt_domain_pci_link_degraded"][A, GPU, "width"] == 0.0
    assert found["libvirt_domain_pci_uplink_degraded"] == {
        (A, GPU, SWITCH_PORT, "speed"): 0.0,
        (A, GPU, SWITCH_PORT, "width"): degraded,
    }


def test_link_above_a_switch_of_a_sleeping_device(host: Host) -> None:
    """The ports above may sleep too: their links are not read then."""
    behind_switch(host)
    host.tree.runtime(GPU, "suspended")
    with opened() as paths:
        found = host.read(guest(A, GPU))
    assert "libvirt_domain_pci_uplink_degraded" not in found
    assert not [path for path in paths if path.endswith(LINK_NOW)]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("current_link_width", "63"),
        ("current_link_width", "255"),
        ("current_link_width", "0"),
        ("current_link_width", "9" * 30),
        ("current_link_speed", "Unknown"),
        ("current_link_speed", "Unknown speed"),
        ("max_link_speed", "Unknown"),
        ("max_link_width", "255"),
    ],
)
def test_link_that_is_none_is_said_once_and_is_no_trouble(host: Host, file: str, said: str) -> None:
    """The value is absent, and a note says why: for all such devices together, and not as a gap."""
    for address in (GPU, SECOND):
        host.tree.add(address)
        write(host.tree.device(address) / file, said)
    reading = host.reading(guest(A, GPU, SECOND))
    assert (reading.partial, reading.missing) == (False, 0)
    (note,) = reading.notes
    assert note.startswith(f"{GPU}, {SECOND}: its link is not shown ({file} {said[:40]})")


def test_sleep_is_said_once(host: Host) -> None:
    """A device that is off has no link to show, by nature."""
    host.tree.add(GPU, power_state="D3cold")
    host.tree.runtime(GPU, "suspended")
    reading = host.reading(guest(A, GPU))
    assert (reading.partial, reading.missing) == (False, 0)
    assert reading.notes == (f"{GPU}: it sleeps (D3cold): its link is not read, since that would wake it",)


@pytest.mark.parametrize("status", ["error", "unsupported"])
def test_a_link_that_is_not_read_is_explained(host: Host, status: str) -> None:
    """A device whose power management has failed is the one that an engineer looks at."""
    host.tree.add(GPU)
    host.tree.runtime(GPU, status)
    reading = host.reading(guest(A, GPU))
    assert (reading.partial, reading.missing) == (False, 0)
    text = f"{GPU}: its link is not read: the kernel says {status!r} of its power management"
    assert reading.notes == (text,)


@given(st.text(alphabet="RxEr TLP_0189-\n", max_size=40))
def test_one_bad_line_among_good_ones_loses_only_itself(bad: str) -> None:
    """Whatever is between the counts of errors."""
    with TemporaryDirectory() as directory:
        made = Host(Path(directory))
        made.tree.add(GPU)
        made.read(guest(A, GPU))
        write(made.tree.device(GPU) / "aer_dev_fatal", f"DLP 3\n{bad}\nTOTAL_ERR_FATAL 3")
        reading = made.reading(guest(A, GPU))
    found = table(reading.samples)
    lines = [line.strip() for line in bad.splitlines()]
    is_bad = [line for line in lines if line and not re.fullmatch(r"\w+ [0-9]+", line)]
    assert reading.partial == bool(is_bad)
    assert (A, GPU, "fatal", "DLP") in found["libvirt_domain_pci_aer_errors_by_kind_total"]
    assert (A, GPU, "fatal") in found["libvirt_domain_pci_aer_errors_total"]
