"""The `nvml` source: NVIDIA GPUs that are with the host, and the vGPUs that are cut from them.

A GPU on vfio-pci is out of NVML's sight. Where no GPU has NVIDIA's driver the library is not even opened:
opening it can load the driver, which nobody wants on a host that passes its GPUs through. While it is open
NVIDIA's driver holds on to its GPUs, as under any other NVML program: on a host where they change between
the driver and vfio-pci while the collector runs, this source is to be switched off.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Backoff, Clock
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import gpu as rows
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.devices.owners import OwnerFinder, Owners
from hostcollector.devices.pci import DeviceReader
from hostcollector.devices.pci_values import Devices
from hostcollector.guests.processes import QemuProcesses
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.asking import Call
from hostcollector.sources.nvml.card import CardReader
from hostcollector.sources.nvml.faults import ClosedError, LostError, NvmlCallError
from hostcollector.sources.nvml.series import SOURCE, observable
from hostcollector.sources.nvml.session import Session
from hostcollector.sources.nvml.visibility import unseen

__all__ = ["Nvml"]

_DRIVER = "nvidia"


class Nvml(Source):
    """Reads NVIDIA's GPUs of the host under `root`. `call` is replaced where no driver is to be asked.

    What the GPUs say of themselves is kept in `identities`, for whoever knows serial numbers only.
    """

    name = SOURCE

    def __init__(
        self,
        root: Path,
        baselines: Baselines,
        identities: GpuIdentities | None = None,
        *,
        processes: QemuProcesses | None = None,
        call: Call = binding.call,
        clock: Clock = time.monotonic,
    ) -> None:
        self._devices = DeviceReader(root)
        self._owners = OwnerFinder(processes)
        self._baselines = baselines
        self._identities = identities
        self._call = call
        self._clock = clock
        self._cards = CardReader(baselines, call, clock)
        self._xids: Counter[tuple[str, int]] = Counter()
        self._session: Session | None = None
        self._opening = Backoff(5.0, 60.0, clock)
        self._reopening = Backoff(60.0, 600.0, clock)
        self._problem = ""

    def read(self, request: Request) -> Reading:
        """Return the series of the GPUs that NVML sees. That it is missing is a state, not an error."""
        owners = self._owners.find(request.guests, all_listed=request.guests_listed)
        devices = self._devices.read(owners.functions)
        session = self._opened(frozenset(_bound(devices)))
        gaps = Gaps()
        told = _Told()
        samples = [Sample(rows.NVML_UP, float(session is not None))]
        if session is not None:
            samples.append(Sample(rows.NVML_INFO, 1.0, session.versions))
            samples.extend(self._gpus(session, request, devices, owners, told, gaps))
        for gpu, address, owner in unseen(devices, owners, told.names):
            samples.append(observable(gpu, address, owner, seen=False))
            # A GPU on vfio-pci is out of sight by nature; a part of one that the driver has is not.
            if owner.uuid and gpu != address and session is not None and address in session.gpus:
                told.nameless[owner.uuid] -= 1
                if told.nameless[owner.uuid] < 0:
                    gaps.missing("vGPU", f"{gpu} of guest {request.guests[owner.uuid].domain.name!r}")
        self._cards.keep_record(devices, owners, told.names)
        self._baselines.flush()
        self._say(session, gaps)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _say(self, session: Session | None, gaps: Gaps) -> None:
        """Note why NVML is not asked, which is a state and no trouble while it is not open."""
        if self._problem and session is None:
            gaps.fact(self._problem)
        elif self._problem:
            gaps.note(self._problem)
        for problem in self._baselines.problems:
            gaps.note(problem)

    def close(self) -> None:
        """Close NVML."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _gpus(
        self,
        session: Session,
        request: Request,
        devices: Devices,
        owners: Owners,
        told: "_Told",
        gaps: Gaps,
    ) -> Iterator[Sample]:
        """Yield the series of all GPUs; one that is lost costs its own only. Adds to `told` and `gaps`."""
        lost = 0
        session.listener.listen_again()
        for gpu in session.gpus.values():
            card = None
            try:
                with gaps.item(gpu.address):
                    card = self._cards.read(gpu, devices, owners, request.guests, gaps)
            except LostError as error:
                lost += 1
                gaps.unread(gpu.address, f"it does not answer its driver any more: {error}; it needs a reset")
                yield Sample(rows.LOST, 1.0, (gpu.address,))
                continue
            except ClosedError as error:
                self._abandon(f"NVML went away: {error}")
                return
            if card is None:
                continue
            told.names.update(card.seen)
            told.nameless.update(card.unnamed)
            yield from card.samples
            yield Sample(rows.LOST, 0.0, (gpu.address,))
            if gpu.address in session.listener.listening:
                yield from self._cards.xids(gpu.address, self._xids)
        absent = session.bound - session.gpus.keys()
        for address in sorted(absent):
            why = "; ".join(sorted(set(session.silent.values()))) or "its driver does not list it"
            gaps.missing("GPU with NVIDIA's driver", address, why)
        self._after_losses(lost + len(absent))

    def _opened(self, bound: frozenset[str]) -> Session | None:
        """Return NVML opened for the GPUs that have its driver now; None with `_problem` if that fails."""
        if self._session is not None and self._session.bound != bound and not self._closed():
            self._problem = "NVML is stuck and cannot be opened anew for the GPUs that there are now"
            return None
        if not bound:
            self._problem = "no GPU here has NVIDIA's driver: NVML is not asked"
            return None
        if self._session is None and self._opening.ready:
            try:
                self._session = Session(bound, self._xids, self._call, self._clock)
            except NvmlCallError as error:
                self._opening.failed()
                self._problem = f"NVML is not available: {error}"
            else:
                self._opening.succeeded()
                self._cards.forget()
                self._learn(self._session)
                self._problem = ""
        return self._session

    def _learn(self, session: Session) -> None:
        if self._identities is not None:
            for gpu in session.gpus.values():
                self._identities.learn(gpu.address, gpu.identity.serial, gpu.identity.uuid)
            self._identities.flush()

    def _closed(self) -> bool:
        if self._session is not None and self._session.close():
            self._session = None
        return self._session is None

    def _abandon(self, why: str) -> None:
        self._closed()
        self._problem = why
        self._session = None
        self._opening.failed()

    def _after_losses(self, lost: int) -> None:
        """Open NVML anew now and then while GPUs are lost: it does not find one again by itself."""
        if not lost:
            self._reopening.succeeded()
        elif self._reopening.ready:
            if self._reopening.failures:
                self._closed()
            self._reopening.failed()


@dataclass(slots=True)
class _Told:
    """What NVML told: the names that sysfs has for it too, and how many vGPUs of each guest have none."""

    names: set[str] = field(default_factory=set)
    nameless: Counter[str] = field(default_factory=Counter)


def _bound(devices: Devices) -> Iterator[str]:
    for function in devices.functions.values():
        if function.is_gpu and not function.physical and function.driver == _DRIVER:
            yield function.address
