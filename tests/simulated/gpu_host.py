"""A host with eight GPUs in every kind of use: a tree for sysfs, a library for NVML, a BMC over HTTPS.

Four GPUs are passed through to guests of two tenants, two are cut into six vGPUs of three tenants, one is
split into MIG instances of the host, and one waits for a guest; of that one nothing says which it is on the
BMC.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hostcollector.base.definition import Domain, HostDevice
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.model import Guest, Snapshot, Tenant
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector, Guests
from hostcollector.config.services import RedfishSettings
from hostcollector.devices import gpu_map
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.protocols.redfish.client import DEFAULT_LIMITS, RedfishClient
from hostcollector.protocols.rest.poller import Limits
from hostcollector.sources.nvml import Nvml
from hostcollector.sources.redfish import Redfish
from hostcollector.sources.vfio import Vfio
from tests.fakes.authority import Authority
from tests.fakes.bmc import FakeBmc
from tests.fakes.nvml import FakeNvml, build, loaded
from tests.fakes.pci import PciTree
from tests.fakes.rest import USER, keep_password

ADDRESSES = tuple(f"0000:{bus}:00.0" for bus in ("1b", "2b", "3b", "4b", "9b", "ab", "bb", "cb"))
PASSED, SPLIT, MIG, WAITING = ADDRESSES[:4], ADDRESSES[4:6], ADDRESSES[6], ADDRESSES[7]
VFS = tuple(f"0000:ab:00.{function}" for function in (4, 5, 6))
MDEVS = tuple(f"{number:08x}-0a0a-4b4b-8c8c-0d0d0e0e0f0f" for number in (1, 2, 3))
VGPU_TYPE = 10
BUDGET = 20.0
_GIB = 1 << 30


def seen_at(place: int) -> str:
    """Return the PCI address in a guest of its device at a place, counted from 0."""
    return f"0000:{6 + place:02x}:00.0"


def guest(number: int, name: str, tenant: str, *devices: str) -> Guest:
    """Return a guest of a tenant that was given devices, by PCI address or mdev UUID.

    The guest sees them on buses of their own.
    """
    passed = tuple(
        HostDevice(type="pci", pci_address=device, address=seen_at(place))
        if ":" in device
        else HostDevice(type="mdev", mdev_uuid=device, address=seen_at(place))
        for place, device in enumerate(devices)
    )
    uuid = f"{number:08d}-aaaa-4bbb-8ccc-dddddddddddd"
    return Guest(
        domain=Domain(uuid=uuid, name=name, id=number, host_devices=passed), tenant=Tenant(id=tenant)
    )


GUESTS = (
    guest(1, "train", "acme", *PASSED[:2]),
    guest(2, "render", "globex", *PASSED[2:]),
    guest(3, "desk-1", "acme", MDEVS[0], VFS[0]),
    guest(4, "desk-2", "globex", MDEVS[1], VFS[1]),
    guest(5, "desk-3", "initech", MDEVS[2], VFS[2]),
)


class GpuHost:
    """The host. `guests` may be changed between collections; everything else through the fakes."""

    client: RedfishClient
    redfish: Redfish
    collector: Collector

    def __init__(self, tree: PciTree, nvml: FakeNvml, bmc: FakeBmc, state: Path, limits: Limits) -> None:
        self.tree, self.nvml, self.bmc = tree, nvml, bmc
        self._state, self._limits = state, limits
        self.skipped = 0.0
        """Seconds that the BMC's client and source take to have passed beside the real ones."""
        self.guests = {guest.domain.uuid: guest for guest in GUESTS}
        self._fill()
        self.start()

    def start(self, ports_interval: int = 0) -> None:
        """Start a collector that knows only what is on disk."""
        root, state = self.tree.root, self._state
        settings = RedfishSettings(
            url=self.bmc.url,
            user=USER,
            password_file=str(state / "password"),
            ca_file=str(state / "authority.pem"),
            # As often as it can: what a test or a person waits for.
            interval_seconds=0,
            ports_interval_seconds=ports_interval,
        )
        baselines, identities = Baselines(state, root, patience=30), GpuIdentities(state, patience=30)
        mapped = FollowedFile(state / "gpus.yml", gpu_map.read, "map of GPUs")
        self.client = RedfishClient(settings, limits=self._limits, clock=self.now)
        self.redfish = Redfish(root, self.client, baselines, identities, mapped=mapped, clock=self.now)
        sources = (Nvml(root, baselines, identities), Vfio(root, baselines), self.redfish)
        self.collector = Collector(sources, Assembler(), Guests(lambda: dict(self.guests)), maximum_age=0.0)
        self.collector.start()

    def stop(self) -> None:
        """Stop the collector, and wait until it has let go of BMC and NVML."""
        self.collector.close()
        self.collector.wait_closed(BUDGET)
        wait_until(lambda: not self.nvml.opened)

    def now(self) -> float:
        """Return the monotonic time of the BMC's client and source."""
        return time.monotonic() + self.skipped

    def snapshot(self, budget: float = BUDGET) -> Snapshot:
        """Make one collection."""
        self.collector._budget = budget
        return self.collector.snapshot().result()

    def settled(self) -> Snapshot:
        """Return a collection with what the BMC says now, after a look that saw who owns what."""
        self.client.settle(BUDGET)
        self.snapshot()
        self.heard()
        return self.snapshot()

    def heard(self) -> None:
        """Wait until the BMC was polled for its reports once more, and for all that is due."""
        since = self.now()
        wait_until(lambda: self.client.current()[0].parts[0].asked_at > since)

    def _fill(self) -> None:
        for number, address in enumerate(ADDRESSES):
            self.tree.add(address, driver="nvidia" if address in (*SPLIT, MIG) else "vfio-pci", port="")
            self.tree.aer(address)
            if address in (*SPLIT, MIG):
                device = self.nvml.device(
                    address, "NVIDIA B200", serial=self.bmc.baseboard.gpus[number].serial, links=18
                )
                self.nvml.mig(device, on=address == MIG)
        for number, (mdev, vf, owner) in enumerate(zip(MDEVS, VFS, GUESTS[2:], strict=True)):
            self.tree.mdev(mdev, SPLIT[0], "NVIDIA B200-22C")
            self.tree.vf(vf, SPLIT[1], current_vgpu_type=str(VGPU_TYPE))
            vm = owner.domain.uuid
            self.nvml.vgpu(0, 10 + number, vm, mdev=mdev, used=(5 + number) * _GIB, size=22 * _GIB)
            self.nvml.vgpu(1, 20 + number, vm, type_id=VGPU_TYPE, used=(8 + number) * _GIB, size=22 * _GIB)


@contextmanager
def gpu_host(directory: Path, limits: Limits = DEFAULT_LIMITS) -> Iterator[GpuHost]:
    """Build the host in an empty directory, and take it down."""
    state = directory / "state"
    state.mkdir()
    keep_password(state / "password")
    names = {address: f"GPU_SXM_{number}" for number, address in enumerate(PASSED, 1)}
    (state / "gpus.yml").write_text("".join(f'"{address}": {name}\n' for address, name in names.items()))
    with ExitStack() as stack:
        bmc = stack.enter_context(FakeBmc(Authority.new(state).server("bmc", "DNS:localhost")))
        nvml = FakeNvml(build(directory), state)
        stack.enter_context(loaded(nvml.library))
        host = GpuHost(PciTree(directory / "root"), nvml, bmc, state, limits)
        try:
            yield host
        finally:
            nvml.hang("")
            host.stop()


def wait_until(condition: Callable[[], bool], seconds: float = BUDGET) -> None:
    """Wait for something that another thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
