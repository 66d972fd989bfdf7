"""libvirt's domain events as values, with libvirt's words for kinds and details."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import libvirt

from hostcollector.protocols.libvirt.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """Something that happened to a domain. `event` and `detail` are lower-case words of a closed set.

    `device` is the alias of the disk that an I/O error is about, or of a device that was taken away.
    `job` is what libvirt reports with an event about a job. It has the typed parameters of a finished job
    (virDomainGetJobStats), ``memory_iteration`` of a migration, and ``disk`` and ``type`` of a block job.
    """

    uuid: str
    name: str
    event: str
    detail: str = ""
    device: str = ""
    job: Mapping[str, Any] = field(default_factory=dict)


Receiver = Callable[[DomainEvent], None]
Callback = Callable[..., None]


def _names(prefix: str) -> dict[int, str]:
    """Return names of constants with `prefix` by number: ``VIR_..._STOPPED_CRASHED`` is ``crashed``."""
    found: dict[int, str] = {}
    for constant, value in vars(libvirt).items():
        if constant.startswith(prefix) and not constant.endswith("_LAST") and isinstance(value, int):
            found.setdefault(value, constant.removeprefix(prefix).lower())
    return found


_LIFECYCLE = {
    0: "defined",
    1: "undefined",
    2: "started",
    3: "suspended",
    4: "resumed",
    5: "stopped",
    6: "shutdown",
    7: "pmsuspended",
    8: "crashed",
}
# Written out: other constants share the prefix.
_BLOCK_JOB = {0: "completed", 1: "failed", 2: "canceled", 3: "ready"}
# virConnectDomainEventAgentLifecycleState.
_AGENT = {1: "connected", 2: "disconnected"}
_LIFECYCLE_DETAILS = {code: _names(f"VIR_DOMAIN_EVENT_{kind.upper()}_") for code, kind in _LIFECYCLE.items()}


def subscribe(connection: Connection, receive: Receiver) -> None:
    """Send every event of the connection's domains to `receive`, in the event loop's thread.

    Kinds that this libvirt does not know are skipped.
    """
    for kind, callback in _callbacks(receive):
        number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{kind}", None)
        if number is None:
            continue
        try:
            identity = connection.raw.domainEventRegisterAny(None, number, callback, None)
        except libvirt.libvirtError:
            if not connection.alive:
                return  # the next use of the connection notices the loss
        else:
            connection.event_callbacks.append(identity)


def _callbacks(receive: Receiver) -> Iterator[tuple[str, Callback]]:
    def simple(event: str) -> Callback:
        return lambda _c, domain, *_rest: receive(_event(domain, event))

    def detailed(event: str, names: dict[int, str], position: int) -> Callback:
        def callback(_connection: Any, domain: Any, *rest: Any) -> None:
            receive(_event(domain, event, names.get(rest[position], "unknown")))

        return callback

    def lifecycle(_connection: Any, domain: Any, kind: int, detail: int, _opaque: Any) -> None:
        names = _LIFECYCLE_DETAILS.get(kind, {})
        receive(_event(domain, _LIFECYCLE.get(kind, "unknown"), names.get(detail, "unknown")))

    def io_error(_connection: Any, domain: Any, *rest: Any) -> None:
        receive(_event(domain, "io_error", str(rest[3]) or "unknown", str(rest[1] or "")))

    def removed(_connection: Any, domain: Any, alias: str, _opaque: Any) -> None:
        receive(_event(domain, "device_removed", "", str(alias or "")))

    def block_job(_connection: Any, domain: Any, disk: str, kind: int, status: int, _opaque: Any) -> None:
        event = _event(domain, "block_job", _BLOCK_JOB.get(status, "unknown"))
        receive(replace(event, job={"disk": disk, "type": kind}))

    def iteration(_connection: Any, domain: Any, number: int, _opaque: Any) -> None:
        receive(replace(_event(domain, "migration_iteration"), job={"memory_iteration": number}))

    def job_completed(_connection: Any, domain: Any, parameters: Mapping[str, Any], _opaque: Any) -> None:
        receive(replace(_event(domain, "job_completed"), job=dict(parameters)))

    yield "LIFECYCLE", lifecycle
    yield "REBOOT", simple("reboot")
    yield "IO_ERROR_REASON", io_error
    yield "WATCHDOG", detailed("watchdog", _names("VIR_DOMAIN_EVENT_WATCHDOG_"), 0)
    yield "CONTROL_ERROR", simple("control_error")
    yield "DISK_CHANGE", simple("disk_change")
    yield "METADATA_CHANGE", simple("metadata_change")
    yield "DEVICE_ADDED", simple("device_added")
    yield "DEVICE_REMOVED", removed
    yield "DEVICE_REMOVAL_FAILED", simple("device_removal_failed")
    yield "TUNABLE", simple("tunable")
    yield "BALLOON_CHANGE", simple("balloon_change")
    yield "BLOCK_JOB_2", block_job
    yield "BLOCK_THRESHOLD", simple("block_threshold")
    yield "MIGRATION_ITERATION", iteration
    yield "JOB_COMPLETED", job_completed
    yield "MEMORY_FAILURE", detailed("memory_failure", _names("VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_"), 1)
    yield "AGENT_LIFECYCLE", detailed("agent_lifecycle", _AGENT, 0)
    yield "MEMORY_DEVICE_SIZE_CHANGE", simple("memory_device_size_change")


def _event(domain: Any, event: str, detail: str = "", device: str = "") -> DomainEvent:
    return DomainEvent(
        uuid=domain.UUIDString(), name=domain.name(), event=event, detail=detail, device=device
    )
