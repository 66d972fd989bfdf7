"""A host's PCI devices, a BMC's answer as a test sets it, and the source between them."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, HostDevice
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import bmc as bmc_rows
from hostcollector.catalogue import gpu as gpu_rows
from hostcollector.config.services import RedfishSettings
from hostcollector.devices import gpu_map
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.protocols.redfish.client import RedfishClient
from hostcollector.protocols.redfish.values import PORTS, REPORTS, BmcAnswer, Gpu, GpuReadings, Part
from hostcollector.sources.redfish import Redfish
from tests.fakes.pci import PciTree
from tests.fakes.samples import Table, table

FIRST, SECOND = "/Systems/A/Processors/GPU_SXM_1", "/Systems/A/Processors/GPU_SXM_2"
POWER, ENERGY, LINKS = (gpu_rows.POWER, ()), (gpu_rows.ENERGY, ()), (gpu_rows.NVLINK_RECEIVED, ())
HEADROOM = (gpu_rows.TEMPERATURE_HEADROOM, ())
VOLTAGE = (bmc_rows.VOLTAGE, ())


def gpu(path: str, serial: str = "", uuid: str = "", system: str = "A") -> Gpu:
    """Return a GPU as a BMC knows it."""
    name = path.rpartition("/")[2]
    return Gpu(path=path, name=name, system=system, baseboard="B1", serial=serial, uuid=uuid)


@dataclass
class Answered(RedfishClient):
    """A client that has the answer that a test gives it, and asks no service."""

    answer: BmcAnswer | None = None
    failure: str = ""
    closed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Be a client that has nothing to follow."""
        super().__init__(RedfishSettings())

    def start(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Note it."""
        self.closed.append("close")

    def wait_closed(self, seconds: float) -> None:
        """Note it."""
        self.closed.append("wait")

    def current(self) -> tuple[BmcAnswer, float, str]:
        """Return the answer."""
        if self.answer is None:
            raise SourceUnavailableError(self.failure)
        return self.answer, 0.0, self.failure


class Host:
    """A tree, a BMC and the source; `now` is the time on its clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree, self.answered, self.now = PciTree(path / "root"), Answered(), 1000.0
        self.identities = GpuIdentities(path / "state", patience=30)
        self.source = self.restarted()

    def restarted(self, *, mapped: str | None = None, nvml: bool = True, client: bool = True) -> Redfish:
        """Return a source that knows only what is on disk and, if given, a map."""
        if mapped is not None:
            (self.path / "map").write_text(mapped)
        return Redfish(
            self.tree.root,
            self.answered if client else None,
            Baselines(self.path / "state", self.tree.root, patience=30),
            self.identities,
            mapped=FollowedFile(self.path / "map", gpu_map.read, "map of GPUs")
            if mapped is not None
            else None,
            nvml=nvml,
            clock=lambda: self.now,
        )

    def says(
        self, gpus: tuple[Gpu, ...], *, energy: int = 0, links: int = 0, asked_at: float | None = None
    ) -> None:
        """Let the BMC have reported some GPUs, just now: millijoules and bytes of each."""
        at = self.now if asked_at is None else asked_at
        readings = GpuReadings({POWER: 300.0, HEADROOM: 50.0, VOLTAGE: 0.9}, {ENERGY: energy})
        reports = Part(name=REPORTS, asked_at=at, good_for=45.0, readings={it.path: readings for it in gpus})
        ports = Part(
            name=PORTS,
            asked_at=at,
            good_for=900.0,
            readings={it.path: GpuReadings({}, {LINKS: links}) for it in gpus},
        )
        self.answered.answer = BmcAnswer(gpus={it.path: it for it in gpus}, parts=(reports, ports))
        self.answered.failure = ""

    def without_reports(self) -> None:
        """Let the last reports have nothing of any GPU."""
        assert self.answered.answer is not None
        reports, *others = self.answered.answer.parts
        self.answered.answer = replace(self.answered.answer, parts=(replace(reports, readings={}), *others))

    def reading(self, *guests: Guest, listed: bool = True) -> Reading:
        """Read once."""
        by_uuid = {member.domain.uuid: member for member in guests}
        return self.source.read(Request(guests=by_uuid, deadline=0.0, taken_at=0.0, guests_listed=listed))

    def read(self, *guests: Guest) -> Table:
        """Read once and return the series."""
        return table(self.reading(*guests).samples)


def guest(uuid: str, *addresses: str, run: int = 1) -> Guest:
    """Return a guest that was given PCI functions."""
    passed = tuple(HostDevice(type="pci", pci_address=address) for address in addresses)
    return Guest(domain=Domain(uuid=uuid, name=uuid[:4], id=run, host_devices=passed))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a host without GPUs and a BMC that has not answered."""
    return Host(tmp_path)
