"""Each line of the table in docs/liveness.md has its test here, named after check and reason."""

import re
from dataclasses import replace

import pytest

from hostcollector.base.definition import HostDevice, Nic
from hostcollector.base.model import Sample
from hostcollector.catalogue import bmc, infiniband, ovs, uplinks, vf
from hostcollector.collection.checks import RULES
from tests.places import REPOSITORY
from tests.unit.collection.living_guest import CRASHED, PAUSED, SHUTTING_DOWN, UUID, LivingGuest


def test_the_document_has_the_same_table_and_each_line_a_test() -> None:
    """The lines of the document are the rules of the program in their sequence."""
    text = (REPOSITORY / "docs" / "liveness.md").read_text()
    lines = re.findall(r"^\| `(\w+)` \| (passed|failed|unknown) \| `(\w+)` \|", text, re.MULTILINE)
    rules = [(name.value, rule.result.value, rule.reason) for name, each in RULES.items() for rule in each]
    assert lines == rules
    assert {f"test_{check}_{reason}" for check, _, reason in rules} <= globals().keys()


def _dying() -> LivingGuest:
    """Return a guest that has answered with its balloon driver, and does so no more."""
    living = LivingGuest(balloon_age=2.0)
    assert living.page()["instance"] == ("passed", "")
    living.balloon_age = 40.0
    return living


def _wait(living: LivingGuest, seconds: float, *, vcpu_seconds: float = 0.0) -> dict[str, tuple[str, str]]:
    """Make a page every 15 seconds; the guest's vCPU uses so much time between two pages."""
    found: dict[str, tuple[str, str]] = {}
    for _ in range(int(seconds / 15)):
        living.balloon_age = None if living.balloon_age is None else living.balloon_age + 15
        living.vcpu_time = None if living.vcpu_time is None else living.vcpu_time + vcpu_seconds
        found = living.page()
    return found


def test_system_state_unknown() -> None:
    """While libvirt is away, the host's part is not known."""
    assert LivingGuest(state=None).page()["system"] == ("unknown", "state_unknown")


def test_system_paused_by_disk_error() -> None:
    """QEMU itself says that a disk stopped the guest."""
    living = LivingGuest(state=PAUSED, reason="ioerror")
    assert living.page()["system"] == ("failed", "paused_by_disk_error")


@pytest.mark.parametrize(
    ("state", "reason"), [(PAUSED, "user"), (SHUTTING_DOWN, "user"), (CRASHED, "panicked")]
)
def test_system_not_running(state: int, reason: str) -> None:
    """A guest that does not run shows nothing of what the host does for it."""
    assert LivingGuest(state=state, reason=reason).page()["system"] == ("unknown", "not_running")


def test_system_disk_error() -> None:
    """An I/O error fails the check for a minute; one of before the first page does not."""
    living = LivingGuest(events={("io_error", "enospc"): 1})
    assert living.page()["system"] == ("passed", "")
    living.events = {("io_error", "enospc"): 1, ("io_error", "unknown"): 1}
    assert living.page()["system"] == ("failed", "disk_error")
    assert living.page(45)["system"] == ("failed", "disk_error")
    assert living.page(15)["system"] == ("passed", "")


def test_system_gpu_critical() -> None:
    """A warning of the BMC is not yet a failure."""
    living = LivingGuest(more=(Sample(bmc.HEALTH.guest, 2, ("gpu0",), UUID),))
    assert living.page()["system"] == ("failed", "gpu_critical")
    living.more = (Sample(bmc.HEALTH.guest, 1, ("gpu0",), UUID),)
    assert living.page()["system"] == ("passed", "")


def _infiniband(*states: int) -> tuple[Sample, ...]:
    ports = [Sample(infiniband.STATE, state, ("mlx5_0", str(number))) for number, state in enumerate(states)]
    address = "0000:3b:00.2"
    described = ("52:54:00:00:00:01", "0", "vfio-pci", "mlx5_core", "0000:3b:00.0", "mlx5_0")
    return (
        *ports,
        Sample(vf.PF_INFO, 1.0, ("ib0", "0000:3b:00.0", "mlx5_core", "mlx5_0")),
        Sample(vf.INFO.guest, 1.0, ("ib0", "1", address, *described), UUID),
    )


def _uplink(up: int) -> tuple[Sample, ...]:
    return (
        Sample(uplinks.UP, up, ("bond0",)),
        Sample(uplinks.UP, 0, ("eth7",)),
        Sample(uplinks.UPLINK_INFO, 1.0, ("tap0", "bond0"), UUID),
        Sample(uplinks.UPLINK_INFO, 1.0, ("tap0", "eth7"), UUID),
    )


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ((Sample(ovs.PORT_FAILED, 1, ("vhu0",), UUID),), ("failed", "port_down")),
        ((Sample(ovs.PORT_FAILED, 0, ("vhu0",), UUID),), ("passed", "")),
        (_uplink(0), ("failed", "port_down")),
        (_uplink(1), ("passed", "")),
        (_infiniband(1), ("failed", "port_down")),
        (_infiniband(1, 4), ("passed", "")),
    ],
)
def test_system_port_down(more: tuple[Sample, ...], result: tuple[str, str]) -> None:
    """The switch failed the guest's port, or all uplinks or InfiniBand ports that it has are down."""
    assert LivingGuest(more=more).page()["system"] == result


def test_system_qemu_hangs() -> None:
    """A silent monitor and vCPUs that do not advance, both for a minute."""
    living = LivingGuest(monitor=None, blocked=1.0)
    assert living.page()["system"] == ("unknown", "monitor_silent")
    living.blocked = 61.0
    assert living.page(45)["system"] == ("unknown", "monitor_silent")
    assert living.page(15)["system"] == ("failed", "qemu_hangs")
    living.blocked, living.monitor = 0.0, 0
    assert living.page()["system"] == ("passed", "")


def test_system_monitor_silent() -> None:
    """A guest whose vCPUs run is not down, nor is one whose vCPUs are not known."""
    living = LivingGuest(monitor=2, blocked=1000.0)
    assert _wait(living, 300, vcpu_seconds=0.1)["system"] == ("unknown", "monitor_silent")
    living.vcpu_time = None
    assert _wait(living, 300)["system"] == ("unknown", "monitor_silent")


def test_system_monitor_unknown() -> None:
    """Without the source of the monitors nothing is known of QEMU."""
    assert LivingGuest(monitor=None, blocked=None).page()["system"] == ("unknown", "monitor_unknown")


@pytest.mark.parametrize("monitor", [0, 1])
def test_system_monitor_answers(monitor: int) -> None:
    """A monitor that is free, or has a background job, answers."""
    assert LivingGuest(monitor=monitor).page()["system"] == ("passed", "")


def test_instance_state_unknown() -> None:
    """While libvirt is away, also a guest with an agent is not known to run."""
    living = LivingGuest(state=None)
    living.agent(connected=True)
    assert living.page()["instance"] == ("unknown", "state_unknown")


@pytest.mark.parametrize(("state", "reason"), [(CRASHED, "panicked"), (PAUSED, "crashed")])
def test_instance_panicked(state: int, reason: str) -> None:
    """The guest's panic device reports the panic; the guest may be kept for a look at it."""
    assert LivingGuest(state=state, reason=reason).page()["instance"] == ("failed", "panicked")


def test_instance_watchdog() -> None:
    """The guest did not feed its watchdog, which pauses it."""
    assert LivingGuest(state=PAUSED, reason="watchdog").page()["instance"] == ("failed", "watchdog")


@pytest.mark.parametrize(
    ("state", "reason"), [(PAUSED, "user"), (PAUSED, "ioerror"), (SHUTTING_DOWN, "user")]
)
def test_instance_not_running(state: int, reason: str) -> None:
    """A guest that is not allowed to run is not blamed."""
    assert LivingGuest(state=state, reason=reason).page()["instance"] == ("unknown", "not_running")


def test_instance_monitor_silent() -> None:
    """A guest in a QEMU that does not answer is the system check's matter."""
    living = _dying()
    living.monitor, living.blocked = 2, 30.0
    assert _wait(living, 900)["instance"] == ("unknown", "monitor_silent")


def test_instance_agent_lost() -> None:
    """The agent was there and is away for a minute: a restart of it is shorter. A reboot forgets it."""
    living = LivingGuest()
    living.agent(connected=True)
    assert living.page()["instance"] == ("passed", "")
    living.agent(connected=False)
    assert living.page(45)["instance"][0] != "failed"
    assert living.page(15)["instance"] == ("failed", "agent_lost")
    living.events = {("reboot", ""): 1}
    assert living.page()["instance"] == ("unknown", "no_sign")


def test_an_agent_that_never_came_is_not_lost() -> None:
    """A channel in the definition does not promise an agent."""
    living = LivingGuest()
    living.agent(connected=False)
    assert _wait(living, 900)["instance"] == ("unknown", "no_sign")


def test_instance_silent() -> None:
    """Balloon, vCPUs, disks and packets are all silent for the configured time."""
    living = _dying()
    assert _wait(living, 600)["instance"] == ("unknown", "no_sign")
    assert _wait(living, 15)["instance"] == ("failed", "silent")
    living.balloon_age = 1.0
    assert living.page()["instance"] == ("passed", "")


@pytest.mark.parametrize("sign", ["vcpu_time", "requests", "packets"])
def test_one_moving_counter_is_enough_not_to_be_silent(sign: str) -> None:
    """A guest of which any of the counters moves now and then does not fail."""
    living = _dying()
    for _ in range(5):
        assert _wait(living, 300)["instance"][0] != "failed"
        setattr(living, sign, getattr(living, sign) + 1.0)


@pytest.mark.parametrize("sign", ["vcpu_time", "requests", "packets"])
def test_a_counter_that_is_not_known_is_not_silent(sign: str) -> None:
    """Without one of the counters nothing is concluded from the others."""
    living = _dying()
    setattr(living, sign, None)
    assert _wait(living, 1500)["instance"][0] != "failed"


def test_an_interface_without_a_counter_is_not_silent() -> None:
    """A passed-through VF whose driver does not count may carry the guest's traffic."""
    living = _dying()
    nic = Nic(type="hostdev", pci_address="0000:3b:00.2")
    living.domain = replace(living.domain, nics=(*living.domain.nics, nic))
    assert _wait(living, 1500)["instance"][0] != "failed"
    devices = (HostDevice(type="pci", pci_address="0000:3b:00.2"),)
    living.domain = replace(living.domain, host_devices=devices)
    living.more = (Sample(vf.TRANSMITTED_PACKETS.guest, 7, ("ens1", "1", "0000:3b:00.2"), UUID),)
    assert _wait(living, 1500)["instance"] == ("failed", "silent")


def test_instance_loops() -> None:
    """A vCPU that is busy without any other sign of life, as after a panic without a panic device."""
    living = _dying()
    assert _wait(living, 600, vcpu_seconds=15.0)["instance"] == ("unknown", "no_sign")
    assert _wait(living, 15, vcpu_seconds=15.0)["instance"] == ("failed", "loops")


def test_an_idle_guest_without_its_balloon_driver_does_not_loop() -> None:
    """Timers keep an idle guest's vCPU at a few percent."""
    assert _wait(_dying(), 1500, vcpu_seconds=0.3)["instance"] == ("unknown", "no_sign")


def test_a_driver_that_has_not_reported_since_the_reboot_is_no_sign() -> None:
    """After a reboot into a system without the driver, QEMU keeps the old report."""
    living = LivingGuest(balloon_age=2.0)
    living.page()
    living.balloon_age, living.events = 40.0, {("reboot", ""): 1}
    assert _wait(living, 1500)["instance"] == ("unknown", "no_sign")


def test_a_driver_without_a_period_is_no_sign() -> None:
    """QEMU does not ask it, so its report grows old by itself."""
    living = LivingGuest(balloon_age=2.0)
    living.domain = replace(living.domain, balloon_period_seconds=0)
    assert _wait(living, 1500)["instance"] == ("unknown", "no_sign")


def test_instance_agent_connected() -> None:
    """A connected agent is a sign, also without a balloon."""
    living = LivingGuest()
    living.agent(connected=True)
    assert living.page()["instance"] == ("passed", "")


def test_a_dead_guest_keeps_its_channel_open() -> None:
    """The port of a wedged kernel stays connected: the other signs decide."""
    living = _dying()
    living.agent(connected=True)
    assert _wait(living, 615)["instance"] == ("failed", "silent")


def test_instance_balloon_answers() -> None:
    """A fresh report comes from the guest's kernel."""
    assert LivingGuest(balloon_age=29.0).page()["instance"] == ("passed", "")


@pytest.mark.parametrize("sign", ["requests", "packets"])
def test_instance_devices_move(sign: str) -> None:
    """A guest without agent and balloon lives if it uses its disk or its network."""
    living = LivingGuest()
    assert living.page()["instance"] == ("unknown", "no_sign")
    setattr(living, sign, 6.0)
    assert living.page()["instance"] == ("passed", "")
    assert _wait(living, 585)["instance"] == ("passed", "")
    assert living.page(15)["instance"] == ("unknown", "no_sign")


def test_instance_no_sign() -> None:
    """A guest that shows nothing, and never has, may be idle."""
    assert _wait(LivingGuest(), 1500)["instance"] == ("unknown", "no_sign")


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_times_are_right_after_the_clock_was_set(step: float) -> None:
    """An error before a step of the host's clock does not last, and an agent that left is missed in time."""
    living = LivingGuest()
    living.agent(connected=True)
    living.page()
    living.agent(connected=False)
    living.events = {("io_error", "enospc"): 1}
    assert living.page()["system"] == ("failed", "disk_error")
    assert living.page(step)["system"] == ("passed", "")
    assert living.page()["instance"] == ("unknown", "no_sign")
    assert _wait(living, 60)["instance"] == ("failed", "agent_lost")


def test_a_new_run_of_the_guest_begins_anew() -> None:
    """The agent and the driver of the run before are forgotten."""
    living = _dying()
    living.agent(connected=True)
    living.page()
    living.domain = replace(living.domain, id=2, agent_connected=False)
    assert _wait(living, 1500)["instance"] == ("unknown", "no_sign")
