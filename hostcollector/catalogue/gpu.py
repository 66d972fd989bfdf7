"""Rows about GPUs and vGPUs: one family of names, for those of guests and for those of the host.

`gpu` names the device as it is given away: a PCI address, a mediated device's UUID, or, where neither is
known, the name that the teller has for it. `pci_address` is always the physical GPU on the host.

NVIDIA's driver tells of the GPUs that it has, the BMC of all others (see `bmc` for what only it tells).
"""

from functools import partial

from hostcollector.base.model import Metric, Possible, Scope
from hostcollector.base.units import BYTES_PER_KIB
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
from hostcollector.catalogue.rows import counter, gauge, info

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


# Key, which is also the name's ending before `_total`; further labels; unit; what it can be; help.
_COUNTERS: tuple[tuple[str, tuple[str, ...], str, Possible, str], ...] = (
    ("energy_joules", (), "joules", JOULES, "Energy that the GPU used."),
    (
        "throttle_seconds",
        ("reason",),
        "seconds",
        SECONDS,
        "Time in which the clocks were held down, by reason.",
    ),
    ("ecc_errors", ("severity",), "", ERRORS, "ECC errors, corrected or uncorrected."),
    (
        "memory_ecc_errors",
        ("memory", "severity"),
        "",
        ERRORS,
        "ECC errors by memory: dram is the device memory.",
    ),
    (
        "remapped_rows",
        ("severity",),
        "",
        _PARTS,
        "Rows of device memory replaced by spares, by their errors.",
    ),
    ("retired_pages", ("cause",), "", _PARTS, "Pages of device memory taken out of use, by cause."),
    ("pcie_replays", (), "", ERRORS, "PCIe packets that had to be sent again."),
    ("nvlink_receive_bytes", (), "bytes", NVLINK_BYTES, "Data that the GPU received over all its NVLinks."),
    ("nvlink_transmit_bytes", (), "bytes", NVLINK_BYTES, "Data that the GPU sent over all its NVLinks."),
    (
        "nvlink_errors",
        ("kind",),
        "",
        EVENTS,
        "NVLink errors by kind: crc_flit, crc_data, replay, recovery, and from the BMC some more.",
    ),
)
# Key, which is also the name's ending; further labels; unit; what it can be; help.
_GAUGES: tuple[tuple[str, tuple[str, ...], str, Possible, str], ...] = (
    ("power_watts", (), "watts", WATTS, "Power that the GPU draws."),
    ("power_limit_watts", (), "watts", WATTS, "Power that the GPU may draw."),
    ("temperature_celsius", (), "celsius", CELSIUS, "Temperature of the GPU."),
    ("memory_temperature_celsius", (), "celsius", CELSIUS, "Temperature of the GPU's memory."),
    (
        "utilization_ratio",
        ("engine",),
        "ratio",
        RATIO,
        "Share of the last interval in which the engine was busy.",
    ),
    ("memory_bytes", (), "bytes", _MEMORY, "Device memory (frame buffer)."),
    ("clock_hertz", ("clock",), "hertz", HERTZ, "Clocks at present."),
    (
        "clocks_held",
        ("reason",),
        "",
        FLAG,
        "1 for each reason for which the clocks are below their maximum now.",
    ),
    ("ecc_enabled", (), "", FLAG, "1 if the memory's ECC is on."),
    ("row_remapping_pending", (), "", FLAG, "1 if rows wait for a reset to be remapped."),
    ("row_remapping_failed", (), "", FLAG, "1 if remapping of rows has failed: the GPU is to be replaced."),
    (
        "row_remapping_banks",
        ("spares",),
        "",
        _BANKS,
        "Banks of device memory by the spare rows that they have left.",
    ),
    (
        "temperature_headroom_celsius",
        (),
        "celsius",
        HEADROOM,
        "How much warmer the GPU may get before its clocks are lowered; no temperature.",
    ),
    ("memory_power_watts", (), "watts", WATTS, "Power that the GPU's memory draws."),
    (
        "sram_ecc_threshold_exceeded",
        (),
        "",
        FLAG,
        "1 if the GPU's SRAM has had more ECC errors than it may: the GPU is to be replaced.",
    ),
    ("page_retirement_pending", (), "", FLAG, "1 if pages wait for a reset to be taken out of use."),
    ("nvlink_up", ("link",), "", FLAG, "1 if the NVLink is active."),
    ("encoder_sessions", (), "", _SESSIONS, "Video encoding sessions."),
    ("encoder_frames_per_second", (), "", _FRAMES, "Frames per second, averaged over the encoding sessions."),
    ("encoder_latency_seconds", (), "seconds", _LATENCY, "Latency of encoding, averaged over the sessions."),
)


def _rows(prefix: str, scope: Scope, note: str) -> dict[str, Metric]:
    """Return all rows of a GPU by key, for GPUs with an owner or for those of the host."""
    count = partial(counter, source="nvml", scope=scope, note=note)
    show = partial(gauge, source="nvml", scope=scope)
    rows = {
        key: count(name=f"{prefix}_{key}_total", can_be=can_be, labels=_GPU + labels, unit=unit, help=text)
        for key, labels, unit, can_be, text in _COUNTERS
    }
    for key, labels, unit, can_be, text in _GAUGES:
        rows[key] = show(name=f"{prefix}_{key}", can_be=can_be, labels=_GPU + labels, unit=unit, help=text)
        if key == "memory_bytes":
            rows["memory_used_bytes"] = show(
                name=f"{prefix}_memory_used_bytes",
                can_be=_part_of(rows[key]),
                labels=_GPU,
                unit="bytes",
                help="Device memory in use.",
            )
    rows["info"] = info(
        name=f"{prefix}_info",
        source="vfio",
        scope=scope,
        labels=(*_GPU, "pci_address", "vendor", "model", "numa_node", "mode"),
        help="A GPU, its model, and how it is used: passthrough, vgpu, mig-vgpu or host.",
    )
    rows["observable"] = gauge(
        name=f"{prefix}_observable",
        source="vfio",
        scope=scope,
        can_be=FLAG,
        labels=(*_GPU, "pci_address", "source"),
        help="1 if the source sees the GPU; with 0, or while the source is down, its series are missing.",
        note="Each source tells this of itself.",
    )
    return rows


GUEST = _rows("libvirt_domain_gpu", Scope.DOMAIN, "Starts at 0 for each owner.")
HOST = _rows("hostcollector_host_gpu", Scope.HOST, "Starts at 0 whenever the GPU comes to the host.")
COUNTER_KEYS = frozenset(key for key, *_ in _COUNTERS)

_guest = partial(gauge, source="nvml", labels=_GPU)
_host = partial(gauge, source="nvml", scope=Scope.HOST, labels=_GPU)
_MIG = (*_GPU, "gpu_instance", "compute_instance")

VGPU_INFO = info(
    name="libvirt_domain_gpu_vgpu_info",
    source="nvml",
    labels=(*_GPU, "pci_address", "vgpu_type", "vgpu_uuid", "gpu_instance", "guest_driver_version"),
    help="A vGPU as the host's driver knows it; gpu_instance is set if it has a MIG instance of its own.",
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
    help="1 if the GPU does not answer its driver any more, as after falling off the bus.",
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
