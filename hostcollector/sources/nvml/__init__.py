"""The `nvml` source: GPUs with NVIDIA's driver on the host, and their vGPUs.

- NVML does not see a GPU on vfio-pci.
- Without a GPU on NVIDIA's driver NVML is not opened: opening it can load the driver.
- While NVML is open, NVIDIA's driver keeps its GPUs, as under any NVML program. Switch this source off on a
  host whose GPUs change between the driver and vfio-pci while the collector runs.
"""

import time
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Backoff, Clock
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import gpu as rows
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.devices.owners import Owner, OwnerFinder, Owners
from hostcollector.devices.pci import DeviceReader, Devices
from hostcollector.guests.processes import QemuProcesses
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.binding import Call, ClosedError, LostError, NvmlCallError
from hostcollector.sources.nvml.card import CardReader
from hostcollector.sources.nvml.series import SOURCE, observable
from hostcollector.sources.nvml.session import Session

_DRIVER = "nvidia"


class Nvml(Source):
    """Reads NVIDIA's GPUs of the host under `root`. Tests replace `call`, which calls NVML by name.

    The GPUs' serial numbers are kept in `identities`: a BMC knows GPUs by them.
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
        """Return the series of the GPUs that NVML sees. Without NVML there is a fact, and no error."""
        owners = self._owners.find(request.guests, all_listed=request.guests_listed)
        devices = self._devices.read(owners.functions)
        session = self._opened(frozenset(_bound(devices)))
        gaps = Gaps()
        seen = _Seen()
        samples = [Sample(rows.NVML_UP, float(session is not None))]
        if session is not None:
            samples.append(Sample(rows.NVML_INFO, 1.0, session.versions))
            samples.extend(self._gpus(session, request, devices, owners, seen, gaps))
        for gpu, address, owner in _unseen(devices, owners, seen.names):
            samples.append(observable(gpu, address, owner, seen=False))
            # NVML never sees a GPU on vfio-pci; a vGPU of a GPU on NVIDIA's driver it should see.
            if owner.uuid and gpu != address and session is not None and address in session.gpus:
                seen.nameless[owner.uuid] -= 1
                if seen.nameless[owner.uuid] < 0:
                    gaps.missing("vGPU", f"{gpu} of guest {request.guests[owner.uuid].domain.name!r}")
        self._cards.keep_record(devices, owners, seen.names)
        self._baselines.flush()
        self._note_problems(session, gaps)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _note_problems(self, session: Session | None, gaps: Gaps) -> None:
        """Note why NVML is not open, which is no error, and the problems of an open one."""
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
        seen: "_Seen",
        gaps: Gaps,
    ) -> Iterator[Sample]:
        """Yield the series of all GPUs; a lost GPU costs its own series only. Adds to `seen` and `gaps`."""
        lost = 0
        session.listener.listen_again()
        for gpu in session.gpus.values():
            card = None
            try:
                with gaps.item(gpu.address):
                    card = self._cards.read(gpu, devices, owners, request.guests, gaps)
            except LostError as error:
                lost += 1
                gaps.unread(gpu.address, f"it no longer answers its driver: {error}; it needs a reset")
                yield Sample(rows.LOST, 1.0, (gpu.address,))
                continue
            except ClosedError as error:
                self._abandon(f"NVML went away: {error}")
                return
            if card is None:
                continue
            seen.names.update(card.seen)
            seen.nameless.update(card.unnamed)
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
        """Return NVML opened for the GPUs on NVIDIA's driver, `bound`; None with `_problem` if that fails."""
        if self._session is not None and self._session.bound != bound and not self._closed():
            self._problem = "NVML is stuck and cannot be opened again for the present GPUs"
            return None
        if not bound:
            self._problem = "no GPU of this host has NVIDIA's driver: NVML is not opened"
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
        """Open NVML again now and then while GPUs are lost: an open NVML does not find them again."""
        if not lost:
            self._reopening.succeeded()
        elif self._reopening.ready:
            if self._reopening.failures:
                self._closed()
            self._reopening.failed()


@dataclass(slots=True)
class _Seen:
    """What NVML reported: names that sysfs has too, and the number of vGPUs without one by guest."""

    names: set[str] = field(default_factory=set)
    nameless: Counter[str] = field(default_factory=Counter)


def _unseen(devices: Devices, owners: Owners, seen: AbstractSet[str]) -> Iterator[tuple[str, str, Owner]]:
    """Yield the NVIDIA GPUs and vGPUs that NVML does not report: name, physical GPU and owner.

    A device without a certain owner is left out.
    """
    for function in devices.functions.values():
        address = function.address
        if function.is_nvidia_gpu and address not in seen:
            owner = owners.of(address, held=function.held_for_guests)
            shown = owner is not None and (owner.uuid or function.vgpu_type or not function.physical)
            if owner is not None and shown:
                yield address, devices.physical(address), owner
    for mdev in devices.mdevs.values():
        parent = devices.functions.get(mdev.parent)
        owner = owners.of(mdev.uuid)
        if parent is not None and parent.is_nvidia_gpu and owner is not None and mdev.uuid not in seen:
            yield mdev.uuid, devices.physical(mdev.parent), owner


def _bound(devices: Devices) -> Iterator[str]:
    """Yield the addresses of the GPUs on NVIDIA's driver."""
    for function in devices.functions.values():
        if function.is_gpu and not function.physical and function.driver == _DRIVER:
            yield function.address
