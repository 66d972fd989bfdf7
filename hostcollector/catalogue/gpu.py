"""Rows about GPUs and vGPUs: one family of names, for those of guests and for those of the host.

`gpu` is the PCI address or the mediated device's UUID; where neither is known, the source's own name for the
device. `pci_address` is always the physical GPU on the host.

NVIDIA's driver reports its own GPUs, the BMC all others (see `bmc` for the rows that only it has).
"""

from dataclasses import replace
from functools import partial

from hostcollector.base.model import Metric, Neighbours, Possible, Scope, TenantView
from hostcollector.base.units import BYTES_PER_KIB
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import (
    CELSIUS,
    ERRORS,
    EVENTS,
    FLAG,
    HERTZ,
    JOULES,
    NVLINK_BYTES,
    RATIO,
    SECONDS,
    WATTS,
    code,
    counted,
    measured,
    number_of,
)
from hostcollector.catalogue.rows import Twin, TwinRows, counter, gauge, info, view

NVLINK_STEP_BYTES = 2**30
"""The step of NVLink traffic on the tenant page."""

_GPU = ("gpu",)
# A GPU or an instance of one has some memory; up to 16 TiB.
_MEMORY = measured(1, 2**44, unknown=(2**32 - 1, (2**32 - 1) * BYTES_PER_KIB))
# A difference of two temperatures; -1 is possible.
HEADROOM = measured(-200, 240, unknown=())
# Rows and pages out of use: a GPU has a few hundred spares.
_PARTS = counted(1000)
_BANKS = number_of(2**20)
_SESSIONS = number_of(10_000)
_FRAMES = measured(0, 1e6, unknown=())
_LATENCY = measured(0, 60, unknown=())


def _part_of(whole: Metric) -> Possible:
    return measured(0, whole.can_be.most, unknown=whole.can_be.unknown, within=whole)


def _used(memory: Metric, name: str, tenant: TenantView | None = None) -> Metric:
    return replace(memory, name=name, can_be=_part_of(memory), help="Device memory in use.", tenant=tenant)


_rows = TwinRows(
    source="nvml",
    labels=_GPU,
    guest_prefix="libvirt_domain_gpu",
    host_prefix="hostcollector_host_gpu",
    guest_note="Starts at 0 for each owner.",
    host_note="Starts at 0 whenever the GPU comes to the host.",
)

ENERGY = _rows.counter(
    "energy_joules",
    JOULES,
    "Energy that the GPU used.",
    unit="joules",
    tenant=view(vm.GPU_ENERGY, Neighbours.WEAK, labels={"gpu": "gpu"}, whole=True),
)
THROTTLED = _rows.counter(
    "throttle_seconds",
    SECONDS,
    "Time in which the clocks were held down, by reason.",
    ("reason",),
    "seconds",
    tenant=view(vm.GPU_THROTTLED, Neighbours.WEAK, labels={"gpu": "gpu", "reason": "reason"}, whole=True),
)
ECC_ERRORS = _rows.counter("ecc_errors", ERRORS, "ECC errors, corrected or uncorrected.", ("severity",))
MEMORY_ECC_ERRORS = _rows.counter(
    "memory_ecc_errors",
    ERRORS,
    "ECC errors by memory: dram is the device memory.",
    ("memory", "severity"),
    tenant=view(
        vm.GPU_ECC_ERRORS,
        Neighbours.NONE,
        labels={"gpu": "gpu", "memory": "memory", "severity": "severity"},
        whole=True,
    ),
)
REMAPPED_ROWS = _rows.counter(
    "remapped_rows",
    _PARTS,
    "Rows of device memory replaced by spares, by their errors.",
    ("severity",),
    tenant=view(
        vm.GPU_REMAPPED_ROWS, Neighbours.NONE, labels={"gpu": "gpu", "severity": "severity"}, whole=True
    ),
)
RETIRED_PAGES = _rows.counter(
    "retired_pages", _PARTS, "Pages of device memory taken out of use, by cause.", ("cause",)
)
PCIE_REPLAYS = _rows.counter(
    "pcie_replays",
    ERRORS,
    "PCIe packets that had to be sent again.",
    tenant=view(vm.GPU_PCIE_REPLAYS, Neighbours.WEAK, labels={"gpu": "gpu"}, whole=True),
)
NVLINK_RECEIVED = _rows.counter(
    "nvlink_receive_bytes",
    NVLINK_BYTES,
    "Data that the GPU received over all its NVLinks.",
    unit="bytes",
    tenant=view(
        vm.GPU_NVLINK_RECEIVED, Neighbours.STRONG, labels={"gpu": "gpu"}, step=NVLINK_STEP_BYTES, whole=True
    ),
)
NVLINK_TRANSMITTED = _rows.counter(
    "nvlink_transmit_bytes",
    NVLINK_BYTES,
    "Data that the GPU sent over all its NVLinks.",
    unit="bytes",
    tenant=view(
        vm.GPU_NVLINK_TRANSMITTED,
        Neighbours.STRONG,
        labels={"gpu": "gpu"},
        step=NVLINK_STEP_BYTES,
        whole=True,
    ),
)
NVLINK_ERRORS = _rows.counter(
    "nvlink_errors",
    EVENTS,
    "NVLink errors by kind: crc_flit, crc_data, replay, recovery, and from the BMC some more.",
    ("kind",),
    tenant=view(vm.GPU_NVLINK_ERRORS, Neighbours.WEAK, labels={"gpu": "gpu", "kind": "kind"}, whole=True),
)
POWER = _rows.gauge(
    "power_watts",
    WATTS,
    "Power that the GPU draws.",
    unit="watts",
    tenant=view(vm.GPU_POWER, Neighbours.WEAK, labels={"gpu": "gpu"}, whole=True),
)
POWER_LIMIT = _rows.gauge("power_limit_watts", WATTS, "Power that the GPU may draw.", unit="watts")
TEMPERATURE = _rows.gauge(
    "temperature_celsius",
    CELSIUS,
    "Temperature of the GPU.",
    unit="celsius",
    tenant=view(vm.GPU_TEMPERATURE, Neighbours.WEAK, labels={"gpu": "gpu"}, whole=True),
)
MEMORY_TEMPERATURE = _rows.gauge(
    "memory_temperature_celsius", CELSIUS, "Temperature of the GPU's memory.", unit="celsius"
)
UTILIZATION = _rows.gauge(
    "utilization_ratio",
    RATIO,
    "Share of the last interval in which the engine was busy.",
    ("engine",),
    unit="ratio",
    tenant=view(vm.GPU_UTILIZATION, Neighbours.WEAK, labels={"gpu": "gpu", "engine": "engine"}),
)
MEMORY = _rows.gauge(
    "memory_bytes",
    _MEMORY,
    "Device memory (frame buffer).",
    unit="bytes",
    tenant=view(vm.GPU_MEMORY, Neighbours.NONE, labels={"gpu": "gpu"}),
)
MEMORY_USED = Twin(
    key="memory_used_bytes",
    guest=_used(
        MEMORY.guest,
        "libvirt_domain_gpu_memory_used_bytes",
        view(vm.GPU_MEMORY_USED, Neighbours.NONE, labels={"gpu": "gpu"}),
    ),
    host=_used(MEMORY.host, "hostcollector_host_gpu_memory_used_bytes"),
)
CLOCK = _rows.gauge(
    "clock_hertz",
    HERTZ,
    "Clocks at present.",
    ("clock",),
    unit="hertz",
    tenant=view(vm.GPU_CLOCK, Neighbours.WEAK, labels={"gpu": "gpu", "clock": "clock"}, whole=True),
)
CLOCKS_HELD = _rows.gauge(
    "clocks_held", FLAG, "1 for each reason for which the clocks are below their maximum now.", ("reason",)
)
ECC_ENABLED = _rows.gauge("ecc_enabled", FLAG, "1 if the memory's ECC is on.")
ROW_REMAPPING_PENDING = _rows.gauge(
    "row_remapping_pending", FLAG, "1 if rows wait for a reset to be remapped."
)
ROW_REMAPPING_FAILED = _rows.gauge(
    "row_remapping_failed", FLAG, "1 if remapping of rows has failed: the GPU is to be replaced."
)
ROW_REMAPPING_BANKS = _rows.gauge(
    "row_remapping_banks",
    _BANKS,
    "Banks of device memory by the spare rows that they have left.",
    ("spares",),
)
TEMPERATURE_HEADROOM = _rows.gauge(
    "temperature_headroom_celsius",
    HEADROOM,
    "How much warmer the GPU may get before its clocks are lowered; no temperature.",
    unit="celsius",
    tenant=view(vm.GPU_HEADROOM, Neighbours.WEAK, labels={"gpu": "gpu"}, whole=True),
)
MEMORY_POWER = _rows.gauge("memory_power_watts", WATTS, "Power that the GPU's memory draws.", unit="watts")
SRAM_ECC_THRESHOLD_EXCEEDED = _rows.gauge(
    "sram_ecc_threshold_exceeded",
    FLAG,
    "1 if the GPU's SRAM has had more ECC errors than it may: the GPU is to be replaced.",
)
PAGE_RETIREMENT_PENDING = _rows.gauge(
    "page_retirement_pending", FLAG, "1 if pages wait for a reset to be taken out of use."
)
NVLINK_UP = _rows.gauge("nvlink_up", FLAG, "1 if the NVLink is active.", ("link",))
NVLINKS_EXPECTED = _rows.gauge(
    "nvlinks_expected",
    number_of(72),
    "NVLinks that have been active since the owner got the GPU: so many should be.",
)
ENCODER_SESSIONS = _rows.gauge("encoder_sessions", _SESSIONS, "Video encoding sessions.")
ENCODER_FRAMES = _rows.gauge(
    "encoder_frames_per_second", _FRAMES, "Frames per second, averaged over the encoding sessions."
)
ENCODER_LATENCY = _rows.gauge(
    "encoder_latency_seconds", _LATENCY, "Latency of encoding, averaged over the sessions.", unit="seconds"
)
INFO = _rows.info(
    "info",
    "A GPU, its model, and how it is used: passthrough, vgpu, mig-vgpu or host.",
    ("pci_address", "vendor", "model", "numa_node", "mode"),
    source="vfio",
    tenant=view(vm.GPU_INFO, Neighbours.NONE, labels={"gpu": "gpu", "model": "model"}),
)
OBSERVABLE = _rows.gauge(
    "observable",
    FLAG,
    "1 if the source sees the GPU; with 0, or while the source is down, its series are missing.",
    ("pci_address", "source"),
    source="vfio",
    note="Each source reports this for itself.",
)

_guest = partial(gauge, source="nvml", labels=_GPU)
_host = partial(gauge, source="nvml", scope=Scope.HOST, labels=_GPU)
_MIG = (*_GPU, "gpu_instance", "compute_instance")

VGPU_INFO = info(
    name="libvirt_domain_gpu_vgpu_info",
    source="nvml",
    labels=(*_GPU, "pci_address", "vgpu_type", "vgpu_uuid", "gpu_instance", "guest_driver_version"),
    help="A vGPU as the host's driver knows it; gpu_instance is set if it has a MIG instance of its own.",
    tenant=view(vm.GPU_INFO, Neighbours.NONE, labels={"gpu": "gpu", "gpu_uuid": "vgpu_uuid"}),
)
VGPU_LICENSED = _guest(
    name="libvirt_domain_gpu_vgpu_licensed",
    can_be=FLAG,
    help="1 if the guest's driver holds a vGPU licence.",
)
VGPU_LICENSE_STATE = _guest(
    name="libvirt_domain_gpu_vgpu_license_state_id",
    can_be=code(5),
    help="Licence: 0 unknown, 1 uninitialised, 2 and 3 and 4 unlicensed, 5 licensed.",
)
NVML_UP = gauge(
    name="hostcollector_host_nvml_up",
    can_be=FLAG,
    source="nvml",
    scope=Scope.HOST,
    help="1 if NVIDIA's management library and driver answer; 0 is normal where all GPUs are passed through.",
)
NVML_INFO = info(
    name="hostcollector_host_nvml_info",
    source="nvml",
    scope=Scope.HOST,
    labels=("driver_version", "nvml_version"),
    help="NVIDIA's driver and management library.",
)
IDENTITY_INFO = info(
    name="hostcollector_host_gpu_identity_info",
    source="nvml",
    scope=Scope.HOST,
    labels=(*_GPU, "model", "serial", "gpu_uuid", "module"),
    help="What the GPU says that it is; module is its place on the baseboard.",
)
LOST = _host(
    name="hostcollector_host_gpu_lost",
    can_be=FLAG,
    help="1 if the GPU no longer answers its driver, as after falling off the bus.",
)
VGPUS = _host(
    name="hostcollector_host_gpu_vgpus",
    can_be=number_of(10_000),
    help="vGPUs that are active on the GPU.",
)
VGPU_SCHEDULER_INFO = info(
    name="hostcollector_host_gpu_vgpu_scheduler_info",
    source="nvml",
    scope=Scope.HOST,
    labels=(*_GPU, "policy"),
    help="How the GPU's time is shared out among vGPUs: best_effort, equal_share or fixed_share.",
)
XID_EVENTS = counter(
    name="hostcollector_host_gpu_xid_events_total",
    can_be=ERRORS,
    source="nvml",
    scope=Scope.HOST,
    labels=_GPU,
    help="Errors that the driver reported (Xid) since the collector began to listen.",
)
XID_EVENTS_BY_CODE = counter(
    name="hostcollector_host_gpu_xid_events_by_code_total",
    can_be=ERRORS,
    source="nvml",
    scope=Scope.HOST,
    labels=(*_GPU, "xid"),
    help="The same errors by code; codes that have not occurred are absent.",
)
MIG_ENABLED = _host(
    name="hostcollector_host_gpu_mig_enabled",
    can_be=FLAG,
    help="1 if the GPU is split into instances (MIG).",
)
MIG_INFO = info(
    name="hostcollector_host_gpu_mig_info",
    source="nvml",
    scope=Scope.HOST,
    labels=(*_MIG, "model", "mig_uuid"),
    help="A MIG instance of a GPU of the host.",
)
MIG_MEMORY = gauge(
    name="hostcollector_host_gpu_mig_memory_bytes",
    can_be=_MEMORY,
    source="nvml",
    scope=Scope.HOST,
    labels=_MIG,
    unit="bytes",
    help="Device memory of the MIG instance.",
)
MIG_MEMORY_USED = gauge(
    name="hostcollector_host_gpu_mig_memory_used_bytes",
    can_be=_part_of(MIG_MEMORY),
    source="nvml",
    scope=Scope.HOST,
    labels=_MIG,
    unit="bytes",
    help="Device memory of the MIG instance in use.",
)
