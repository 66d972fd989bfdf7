"""Usage records as hosts write them, and a ledger in a directory of the test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, GpuUse, HourClosed, UsageRecord, hour_text
from hostcollector.gateway.database import connect
from hostcollector.gateway.settings import LedgerSettings
from hostcollector.gateway.usage.answers import Answer, Place, read_answer
from hostcollector.gateway.usage.correcting import Correction
from hostcollector.gateway.usage.database import upgrade

START = 1_795_824_000
"""An hour in November 2026, in Unix seconds."""

GIB = 2**30


def database(directory: Path) -> Engine:
    """Return a new ledger with this release's tables."""
    engine = connect(LedgerSettings(database=f"sqlite:///{directory}/ledger.db"))
    upgrade(engine)
    return engine


def ledger_name(number: int) -> str:
    """Return the name of a host's ledger."""
    return f"{number:032x}"


def vm_uuid(number: int) -> str:
    """Return the UUID of a VM."""
    return str(UUID(int=number))


def usage(
    sequence: int,
    *,
    ledger: int = 1,
    tenant: str = "a",
    vm: int = 1,
    life: int = 1,
    hour: int = 0,
    running: Sequence[tuple[int, int]] = ((0, SECONDS_PER_HOUR),),
    flavour: str = "m1",
    gpus: Sequence[GpuUse] = (),
    meters: Mapping[str, int] | None = None,
) -> UsageRecord:
    """Return a record: `hour` counts from `START`, `running` are seconds of the hour."""
    begins = START + hour * SECONDS_PER_HOUR
    seconds = sum(end - start for start, end in running)
    return UsageRecord(
        sequence=sequence,
        ledger=ledger_name(ledger),
        tenant=tenant,
        vm=vm_uuid(vm),
        life=f"{life:016x}",
        hour=begins,
        running=tuple((begins + start, begins + end) for start, end in running),
        observed_seconds=seconds,
        flavour=flavour,
        meters={
            "running_seconds": seconds,
            "vcpu_allocated_seconds": 4 * seconds,
            "vcpu_used_seconds": seconds,
            "memory_allocated_byte_seconds": 8 * GIB * seconds,
            "disk_read_bytes": 1000 * vm + hour,
            "disk_written_bytes": 2000,
            "network_received_bytes": 3000,
            **(meters or {}),
        },
        gpus=tuple(gpus),
    )


def closed(sequence: int, *, ledger: int = 1, hour: int = 0) -> HourClosed:
    """Return the line that closes an hour."""
    return HourClosed(sequence=sequence, ledger=ledger_name(ledger), hour=START + hour * SECONDS_PER_HOUR)


def content(lines: Sequence[UsageRecord | HourClosed]) -> bytes:
    """Return lines as a host sends them."""
    return "".join(f"{line.line()}\n" for line in lines).encode()


def answer(
    lines: Sequence[UsageRecord | HourClosed], *, target: str = "hv1:10177", after: int = 0, ledger: int = 1
) -> Answer:
    """Return a host's answer as the intake reads it."""
    return read_answer(target, Place(ledger=ledger_name(ledger), cursor=after), content(lines))


def correction(
    record: UsageRecord, meter: str, amount: int, *, reason: str = "a test", author: str = "ops"
) -> Correction:
    """Return what an operator asks to correct in a record."""
    hour = hour_text(record.hour)
    return Correction(
        id=record.id, vm=record.vm, hour=hour, meter=meter, amount=amount, reason=reason, author=author
    )


def clock(hours: float) -> float:
    """Return the Unix time so many hours after `START`."""
    return START + hours * SECONDS_PER_HOUR
