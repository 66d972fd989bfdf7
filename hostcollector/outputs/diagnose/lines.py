"""The report of `diagnose` as plain text: libvirt, sources, GPUs, networks, guests by tenant."""

from collections.abc import Iterable, Iterator

from hostcollector.base.model import Report, Snapshot, SourceState
from hostcollector.base.wording import counted, duration, one_line
from hostcollector.outputs.diagnose.gpus import gpu_lines, written
from hostcollector.outputs.diagnose.networks import network_lines
from hostcollector.outputs.overview import GuestLine, Overview, overview

MOST_LISTED = 20
"""Guests of a tenant that are listed, of those in trouble or without a tenant."""

TENANT_FIX = (
    "virsh metadata DOMAIN urn:hostcollector:domain:1 --key hc --live --config "
    "--set '<tenant id=\"TENANT\"/>'"
)


def healthy(snapshot: Snapshot) -> bool:
    """Whether everything could be read: libvirt answered and no source failed."""
    failed = any(report.state is SourceState.FAILED for report in snapshot.reports)
    return bool(overview(snapshot).libvirt_up) and not failed


def lines(snapshot: Snapshot) -> Iterator[str]:
    """Yield the report: libvirt, each source with what is missing and the fix, guests by tenant."""
    gist = overview(snapshot)
    yield f"libvirt at {one_line(snapshot.facts.get('libvirt_uri', ''))} {_libvirt(gist)}"
    yield from (f"configuration: {one_line(warning)}" for warning in gist.warnings)
    yield ""
    yield from _sources(snapshot.reports)
    yield ""
    gpus = gpu_lines(snapshot)
    if gpus:
        yield "GPUs:"
        yield from written(gpus)
        yield ""
    networks = [*network_lines(snapshot)]
    if networks:
        yield "Networks:"
        yield from (f"  {line}" for line in networks)
        yield ""
    yield from _guests(gist)
    if gist.selection:
        yield f"  {gist.selection}"
    yield from (f"  selection: {one_line(note)}" for note in snapshot.notes)


def _libvirt(gist: Overview) -> str:
    if not gist.libvirt_up:
        return "does not answer"
    versions = ", ".join(f"{name} {one_line(version)}" for name, version in gist.versions.items())
    return f"is up ({versions})" if versions else "is up"


def _sources(reports: Iterable[Report]) -> Iterator[str]:
    reports = sorted(reports, key=lambda report: report.state is SourceState.OFF)
    width = max((len(report.source) for report in reports), default=0)
    for report in reports:
        state = f"{report.state} ({report.reason})" if report.reason else str(report.state)
        took = duration(report.duration)
        if report.state is SourceState.OFF:
            yield f"{report.source:<{width}}  {state}: {one_line(report.off)}"
        else:
            series = f"{report.sample_count:>6} series"
            yield f"{report.source:<{width}}  {state:<20}  {series}  {took:>9}".rstrip()
        for note in report.notes:
            yield f"{'':<{width}}  - {one_line(note)}"


def _guests(gist: Overview) -> Iterator[str]:
    yield (
        f"{counted(gist.guest_count, 'guest')} of {counted(gist.tenant_count, 'tenant')}, "
        f"{len(gist.unassigned)} without a tenant, {len(gist.blocked)} blocked"
    )
    for group in gist.groups:
        name = f" {one_line(group.name)}" if group.name and group.name != group.id else ""
        title = one_line(group.id) + name if group.id else "no tenant"
        yield f"  {title}: {counted(len(group.guests), 'guest')}"
        listed = [line for line in group.guests if line.marks or not group.id]
        yield from map(_guest, listed[:MOST_LISTED])
        if len(listed) > MOST_LISTED:
            yield f"    and {counted(len(listed) - MOST_LISTED, 'guest')} more"
    if gist.groups:
        yield "  Listed are guests in trouble or without a tenant; `hostcollector top --once` lists all."
    if gist.unassigned:
        yield f"  To give a guest a tenant: {TENANT_FIX}"


def _guest(line: GuestLine) -> str:
    state = ", ".join((line.state or "state unknown", *line.marks))
    return f"    {one_line(line.name)}  {line.uuid}  {one_line(state)}"
