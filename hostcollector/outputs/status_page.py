"""The status page: a snapshot as plain HTML without scripts, everything escaped."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from hostcollector.base.model import Report, Snapshot, SourceState
from hostcollector.base.wording import counted, duration, one_line
from hostcollector.outputs.overview import GuestLine, Overview, TenantGroup, overview

LONGEST_NAME = 200
"""Characters of a name that are shown."""

_LOOKS = {
    SourceState.OK: ("good", "✓"),
    SourceState.PARTIAL: ("worse", "!"),
    SourceState.FAILED: ("bad", "✗"),
    SourceState.OFF: ("weak", "○"),
}

STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1a1a1a; --weak: #5f6368; --line: #d8dadd;
  --band: #f4f5f7; --link: #0b57d0; --good: #1b6e2d; --worse: #8a5300; --bad: #b3261e; --badband: #fdecea }
@media (prefers-color-scheme: dark) {
  :root { --page: #121417; --text: #e6e6e6; --weak: #a2a8ae; --line: #33383e; --band: #1b1f24;
    --link: #8ab4f8; --good: #81c995; --worse: #fdd663; --bad: #ff8a80; --badband: #35191a }
}
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem;
  color: var(--text); background: var(--page) }
a { color: var(--link) }
h1 { font-size: 1.5rem; margin: 0 0 .5rem } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; overflow-wrap: anywhere }
p { margin: .3rem 0 }
.trouble { background: var(--badband); border-left: .3rem solid var(--bad); padding: .1rem 1rem .6rem;
  margin-top: 1.2rem }
.trouble h2 { margin-top: .6rem }
ul { margin: .3rem 0; padding-left: 1.2rem } li { margin: .2rem 0; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem .4rem }
thead th { font-weight: 600; color: var(--weak) }
tr { border-bottom: 1px solid var(--line) }
tbody tr:hover { background: var(--band) }
.sources td { white-space: nowrap }
.guests { table-layout: fixed }
.guests td { overflow-wrap: anywhere }
.guests td:first-child { width: 60% }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.good { color: var(--good) }
.worse { color: var(--worse); font-weight: 600 }
.bad { color: var(--bad); font-weight: 600 }
.weak { color: var(--weak); font-weight: normal }
.uuid { font: .8em ui-monospace, monospace; color: var(--weak) }
@media (max-width: 30rem) {
  th, td { padding: .35rem .5rem .35rem 0 } .sources { font-size: .9rem }
  .guests td:first-child { width: 66% } .uuid { font-size: .7em }
}
"""
"""The style sheet: light or dark as the reader's system is, readable on a phone.

Colours have a contrast of at least 4.5 to 1 with their background (WCAG 2.2, level AA).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFacts:
    """The daemon's own line of the page. `uptime` is in seconds."""

    version: str
    uptime: float
    telemetry_path: str


def render(snapshot: Snapshot, daemon: DaemonFacts) -> str:
    """Return the page as HTML text. Of the snapshot's facts it shows `libvirt_uri`."""
    gist = overview(snapshot)
    parts = (
        *_head(daemon, gist, snapshot.facts.get("libvirt_uri", "")),
        *_trouble(gist),
        *_missing(snapshot.reports, snapshot.notes),
        *_sources(snapshot.reports),
        *_guests(gist),
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
    yield f"<title>hostcollector</title><style>{STYLE}</style></head><body>"
    yield "<h1>hostcollector</h1>"
    yield f"<p>Version {_text(daemon.version)}, up for {duration(daemon.uptime)}.</p>"
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


def _libvirt(gist: Overview) -> str:
    if not gist.libvirt_up:
        return '<strong class="bad">does not answer</strong>'
    versions = ", ".join(f"{name} {_text(version)}" for name, version in gist.versions.items())
    return f"is up ({versions})" if versions else "is up"


def _trouble(gist: Overview) -> Iterator[str]:
    """Yield the guests in trouble, before everything else."""
    entries = [
        f"<li><b>{_text(line.name)}</b> ({_text(group.id or 'no tenant')}): {wrong}</li>"
        for group in gist.groups
        for line in group.guests
        if (wrong := _text(", ".join(line.marks)))
    ]
    if entries:
        yield '<section class="trouble"><h2>Guests in trouble</h2><ul>'
        yield from entries
        yield "</ul></section>"


def _missing(reports: Iterable[Report], notes: Iterable[str]) -> Iterator[str]:
    """Yield the notes of all sources, and those about the selection of guests."""
    named = [(report.source, note) for report in reports for note in report.notes]
    named += [("selection", note) for note in notes]
    entries = [f"<li><b>{_text(name)}</b>: {escape(one_line(note))}</li>" for name, note in named]
    if entries:
        yield "<h2>What is missing, and why</h2><ul>"
        yield from entries
        yield "</ul>"


def _sources(reports: Iterable[Report]) -> Iterator[str]:
    # A narrow screen scrolls the table, with the keyboard too.
    yield '<h2>Sources</h2><div class="scroll" role="region" aria-label="Sources" tabindex="0">'
    yield '<table class="sources"><thead><tr><th>Source</th><th>State</th>'
    yield '<th class="number">Took</th><th class="number">Series</th></tr></thead><tbody>'
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


def _guests(gist: Overview) -> Iterator[str]:
    yield "<h2>Guests by tenant</h2>"
    if not gist.groups:
        text = "No guest is selected." if gist.left_out else "No guest runs here."
        yield f'<p class="weak">{text}</p>'
    for group in gist.groups:
        yield f'<h3>{_tenant(group)}</h3><table class="guests"><tbody>'
        yield from map(_guest, group.guests)
        yield "</tbody></table>"


def _tenant(group: TenantGroup) -> str:
    count = f'<span class="weak">({len(group.guests)})</span>'
    if not group.id:
        return f"No tenant {count}"
    name = f" {_text(group.name)}" if group.name and group.name != group.id else ""
    return f"{_text(group.id)}{name} {count}"


def _guest(line: GuestLine) -> str:
    marks = "".join(f'<br><span class="bad">✗ {_text(mark)}</span>' for mark in line.marks)
    return (
        f'<tr><td>{_text(line.name)}<br><span class="uuid">{_text(line.uuid)}</span></td>'
        f"<td>{_text(line.state) or 'state unknown'}{marks}</td></tr>"
    )
