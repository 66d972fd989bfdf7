"""A private hypervisor whose fleet of kernel-less guests grows while it is measured."""

from collections.abc import Sequence

from tests.bench.cost import Processes
from tests.lab.connection import connected
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.running import RunningGuest

# Shorter than the pause between scrapes: each collection then asks for every balloon.
SHORT_PERIOD = 1
# What OpenStack Nova sets by default.
USUAL_PERIOD = 10


class Fleet:
    """The guests of a benchmark, with two vCPUs, a disk and an interface each."""

    def __init__(self, hypervisor: PrivateHypervisor) -> None:
        self.hypervisor = hypervisor
        self.guests: list[RunningGuest] = []

    def grow(self, size: int) -> None:
        """Boot guests until there are `size`."""
        print(f"booting guests {len(self.guests) + 1} to {size} ...", flush=True)
        numbers = range(len(self.guests), size)
        self.guests += self.hypervisor.boot_all(
            Guest.idle(f"bench-{number}", vcpus=2, balloon_period=SHORT_PERIOD) for number in numbers
        )

    def set_balloon_period(self, seconds: int) -> None:
        """Have the balloons' drivers asked so often; a running collector learns of it at the next listing."""
        with connected(self.hypervisor.uri) as connection:
            for domain in connection.listAllDomains():
                domain.setMemoryStatsPeriod(seconds, 0)

    def processes(self, exporter: int) -> Processes:
        """Return whose CPU the scrapes of an exporter use."""
        return Processes(exporter=exporter, libvirtd=self.hypervisor.pid, guests=self.pids)

    @property
    def pids(self) -> Sequence[int]:
        """The guests' QEMUs."""
        return [guest.qemu.pid for guest in self.guests]
