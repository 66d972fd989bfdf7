"""The table of meters, and the lines of the usage ledger: what the daemon writes and the gateway reads.

A ledger is a sequence of lines of JSON. A usage record is what one VM used in one hour (UTC) of one life. A
closed hour is the line after all of its hour's records. Amounts are integers in base units: the rest of a
unit waits for the next record of the life, so a life's records add up to its last reading minus its first.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeVar

SECONDS_PER_HOUR = 3600

Word = TypeVar("Word", bound=StrEnum)

LARGEST = 2**63 - 1
"""The largest amount of a meter: what a database keeps in a column."""

LONGEST_TEXT = 128
"""Characters of a flavour, of a GPU's model and of its profile."""

LONGEST_LINE = 64 * 1024
"""Bytes of a line."""

MOST_PARTS = 4096
"""Running intervals, gaps or GPUs of one record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What is counted. `unit` is the base unit of its integers."""

    name: str
    unit: str
    help: str


_METERS = (
    Meter(name="running_seconds", unit="s", help="Time for which the VM ran or was paused by its owner"),
    Meter(name="vcpu_allocated_seconds", unit="s", help="The VM's vCPUs, times the running time"),
    Meter(name="vcpu_used_seconds", unit="s", help="Processor time that the vCPUs used"),
    Meter(name="memory_allocated_byte_seconds", unit="B.s", help="The VM's memory, times the running time"),
    Meter(name="disk_read_bytes", unit="B", help="Bytes that the VM read from all its disks"),
    Meter(name="disk_written_bytes", unit="B", help="Bytes that the VM wrote to all its disks"),
    Meter(name="disk_reads", unit="1", help="Read requests to all disks"),
    Meter(name="disk_writes", unit="1", help="Write requests to all disks"),
    Meter(
        name="disk_provisioned_byte_seconds", unit="B.s", help="The disks' capacity, times the running time"
    ),
    Meter(name="network_received_bytes", unit="B", help="Bytes that the VM received on all its interfaces"),
    Meter(name="network_transmitted_bytes", unit="B", help="Bytes that the VM sent on all its interfaces"),
    Meter(name="network_received_packets", unit="1", help="Packets that the VM received"),
    Meter(name="network_transmitted_packets", unit="1", help="Packets that the VM sent"),
    Meter(name="rdma_received_bytes", unit="B", help="Bytes received by RDMA on the VM's virtual functions"),
    Meter(name="rdma_transmitted_bytes", unit="B", help="Bytes sent by RDMA on the VM's virtual functions"),
)

METERS: Mapping[str, Meter] = {meter.name: meter for meter in _METERS}
"""All meters by name, in the sequence of a record. Receive and transmit are the VM's."""


class Ended(StrEnum):
    """Why a life ended; empty while it goes on after the hour."""

    NO = ""
    SHUTDOWN = "shutdown"
    CRASH = "crash"
    MIGRATED = "migrated"
    REBOOT = "reboot"
    RESET = "reset"
    TENANT_CHANGED = "tenant_changed"
    CLOCK_STEP = "clock_step"


class Why(StrEnum):
    """Why nothing was read for a while."""

    COLLECTOR_DOWN = "collector_down"
    HOST_DOWN = "host_down"
    UNREADABLE = "unreadable"
    CLOCK_STEP = "clock_step"


class GpuMode(StrEnum):
    """How a VM has a GPU."""

    PASSTHROUGH = "passthrough"
    VGPU = "vgpu"
    MIG = "mig"


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without readings; `start` and `end` are Unix times in seconds, `end` is not part of it."""

    reason: Why
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """GPUs of one model, mode and profile: `seconds` are of all of them, `joules` None where not measured."""

    model: str
    mode: GpuMode
    profile: str = ""
    seconds: int
    joules: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """What one VM used in one hour of one life. `hour` is the Unix time at which the hour began.

    An empty `tenant` is a VM of which no tenant was found. `running` are half-open intervals in Unix seconds.
    `observed_seconds` are the running seconds between readings, `unseen_seconds` those after the life's last
    reading. A meter that is not in `meters` is not known; 0 is a measured 0.
    """

    sequence: int
    ledger: str
    revision: int = 0
    tenant: str
    vm: str
    life: str
    hour: int
    running: tuple[tuple[int, int], ...] = ()
    observed_seconds: int
    unseen_seconds: int = 0
    gaps: tuple[Gap, ...] = ()
    ended: Ended = Ended.NO
    flavour: str = ""
    meters: Mapping[str, int] = field(default_factory=dict)
    gpus: tuple[GpuUse, ...] = ()

    @property
    def id(self) -> str:
        """What names the record everywhere: the same record sent twice has the same id."""
        return record_id(self.ledger, self.tenant, self.vm, self.life, self.hour, self.revision)

    def line(self) -> str:
        """Return the record as a line of JSON, without the line's end."""
        return _compact(
            {
                "kind": "usage",
                "sequence": self.sequence,
                "ledger": self.ledger,
                "id": self.id,
                "revision": self.revision,
                "tenant": self.tenant,
                "vm": self.vm,
                "life": self.life,
                "hour": hour_text(self.hour),
                "running": self.running,
                "observed_seconds": self.observed_seconds,
                "unseen_seconds": self.unseen_seconds,
                "gaps": [{"reason": gap.reason, "from": gap.start, "to": gap.end} for gap in self.gaps],
                "ended": self.ended,
                "flavour": self.flavour,
                "meters": {name: self.meters[name] for name in METERS if name in self.meters},
                "gpus": [_gpu_document(gpu) for gpu in self.gpus],
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HourClosed:
    """All records of the hour that began at the Unix time `hour` have smaller sequence numbers."""

    sequence: int
    ledger: str
    hour: int

    def line(self) -> str:
        """Return it as a line of JSON, without the line's end."""
        hour = hour_text(self.hour)
        return _compact({"kind": "closed", "sequence": self.sequence, "ledger": self.ledger, "hour": hour})


class UsageLineError(ValueError):
    """A line is no usage record and no closed hour; the message says why."""


def record_id(ledger: str, tenant: str, vm: str, life: str, hour: int, revision: int = 0) -> str:
    """Return the id of a record; `hour` is the Unix time at which its hour began."""
    parts = (ledger, tenant, vm, life, hour_text(hour), str(revision))
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def hour_text(hour: int) -> str:
    """Return the hour as RFC 3339 has it: ``2026-11-28T23:00:00Z``."""
    return datetime.fromtimestamp(hour, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hour_of_text(text: str) -> int:
    """Return the Unix time of an hour such as ``2026-11-28T23:00:00Z``. Raises `UsageLineError`."""
    return _hour({"hour": text})


def parse_line(line: bytes) -> UsageRecord | HourClosed:
    """Return what a line of a ledger says. Raises `UsageLineError` for what no daemon writes."""
    if len(line) > LONGEST_LINE:
        raise UsageLineError(f"longer than {LONGEST_LINE} bytes")
    try:
        document = json.loads(line.decode(), object_pairs_hook=_distinct)
    except RecursionError:
        raise UsageLineError("nested too deeply") from None
    except ValueError as error:
        raise UsageLineError(f"no JSON: {error}") from None
    match document:
        case {"kind": "usage"} if document.keys() == _USAGE_KEYS:
            return _record(document)
        case {"kind": "closed"} if document.keys() == _CLOSED_KEYS:
            return HourClosed(
                sequence=_whole(document, "sequence", 1),
                ledger=_text(document, "ledger", _LEDGER),
                hour=_hour(document),
            )
    raise UsageLineError("neither a usage record nor a closed hour")


_CLOSED_KEYS = {"kind", "sequence", "ledger", "hour"}
_USAGE_KEYS = _CLOSED_KEYS | {
    *("id", "revision", "tenant", "vm", "life", "running", "observed_seconds", "unseen_seconds", "gaps"),
    *("ended", "flavour", "meters", "gpus"),
}
_GPU_KEYS = {"model", "mode", "profile", "seconds"}
_LEDGER = re.compile(r"[0-9a-f]{32}")
_LIFE = re.compile(r"[0-9a-f]{16}")
_VM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TENANT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})?")
_HOUR = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z")


def _record(document: Mapping[str, Any]) -> UsageRecord:
    hour = _hour(document)
    record = UsageRecord(
        sequence=_whole(document, "sequence", 1),
        ledger=_text(document, "ledger", _LEDGER),
        revision=_whole(document, "revision"),
        tenant=_text(document, "tenant", _TENANT),
        vm=_text(document, "vm", _VM),
        life=_text(document, "life", _LIFE),
        hour=hour,
        running=_intervals(document["running"], hour),
        observed_seconds=_whole(document, "observed_seconds", most=SECONDS_PER_HOUR),
        unseen_seconds=_whole(document, "unseen_seconds", most=SECONDS_PER_HOUR),
        gaps=tuple(_gap(gap, hour) for gap in _list(document, "gaps")),
        ended=_one_of(document, "ended", Ended),
        flavour=_printable(document, "flavour"),
        meters=_meters(document["meters"]),
        gpus=tuple(_gpu(gpu) for gpu in _list(document, "gpus")),
    )
    if document["id"] != record.id:
        raise UsageLineError("the id is not that of the record's ledger, tenant, VM, life, hour and revision")
    length = sum(end - start for start, end in record.running)
    if record.meters.get("running_seconds") != length:
        raise UsageLineError("running_seconds is not the length of the running intervals")
    return record


def _meters(document: object) -> Mapping[str, int]:
    if not isinstance(document, dict):
        raise UsageLineError("meters is no object")
    if unknown := sorted(document.keys() - METERS.keys()):
        raise UsageLineError(f"a meter that this version does not know: {unknown[0][:LONGEST_TEXT]!a}")
    return {name: _whole(document, name) for name in METERS if name in document}


def _intervals(document: object, hour: int) -> tuple[tuple[int, int], ...]:
    """Return the intervals, which follow each other within the hour."""
    if not isinstance(document, list) or len(document) > MOST_PARTS:
        raise UsageLineError("running is no list of intervals")
    found: list[tuple[int, int]] = []
    last = hour
    for interval in document:
        match interval:
            case [int(start), int(end)] if last <= start < end <= hour + SECONDS_PER_HOUR:
                found.append((start, end))
                last = end
            case _:
                raise UsageLineError("running is not a sequence of intervals within the hour")
    return tuple(found)


def _gap(document: object, hour: int) -> Gap:
    if not isinstance(document, dict) or document.keys() != {"reason", "from", "to"}:
        raise UsageLineError("a gap has other keys than reason, from and to")
    start, end = (_whole(document, key) for key in ("from", "to"))
    if not hour <= start < end <= hour + SECONDS_PER_HOUR:
        raise UsageLineError("a gap is not within the hour")
    return Gap(_one_of(document, "reason", Why), start, end)


def _gpu(document: object) -> GpuUse:
    if not isinstance(document, dict) or document.keys() - {"joules"} != _GPU_KEYS:
        raise UsageLineError("a GPU has other keys than model, mode, profile, seconds and joules")
    return GpuUse(
        model=_printable(document, "model"),
        mode=_one_of(document, "mode", GpuMode),
        profile=_printable(document, "profile"),
        seconds=_whole(document, "seconds"),
        joules=_whole(document, "joules") if "joules" in document else None,
    )


def _gpu_document(gpu: GpuUse) -> Mapping[str, str | int]:
    known = {} if gpu.joules is None else {"joules": gpu.joules}
    return {"model": gpu.model, "mode": gpu.mode, "profile": gpu.profile, "seconds": gpu.seconds, **known}


def _hour(document: Mapping[str, Any]) -> int:
    try:
        return int(datetime.fromisoformat(_text(document, "hour", _HOUR)).timestamp())
    except ValueError:
        raise UsageLineError("hour is no hour such as 2026-11-28T23:00:00Z") from None


def _whole(document: Mapping[str, Any], key: str, least: int = 0, most: int = LARGEST) -> int:
    value = document[key]
    if type(value) is not int or not least <= value <= most:
        raise UsageLineError(f"{key} is no whole number from {least} to {most}")
    return value


def _text(document: Mapping[str, Any], key: str, form: re.Pattern[str]) -> str:
    value = document[key]
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise UsageLineError(f"{key} has another form than {form.pattern}")
    return value


def _printable(document: Mapping[str, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
        raise UsageLineError(f"{key} is no text of at most {LONGEST_TEXT} printable characters")
    return value


def _list(document: Mapping[str, Any], key: str) -> Sequence[object]:
    value = document[key]
    if not isinstance(value, list) or len(value) > MOST_PARTS:
        raise UsageLineError(f"{key} is no list of at most {MOST_PARTS} entries")
    return value


def _one_of(document: Mapping[str, Any], key: str, words: type[Word]) -> Word:
    value = document[key]
    try:
        return words(value)
    except ValueError:
        raise UsageLineError(f"{key} is a word that this version does not know") from None


def _distinct(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise UsageLineError("a key twice in one object")
    return document


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
