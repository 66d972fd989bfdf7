"""Rows about whether a guest lives: two checks by the rules of docs/liveness.md, and the time available."""

from hostcollector.base.model import Neighbours
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import FLAG, counted
from hostcollector.catalogue.rows import counter, gauge, info, view

CHECK = gauge(
    name="libvirt_domain_check",
    can_be=FLAG,
    source="collector",
    labels=("check",),
    help=(
        "1 if the check passed, 0 if it failed: system is what the host does for the guest, instance is the "
        "guest itself."
    ),
    note="Absent while the signs do not suffice. docs/liveness.md has the rules.",
    tenant=view(vm.STATUS_CHECK, Neighbours.WEAK, labels={"check": "check"}),
)
CHECK_INFO = info(
    name="libvirt_domain_check_reason_info",
    source="collector",
    labels=("check", "result", "reason"),
    help="Why the check failed, or why its result is unknown; absent for a check that passed.",
    note="docs/liveness.md lists the reasons.",
)
AVAILABILITY = counter(
    name="libvirt_domain_availability_seconds_total",
    # The time between an end and the next start is added at once.
    can_be=counted(1e7, step=1e-3),
    source="collector",
    labels=("state",),
    unit="seconds",
    help=("Time since the collector has known the guest: available, or unavailable as planned or unplanned."),
    note="Time without a result is in none of the three. docs/liveness.md has the rules.",
)
