"""The status page: a snapshot as plain HTML without scripts, everything escaped.

What needs an engineer comes first, then the guests with what they use now, then the sources.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from hostcollector.base.model import Report, Snapshot, SourceState
from hostcollector.base.wording import counted, duration, one_line
from hostcollector.outputs.overview import GuestLine, Overview, TenantGroup, overview
from hostcollector.outputs.status_style import STYLE
from hostcollector.outputs.top.guests import NUMBERS, GuestRow, rows
from hostcollector.outputs.top.page import Page, page_of

LONGEST_NAME = 200
"""Characters of a name that are shown."""

REFRESH_SECONDS = 15
"""After how long a browser reads the page again."""

STILL_PATH = "/still"
"""The path of the page that a browser does not read again."""

_LOOKS = {
    SourceState.OK: ("good", "✓"),
    SourceState.PARTIAL: ("worse", "!"),
    SourceState.FAILED: ("bad", "✗"),
    SourceState.OFF: ("weak", "○"),
}
_COLUMNS = 2 + len(NUMBERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFacts:
    """The daemon's own line of the page. `uptime` is in seconds. A `still` page is not read again."""

    version: str
    uptime: float
    telemetry_path: str
    still: bool = False


def render(snapshot: Snapshot, daemon: DaemonFacts, before: Page | None = None) -> str:
    """Return the page as HTML text. Of the snapshot's facts it shows `libvirt_uri`.

    `before` is the page of the collection before: what guests use is the difference.
    """
    gist = overview(snapshot)
    parts = (
        *_head(daemon, gist, snapshot.facts.get("libvirt_uri", "")),
        *_trouble(gist, snapshot.reports),
        *_guests(gist, snapshot, before),
        *_sources([report for report in snapshot.reports if report.state is not SourceState.OFF]),
        *_notes(snapshot.reports, snapshot.notes),
        *_off([report for report in snapshot.reports if report.state is SourceState.OFF]),
        "</body></html>\n",
    )
    return "\n".join(parts)


def _text(text: str) -> str:
    """Return text that is safe between tags and in attributes, and cannot reorder the text around it."""
    short = text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
    return escape(one_line(short))


def _head(daemon: DaemonFacts, gist: Overview, uri: str) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    if not daemon.still:
        yield f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
    yield f"<title>hostcollector</title><style>{STYLE}</style></head><body>"
    yield "<h1>hostcollector</h1>"
    yield f"<p>Version {_text(daemon.version)}, up for {duration(daemon.uptime)}. {_refresh(daemon)}</p>"
    yield f"<p>libvirt at {_text(uri)} {_libvirt(gist)}.</p>"
    yield (
        f"<p>{counted(gist.guest_count, 'guest')} of {counted(gist.tenant_count, 'tenant')}, "
        f"{len(gist.unassigned)} without a tenant, {len(gist.blocked)} blocked; "
        f"{counted(gist.sample_count, 'series', 'series')} on the page.</p>"
    )
    if gist.selection:
        yield f"<p>{_text(gist.selection)}.</p>"
    path = _text(daemon.telemetry_path)
    yield (
        f'<p>For Prometheus: <a href="{path}">{path}</a>. For probes: '
        '<a href="/-/healthy">/-/healthy</a>, <a href="/-/ready">/-/ready</a>.</p>'
    )


def _refresh(daemon: DaemonFacts) -> str:
    if daemon.still:
        return '<a href="/">Refresh by itself</a>'
    return f'This page is read again every {REFRESH_SECONDS} s: <a href="{STILL_PATH}">stop that</a>'


def _libvirt(gist: Overview) -> str:
    if not gist.libvirt_up:
        return '<strong class="bad">does not answer</strong>'
    versions = ", ".join(f"{name} {_text(version)}" for name, version in gist.versions.items())
    return f"is up ({versions})" if versions else "is up"


def _trouble(gist: Overview, reports: Iterable[Report]) -> Iterator[str]:
    """Yield the guests and sources in trouble, before everything else."""
    guests = [
        f"<li><b>{_text(line.name)}</b> ({_text(group.id or 'no tenant')}): {wrong}</li>"
        for group in gist.groups
        for line in group.guests
        if (wrong := _text(", ".join(line.marks)))
    ]
    sources = [f"<li><b>configuration</b>: {_text(warning)}</li>" for warning in gist.warnings]
    sources += [
        f"<li><b>{_text(report.source)}</b> {_state(report)}{_list(report.notes)}</li>"
        for report in reports
        if report.state in {SourceState.FAILED, SourceState.PARTIAL}
    ]
    if guests or sources:
        yield '<section class="trouble">'
        yield from _section("Guests in trouble", guests)
        yield from _section("What is missing, and why", sources)
        yield "</section>"


def _section(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield f"<h2>{title}</h2><ul>"
        yield from items
        yield "</ul>"


def _list(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(one_line(note))}</li>" for note in notes)
    return f"<ul>{items}</ul>" if items else ""


def _guests(gist: Overview, snapshot: Snapshot, before: Page | None) -> Iterator[str]:
    yield "<h2>Guests by tenant</h2>"
    if not gist.groups:
        text = "No guest is selected." if gist.left_out else "No guest runs here."
        yield f'<p class="weak">{text}</p>'
        return
    now = page_of(snapshot)
    use = {row.uuid: row for row in rows(before, now)}
    yield f'<p class="weak">{_period(before, now)}</p>'
    yield '<div class="scroll" role="region" aria-label="Guests by tenant" tabindex="0">'
    yield '<table class="guests"><thead><tr><th scope="col">Guest</th><th scope="col">State</th>'
    for column in NUMBERS:
        yield f'<th scope="col" class="number">{column.title.replace(chr(10), "<br>")}</th>'
    yield "</tr></thead>"
    for group in gist.groups:
        members = [_row(use, group, line) for line in group.guests]
        yield f'<tbody><tr class="total"><th scope="rowgroup" colspan="2">{_tenant(group)}</th>'
        yield from (f'<td class="number">{column.foot(members)}</td>' for column in NUMBERS)
        yield "</tr>"
        yield from map(_guest, group.guests, members)
        yield "</tbody>"
    yield "</table></div>"


def _row(use: Mapping[str, GuestRow], group: TenantGroup, line: GuestLine) -> GuestRow:
    return use.get(line.uuid) or GuestRow(tenant=group.id, guest=line.name, uuid=line.uuid)


def _period(before: Page | None, now: Page) -> str:
    at = datetime.fromtimestamp(now.at, UTC).strftime("%H:%M:%S UTC")
    if before is None:
        return f"At {at}. What is used in a second is known after the next collection."
    return f"At {at}. Columns per second are of the last {duration(now.at - before.at)}."


def _tenant(group: TenantGroup) -> str:
    count = f'<span class="weak">({len(group.guests)})</span>'
    if not group.id:
        return f"No tenant {count}"
    name = f" {_text(group.name)}" if group.name and group.name != group.id else ""
    return f"{_text(group.id)}{name} {count}"


def _guest(line: GuestLine, row: GuestRow) -> str:
    marks = "".join(f'<br><span class="bad">✗ {_text(mark)}</span>' for mark in line.marks)
    numbers = "".join(f'<td class="number">{column.cell(row)}</td>' for column in NUMBERS)
    return (
        f'<tr><td class="name">{_text(line.name)}<br><span class="uuid">{_text(line.uuid)}</span></td>'
        f"<td>{_text(line.state) or 'state unknown'}{marks}</td>{numbers}</tr>"
    )


def _sources(reports: Iterable[Report]) -> Iterator[str]:
    # A narrow screen scrolls the table, with the keyboard too.
    yield '<h2>Sources</h2><div class="scroll" role="region" aria-label="Sources" tabindex="0">'
    yield '<table class="sources"><thead><tr><th scope="col">Source</th><th scope="col">State</th>'
    yield '<th scope="col" class="number">Took</th><th scope="col" class="number">Series</th></tr>'
    yield "</thead><tbody>"
    for report in reports:
        yield (
            f"<tr><td>{_text(report.source)}</td><td>{_state(report)}</td>"
            f'<td class="number">{duration(report.duration)}</td>'
            f'<td class="number">{report.sample_count}</td></tr>'
        )
    yield "</tbody></table></div>"


def _state(report: Report) -> str:
    """Return the state with a sign, because colour alone is not readable for every reader."""
    look, sign = _LOOKS[report.state]
    why = report.reason or report.off
    reason = f": {_text(why)}" if why else ""
    return f'<span class="{look}"><span aria-hidden="true">{sign}</span> {report.state}{reason}</span>'


def _notes(reports: Iterable[Report], notes: Iterable[str]) -> Iterator[str]:
    """Yield the remarks of sources that are not in trouble, and those about the selection of guests."""
    named = [
        (report.source, note)
        for report in reports
        if report.state in {SourceState.OK, SourceState.OFF}
        for note in report.notes
    ]
    named += [("selection", note) for note in notes]
    yield from _section(
        "Notes", [f"<li><b>{_text(name)}</b>: {escape(one_line(note))}</li>" for name, note in named]
    )


def _off(reports: Sequence[Report]) -> Iterator[str]:
    """Yield the sources that are off, folded away."""
    if reports:
        are = "is" if len(reports) == 1 else "are"
        yield f"<details><summary>{counted(len(reports), 'source')} {are} off</summary><ul>"
        yield from (f"<li><b>{_text(report.source)}</b> {_state(report)}</li>" for report in reports)
        yield "</ul></details>"
