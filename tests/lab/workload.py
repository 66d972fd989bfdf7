"""What a guest is asked to do, and its own account of it on the serial line (read with workload.c)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

SECTOR = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Exact work on the first disk, on the first interface, on the first vCPUs and in memory."""

    read_bytes: int = 0
    write_bytes: int = 0
    flushes: int = 0
    """How many times the written data is flushed, evenly spread; needs something to write."""
    cpu_seconds: float = 0
    """How much CPU each of the threads uses, by the guest's clock."""
    cpu_threads: int = 1
    """One per vCPU, each pinned to its own."""
    memory_bytes: int = 0
    packets: int = 0
    packet_bytes: int = 100
    """The whole Ethernet frame."""
    packets_per_second: int = 0
    """At most so many, ten at a time; 0 means as fast as the guest can."""
    delay_seconds: float = 0
    """A rest between the account before the work and the work."""
    agent_seconds: float = 0
    """How long the guest agent's port is held open before the work."""
    halts: bool = False
    """After all work the guest halts its processors, without powering off, and does nothing any more."""
    period_seconds: float = 0
    """Above 0: after the account the same work is begun anew every so many seconds, for ever."""

    def __post_init__(self) -> None:
        """Refuse what the guest could not do exactly."""
        if self.read_bytes % SECTOR or self.write_bytes % SECTOR:
            raise ValueError(f"direct I/O is done in sectors of {SECTOR} bytes")
        if self.flushes and not self.write_bytes:
            raise ValueError("there is nothing to flush without writes")

    def kernel_parameters(self) -> str:
        """Return the parameters that the kernel hands to init as environment variables."""
        wanted = {
            "READ": self.read_bytes,
            "WRITE": self.write_bytes,
            "FLUSHES": self.flushes,
            "CPU_MS": round(self.cpu_seconds * 1000),
            "CPU_THREADS": self.cpu_threads if self.cpu_seconds else 0,
            "MEMORY": self.memory_bytes,
            "PACKETS": self.packets,
            "PACKET_BYTES": self.packet_bytes,
            "PACKETS_PER_SECOND": self.packets_per_second,
            "DELAY_MS": round(self.delay_seconds * 1000),
            "AGENT_MS": round(self.agent_seconds * 1000),
            "HALTS": int(self.halts),
            "PERIOD_MS": round(self.period_seconds * 1000),
        }
        return " ".join(f"WORK_{name}={value}" for name, value in wanted.items() if value)


@dataclass(frozen=True, slots=True)
class DiskAccount:
    """One disk since boot, from the guest's /proc/diskstats; the writes without the flushes."""

    reads: int
    read_bytes: int
    writes: int
    written_bytes: int
    flushes: int


@dataclass(frozen=True, slots=True)
class CpuAccount:
    """One vCPU's seconds since boot, from the guest's /proc/stat, to a hundredth."""

    busy: float
    idle: float
    steal: float


@dataclass(frozen=True, slots=True)
class NicAccount:
    """One interface since boot, from the guest's point of view."""

    rx_bytes: int
    rx_packets: int
    tx_bytes: int
    tx_packets: int


@dataclass(frozen=True, slots=True)
class MemoryAccount:
    """The guest's /proc/meminfo in bytes."""

    total: int
    free: int
    available: int


@dataclass(frozen=True, slots=True)
class Done:
    """What the workload program itself counted, once for everything that it did."""

    read_bytes: int
    written_bytes: int
    flushes: int
    touched_bytes: int
    packets: int
    packet_bytes: int
    cpu_seconds: tuple[float, ...]
    """Per thread, by the thread's own CPU clock in the guest."""


@dataclass(frozen=True, slots=True)
class Account:
    """The guest's own account: phase "ready" (booted, before the work) or "done" (right after it)."""

    phase: str
    uptime: float
    disks: Mapping[str, DiskAccount]
    cpus: tuple[CpuAccount, ...]
    nics: Mapping[str, NicAccount]
    memory: MemoryAccount
    done: Done

    @classmethod
    def parse(cls, line: str) -> "Account":
        """Read the JSON that follows ``@account`` on the serial line."""
        shown = json.loads(line)
        return cls(
            phase=shown["phase"],
            uptime=shown["uptime"],
            disks={name: DiskAccount(**counts) for name, counts in shown["disks"].items()},
            cpus=tuple(CpuAccount(**counts) for counts in shown["cpus"]),
            nics={name: NicAccount(**counts) for name, counts in shown["nics"].items()},
            memory=MemoryAccount(**shown["memory"]),
            done=Done(**{**shown["done"], "cpu_seconds": tuple(shown["done"]["cpu_seconds"])}),
        )
