"""The rows of the tenant page: what a tenant sees of a VM, the same for every source and kind of device.

The rows of the other files point here (`tenant=`); one that does not is private. Names and labels are a
promise to tenants: a name lives a year after its successor.
"""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import (
    BYTES_PER_SECOND,
    CELSIUS,
    DISK_BYTES,
    DISK_SIZE,
    DURATION,
    ERRORS,
    EVENTS,
    FLAG,
    HERTZ,
    JOULES,
    MEMORY,
    NETWORK_BYTES,
    NVLINK_BYTES,
    ONE,
    PACKETS,
    RATIO,
    REQUESTS,
    SECONDS,
    SUMMED_SECONDS,
    TIMESTAMP,
    VCPUS,
    WATTS,
    counted,
    measured,
)
from hostcollector.catalogue.rows import counter, gauge, info

_vm = {"source": "tenants", "scope": Scope.VM}
_counter = partial(counter, **_vm)
_gauge = partial(gauge, **_vm)
_info = partial(info, **_vm)
_disk_counter = partial(_counter, labels=("disk",))
_nic_counter = partial(_counter, labels=("nic",))
_gpu_counter = partial(_counter, labels=("gpu",))
_gpu_gauge = partial(_gauge, labels=("gpu",))

_BALLOON = "As the balloon driver in the VM reports it; absent without one."
_RDMA = "Only where the card counts a VF's RDMA traffic apart."
_WAYS = (("receive", "received"), ("transmit", "sent"))
_WHOLE = "Only where the VM has the whole GPU."
_TEMPERATURE_MARGIN = measured(-200, 240, unknown=())
_DISK_LIMIT = measured(0, 1e15, unknown=())

INFO = _info(name="vm_info", labels=("arch",), help="The VM's architecture.")
STATE = _gauge(
    name="vm_state",
    can_be=ONE,
    labels=("state",),
    help="The state that the VM is in; 1 for this one, the others are absent.",
)
START_TIME = _gauge(
    name="vm_start_time_seconds",
    can_be=TIMESTAMP,
    unit="seconds",
    help="Since when the VM has run here for this tenant, as a Unix time.",
    note="Changes with a start, a live migration and a change of tenant: counters begin at 0 then.",
)
STATUS_CHECK = _gauge(
    name="vm_status_check",
    can_be=FLAG,
    labels=("check",),
    help="1 if the check passed, 0 if it failed: system is the platform, instance the VM itself.",
    note="Absent while it cannot be known.",
)
EVENTS_TOTAL = _counter(
    name="vm_events_total",
    can_be=counted(1e6),
    labels=("event",),
    help="What happened to the VM; crashed is a panic of its kernel.",
)
VCPU_COUNT = _gauge(name="vm_vcpus", can_be=VCPUS, help="vCPUs that are online.")
CPU_SECONDS = _counter(
    name="vm_cpu_seconds_total",
    can_be=SECONDS,
    labels=("vcpu",),
    unit="seconds",
    help="Time that the vCPU ran.",
)
CPU_WAIT = _counter(
    name="vm_cpu_wait_seconds_total",
    can_be=SECONDS,
    labels=("vcpu",),
    unit="seconds",
    help="Time that the vCPU was ready to run and waited for a physical CPU (steal).",
)
MEMORY_MAXIMUM = _gauge(
    name="vm_memory_maximum_bytes", can_be=MEMORY, unit="bytes", help="Memory that the VM may have at most."
)
MEMORY_GRANTED = _gauge(
    name="vm_memory_granted_bytes", can_be=MEMORY, unit="bytes", help="Memory that the VM has at present."
)
MEMORY_TOTAL = _gauge(
    name="vm_memory_total_bytes",
    can_be=MEMORY,
    unit="bytes",
    help="All memory that the VM's kernel sees (MemTotal).",
    note=_BALLOON,
)
MEMORY_AVAILABLE = _gauge(
    name="vm_memory_available_bytes",
    can_be=MEMORY,
    unit="bytes",
    help="Memory that the VM could still hand out without swapping (MemAvailable).",
    note=_BALLOON,
)
MEMORY_CACHE = _gauge(
    name="vm_memory_cache_bytes",
    can_be=MEMORY,
    unit="bytes",
    help="Memory that caches files and can be reclaimed.",
    note=_BALLOON,
)
MEMORY_REPORT_AGE = _gauge(
    name="vm_memory_report_age_seconds",
    can_be=DURATION,
    unit="seconds",
    help="How old the balloon driver's report is.",
)
SWAP_IN = _counter(
    name="vm_memory_swap_in_bytes_total",
    can_be=DISK_BYTES,
    unit="bytes",
    help="Memory that the VM has read back from swap.",
    note=_BALLOON,
)
SWAP_OUT = _counter(
    name="vm_memory_swap_out_bytes_total",
    can_be=DISK_BYTES,
    unit="bytes",
    help="Memory that the VM has written to swap.",
    note=_BALLOON,
)
MAJOR_FAULTS = _counter(
    name="vm_memory_major_faults_total",
    can_be=EVENTS,
    help="Page faults in the VM that needed its disk.",
    note=_BALLOON,
)
DISK_INFO = _info(
    name="vm_disk_info",
    labels=("disk", "volume", "address"),
    help="A disk: the UUID of its volume, where the platform gives it one, and its PCI address in the VM.",
)
DISK_READ_BYTES = _disk_counter(
    name="vm_disk_read_bytes_total", can_be=DISK_BYTES, unit="bytes", help="Data that the VM read."
)
DISK_WRITE_BYTES = _disk_counter(
    name="vm_disk_write_bytes_total", can_be=DISK_BYTES, unit="bytes", help="Data that the VM wrote."
)
DISK_READS = _disk_counter(name="vm_disk_read_operations_total", can_be=REQUESTS, help="Read requests.")
DISK_WRITES = _disk_counter(name="vm_disk_write_operations_total", can_be=REQUESTS, help="Write requests.")
DISK_FLUSHES = _disk_counter(name="vm_disk_flush_operations_total", can_be=REQUESTS, help="Flush requests.")
DISK_READ_TIME = _disk_counter(
    name="vm_disk_read_time_seconds_total",
    can_be=SUMMED_SECONDS,
    unit="seconds",
    help="Time that read requests took, summed; divide by the requests for the mean latency.",
)
DISK_WRITE_TIME = _disk_counter(
    name="vm_disk_write_time_seconds_total",
    can_be=SUMMED_SECONDS,
    unit="seconds",
    help="Time that write requests took, summed; divide by the requests for the mean latency.",
)
DISK_FLUSH_TIME = _disk_counter(
    name="vm_disk_flush_time_seconds_total",
    can_be=SUMMED_SECONDS,
    unit="seconds",
    help="Time that flush requests took, summed.",
)
DISK_ERRORS = _disk_counter(name="vm_disk_errors_total", can_be=counted(1e6), help="I/O errors of the disk.")
DISK_CAPACITY = _gauge(
    name="vm_disk_capacity_bytes", can_be=DISK_SIZE, labels=("disk",), unit="bytes", help="The disk's size."
)
DISK_BYTES_LIMIT = _gauge(
    name="vm_disk_limit_bytes_per_second",
    can_be=_DISK_LIMIT,
    labels=("disk", "direction"),
    help="What the disk may do at most in bytes; absent without a limit.",
)
DISK_OPERATIONS_LIMIT = _gauge(
    name="vm_disk_limit_operations_per_second",
    can_be=_DISK_LIMIT,
    labels=("disk", "direction"),
    help="What the disk may do at most in requests; absent without a limit.",
)
NETWORK_INFO = _info(
    name="vm_network_info",
    labels=("nic", "port", "address"),
    help="An interface: the UUID of its port, where the platform gives one, and its PCI address in the VM.",
)
NETWORK_RECEIVE_BYTES = _nic_counter(
    name="vm_network_receive_bytes_total",
    can_be=NETWORK_BYTES,
    unit="bytes",
    help="Data that the VM received.",
)
NETWORK_TRANSMIT_BYTES = _nic_counter(
    name="vm_network_transmit_bytes_total", can_be=NETWORK_BYTES, unit="bytes", help="Data that the VM sent."
)
NETWORK_RECEIVE_PACKETS = _nic_counter(
    name="vm_network_receive_packets_total", can_be=PACKETS, help="Packets that the VM received."
)
NETWORK_TRANSMIT_PACKETS = _nic_counter(
    name="vm_network_transmit_packets_total", can_be=PACKETS, help="Packets that the VM sent."
)
NETWORK_RECEIVE_DROPS = _nic_counter(
    name="vm_network_receive_drops_total", can_be=PACKETS, help="Packets to the VM that were dropped."
)
NETWORK_TRANSMIT_DROPS = _nic_counter(
    name="vm_network_transmit_drops_total", can_be=PACKETS, help="Packets from the VM that were dropped."
)
NETWORK_RECEIVE_ERRORS = _nic_counter(
    name="vm_network_receive_errors_total", can_be=PACKETS, help="Errors on the way to the VM."
)
NETWORK_TRANSMIT_ERRORS = _nic_counter(
    name="vm_network_transmit_errors_total", can_be=PACKETS, help="Errors on the way from the VM."
)
RDMA_RECEIVE_BYTES, RDMA_TRANSMIT_BYTES = (
    _nic_counter(
        name=f"vm_rdma_{way}_bytes_total",
        can_be=NETWORK_BYTES,
        unit="bytes",
        help=f"RDMA data (RoCE) that the VM {did}; vm_network_{way}_bytes_total has it too.",
        note=_RDMA,
    )
    for way, did in _WAYS
)
RDMA_RECEIVE_PACKETS, RDMA_TRANSMIT_PACKETS = (
    _nic_counter(
        name=f"vm_rdma_{way}_packets_total",
        can_be=PACKETS,
        help=f"RDMA packets that the VM {did}.",
        note=_RDMA,
    )
    for way, did in _WAYS
)
NETWORK_LIMIT = _gauge(
    name="vm_network_limit_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    labels=("nic", "direction"),
    help="What the interface may do at most; absent without a limit.",
)
NETWORK_LIMIT_HITS = _counter(
    name="vm_network_limit_hits_total",
    can_be=PACKETS,
    labels=("nic", "direction"),
    help="Times that the limit made a packet wait, or dropped it.",
)
NETWORK_LIMIT_DROPS = _counter(
    name="vm_network_limit_drops_total",
    can_be=PACKETS,
    labels=("nic", "direction"),
    help="Packets that the limit dropped.",
)
GPU_INFO = _info(
    name="vm_gpu_info",
    labels=("gpu", "model", "gpu_uuid", "address"),
    help="A GPU, vGPU or MIG instance: model, UUID that its driver in the VM shows, PCI address in the VM.",
    note="The address is the virtual machine's: firmware may number buses otherwise.",
)
GPU_POWER = _gpu_gauge(
    name="vm_gpu_power_watts", can_be=WATTS, unit="watts", help="Power that the GPU draws.", note=_WHOLE
)
GPU_ENERGY = _gpu_counter(
    name="vm_gpu_energy_joules_total",
    can_be=JOULES,
    unit="joules",
    help="Energy that the GPU used.",
    note=_WHOLE,
)
GPU_TEMPERATURE = _gpu_gauge(
    name="vm_gpu_temperature_celsius",
    can_be=CELSIUS,
    unit="celsius",
    help="Temperature of the GPU.",
    note=_WHOLE,
)
GPU_HEADROOM = _gpu_gauge(
    name="vm_gpu_temperature_headroom_celsius",
    can_be=_TEMPERATURE_MARGIN,
    unit="celsius",
    help="How much warmer the GPU may get before its clocks are lowered.",
    note=_WHOLE,
)
GPU_UTILIZATION = _gauge(
    name="vm_gpu_utilization_ratio",
    can_be=RATIO,
    labels=("gpu", "engine"),
    unit="ratio",
    help="Share of the last interval in which the engine was busy for the VM.",
)
GPU_MEMORY = _gpu_gauge(
    name="vm_gpu_memory_bytes", can_be=MEMORY, unit="bytes", help="Device memory (frame buffer)."
)
GPU_MEMORY_USED = _gpu_gauge(
    name="vm_gpu_memory_used_bytes", can_be=MEMORY, unit="bytes", help="Device memory in use."
)
GPU_MEMORY_USED_RATIO = _gpu_gauge(
    name="vm_gpu_memory_used_ratio", can_be=RATIO, unit="ratio", help="Share of the device memory in use."
)
GPU_CLOCK = _gauge(
    name="vm_gpu_clock_hertz",
    can_be=HERTZ,
    labels=("gpu", "clock"),
    unit="hertz",
    help="Clocks at present.",
    note=_WHOLE,
)
GPU_THROTTLED = _counter(
    name="vm_gpu_throttle_seconds_total",
    can_be=SECONDS,
    labels=("gpu", "reason"),
    unit="seconds",
    help="Time in which the clocks were held down, by reason.",
    note=_WHOLE,
)
GPU_ECC_ERRORS = _counter(
    name="vm_gpu_ecc_errors_total",
    can_be=ERRORS,
    labels=("gpu", "memory", "severity"),
    help="ECC errors by memory: dram is the device memory.",
    note=_WHOLE,
)
GPU_REMAPPED_ROWS = _counter(
    name="vm_gpu_remapped_rows_total",
    can_be=counted(1000),
    labels=("gpu", "severity"),
    help="Rows of device memory replaced by spares, by their errors.",
    note=_WHOLE,
)
GPU_PCIE_REPLAYS = _gpu_counter(
    name="vm_gpu_pcie_replays_total",
    can_be=ERRORS,
    help="PCIe packets that had to be sent again.",
    note=_WHOLE,
)
GPU_NVLINK_RECEIVED = _gpu_counter(
    name="vm_gpu_nvlink_receive_bytes_total",
    can_be=NVLINK_BYTES,
    unit="bytes",
    help="Data that the GPU received over its NVLinks.",
    note=_WHOLE,
)
GPU_NVLINK_TRANSMITTED = _gpu_counter(
    name="vm_gpu_nvlink_transmit_bytes_total",
    can_be=NVLINK_BYTES,
    unit="bytes",
    help="Data that the GPU sent over its NVLinks.",
    note=_WHOLE,
)
GPU_NVLINK_ERRORS = _counter(
    name="vm_gpu_nvlink_errors_total",
    can_be=EVENTS,
    labels=("gpu", "kind"),
    help="Errors of the GPU's own NVLink ports by kind.",
    note=_WHOLE,
)
