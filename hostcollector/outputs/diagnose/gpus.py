"""One line per GPU for `diagnose`: model, owner, the sources that see it, what is missing and the fix."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hostcollector.base.model import IDENTITY_LABELS, Metric, Scope, Snapshot
from hostcollector.base.wording import one_line
from hostcollector.catalogue import bmc, gpu, pci
from hostcollector.catalogue.rows import Twin
from hostcollector.devices.pci import Mode

_BMC_ONLY = "only the BMC knows its power, temperature and ECC errors"
_NEEDS_BMC = f"{_BMC_ONLY}: set redfish.url"
_NEEDS_ANSWER = f"{_BMC_ONLY}, and the BMC does not answer: see the notes of the source redfish"
_NEEDS_NAME = f"{_BMC_ONLY}, and its name there is unknown: set it in redfish.gpu_map_file"
_NEEDS_RESET = f"{_BMC_ONLY}, and the BMC gets no answer from the GPU: it may need a reset"
_NEEDS_NVML = "NVIDIA's driver does not report it: see the notes of the source nvml"
_NO_AER = "no PCIe error counters: the firmware keeps error handling to itself (no native AER)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLine:
    """A GPU or vGPU on the page. `owner` is empty for the host's; `seen_by` are the sources that see it."""

    name: str
    model: str
    mode: str
    driver: str
    owner: str
    seen_by: tuple[str, ...]
    fixes: tuple[str, ...]


def gpu_lines(snapshot: Snapshot) -> list[GpuLine]:
    """Return the GPUs of a page, by name."""
    series = {family.metric: family.series for family in snapshot.families}
    seen_by: dict[str, list[str]] = {}
    for labels, value, _ in _described(series, gpu.OBSERVABLE):
        if value:
            seen_by.setdefault(labels["gpu"], []).append(labels["source"])
    bmc_reason = _bmc(series)
    drivers, counted = {}, set()
    for labels, _, _ in _described(series, pci.INFO):
        drivers[labels["pci_address"]] = labels["driver"]
    for labels, _, _ in _described(series, pci.ERRORS_BY_SEVERITY):
        counted.add(labels["pci_address"])
    found = []
    for labels, _, owner in _described(series, gpu.INFO):
        name, mode = labels["gpu"], labels["mode"]
        sources = tuple(sorted(seen_by.get(name, ())))
        fixes = [*_lacking(labels["vendor"], mode, sources, bmc_reason(name))]
        if name in drivers and name not in counted:
            fixes.append(_NO_AER)
        found.append(
            GpuLine(
                name=name,
                model=f"{labels['vendor']} {labels['model']}",
                mode=mode,
                driver=drivers.get(name, ""),
                owner=owner,
                seen_by=sources,
                fixes=tuple(fixes),
            )
        )
    return sorted(found, key=lambda line: line.name)


def written(lines: list[GpuLine]) -> Iterator[str]:
    """Yield the lines as text for a terminal."""
    for line in lines:
        driver = f", driver {line.driver}" if line.driver else ""
        owner = line.owner or "no guest"
        sources = ", ".join(line.seen_by) or "no source"
        yield one_line(f"  {line.name}  {line.model} ({line.mode}{driver})  {owner}  seen by {sources}")
        for fix in line.fixes:
            yield f"    - {fix}"


def _lacking(vendor: str, mode: str, sources: tuple[str, ...], reason: str) -> Iterator[str]:
    if mode == Mode.PASSTHROUGH:
        if "redfish" not in sources:
            yield reason
    elif vendor == "NVIDIA" and "nvml" not in sources:
        yield _NEEDS_NVML


def _bmc(series: Mapping[Metric, Mapping[tuple[str, ...], object]]) -> Callable[[str], str]:
    """Return a function from a GPU to the reason why the BMC does not report it, with the fix."""
    up = series.get(bmc.REDFISH_UP, {}).get(())
    known = {labels["pci_address"] for labels, _, _ in _described(series, bmc.GPU_INFO)}

    def why(gpu: str) -> str:
        if up is None:
            return _NEEDS_BMC
        if not up:
            return _NEEDS_ANSWER
        return _NEEDS_RESET if gpu in known else _NEEDS_NAME

    return why


def _described(
    series: Mapping[Metric, Mapping[tuple[str, ...], object]], row: Metric | Twin
) -> Iterator[tuple[dict[str, str], object, str]]:
    """Yield the series of a row: their own labels by name, the value, the guest with its tenant."""
    for metric in (row.guest, row.host) if isinstance(row, Twin) else (row,):
        for labels, value in series.get(metric, {}).items():
            own, owner = labels, ""
            if metric.scope is Scope.DOMAIN:
                tenant, domain, _ = labels[: len(IDENTITY_LABELS)]
                owner = f"guest {domain} of {tenant or 'no tenant'}"
                own = labels[len(IDENTITY_LABELS) :]
            yield dict(zip(metric.labels, own, strict=True)), value, owner
