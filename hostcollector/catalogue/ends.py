"""Rows about ends of guests and incidents. They outlive the guest, so they are the host's."""

from functools import partial

from hostcollector.base.model import Scope
from hostcollector.catalogue.possible import TIMESTAMP, counted
from hostcollector.catalogue.rows import counter, gauge

_GUEST = ("tenant", "domain", "uuid")
_KEPT = "Kept for collection.ended_guests_seconds, at most collection.ended_guests_limit of them."
_counter = partial(counter, source="events", scope=Scope.HOST, can_be=counted(1e6))
_time = partial(gauge, source="events", scope=Scope.HOST, can_be=TIMESTAMP, unit="seconds", note=_KEPT)

ENDS = _counter(
    name="hostcollector_host_domain_ends_total",
    labels=("reason",),
    help="Guests that ended on this host since the collector started, by reason.",
    note="docs/ends.md lists the reasons.",
)
INCIDENTS = _counter(
    name="hostcollector_host_tenant_incidents_total",
    labels=("tenant", "incident"),
    help=(
        "What went wrong with a tenant's guests since the collector started: ends by crash, failure and OOM "
        "killer, panics, watchdogs, memory failures and I/O errors."
    ),
    note="Goes on after the guest has ended. docs/ends.md lists the incidents.",
)
ENDED = _time(
    name="hostcollector_host_domain_ended_timestamp_seconds",
    labels=(*_GUEST, "reason"),
    help="When the guest last ended on this host, as a Unix time.",
)
INCIDENT = _time(
    name="hostcollector_host_domain_incident_timestamp_seconds",
    labels=(*_GUEST, "incident", "detail"),
    help=(
        "When the incident last happened to the guest, as a Unix time; the detail is libvirt's, for an I/O "
        "error the disk's alias."
    ),
)
