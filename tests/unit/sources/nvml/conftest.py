"""A host whose GPUs are reported by a library that is built here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, HostDevice
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request
from hostcollector.devices.baselines import Baselines
from hostcollector.sources.nvml import Nvml, binding
from hostcollector.sources.nvml.binding import Call
from tests.fakes.nvml import FakeNvml, build, loaded
from tests.fakes.pci import PciTree
from tests.fakes.samples import Table, table


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class NvmlHost:
    """A tree, a library and the source between them."""

    def __init__(self, path: Path, nvml: FakeNvml) -> None:
        self.tree, self.nvml, self.clock = PciTree(path / "root"), nvml, Clock()
        self._state = path / "state"
        self.source = self.restarted()

    def restarted(self, call: Call = binding.call) -> Nvml:
        """Return a source that knows only what is on disk."""
        baselines = Baselines(self._state, self.tree.root, patience=30)
        return Nvml(self.tree.root, baselines, call=call, clock=self.clock)

    def gpu(self, address: str, serial: str = "165432") -> int:
        """Add a GPU with NVIDIA's driver, to the tree and to the library; return the library's number."""
        self.tree.add(address, driver="nvidia")
        return self.nvml.device(address, serial=serial)

    def reading(self, *guests: Guest) -> Reading:
        """Read once."""
        by_uuid = {member.domain.uuid: member for member in guests}
        return self.source.read(Request(guests=by_uuid, deadline=0.0, taken_at=0.0))

    def read(self, *guests: Guest) -> Table:
        """Read once and return the series."""
        return table(self.reading(*guests).samples)


def guest(uuid: str, *devices: str, run: int = 1) -> Guest:
    """Return a guest that was given devices, by PCI address or mdev UUID."""
    passed = tuple(
        HostDevice(type="pci", pci_address=device)
        if ":" in device
        else HostDevice(type="mdev", mdev_uuid=device)
        for device in devices
    )
    return Guest(domain=Domain(uuid=uuid, name=uuid[:4], id=run, host_devices=passed))


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the library as a new and as an old driver has it."""
    directory = tmp_path_factory.mktemp("nvml")
    return {"": build(directory), "old": build(directory, "OLD_DRIVER")}


@pytest.fixture
def nvml(request: pytest.FixtureRequest, libraries: dict[str, Path], tmp_path: Path) -> Iterator[FakeNvml]:
    """Load a fresh library under pynvml; the parameter "old" means the old driver's."""
    fake = FakeNvml(libraries[getattr(request, "param", "")], tmp_path)
    with loaded(fake.library):
        yield fake


@pytest.fixture
def host(nvml: FakeNvml, tmp_path: Path) -> Iterator[NvmlHost]:
    """Return a host without GPUs."""
    made = NvmlHost(tmp_path, nvml)
    yield made
    nvml.hang("")
    made.source.close()
