"""Draws the table: a header, one line per guest, the totals. Text of a page is never taken as markup."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hostcollector.base.wording import counted, duration, one_line
from hostcollector.catalogue import collection
from hostcollector.outputs.overview import TROUBLE
from hostcollector.outputs.top.guests import ABSENT, NUMBERS, Column, GuestRow
from hostcollector.outputs.top.page import Page

WIDE = 130
"""Terminals narrower than this, in characters, show fewer columns."""

ALARM, WARNING, FINE = "bold red", "yellow", "green"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What is drawn: all guests, the `selected` ones as sorted, and those for which there is room."""

    host: str
    page: Page
    guests: Sequence[GuestRow]
    selected: Sequence[GuestRow]
    shown: Sequence[GuestRow]
    sort: str
    tenant: str | None = None


def drawn(screen: Screen, width: int) -> RenderableType:
    """Return the screen for a terminal of `width` characters."""
    parts: list[RenderableType] = [_headline(screen), _collector(screen.page), _table(screen, width)]
    if hidden := len(screen.selected) - len(screen.shown):
        parts.append(Text(f"and {counted(hidden, 'guest')} more", style="dim"))
    return Group(*parts)


def _headline(screen: Screen) -> Text:
    up = screen.page.of(collection.LIBVIRT_UP).get(())
    tenants = {row.tenant for row in screen.guests if row.tenant}
    blocked = sum(row.blocked for row in screen.guests)
    text = Text.assemble(
        (one_line(screen.host), "bold"),
        "   libvirt ",
        ("up", FINE) if up == 1 else ("down", ALARM),
        f"   {counted(len(screen.guests), 'guest')} of {counted(len(tenants), 'tenant')}",
    )
    if blocked:
        text.append(f"   {blocked} blocked", ALARM)
    if screen.tenant is not None:
        text.append(f"   only tenant {one_line(screen.tenant) or '(none)'}", "dim")
    return text


def _collector(page: Page) -> Text:
    version = next((labels[0] for labels in page.of(collection.BUILD_INFO)), "")
    sources = page.of(collection.SOURCE_UP)
    down = sorted(labels[0] for labels, value in sources.items() if value != 1)
    took = page.of(collection.COLLECTION_DURATION).get(())
    text = Text(f"collector {one_line(version)}".rstrip())
    text.append(f"   {len(sources) - len(down)} of {counted(len(sources), 'source')} up")
    if down:
        text.append(f"   down: {one_line(', '.join(down))}", ALARM)
    if took is not None:
        text.append(f"   collection took {duration(took)}")
    return text


def _table(screen: Screen, width: int) -> Table:
    table = Table(box=None, show_footer=True, pad_edge=False, header_style="bold", footer_style="bold")
    table.padding = (0, 1, 0, int(width >= WIDE))
    for name, least, most in (("tenant", 6, 32), ("guest", 8, 40), ("state", 7, 48)):
        footer = {"tenant": "total", "guest": counted(len(screen.selected), "guest")}.get(name, "")
        table.add_column(
            _title(name, name, screen.sort),
            Text(footer),
            min_width=least,
            max_width=most,
        )
    columns = [column for column in NUMBERS if width >= WIDE or not column.wide or column.name == screen.sort]
    for column in columns:
        title, foot = _title(column.name, column.title, screen.sort), Text(column.foot(screen.selected))
        table.add_column(title, foot, justify="right", no_wrap=True, min_width=5)
    for row in screen.shown:
        table.add_row(*_cells(row, columns), style=_style(row))
    return table


def _title(name: str, title: str, sort: str) -> Text:
    return Text(title, style="underline" if name == sort else "")


def _cells(row: GuestRow, columns: Iterable[Column]) -> Iterator[Text]:
    # Cut, not wrapped: the column may shrink on a narrow terminal, a row stays one line.
    for text in (row.tenant, row.guest, condition(row)):
        yield Text(one_line(text) or ABSENT, no_wrap=True, overflow="ellipsis")
    for column in columns:
        yield Text(column.cell(row))


def condition(row: GuestRow) -> str:
    """Return the guest's state in words: how long it has been blocked, why it is not running."""
    state = row.state or ABSENT
    if row.state not in {"", "running"} and row.reason not in {"", "unknown"}:
        state = f"{state} ({row.reason})"
    if row.blocked:
        seconds = row.blocked_seconds
        return f"blocked {duration(seconds)}, {state}" if seconds else f"monitor does not answer, {state}"
    return state


def _style(row: GuestRow) -> str:
    if row.blocked or f"{row.state} ({row.reason})" in TROUBLE:
        return ALARM
    return WARNING if row.state not in {"", "running"} else ""
