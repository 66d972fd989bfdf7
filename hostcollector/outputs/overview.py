"""The overview of a snapshot: whether libvirt is up, guests by tenant, guests in trouble.

The status page and `diagnose` both show it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from hostcollector.base.model import Guest, Histogram, Metric, Snapshot
from hostcollector.base.wording import counted, duration
from hostcollector.catalogue import collection, guest

EXPIRES_SOON_SECONDS = 14 * 86400.0
"""Certificates with less time left are shown."""

BLOCKED_SECONDS = 1.0
"""A monitor that is busy for less is not blocked."""

TROUBLE = {
    "paused (ioerror)": "stopped by an I/O error",
    "paused (watchdog)": "stopped by its watchdog",
    "paused (postcopy_failed)": "migration failed half-way",
    "paused (api_error)": "stopped by a failed operation",
    "crashed (panicked)": "its kernel panicked",
}
"""States that need an engineer, in words."""

Labels = tuple[str, ...]
Series = Mapping[Labels, float | Histogram]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestLine:
    """A guest in one line. `state` is empty where no source reported it; `marks` are its problems."""

    name: str
    uuid: str
    state: str
    marks: tuple[str, ...]
    blocked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantGroup:
    """A tenant's guests by name. The group with the empty `id` has the guests without a tenant."""

    id: str
    name: str
    guests: tuple[GuestLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The overview. `libvirt_up` is None if the snapshot does not have it; `versions` may be empty.

    `left_out` is how many guests run here that the configuration leaves out. `warnings` are sentences about
    the configuration: a refused reload, certificates that end soon.
    """

    libvirt_up: bool | None
    versions: Mapping[str, str]
    groups: tuple[TenantGroup, ...]
    sample_count: int
    left_out: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def guest_count(self) -> int:
        """How many guests are on the page."""
        return sum(len(group.guests) for group in self.groups)

    @property
    def selection(self) -> str:
        """The sentence about guests that are left out; empty if there are none."""
        if not self.left_out:
            return ""
        them = "has" if self.left_out == 1 else "have"
        return f"{counted(self.left_out, 'more guest')} {them} no series: guests in the configuration"

    @property
    def tenant_count(self) -> int:
        """How many tenants have guests on the page."""
        return sum(1 for group in self.groups if group.id)

    @property
    def unassigned(self) -> tuple[GuestLine, ...]:
        """The guests for which no resolver knows a tenant."""
        return tuple(line for group in self.groups if not group.id for line in group.guests)

    @property
    def blocked(self) -> tuple[GuestLine, ...]:
        """The guests whose QEMU does not answer."""
        return tuple(line for group in self.groups for line in group.guests if line.blocked)


def overview(snapshot: Snapshot) -> Overview:
    """Return the overview of `snapshot`: tenants and guests in alphabetical order, unassigned ones last."""
    series = {family.metric: family.series for family in snapshot.families}
    health = _Health(series)
    everyone = sorted(
        snapshot.guests, key=lambda one: (not one.tenant.id, one.tenant.id, one.domain.name, one.domain.uuid)
    )
    groups = [
        _group(identity, tuple(members), health)
        for identity, members in groupby(everyone, key=lambda one: one.tenant.id)
    ]
    up = series.get(collection.LIBVIRT_UP, {}).get(())
    return Overview(
        libvirt_up=None if up is None else up == 1,
        versions=_versions(series.get(collection.VERSIONS_INFO, {})),
        groups=tuple(groups),
        sample_count=snapshot.sample_count,
        left_out=snapshot.left_out,
        warnings=tuple(_warnings(series, snapshot.taken_at)),
    )


def _warnings(series: Mapping[Metric, Series], now: float) -> Iterator[str]:
    if series.get(collection.CONFIG_RELOADED, {}).get(()) == 0:
        yield "the last reload was refused, the old configuration is in use: the log has the reason"
    for (setting,), end in series.get(collection.CERTIFICATE_EXPIRY, {}).items():
        if not isinstance(end, Histogram) and end - now < EXPIRES_SOON_SECONDS:
            when = f"end in {duration(end - now)}" if end > now else f"ended {duration(now - end)} ago"
            yield f"the certificates of {setting} {when}"


class _Health:
    """State and problems of each guest, from the snapshot's series by UUID."""

    def __init__(self, series: Mapping[Metric, Series]) -> None:
        self._blocked = _by_uuid(series.get(collection.MONITOR_BLOCKED, {}))
        self._timed_out = _by_uuid(series.get(collection.TIMED_OUT, {}))
        self._partial = _by_uuid(series.get(collection.STATS_PARTIAL, {}))
        reasons = series.get(guest.STATE_REASON, {})
        self._states = {labels[2]: _state(*labels[3:5]) for labels in reasons}

    def line(self, member: Guest) -> GuestLine:
        uuid = member.domain.uuid
        state = self._states.get(uuid, "")
        seconds = self._blocked.get(uuid, 0.0)
        blocked = seconds >= BLOCKED_SECONDS or self._timed_out.get(uuid) == 1
        return GuestLine(
            name=member.domain.name,
            uuid=uuid,
            state=state,
            marks=tuple(self._marks(member, state, seconds, blocked=blocked)),
            blocked=blocked,
        )

    def _marks(self, member: Guest, state: str, seconds: float, *, blocked: bool) -> Iterator[str]:
        if state in TROUBLE:
            yield TROUBLE[state]
        if blocked:
            yield f"monitor blocked for {duration(seconds)}" if seconds else "monitor does not answer"
        elif self._partial.get(member.domain.uuid) == 1:
            yield "statistics incomplete"
        if not member.domain.complete:
            yield "definition unreadable"


def _group(identity: str, members: tuple[Guest, ...], health: _Health) -> TenantGroup:
    names = (member.tenant.name for member in members if member.tenant.name)
    return TenantGroup(
        id=identity, name=next(names, ""), guests=tuple(health.line(member) for member in members)
    )


def _by_uuid(series: Series) -> dict[str, float]:
    return {labels[2]: value for labels, value in series.items() if not isinstance(value, Histogram)}


def _state(state: str, reason: str) -> str:
    usual = reason in {"", "unknown"} or (state == "running" and reason in {"booted", "unpaused"})
    return state if usual else f"{state} ({reason})"


def _versions(series: Series) -> dict[str, str]:
    names = ("QEMU", "libvirt daemon", "libvirt library")
    for labels in series:
        return {name: version for name, version in zip(names, labels, strict=True) if version}
    return {}
