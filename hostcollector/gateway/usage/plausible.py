"""What a record can say: larger amounts are no usage but a fault, or a lie."""

from collections.abc import Mapping

from hostcollector.catalogue.usage import LARGEST, SECONDS_PER_HOUR, UsageRecord

_VCPUS = 4096
_MEMORY_BYTES = 2**48
_DISK_BYTES = 2**51
_BYTES_PER_SECOND = 2**40
_OPERATIONS_PER_SECOND = 10**9
_GPUS = 1024
_WATTS = 10_000

MOST: Mapping[str, int] = {
    "running_seconds": SECONDS_PER_HOUR,
    "vcpu_allocated_seconds": _VCPUS * SECONDS_PER_HOUR,
    "vcpu_used_seconds": _VCPUS * SECONDS_PER_HOUR,
    "memory_allocated_byte_seconds": _MEMORY_BYTES * SECONDS_PER_HOUR,
    "disk_read_bytes": _BYTES_PER_SECOND * SECONDS_PER_HOUR,
    "disk_written_bytes": _BYTES_PER_SECOND * SECONDS_PER_HOUR,
    "disk_reads": _OPERATIONS_PER_SECOND * SECONDS_PER_HOUR,
    "disk_writes": _OPERATIONS_PER_SECOND * SECONDS_PER_HOUR,
    "disk_provisioned_byte_seconds": _DISK_BYTES * SECONDS_PER_HOUR,
    "network_received_bytes": _BYTES_PER_SECOND * SECONDS_PER_HOUR,
    "network_transmitted_bytes": _BYTES_PER_SECOND * SECONDS_PER_HOUR,
    "network_received_packets": _OPERATIONS_PER_SECOND * SECONDS_PER_HOUR,
    "network_transmitted_packets": _OPERATIONS_PER_SECOND * SECONDS_PER_HOUR,
    "rdma_received_bytes": _BYTES_PER_SECOND * SECONDS_PER_HOUR,
    "rdma_transmitted_bytes": _BYTES_PER_SECOND * SECONDS_PER_HOUR,
}
"""The most of each meter in one record."""

assert max(MOST.values()) <= LARGEST


def implausible(record: UsageRecord) -> str:
    """Return why a record cannot be true, empty if it can."""
    for name, value in record.meters.items():
        if value > MOST[name]:
            return f"{name} is above {MOST[name]}"
    if record.revision:
        return "a host corrects no records: corrections are the operator's"
    for gpu in record.gpus:
        if gpu.seconds > _GPUS * SECONDS_PER_HOUR:
            return "a GPU has more seconds than GPUs have"
        if gpu.joules is not None and gpu.joules > _WATTS * max(gpu.seconds, SECONDS_PER_HOUR):
            return "a GPU has more joules than its seconds can have"
    return ""
